"""zstd beyond one unit: dictionaries trained on some units and used on others, and matches across a family's files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import zstandard

from analysis.compression.coding import LENGTH_BYTES
from analysis.compression.units import chunks, files, layers
from elf.errors import ElfError
from elf.formats.base import ModelFile

LONG_WINDOW = 27
"""Binary logarithm of the window in bytes: the most that zstd decodes without being told to."""
WINDOW_ROOM = 1 << 25
FED = 1 << 23
"""Bytes fed to a stream at a time."""


def units_of(models: Sequence[ModelFile], unit: str, largest_layer: int) -> list[bytes]:
    """All chunks of a size (`chunk-4096`), or all layers of at most `largest_layer` bytes, of all files in order."""
    if unit == "layer":
        found = (piece for model in models for piece in layers(model) if piece.values.nbytes <= largest_layer)
    else:
        size = int(unit.removeprefix("chunk-"))
        found = (piece for model in models for piece in chunks(model, size))
    return [piece.values.tobytes() for piece in found]


def trained(units: list[bytes], level: int, size: int, most: int) -> dict[str, int] | None:
    """A dictionary of at most `size` bytes from the even units, the odd ones with and without it, all decoded again.

    Of more than `most` bytes to train on, every so many units are taken. None when there is too little to train on.
    """
    train, test = units[::2], units[1::2]
    step = max(1, -(-sum(map(len, train)) // most))
    samples: list[bytes | bytearray | memoryview] = [unit for unit in train[::step] if len(unit) >= 8]
    try:
        made = zstandard.train_dictionary(size, samples, level=level)
    except (zstandard.ZstdError, ValueError):
        return None
    with_it, without = _coded(test, level, made), _coded(test, level, None)
    return {
        "n_train": len(samples),
        "n_test": len(test),
        "bytes_in": sum(map(len, test)),
        "bytes_dictionary": len(made.as_bytes()),
        "bytes_out": with_it,
        "bytes_out_without": without,
    }


def _coded(units: list[bytes], level: int, made: Any) -> int:
    """Bytes of the units, each apart: the shorter of frame and raw, and its length."""
    named = {} if made is None else {"dict_data": made}
    coder = zstandard.ZstdCompressor(level=level, write_content_size=False, write_dict_id=False, **named)
    decoder = zstandard.ZstdDecompressor(**named)
    total = 0
    for unit in units:
        frame = coder.compress(unit)
        if decoder.decompress(frame, max_output_size=len(unit)) != unit:
            raise ElfError("zstd with a trained dictionary gave other bytes back than it was given")
        total += min(len(frame), len(unit)) + LENGTH_BYTES
    return total


def streamed(pieces: Iterator[bytes], level: int, window: int | None) -> int:
    """Bytes of one zstd frame over all pieces one after the other; with a `window` long-distance matching is on."""
    own = zstandard.ZstdCompressionParameters.from_level(level)
    if window is not None:
        own = zstandard.ZstdCompressionParameters.from_level(level, window_log=window, enable_ldm=True)
    coder, decoder = zstandard.ZstdCompressor(compression_params=own).compressobj(), zstandard.ZstdDecompressor(
        max_window_size=1 << (LONG_WINDOW + 1)
    ).decompressobj()  # fmt: skip
    total = 0
    for piece in pieces:
        total += _passed(coder.compress(piece) + coder.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK), decoder, piece)
    return total + len(coder.flush())


def _passed(coded: bytes, decoder: Any, piece: bytes) -> int:
    """The length of what was coded, once it decodes to the piece."""
    if decoder.decompress(coded) != piece:
        raise ElfError("zstd gave other bytes back than it was given")
    return len(coded)


def pieces(models: Sequence[ModelFile]) -> Iterator[bytes]:
    """The bytes of all files in order, `FED` at a time; what was read is given back."""
    for model in models:
        for piece in files(model):
            for start in range(0, piece.values.size, FED):
                yield piece.values[start : start + FED].tobytes()
        model.release()
