"""MinHash sketches of sets of 64-bit hashes, as datasketch and as rensa make them.

`datasketch` is the reference: scheme `affine64` of datasketch 2, whose permutations come from datasketch and are
applied by a kernel that gives the same signature bit for bit. `rensa` is the fast path: R-MinHash of 32 bits, which
looks at each hash only a few times. Both give unbiased estimates with standard error sqrt(J (1 - J) / k).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from datasketch import MinHash
from numpy.typing import NDArray
from rensa import RMinHash

from elf.kernels.minhash import EMPTY, update

DATASKETCH, RENSA = "datasketch", "rensa"
SCHEMES = {DATASKETCH: "affine64", RENSA: f"R-MinHash v{RMinHash.ALGORITHM_VERSION}, 32 bits"}
"""What each method is, for the tables."""
PENDING = 1 << 20
"""Hashes that are gathered before the permutations go over them: 8 MiB."""

Signature = NDArray[np.uint64]


@dataclass(frozen=True)
class Kind:
    """How sets are sketched: the number of permutations and the seed they are drawn with."""

    permutations: int
    seed: int

    def reference(self, signature: Signature | None = None) -> MinHash:
        """A MinHash of datasketch: of nothing yet, or with this signature."""
        return (
            MinHash(self.permutations, self.seed, scheme=SCHEMES[DATASKETCH], hashfunc=int)
            if signature is None
            else MinHash(seed=self.seed, scheme=SCHEMES[DATASKETCH], hashfunc=int, hashvalues=signature)
        )


class Sketch:
    """The sketches of one set by every method, made from its hashes in any order, pieces and number of times."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._permutations = np.asarray(kind.reference().permutations, np.uint64)
        self._datasketch = np.full(kind.permutations, EMPTY)
        self._rensa = rensa_signature(np.empty(0, np.uint64), kind)
        self._pending: list[NDArray[np.uint64]] = []
        self._n_pending = 0

    def add(self, hashes: NDArray[np.uint64]) -> None:
        """Take hashes, shape (n,); the array is kept until it is used."""
        self._pending.append(hashes)
        self._n_pending += hashes.size
        if self._n_pending >= PENDING:
            self._take()

    def signatures(self) -> dict[str, Signature]:
        """The signature of each method, uint64, shape (permutations,)."""
        self._take()
        return {DATASKETCH: self._datasketch.copy(), RENSA: self._rensa.copy()}

    def _take(self) -> None:
        if self._n_pending:
            hashes = np.concatenate(self._pending)
            update(self._datasketch, hashes, self._permutations)
            np.minimum(self._rensa, rensa_signature(hashes, self._kind), out=self._rensa)
        self._pending, self._n_pending = [], 0


def rensa_signature(hashes: NDArray[np.uint64], kind: Kind) -> Signature:
    """The R-MinHash of these hashes, shape (permutations,). Places hold minima: pieces combine by the least of each."""
    ends = np.array([0, hashes.size], np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, ends, kind.permutations, kind.seed)
    return np.array(matrix.to_rows()[0], np.uint64)


def estimates(signatures: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Estimated Jaccard similarities of all pairs, shape (n, n), from signatures, shape (n, permutations)."""
    found = np.empty((len(signatures), len(signatures)))
    for i, signature in enumerate(signatures):
        found[i] = np.count_nonzero(signatures == signature, axis=1) / signatures.shape[1]
    return found
