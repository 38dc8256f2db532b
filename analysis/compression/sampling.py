"""Slow methods on a sample of a file's blocks: drawn without replacement, from a seed, a stratum a file.

The size of the whole is the ratio estimate of each file, coded over raw bytes of its sample times its bytes. Its
variance is N (N - n) / n times the residuals' mean square with n - 1 degrees of freedom (Cochran, Sampling Techniques,
6.3): it is 0 where a file was taken whole. Files are independent, so estimates and variances of files add up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.compression.coding import LENGTH_BYTES, Coder
from analysis.compression.units import chunks
from elf.codecs.base import Codec
from elf.formats.base import ModelFile


@dataclass(frozen=True)
class Plan:
    """Blocks of so many bytes, one in so many of a file's and at least so many, drawn from a seed."""

    block: int
    one_in: int
    least: int
    seed: int

    def drawn(self, n_blocks: int) -> NDArray[np.int64]:
        """Which of a file's blocks are in the sample, rising."""
        n = min(n_blocks, max(self.least, -(-n_blocks // self.one_in)))
        return np.sort(np.random.default_rng([self.seed, n_blocks]).choice(n_blocks, n, replace=False))


def sampled(model: ModelFile, codec: Codec, plan: Plan) -> dict[str, object] | None:
    """The row of one file and codec; None for an empty file. Raises ElfError when a block comes back changed."""
    blocks = list(chunks(model, plan.block))
    if not blocks:
        return None
    coder = Coder(codec)
    sizes = [(blocks[i].bytes_in, blocks[i].values) for i in plan.drawn(len(blocks)).tolist()]
    raw = np.array([size for size, _ in sizes], np.float64)
    coded = np.array([_kept(coder.size(values, "u8"), size) for size, values in sizes], np.float64)
    total = sum(piece.bytes_in for piece in blocks)
    ratio = coded.sum() / raw.sum()
    return {
        "n_blocks": len(blocks),
        "n_sampled": len(sizes),
        "bytes": total,
        "bytes_in": int(raw.sum()),
        "bytes_out": int(coded.sum()),
        "estimate": float(ratio * total),
        "variance": _variance(coded - ratio * raw, len(blocks)),
    }


def _kept(coded: int | None, raw: int) -> int:
    return min(raw if coded is None else coded, raw) + LENGTH_BYTES


def _variance(residuals: NDArray[np.float64], n_blocks: int) -> float:
    n = residuals.size
    if n == n_blocks or n < 2:
        return 0.0
    return float(n_blocks * (n_blocks - n) / n * np.square(residuals).sum() / (n - 1))
