"""zipnn behind a pipe, for the Python of its own environment: nothing of this project is imported here.

A request on stdin is a line of JSON, `{"call": "compress" or "decompress", "dtype": "float32", "bytes": 4096}`, and so
many bytes; the answer on stdout is a line, `{"bytes": 1234}` or `{"error": "..."}`, and so many bytes. The first line,
before any request, is the versions of what was imported.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import IO


def main() -> None:
    """Answer requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not stand among the answers
    try:
        from zipnn import ZipNN
    except Exception as error:
        _answer(answers, {"error": f"{type(error).__name__}: {error}"}, b"")
        return
    _answer(answers, {name: _version(name) for name in ("zipnn", "torch")}, b"")
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        data = bytearray(sys.stdin.buffer.read(request["bytes"]))  # our copy: compress() overwrites it
        try:
            # A new object each time, so that decoding knows nothing but the coded bytes.
            coder = ZipNN(input_format="byte", bytearray_dtype=request["dtype"], threads=1)
            made = bytes(getattr(coder, request["call"])(data))
        except Exception as error:
            _answer(answers, {"error": f"{type(error).__name__}: {error}"}, b"")
        else:
            _answer(answers, {"bytes": len(made)}, made)


def _answer(answers: IO[bytes], head: dict[str, str | int], body: bytes) -> None:
    answers.write(json.dumps(head).encode() + b"\n" + body)
    answers.flush()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "of no known version"


if __name__ == "__main__":
    main()
