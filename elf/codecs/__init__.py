"""The table of codecs. One more codec is one file and one line here: see `base.py`."""

from __future__ import annotations

from elf.codecs.base import Codec
from elf.codecs.constant import Constant
from elf.codecs.delta import Delta, Difference, Xor
from elf.codecs.distance import Distance
from elf.codecs.elf import Elf
from elf.codecs.narrow import Narrow
from elf.codecs.packed import Packed
from elf.codecs.pco import Pcodec
from elf.codecs.sparse import Sparse
from elf.codecs.split import Split
from elf.codecs.steps import Steps
from elf.codecs.stored import Stored
from elf.codecs.strip import Strip
from elf.codecs.table import Table
from elf.codecs.zstd import Zstd

_ALL: tuple[type[Codec], ...] = (
    Constant, Sparse, Table, Narrow, Strip, Elf, Split, Packed, Pcodec, Steps, Zstd, Stored, Distance, Xor, Difference,
)  # fmt: skip

CODECS: dict[str, type[Codec]] = {codec.name: codec for codec in _ALL}
"""Every codec by its name, cheapest to decode first: of two that give the same size, the earlier one is taken."""

LOSSLESS: tuple[Codec, ...] = tuple(codec() for codec in _ALL if codec.lossless and not issubclass(codec, Delta))
"""Every lossless codec that needs nothing but the tensor, with its default parameters."""

DELTAS: tuple[Delta, ...] = (Xor(), Difference())
"""Every codec that needs a relative."""
