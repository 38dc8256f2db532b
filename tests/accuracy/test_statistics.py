"""Statistics that can fail: a real difference is found, none is not invented, and nothing claims more than it saw."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.accuracy.statistics import Compared, Numbers, draws, pearson, share

N = 400
COUNTS = draws(N)
ONES = np.ones(N)


def answers(seed: int, *, right: float = 0.7, lost: float = 0.0, gained: float = 0.0) -> tuple[Numbers, Numbers]:
    """Right and wrong answers before and after: each right one is lost, each wrong one gained, with these chances."""
    random = np.random.default_rng(seed)
    before = (random.random(N) < right).astype(np.float64)
    chance = random.random(N)
    return before, np.where(before == 1, chance >= lost, chance < gained).astype(np.float64)


def compared(seed: int, **chances: float) -> Compared:
    return share(*answers(seed, **chances), ONES, COUNTS)


def test_a_real_loss_is_found_and_is_not_called_equivalent() -> None:
    found = compared(0, lost=0.15)
    assert found.high < 0
    assert not found.within(0.05)


def test_no_difference_is_equivalent_within_a_margin_that_the_sample_can_show() -> None:
    found = compared(0)
    assert found.low < 0 < found.high
    assert found.within(0.02)


def test_without_a_single_flip_the_interval_is_no_point() -> None:
    found = compared(0)
    assert (found.low, found.high) == (-3 / N, 3 / N)
    assert found.smallest_detectable == 3 / N
    assert not found.within(3 / N)


def test_too_few_items_are_never_equivalent() -> None:
    few = np.ones(20)
    assert not share(few, few, few, draws(20)).within(0.05)


def test_the_interval_covers_the_true_difference_about_as_often_as_it_says() -> None:
    truth = -0.7 * 0.1 + 0.3 * 0.1
    found = [compared(seed, lost=0.1, gained=0.1) for seed in range(200)]
    assert 0.9 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.99


def test_a_loss_as_large_as_the_margin_is_seldom_called_equivalent() -> None:
    found = [compared(seed, lost=0.1, gained=0.1) for seed in range(200)]
    assert np.mean([one.within(0.04) for one in found]) <= 0.05


def test_the_smallest_detectable_loss_is_found_about_four_times_in_five() -> None:
    detectable = np.mean([compared(seed, lost=0.05, gained=0.05).smallest_detectable for seed in range(20)])
    lost = (detectable + 0.3 * 0.05) / 0.7  # so that the true difference is the detectable one, but for more flips
    found = np.mean([compared(seed, lost=lost, gained=0.05).high < 0 for seed in range(200)])
    assert 0.55 <= found <= 0.95


def test_weights_make_a_share_of_sums_and_not_a_mean_of_shares() -> None:
    before, after, weights = np.array([1.0, 2.0]), np.array([1.0, 8.0]), np.array([1.0, 9.0])
    found = share(before, after, weights, draws(2))
    assert found.value == pytest.approx(0.9)
    assert found.difference == pytest.approx(0.6)


def documents(seed: int, n: int = 30, noise: float = 0.0) -> tuple[Numbers, Numbers, Numbers, np.ndarray]:
    """Scores of all pairs before and after, the truth, and the pairs."""
    random = np.random.default_rng(seed)
    places = random.normal(size=(n, 3))
    pairs = np.array([(i, j) for i in range(n) for j in range(i + 1, n)])
    truth = -np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1)
    before = truth + random.normal(0, 0.5, len(pairs))
    own = random.normal(0, noise, n)  # what a document adds to all of its pairs
    return before, before + own[pairs[:, 0]] + own[pairs[:, 1]], truth, pairs


def test_resampled_correlations_are_those_of_repeated_documents() -> None:
    before, after, truth, pairs = documents(0, 12, noise=0.4)
    counts = draws(12)[:200]
    found = pearson(before, after, truth, pairs, counts)
    slow = [_correlation(after, truth, pairs, row) - _correlation(before, truth, pairs, row) for row in counts]
    assert (found.low, found.high) == pytest.approx(np.percentile(slow, [2.5, 97.5]), abs=1e-9)
    assert found.value == pytest.approx(np.corrcoef(after, truth)[0, 1])


def _correlation(one: Numbers, other: Numbers, pairs: np.ndarray, counts: Numbers) -> float:
    """The obvious way: every pair as often as its documents were drawn together."""
    times = (counts[pairs[:, 0]] * counts[pairs[:, 1]]).astype(int)
    return float(np.corrcoef(np.repeat(one, times), np.repeat(other, times))[0, 1])


def test_a_correlation_that_gets_worse_is_found_and_an_unchanged_one_is_equivalent() -> None:
    worse = pearson(*documents(1, noise=2.0), draws(30))
    assert worse.high < 0
    assert not worse.within(0.05)
    same = pearson(*documents(1, noise=1e-6), draws(30))
    assert same.within(0.001)


def test_resampling_documents_is_more_careful_than_resampling_pairs() -> None:
    before, after, truth, pairs = documents(2, noise=0.7)
    by_document = pearson(before, after, truth, pairs, draws(30))
    resampled = np.random.default_rng(0).integers(0, len(pairs), (500, len(pairs)))
    slow = [np.corrcoef(after[row], truth[row])[0, 1] - np.corrcoef(before[row], truth[row])[0, 1] for row in resampled]
    low, high = np.percentile(slow, [2.5, 97.5])
    assert by_document.high - by_document.low > high - low


def test_a_model_that_gives_one_score_to_all_has_no_correlation() -> None:
    before, _, truth, pairs = documents(3, 10)
    found = pearson(before, np.zeros(len(before)), truth, pairs, draws(10))
    assert found.value == 0
    assert found.high < 0


def test_the_same_items_are_resampled_alike_every_time() -> None:
    assert np.array_equal(draws(7), draws(7))
    assert (draws(7).sum(axis=1) == 7).all()
