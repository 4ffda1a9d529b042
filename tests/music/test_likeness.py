"""Statistics against golden values, and a Fréchet distance that agrees with its closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from emonotes.errors import InputError
from emonotes.music import likeness as lk

ROW = st.tuples(st.integers(0, 63), st.integers(1, 8), st.integers(40, 80), st.integers(1, 127))
CLIP = st.lists(ROW, min_size=2, max_size=30, unique_by=lambda row: (row[0], row[2])).map(lambda r: np.array(r, float) / [4, 4, 1, 1])


def dice(rng):
    """Sixty notes in eight bars, as in the golden values."""
    onset, length, pitch = np.sort(rng.integers(0, 120, 60)), rng.integers(1, 8, 60), rng.integers(40, 90, 60)
    last = {(o, p): d for o, d, p in zip(onset, length, pitch, strict=True)}
    return np.array([[o / 4, d / 4, p, 64] for (o, p), d in last.items()]), max(o + d for (o, _), d in last.items())


# MusPy 0.5.0 on the clips of `dice`: pitch_class_entropy, scale_consistency, pitch_range, groove_consistency (resolution 16),
# polyphony, polyphony_rate (threshold 1, which there means two or more; it divides by the end of the last note).
MUSPY = [(3.50028138163173, 0.6833333333333333, 49, 0.5089285714285714, 2.1944444444444446, 0.608),
         (3.543555027106856, 0.6271186440677966, 48, 0.5178571428571428, 2.349056603773585, 0.5873015873015873),
         (3.4034118335513286, 0.6833333333333333, 46, 0.5357142857142857, 2.0636363636363635, 0.5609756097560976)]


def test_statistics_equal_those_of_muspy():
    rng = np.random.default_rng(7)
    for wanted in MUSPY:
        notes, end = dice(rng)
        found = lk.statistics(notes, 8)
        got = [found[k] for k in ("pitch-class entropy (bits)", "scale consistency", "pitch range (semitones)",
                                  "groove consistency", "polyphony", "polyphony rate")]
        got[-1] *= 128 / end
        assert np.allclose(got, wanted)


@given(CLIP, st.integers(-20, 20), st.floats(40, 200))
@settings(max_examples=60, deadline=None)
def test_statistics_keep_their_ranges_and_do_not_depend_on_key_or_tempo(notes, shift, tempo):
    here, there = lk.statistics(notes, 4, 120), lk.statistics(notes + [0, 0, shift, 0], 4, tempo)
    speed = here.pop("notes per second"), there.pop("notes per second")
    assert np.isclose(speed[0] * tempo / 120, speed[1])
    assert np.allclose(list(here.values()), list(there.values()))
    assert 0 <= here["pitch-class entropy (bits)"] <= np.log2(12) + 1e-9 and 7 / 12 - 1e-9 <= here["scale consistency"] <= 1
    assert all(-1e-9 <= here[k] <= 1 + 1e-9 for k in ("groove consistency", "empty beats", "polyphony rate", "harmonic change"))


def test_empty_beats_and_harmonic_change_by_hand():
    # two chords of half a bar, then a silent bar: 4 of 8 beats empty; changes: C to F (no tone in common), F to silence, none
    notes = np.array([[0, 2, p, 80] for p in (60, 64)] + [[2, 2, p, 80] for p in (65, 69)], float)
    assert lk.empty_beat_rate(notes, 2) == 0.5 and np.isclose(lk.harmonic_change(notes, 2), (1 + 1 + 0) / 3)


def test_people_are_inside_their_own_range():
    rng = np.random.default_rng(0)
    people, others = ({"x": rng.normal(size=4000), "y": rng.exponential(size=4000)} for _ in range(2))
    for row in lk.inside(others, people).values():
        assert abs(row["share"] - 0.95) < 0.015 and row["share_low"] < row["share"] < row["share_high"] and 0.9 < row["spread"] < 1.1
    for flat in (0.0, 0.1 + 0.2):  # the second leaves dust of 1e-17 in a standard deviation
        assert np.isnan(lk.inside({"x": np.arange(5.0)}, {"x": np.append(np.full(6, flat), np.nextafter(flat, 0))})["x"]["spread"])


def closed_form(a, b):
    one, two = np.cov(a.T), np.cov(b.T)
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(one + two - 2 * sqrtm(one @ two).real)


@given(st.integers(0, 1000), st.integers(2, 8))
@settings(max_examples=40, deadline=None)
def test_the_frechet_distance_is_that_of_the_textbook(seed, d):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(60, d)) @ rng.normal(size=(d, d)), rng.normal(size=(40, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
    assert np.isclose(lk.frechet(a, b), closed_form(a, b), rtol=1e-5, atol=1e-6)
    assert np.isclose(lk.frechet(a, b), lk.frechet(b, a)) and np.isclose(lk.frechet(a, b), lk.frechet(a @ turn, b @ turn))
    assert np.isclose(lk.frechet(3 * a, 3 * b), 9 * lk.frechet(a, b)) and lk.frechet(a, a) < 1e-6


def test_gaussians_of_known_distance():
    # commuting covariances: |mean|^2 + sum of (sd - sd)^2 = 1 + 4 * 0.25
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(200_000, 4)), 1.5 * rng.normal(size=(200_000, 4)) + [1, 0, 0, 0]
    assert abs(lk.frechet(a, b) - 2) < 0.03


def test_more_dimensions_than_clips_stay_real_and_right():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(12, 300)), rng.normal(size=(15, 300))
    assert lk.frechet(a, a) < 1e-9 and np.isclose(lk.frechet(a, a + 0.1), 3) and 0 < lk.frechet(a, b) < 1000


def test_the_limit_takes_the_bias_away_and_its_interval_holds_the_truth():
    held, limits, plain = 0, [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        a, b = rng.normal(size=(80, 8)), rng.normal(size=(80, 8)) @ np.diag(np.linspace(0.5, 2, 8)) + 1
        truth = 8 + ((np.linspace(0.5, 2, 8) - 1) ** 2).sum()
        found = lk.frechet_limit(a, b, draws=20, splits=4, seed=seed)
        held += found["low"] <= truth <= found["high"]
        limits.append(found["distance"] - truth)
        plain.append(found["plain"] - truth)
    assert held >= 17 and abs(np.mean(limits)) < 0.5 < np.mean(plain)


def test_distances_share_their_axes_and_count():
    rng = np.random.default_rng(3)
    people, others, far = rng.normal(size=(100, 60)), rng.normal(size=(70, 60)), rng.normal(size=(90, 60)) + 1
    found = lk.distances(people, {"others": others, "far": far})
    assert {row["n"] for row in found.values()} == {70} and found["far"]["low"] > found["others"]["high"]
    assert [s.shape for s in lk.project(people, others)] == [(100, 14), (70, 14)]
    assert found == lk.distances(people, {"others": others, "far": far})


@pytest.mark.parametrize("call", [lambda: lk.frechet(np.zeros((1, 3)), np.zeros((5, 3))), lambda: lk.frechet(np.zeros((5, 2)), np.zeros((5, 3))),
                                  lambda: lk.frechet(np.full((5, 2), np.nan), np.zeros((5, 2))), lambda: lk.inside({}, {}),
                                  lambda: lk.frechet_limit(np.zeros((5, 2)), np.zeros((5, 2))), lambda: lk.inside({"x": [1]}, {"y": [1]}),
                                  lambda: lk.statistics(np.array([[0, 1, 60, 80], [1, 1, 60, 80]]), 2, 0)])
def test_mistakes_are_named(call):
    with pytest.raises(InputError, match="give|make"):
        call()
