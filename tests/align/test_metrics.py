"""Metrics by hand, against libraries, and their bootstrap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.metrics import roc_auc_score

from emonotes.align import metrics
from emonotes.errors import InputError


def made(seed, n=60):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    return truth + rng.normal(size=n), truth, rng.integers(0, 15, n)


def test_golden_values_by_hand():
    said, rated = [1.0, 2.0, 3.0, 6.0], [2.0, 1.0, 4.0, 5.0]
    # means 3 and 3, variances 14/4 and 10/4, covariance 10/4
    assert metrics.pearson(said, rated) == pytest.approx(10 / np.sqrt(140))
    assert metrics.ccc(said, rated) == pytest.approx(2 * 10 / (14 + 10))
    assert metrics.rmse(said, rated) == pytest.approx(1.0)


@given(st.integers(0, 10_000))
@settings(max_examples=25, derandomize=True, deadline=None)
def test_r_agrees_with_scipy_and_bounds_ccc(seed):
    said, rated, _ = made(seed)
    r = metrics.pearson(said, rated)
    assert r == pytest.approx(pearsonr(said, rated).statistic)
    assert abs(metrics.ccc(said, rated)) <= abs(r) + 1e-12
    assert metrics.pearson(3 * said - 7, rated) == pytest.approx(r) and metrics.ccc(3 * said - 7, rated) != pytest.approx(r)


@pytest.mark.parametrize("metric", metrics.METRICS.values(), ids=list(metrics.METRICS))
@pytest.mark.parametrize("grouped", [True, False])
def test_the_bootstrap_from_sums_is_the_bootstrap_from_rows(metric, grouped):
    said, rated, group = made(1)
    said[3] = rated[5] = np.nan
    known = np.isfinite(said + rated)
    group = group if grouped else np.arange(len(said))
    slowly = [metric(said[known][rows], rated[known][rows]) for rows in metrics.resamples(group[known], 40, 7)]
    fast = metrics.bootstrap(metric, said, rated, group if grouped else None, 40, 7)
    assert np.allclose(fast, slowly, atol=1e-10)


@pytest.mark.parametrize("metric", metrics.METRICS.values(), ids=list(metrics.METRICS))
def test_the_bootstrap_keeps_its_figures_far_from_zero(metric):
    said, rated, group = made(2)
    slowly = [metric(said[rows] + 5000, rated[rows] + 5000) for rows in metrics.resamples(group, 20, 0)]
    assert np.allclose(metrics.bootstrap(metric, said + 5000, rated + 5000, group, 20, 0), slowly, atol=1e-6)


def test_a_constant_prediction_has_no_correlation_in_any_sample():
    _, rated, group = made(3)
    for constant in (0.0, 0.1, 1e6 / 3):
        assert np.abs(metrics.bootstrap(metrics.pearson, np.full(60, constant), rated, group)).max() < 1e-6


def test_equal_seeds_pair_two_models():
    said, rated, group = made(4)
    gap = metrics.bootstrap(metrics.pearson, said, rated, group) - metrics.bootstrap(metrics.pearson, 2 * said + 1, rated, group)
    assert np.abs(gap).max() < 1e-10


def test_intervals_hold_the_truth_as_often_as_promised():
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        x = rng.normal(size=(80, 2))
        _, low, high = metrics.interval(metrics.pearson, x[:, 0], 0.6 * x[:, 0] + 0.8 * x[:, 1], draws=200)
        held += low <= 0.6 <= high
    assert 0.88 < held / 200 < 0.99


def test_whole_groups_come_or_stay_away():
    group = np.array(list("aabbbc"))
    for rows in metrics.resamples(group, 50, 1):
        count = np.bincount(rows, minlength=6)
        assert count[0] == count[1] and count[2] == count[3] == count[4]


def test_auroc_by_hand_and_against_scikit_learn():
    assert metrics.auroc([0.9, 0.4, 0.6, 0.1], [1, 1, 0, 0]) == 0.75
    assert metrics.auroc([1, 1, 0, 1], [1, 0, 0, 1]) == 0.75  # two of four pairs won, two tied
    said, rated, _ = made(5)
    assert metrics.auroc(said, rated > 0) == roc_auc_score(rated > 0, said)
    assert metrics.auroc(-said, rated > 0) == pytest.approx(1 - metrics.auroc(said, rated > 0))
    assert metrics.auroc(np.exp(said), rated > 0) == metrics.auroc(said, rated > 0)


def test_auroc_leaves_out_what_is_missing_and_has_an_interval():
    said, rated, group = made(6)
    label = (rated > 0).astype(float)
    label[0] = np.nan
    value, low, high = metrics.interval(metrics.auroc, said, label, group, draws=100)
    assert low < value < high and value == metrics.auroc(said[1:], label[1:])


def test_a_draw_without_one_class_is_left_out_of_the_interval():
    label = np.array([1.0, 0, 0, 0, 0, 0])
    drawn = metrics.bootstrap(metrics.auroc, np.arange(6.0), label, draws=50)
    assert np.isnan(drawn).any() and np.isfinite(drawn).any()
    assert np.isfinite(metrics.interval(metrics.auroc, np.arange(6.0), label, draws=50)).all()


@pytest.mark.parametrize("label, cause", [([1, 1, 1], "did a filter drop"), ([0.2, 0.7, 0.1], "is it a rating"),
                                          ([1, 2, 1], "0 and 1"), ([1, 0], "pair up")])
def test_auroc_guesses_what_went_wrong(label, cause):
    with pytest.raises(InputError, match=cause):
        metrics.auroc([0.1, 0.2, 0.3], label)


def test_accuracy_counts():
    assert metrics.accuracy([1, 2, 3, 4], [1, 2, 4, 3]) == 0.5 and metrics.accuracy(["sweet"], ["sweet"]) == 1
    for said, label in (([1, 2], [1]), ([], [])):
        with pytest.raises(InputError, match="pair up"):
            metrics.accuracy(said, label)


def test_the_share_of_a_ceiling():
    assert metrics.share_of_ceiling(0.45, 0.81) == pytest.approx(0.5)
    assert np.allclose(metrics.share_of_ceiling([0.3, 0.6], 0.25), [0.6, 1.2])
    assert np.isnan(metrics.share_of_ceiling(0.5, np.nan))


@pytest.mark.parametrize("reliability", [0, -0.2, 1.3, 93])
def test_a_reliability_that_is_none(reliability):
    with pytest.raises(InputError, match="is not a reliability"):
        metrics.share_of_ceiling(0.5, reliability)
