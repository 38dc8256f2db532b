"""zipnn as a codec of ours, by a process of another Python that may end at any time: see `zipnn_worker.py`."""

from __future__ import annotations

import json
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer

from analysis.errors import UsageError
from elf.codecs.base import Codec, Values
from elf.codecs.peers.base import fill
from elf.errors import ElfError

WORKER = Path(__file__).with_name("zipnn_worker.py")
DTYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}
"""What zipnn calls the dtypes that it knows."""
PATIENCE = 300.0
"""Seconds until a worker that does not answer is ended."""


class Worker:
    """The other interpreter. One that ended is started anew for the next request. Raises ElfError for what was lost."""

    def __init__(self, python: Path) -> None:
        self._python = python
        self._process: subprocess.Popen[bytes] | None = None
        self.versions: dict[str, str] = {}

    def ask(self, call: str, dtype: str, data: bytes) -> bytes:
        """`compress` or `decompress` this data."""
        request = json.dumps({"call": call, "dtype": DTYPES[dtype], "bytes": len(data)}).encode()
        process = self._process or self.start()
        timer = Timer(PATIENCE, process.kill)
        timer.start()
        try:
            return self._exchange(process, request + b"\n" + data)
        except (OSError, ValueError) as error:
            raise ElfError(f"zipnn's process ended in {call}: {self.stop() or error}") from None
        finally:
            timer.cancel()

    def start(self) -> subprocess.Popen[bytes]:
        """Start the process and hear its versions. Raises UsageError when zipnn cannot be imported there."""
        # -P: the worker's own folder holds a zipnn.py too, ours.
        call = [str(self._python), "-P", str(WORKER)]
        process = subprocess.Popen(
            call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=-1
        )
        self._process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        found = json.loads(line) if line else {"error": self.stop()}
        if "error" in found:
            raise UsageError(
                f"{self._python} cannot import zipnn ({found['error']}): remove that environment, then: make zipnn"
            )
        self.versions = found
        return process

    def stop(self) -> str:
        """End the process; says how it ended."""
        process, self._process = self._process, None
        if process is None:
            return ""
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except OSError:
                continue  # what could not be written was for a process that is gone
        code = process.wait()
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def _exchange(self, process: subprocess.Popen[bytes], message: bytes) -> bytes:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(message)
        process.stdin.flush()
        head = json.loads(process.stdout.readline())
        if "error" in head:
            raise ElfError(f"zipnn refused: {head['error']}")
        body = process.stdout.read(head["bytes"])
        if len(body) != head["bytes"]:
            raise ValueError("its answer is cut short")
        return body


@dataclass(frozen=True)
class Zipnn(Codec):
    """zipnn's container around one block, by its worker."""

    name = "zipnn"
    worker: Worker = field(repr=False)

    def encode(self, values: Values, dtype: str) -> bytes:
        """The whole container, header included."""
        return self.worker.ask("compress", dtype, values.tobytes())

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        """What zipnn makes of its container."""
        fill(out, self.worker.ask("decompress", dtype, bytes(data)))
