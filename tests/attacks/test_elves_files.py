"""Whatever is done to an Elves file: an ElfError, or exactly what was stored; no wrong value, no crash, no greed."""

from __future__ import annotations

import random
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from small_elves import SmallFile, small_file

from elf.container import ElvesFile
from elf.errors import ElfError
from elf.formats.base import Bytes
from elf.restore import restored

FLIPS = 100_000
SHARES = 20
ALLOWANCE = 300 << 20


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallFile:
    return small_file(tmp_path_factory.mktemp("attacked"))


@pytest.fixture(autouse=True)
def _little_memory() -> Iterator[None]:
    """Little more address space than this process has now: greed becomes a MemoryError, which nothing hides."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else None
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if pages is not None:
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ALLOWANCE, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def assert_refused_or_exact(data: Bytes, small: SmallFile) -> bool:
    """Open, and read everything in both ways; returns whether it was refused."""
    try:
        with ElvesFile("attacked", data) as file:
            described = [(t.name, t.dtype, t.shape, t.role, t.offset, t.alias_of) for t in file.tensors]
            content = b"".join(bytes(piece) for piece in restored(file))
    except ElfError:
        return True
    assert content == small.restored
    assert described == small.described
    return False


def test_the_file_itself_is_read(small: SmallFile) -> None:
    assert not assert_refused_or_exact(small.data, small)
    assert small.codecs == {"elf", "split", "table", "sparse", "pcodec", "zstd"}


def test_every_truncation_is_refused(small: SmallFile) -> None:
    for size in range(small.data.size):
        assert assert_refused_or_exact(small.data[:size], small), size


@pytest.mark.parametrize("share", range(SHARES))
def test_every_changed_byte_is_refused_or_harmless(share: int, small: SmallFile) -> None:
    """100,000 single bytes in all: first every one of the file once, then at random."""
    rng = random.Random(share)
    data = small.data.copy()
    for number in range(share, FLIPS, SHARES):
        at = number if number < data.size else rng.randrange(data.size)
        before = data[at]
        data[at] = before ^ rng.randrange(1, 256)
        assert_refused_or_exact(data, small)
        data[at] = before


@pytest.mark.parametrize("seed", range(4))
def test_bytes_lost_doubled_swapped_or_zeroed_are_refused_or_harmless(seed: int, small: SmallFile) -> None:
    rng = random.Random(seed)
    whole = small.data.tobytes()
    for _ in range(500):
        start, stop = sorted(rng.randrange(len(whole) + 1) for _ in range(2))
        other, end = sorted(rng.randrange(len(whole) + 1) for _ in range(2))
        part = whole[start:stop]
        made = rng.choice([
            whole[:start] + whole[stop:],
            whole[:stop] + part + whole[stop:],
            whole[:start] + bytes(len(part)) + whole[stop:],
            whole[:start] + part[::-1] + whole[stop:],
            whole[:start] + whole[other:end] + whole[stop:],
        ])  # fmt: skip
        if made != whole:
            assert_refused_or_exact(np.frombuffer(made, np.uint8), small)


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_refused(seed: int, small: SmallFile) -> None:
    rng = np.random.default_rng(seed)
    for size in rng.integers(0, 2000, 300):
        assert assert_refused_or_exact(rng.integers(0, 256, size, np.uint8), small)
