"""Intervals and regions keep their promise on new data; strange things are flagged; nothing known is the whole plane."""

import numpy as np
import pytest

from emonotes.align.calibrate import LEVELS, as_json, calibrated, conformal_quantiles, coverage, fit_novelty, from_json
from emonotes.errors import InputError


def made(n, seed, heavy=False):
    rng = np.random.default_rng(seed)
    sd = rng.uniform(0.05, 0.3, size=(n, 2))
    noise = rng.standard_t(3, size=(n, 2)) if heavy else rng.normal(size=(n, 2))
    mean = rng.uniform(-0.2, 0.2, size=(n, 2))
    return mean + sd * noise, mean, 0.3 * sd


@pytest.mark.parametrize("heavy", [False, True])
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_and_regions_cover_new_data(heavy, level):
    told = calibrated(*made(1500, 0, heavy), np.zeros(1500))
    rated, mean, sd = made(4000, 1, heavy)
    inside = np.ones(len(rated), bool)
    for k in range(2):
        covered = np.abs(rated - mean)[:, k] <= np.interp(level, LEVELS, told.reach[k]) * sd[:, k]
        assert abs(covered.mean() - level) < 0.03
    from emonotes.align.calibrate import joint_score

    inside = joint_score((rated - mean) / sd, told.spread, float(told.rho)) <= np.interp(level, LEVELS, told.radius)
    assert abs(inside.mean() - level) < 0.03


def test_few_rows_promise_little():
    table = conformal_quantiles(np.arange(1, 6.0), np.ones(5))
    assert table[50] == 3 and table[80] == 5 and np.isnan(table[90]) and table[0] == 0
    assert np.isnan(conformal_quantiles(np.full(4, np.nan), np.ones(4))).all()


def test_the_table_is_the_rank_of_split_conformal_prediction():
    rng = np.random.default_rng(0)
    score = np.abs(rng.normal(size=237))
    table = conformal_quantiles(score, np.ones(237))
    for level in (10, 50, 90, 99):
        rank = int(np.ceil(level / 100 * 238 - 1e-9))
        assert np.isclose(table[level], np.sort(score)[rank - 1]), level


def test_an_unrated_coordinate_is_the_whole_axis_and_its_region_the_plane():
    rated, mean, sd = made(300, 0)
    rated[:, 1] = np.nan
    told = from_json(as_json(calibrated(rated, mean, sd, np.arange(300.0))))
    span = told.interval(mean[:3], sd[:3], [False, True, False])
    assert np.all(span[:, 1] == [-1, 1]) and np.all(np.diff(span[:, 0]) > 0)
    outline = told.region(mean[:2], sd[:2])
    assert outline.shape == (2, 72, 2) and np.abs(outline).max() == 1 and np.allclose(np.abs(outline).max(-1), 1)


def test_the_strange_get_wide_intervals_and_the_familiar_keep_theirs():
    rng = np.random.default_rng(0)
    seen, new = rng.normal(size=(600, 30)), rng.normal(size=(400, 30))
    picture = fit_novelty(seen.astype(np.float32))
    import torch

    score = picture(torch.as_tensor(new, dtype=torch.float32)).numpy()
    rated, mean, sd = made(400, 0)
    told = calibrated(rated, mean, sd, score)
    far = picture(torch.as_tensor(new * 6, dtype=torch.float32)).numpy()
    assert told.strange(far).all() and told.strange(score).mean() < 0.02
    plain, wide = (told.interval(mean, sd, np.full(400, flag)) for flag in (False, True))
    assert (wide[..., 0] <= plain[..., 0]).all() and (wide[..., 1] >= plain[..., 1]).all() and (wide != plain).any()


def test_coverage_is_counted_on_groups_apart():
    rated, mean, sd = made(600, 2)
    counted = coverage(rated, mean, sd, np.arange(600) // 3, splits=20)
    assert counted.shape == (20, 2) and abs(counted.mean() - 0.9) < 0.02
    rated[:, 0] = np.nan
    assert np.isnan(coverage(rated, mean, sd, np.arange(600))[:, 0]).all()


@pytest.mark.parametrize("bad", [0, 1, -0.1, 1.5, float("nan")])
def test_an_impossible_coverage_is_refused(bad):
    told = calibrated(*made(100, 0), np.zeros(100))
    with pytest.raises(InputError, match="between 0 and 1"):
        told.interval(np.zeros((1, 2)), np.ones((1, 2)), [False], bad)
