"""`python -m elf.bench [MODEL]`: how fast and how small, as ratios of things measured side by side on the same bytes.

Without a model file, a synthetic one in the shapes of a small BERT. Each pair is timed in turn, several rounds, and the
best of each counts; buffers that are compared with memory speed are at least four times the last cache level.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import numpy as np
import xxhash
import zstandard
from numpy.typing import NDArray

from elf.bound import OWN_BOUND
from elf.choose import candidates, choose
from elf.codecs.base import Values
from elf.formats import open_model
from elf.payload import Payload
from elf.tensor import DTYPES

BLOCK = 1 << 18
ROUNDS = 5

Row = tuple[str, float, str]
Tensors = list[tuple[Values, str, tuple[int, ...]]]


def main(arguments: list[str] | None = None) -> int:
    """Print every ratio with what is aimed at; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m elf.bench", description=__doc__)
    parser.add_argument("model", nargs="?", type=Path, help="a model file; without one, a synthetic model")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    options = parser.parse_args(arguments)
    rows = [*kernel_rows(max(4 * _cache_bytes(), 1 << 27)), *model_rows(_tensors(options.model))]
    if options.json:
        sys.stdout.write(json.dumps({name: value for name, value, _ in rows}, indent=1) + "\n")
    else:
        sys.stdout.writelines(f"{name:<58} {value:8.2f}   {aim}\n" for name, value, aim in rows)
    return 0


def fastest(*functions: Callable[[], object]) -> list[float]:
    """Seconds of each function, the best of several rounds in which they take turns; a first round is not counted."""
    times = [[_seconds(function) for function in functions] for _ in range(ROUNDS + 1)]
    return [min(column) for column in zip(*times[1:], strict=True)]


def kernel_rows(nbytes: int) -> Iterator[Row]:
    """Elf's arithmetic on f32 with bound check and checksum, against `np.copyto` on the same `nbytes` bytes."""
    count = -(-nbytes // (8 * BLOCK)) * 2 * BLOCK
    values = np.random.default_rng(0).standard_normal(BLOCK, np.float32) * np.float32(0.05)
    source = np.tile(values, count // BLOCK)
    target = np.zeros_like(source)
    planes = np.zeros((count // BLOCK, 3, BLOCK), np.uint8)
    own = np.zeros((1, 3, BLOCK), np.uint8)
    copy, encode, reused, decode = fastest(
        lambda: np.copyto(target, source),
        lambda: _encode(source, planes),
        lambda: _encode(source, own),
        lambda: _decode(planes, target),
    )
    encode_two, decode_two = fastest(
        lambda: _halves(lambda half: _encode(source[half * count // 2 :][: count // 2], planes[half::2])),
        lambda: _halves(lambda half: _decode(planes[half::2], target[half * count // 2 :][: count // 2])),
    )
    yield "np.copyto, GB/s", source.nbytes / copy / 1e9, ""
    yield "kernel encode / np.copyto, planes kept in memory", copy / encode, "floor 0.6, aim 0.75"
    yield "kernel encode / np.copyto, planes reused as the codec does", copy / reused, "floor 0.6, aim 0.75"
    yield "kernel decode / np.copyto", copy / decode, "floor 0.8, aim 0.95"
    yield "kernel encode, two threads / one", encode / encode_two, "aim 1.8"
    yield "kernel decode, two threads / one", decode / decode_two, "aim 1.8"


def model_rows(tensors: Tensors) -> Iterator[Row]:
    """A whole model in memory, one thread: the choice of codecs, coding and checksums against zstd -3."""
    raw = b"".join(values.tobytes() for values, _, _ in tensors)
    room = bytearray(len(raw))
    buffers = [np.empty_like(values) for values, _, _ in tensors]
    coded, squeezed = _code(tensors), zstandard.ZstdCompressor(level=3).compress(raw)
    encode, zstd_in, decode, zstd_out = fastest(
        lambda: _code(tensors),
        lambda: zstandard.ZstdCompressor(level=3).compress(raw),
        lambda: [Payload(data).decode(out=out) for data, out in zip(coded, buffers, strict=True)],
        lambda: zstandard.ZstdDecompressor().stream_reader(squeezed).readinto(room),
    )
    size = sum(map(len, coded))
    parameters = sum(values.size for values, _, _ in tensors)
    yield "model, MB", len(raw) / 1e6, ""
    yield "model in / zstd -3", zstd_in / encode, "floor 2.0, aim 2.5"
    yield "model out / zstd -3", zstd_out / decode, "floor 1.5, aim 1.7"
    yield "model in, MB/s", len(raw) / encode / 1e6, ""
    yield "model out, MB/s", len(raw) / decode / 1e6, ""
    yield "bits a parameter", 8 * size / parameters, "all-MiniLM-L6-v2: at most 20.85"
    yield "ratio", len(raw) / size, ""
    yield "ratio / that of zstd -3", len(squeezed) / size, ""


def _encode(source: NDArray[np.float32], planes: NDArray[np.uint8]) -> None:
    from elf.kernels.elf import magnitudes, quantize_bytes

    restored = np.empty(BLOCK, np.float32)
    u32, f32 = np.uint32, np.float32
    for number, start in enumerate(range(0, source.size, BLOCK)):
        block = source[start : start + BLOCK]
        low, middle, high = planes[number % len(planes)]
        magnitudes(block.view(u32), u32(0x7FFFFFFF), u32(23), u32(103))
        worst = quantize_bytes(block, block.view(u32), low, middle, high, restored, f32(2**23), f32(2.0**-23))
        assert worst <= f32(2.0**-24).view(u32)
        xxhash.xxh3_64_intdigest(restored.data)


def _decode(planes: NDArray[np.uint8], target: NDArray[np.float32]) -> None:
    from elf.kernels.elf import dequantize_bytes

    for number, (low, middle, high) in enumerate(planes):
        block = target[number * BLOCK : (number + 1) * BLOCK]
        dequantize_bytes(low, middle, high, block, np.float32(2.0**-23))
        xxhash.xxh3_64_intdigest(block.data)


def _halves(work: Callable[[int], None]) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))


def _code(tensors: Tensors) -> list[bytes]:
    return [choose(v, dtype, shape, candidates(v, dtype, OWN_BOUND.get(dtype))) for v, dtype, shape in tensors]


def _tensors(model: Path | None) -> Tensors:
    if model is None:
        rng = np.random.default_rng(0)
        shapes = [(30522, 384), (512, 384), *[(384, 384)] * 24, *[(1536, 384)] * 12, *[(384,)] * 60]
        return [(rng.standard_normal(math.prod(s), np.float32) * np.float32(0.05), "f32", s) for s in shapes]
    tensors = []
    with open_model(model) as opened:
        for tensor in opened.tensors:
            if tensor.alias_of is None:
                numpy = DTYPES[tensor.dtype].numpy or np.dtype(np.uint8)
                tensors.append((np.array(opened.bytes(tensor)).view(numpy), tensor.dtype, tensor.shape))
    return tensors


def _seconds(function: Callable[[], object]) -> float:
    start = perf_counter()
    function()
    return perf_counter() - start


def _cache_bytes() -> int:
    """The last cache level of the first processor; 32 MiB where Linux does not say."""
    sizes = [path.read_text().strip() for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    units = {"K": 1 << 10, "M": 1 << 20}
    return max((int(size[:-1]) * units[size[-1]] for size in sizes if size[-1:] in units), default=32 << 20)


if __name__ == "__main__":
    sys.exit(main())
