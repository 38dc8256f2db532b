"""The entropy stage that codecs share: bytes through zstd's Huffman coder, or as they are, whichever is smaller."""

from __future__ import annotations

import threading

import zstandard

from elf.codecs.varint import Bytes
from elf.errors import ElfError

_PIECE = 4096
_LONG = 16 * _PIECE
_MAGICLESS = zstandard.FORMAT_ZSTD1_MAGICLESS

# Planes hold no repeated phrases: a tiny match finder with long matches only is faster than level 1, and its output is
# smaller, because a few false matches do not break up the literals. Levels below 1 switch the Huffman coder off.
_PLANE = zstandard.ZstdCompressionParameters(
    format=_MAGICLESS,
    window_log=17,
    hash_log=6,
    min_match=7,
    strategy=zstandard.STRATEGY_FAST,
    write_content_size=False,
    write_checksum=False,
)

_local = threading.local()


def squeeze(raw: Bytes) -> tuple[bytes, Bytes]:
    """A byte that says how `raw` is kept, and what is kept: 0 and `raw` itself, or 1 and its shorter zstd frame."""
    if not _promising(raw):
        return b"\0", raw
    packed: bytes = _compressor().compress(raw)
    return (b"\1", packed) if len(packed) < len(raw) else (b"\0", raw)


def expand(data: memoryview, size: int) -> Bytes:
    """The `size` bytes that `squeeze` took. Raises ElfError when `data` is damaged."""
    kind = data[0] if data else -1
    if kind == 0 and len(data) == size + 1:
        return data[1:]
    if kind != 1:
        raise ElfError("damaged data: a plane has the wrong length")
    return expand_frame(data[1:], size, _decompressor(), _MAGICLESS)


def expand_frame(frame: Bytes, size: int, decompressor: zstandard.ZstdDecompressor, format: int) -> bytes:
    """The `size` bytes of one zstd frame. Raises ElfError when it holds anything else."""
    try:
        claimed = zstandard.get_frame_parameters(frame, format=format).content_size
        if claimed not in (size, zstandard.CONTENTSIZE_UNKNOWN):
            raise ElfError(f"damaged data: a frame says it holds {claimed} bytes instead of {size}")
        raw: bytes = decompressor.decompress(frame, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise ElfError(f"damaged data: {error}") from error
    if len(raw) != size:
        raise ElfError(f"damaged data: a frame holds {len(raw)} bytes instead of {size}")
    return raw


def _promising(raw: Bytes) -> bool:
    """Whether four short pieces of a long string compress at all: planes of random bits are not worth the time."""
    if len(raw) <= _LONG:
        return True
    step = (len(raw) - _PIECE) // 3
    sample = b"".join(raw[i * step : i * step + _PIECE] for i in range(4))
    return len(_compressor().compress(sample)) < 0.98 * len(sample)


def _compressor() -> zstandard.ZstdCompressor:
    """One per thread: they hold buffers and may not be shared."""
    if not hasattr(_local, "compressor"):
        _local.compressor = zstandard.ZstdCompressor(compression_params=_PLANE)
    compressor: zstandard.ZstdCompressor = _local.compressor
    return compressor


def _decompressor() -> zstandard.ZstdDecompressor:
    if not hasattr(_local, "decompressor"):
        _local.decompressor = zstandard.ZstdDecompressor(format=_MAGICLESS)
    decompressor: zstandard.ZstdDecompressor = _local.decompressor
    return decompressor
