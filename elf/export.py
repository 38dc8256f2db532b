"""The tensors of an Elves file of any origin as one plain safetensors file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from elf.container import ElvesFile
from elf.files import replacing
from elf.index import escaped
from elf.tensor import DTYPES, Tensor

Progress = Callable[[int], None]

# safetensors has no name for these: they are written as their bytes, and __metadata__ says what they are.
_UNNAMED = {"c128", "i2", "i4", "u2", "u4"}


def export(file: ElvesFile, target: Path, *, jobs: int = 1, progress: Progress | None = None) -> None:
    """Write all tensors, aliases included; names that safetensors reserves are escaped as in FORMAT.md.

    Raises ElfError when the file is damaged or the target cannot be written; what was there then remains.
    """
    # Wide elements first, as the reference implementation does, so that every tensor is aligned.
    tensors = sorted(file.tensors, key=lambda tensor: -_alignment(tensor))
    header = _header(tensors)
    with replacing(target) as (stream,):
        stream.write(len(header).to_bytes(8, "little") + header)
        for tensor in tensors:
            for piece in file.pieces(tensor, threads=jobs):
                stream.write(piece.data)
                file.release()
                if progress is not None:
                    progress(piece.size)


def _alignment(tensor: Tensor) -> int:
    return DTYPES[tensor.dtype].block_bytes if DTYPES[tensor.dtype].block == 1 else 1


def safetensors_dtype(dtype: str) -> str | None:
    """The name that safetensors has for a dtype, None if it has none."""
    if dtype in _UNNAMED or (DTYPES[dtype].numpy is None and not DTYPES[dtype].is_float):
        return None
    return "F4" if dtype == "f4_e2m1" else dtype.upper()


def _header(tensors: list[Tensor]) -> bytes:
    entries: dict[str, object] = {}
    metadata = {"format": "pt"}  # what transformers asks for before it loads a file
    start = 0
    for tensor in tensors:
        dtype, shape = safetensors_dtype(tensor.dtype), tensor.shape
        if dtype is None:
            metadata[f"elves.dtype.{tensor.name}"] = f"{tensor.dtype} {list(tensor.shape)}"
            dtype, shape = "U8", (tensor.nbytes,)
        offsets = (start, start + tensor.nbytes)
        entries[escaped(tensor.name)] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        start += tensor.nbytes
    text = json.dumps({"__metadata__": metadata, **entries}, ensure_ascii=False, separators=(",", ":")).encode()
    return text.ljust(-(-len(text) // 8) * 8)
