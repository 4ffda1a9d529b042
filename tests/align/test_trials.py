"""Folds keep groups whole, tables bootstrap groups, and a known difference is found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonotes.align.trials import compare, fold_of, out_of_fold
from emonotes.errors import InputError


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 30), min_size=10, max_size=200), st.integers(2, 5), st.integers(0, 99))
def test_groups_stay_whole_and_folds_are_of_like_size(groups, folds, seed):
    if len(set(groups)) < folds:
        with pytest.raises(InputError, match="cannot fill"):
            fold_of(groups, folds, seed)
        return
    fold = fold_of(groups, folds, seed)
    assert set(fold) == set(range(folds))
    assert all(len({f for f, g in zip(fold, groups, strict=True) if g == name}) == 1 for name in set(groups))
    assert np.ptp(np.bincount(fold)) <= max(np.bincount(groups))


def test_a_fold_never_sees_itself():
    x, groups = np.arange(40)[:, None], np.arange(40) // 4

    def spy(x_train, y_train, x_test, seed, groups_train):
        assert not set(x_train[:, 0] // 4) & set(x_test[:, 0] // 4) and set(groups_train) == set(x_train[:, 0] // 4)
        return x_test[:, 0] * 10

    assert np.array_equal(out_of_fold(spy, x, x[:, 0], groups), np.arange(40) * 10)
    assert np.array_equal(out_of_fold(lambda a, y, b, s, g: b["z"][:, 0], {"z": x, "w": x}, x[:, 0], groups), np.arange(40))


def test_a_better_model_gains_and_a_copy_does_not():
    rng = np.random.default_rng(0)
    rated, groups = rng.normal(size=400), np.arange(400) // 2
    good, poor = rated + 0.5 * rng.normal(size=400), rated + 2 * rng.normal(size=400)
    table = compare({"poor": [poor], "good": [good], "copy": [poor]}, rated, groups, baseline="poor", draws=200)
    gain = {row["model"]: row for row in table.to_dicts()}
    assert table["model"][0] == "good" and gain["good"]["gain_low"] > 0
    assert gain["copy"]["gain"] == gain["copy"]["gain_low"] == gain["copy"]["gain_high"] == 0
    with pytest.raises(InputError, match="baseline 'none'"):
        compare({"poor": [poor]}, rated, groups, baseline="none")


def test_clips_of_one_song_do_not_narrow_the_interval():
    rng = np.random.default_rng(1)
    song = rng.normal(size=40)
    rated, said = np.repeat(song, 10), np.repeat(song + rng.normal(size=40), 10)
    by_song, by_clip = (compare({"m": [said]}, rated, groups, draws=300) for groups in (np.repeat(np.arange(40), 10), np.arange(400)))
    width = [(t["high"] - t["low"])[0] for t in (by_song, by_clip)]
    assert width[0] > 2 * width[1]
