"""An Elves file of a few kilobytes in which several codecs, an alias and a duplicate occur."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import format_files as files
import numpy as np
from numpy.typing import NDArray

import elf
from elf import writer
from elf.codecs.base import Codec
from elf.codecs.elf import Elf
from elf.codecs.pco import Pcodec
from elf.codecs.sparse import Sparse
from elf.codecs.split import Split
from elf.codecs.stored import Stored
from elf.codecs.table import Table
from elf.codecs.zstd import Zstd
from elf.container import ElvesFile
from elf.formats.base import Bytes
from elf.info import describe
from elf.restore import restored


@dataclass(frozen=True)
class SmallFile:
    """The bytes of an Elves file, and what they hold."""

    data: Bytes
    restored: bytes
    described: list[tuple[object, ...]]
    codecs: set[str]


def small_file(folder: Path) -> SmallFile:
    """Write the model file and the Elves file into `folder`."""
    rng = np.random.default_rng(7)
    weight = (rng.standard_normal((13, 20)) * 0.05).astype("<f4")
    single = np.where(rng.random((13, 20)) < 0.03, weight, np.float32(0)).astype("<f4")
    made: list[tuple[Codec, NDArray[Any]]] = [
        (Elf(-23), weight),
        (Split(), weight + 1),
        (Table(), rng.choice(weight.reshape(-1)[:9], (13, 20))),
        (Sparse(), single),
        (Pcodec(), weight + 2),
        (Zstd(), single + 1),
    ]
    torch = files.Torch()
    state: dict[str, object] = {codec.name: torch.tensor(array) for codec, array in made}
    state |= {"twin": torch.tensor(weight), "small": torch.tensor(np.arange(5, dtype="<i8"))}
    shared = torch.storage(weight + 3)
    state |= {name: files.view(shared, 0, (13, 20), (20, 1)) for name in ("tied", "tied again")}
    (folder / "m.pt").write_bytes(torch.zip(state))
    with _forced([codec for codec, _ in made]):
        elf.compress(folder / "m.pt", folder / "m.elves", jobs=1)
    return _read(folder / "m.elves")


@contextmanager
def _forced(codecs: list[Codec]) -> Iterator[None]:
    """Each codec for one tensor in turn, and then the usual choice."""
    order = iter(codecs)
    usual = writer.candidates

    def candidates(*args: Any) -> list[Codec]:
        codec = next(order, None)
        return usual(*args) if codec is None else [codec, Stored()]

    with mock.patch.object(writer, "candidates", candidates):
        yield


def _read(path: Path) -> SmallFile:
    with ElvesFile(path) as file:
        codecs = {choice.codec for choice in describe(file).choices if choice.codec}
        described = [(t.name, t.dtype, t.shape, t.role, t.offset, t.alias_of) for t in file.tensors]
        content = b"".join(bytes(piece) for piece in restored(file))
    return SmallFile(np.frombuffer(path.read_bytes(), np.uint8), content, described, codecs)
