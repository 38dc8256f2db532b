"""lmzip: planes of float fields with a coder of its own; it works on files, and reads the formats of models."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from elf.codecs.base import Values
from elf.codecs.peers.base import Peer, fill
from elf.errors import ElfError

TYPES = {"f16": "F16", "bf16": "BF16", "f32": "F32", "f64": "F64", "u8": "U8"}


@dataclass(frozen=True)
class Lmzip(Peer):
    """One archive a block, of a safetensors file with one tensor; bytes (u8) as the file that they are, one worker.

    lmzip finds out by itself what kind of model file bytes are. Its archive's head and names are counted.
    """

    name = "lmzip"
    package = "lmzip"
    units = ("file", "layer")
    settings = ({"level": 1},)
    smallest = 4096
    level: int = 1

    def applies(self, dtype: str) -> bool:
        return dtype in TYPES

    def encode(self, values: Values, dtype: str) -> bytes:
        import lmz

        with tempfile.TemporaryDirectory() as folder:
            source, archive = Path(folder, "w"), Path(folder, "a")
            with source.open("wb") as stream:
                stream.write(_head(values.size, values.nbytes, dtype))
                stream.write(values.view("u1").data)
            lmz.compress(str(source), str(archive), level=self.level, workers=1)
            return archive.read_bytes()

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        import lmz

        with tempfile.TemporaryDirectory() as folder:
            archive, restored = Path(folder, "a"), Path(folder, "w")
            archive.write_bytes(data)
            head = _head(out.size, out.nbytes, dtype)
            try:
                if lmz.info(str(archive))["original_size"] != len(head) + out.nbytes:
                    raise ElfError("damaged data: the archive is of another size")
                lmz.decompress(str(archive), str(restored), workers=1)
                raw = restored.read_bytes()
            except ElfError:
                raise
            except Exception as error:  # a library of pure Python raises whatever damaged data makes it stumble over
                raise ElfError(f"damaged data: lmzip: {' '.join(str(error).split())[:200]}") from error
        fill(out, raw[len(head) :])


def _head(count: int, nbytes: int, dtype: str) -> bytes:
    """The head of a safetensors file of one tensor; of bytes there is none."""
    if dtype == "u8":
        return b""
    text = json.dumps({"w": {"dtype": TYPES[dtype], "shape": [count], "data_offsets": [0, nbytes]}}).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
