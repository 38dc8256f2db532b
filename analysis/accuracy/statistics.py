"""Whether a restored model is as good as the original: statistics that can say no.

Paired: both models answer the same items, and the *difference* of the metric is bootstrapped, by resampling what was
sampled (words, images, files; for pairs of documents the documents, never the pairs, which are not independent).
Seeded, so that a rerun resamples alike.

Equivalence: the whole interval lies within a margin stated beforehand. With the interval at 95 % this is two one-sided
tests at 2.5 % each (Schuirmann 1987). Where items are counted the interval is never narrower than 3/n either way: of n
items without a flip, three in n may flip unseen at 95 % (the rule of three); a bootstrap of nothing but zeros would
claim certainty.

Smallest detectable: the true difference that this test would find four times in five, 2.8 standard errors (1.96 for
5 %, 0.84 for a power of 80 %), and at least 3/n for counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
SEED = 20240517
LOW, HIGH = 2.5, 97.5
POWER = 2.8

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Compared:
    """A metric of a restored model beside the original's; `n` are the items that were resampled."""

    value: float
    difference: float
    low: float
    high: float
    smallest_detectable: float
    n: int

    def within(self, margin: float | None) -> bool:
        """Whether the difference is shown to be smaller than `margin`, up or down; never without one."""
        return bool(margin is not None and -margin < self.low and self.high < margin)


def draws(n: int) -> Numbers:
    """How often each of n items is in each resample: f64, shape (RESAMPLES, n), rows summing to n."""
    return np.random.default_rng(SEED).multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(np.float64)


def share(before: Numbers, after: Numbers, weights: Numbers, counts: Numbers) -> Compared:
    """Sums of values over sums of weights, for items in the order of `counts`' columns."""
    n, total = len(weights), weights.sum()
    value, difference = after.sum() / total, (after.sum() - before.sum()) / total
    resampled = (counts @ (after - before)) / (counts @ weights)
    return _compared(float(value), float(difference), resampled, 3 / n, n)


def pearson(before: Numbers, after: Numbers, truth: Numbers, pairs: NDArray[np.int64], counts: Numbers) -> Compared:
    """Correlation with `truth` over pairs of items; `pairs` is of shape (pairs, 2), numbers of columns of `counts`.

    A pair weighs as often as both of its items were drawn together; an item drawn twice makes no pair with itself.
    """
    weights = counts[:, pairs[:, 0]] * counts[:, pairs[:, 1]]
    once = np.ones((1, len(pairs)))
    value, old = (float(_correlation(side, truth, once)[0]) for side in (after, before))
    resampled = _correlation(after, truth, weights) - _correlation(before, truth, weights)
    return _compared(value, value - old, resampled, 0.0, counts.shape[1])


def _correlation(one: Numbers, other: Numbers, weights: Numbers) -> Numbers:
    """Pearson's r under each row of weights; 0 where one side does not vary."""
    total = weights.sum(axis=1)
    one, other = one - one.mean(), other - other.mean()
    mean_one, mean_other = (weights @ one) / total, (weights @ other) / total
    both = (weights @ (one * other)) / total - mean_one * mean_other
    spread = (weights @ (one * one)) / total - mean_one**2
    spread *= (weights @ (other * other)) / total - mean_other**2
    return np.where(spread > 1e-24, both / np.sqrt(np.maximum(spread, 1e-24)), 0.0)


def _compared(value: float, difference: float, resampled: Numbers, least: float, n: int) -> Compared:
    low, high = np.percentile(resampled, [LOW, HIGH])
    low, high = min(float(low), difference - least), max(float(high), difference + least)
    return Compared(value, difference, low, high, max(POWER * float(resampled.std()), least), n)
