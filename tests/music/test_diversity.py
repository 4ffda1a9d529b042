"""Likeness of clips: 1 for the same in any key, symmetrical, and a ruler that orders what it must."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonotes.errors import InputError
from emonotes.music import diversity as dv

ROW = st.tuples(st.integers(0, 60), st.integers(1, 8), st.integers(40, 80), st.just(80))
CLIP = st.lists(ROW, min_size=5, max_size=30, unique_by=lambda row: (row[0], row[2])).map(lambda r: np.array(r, float) / [4, 4, 1, 1])


def line(rng, n, start=0.0):
    beats = rng.choice([0.25, 0.5, 1], n)
    return np.stack([start + np.cumsum(beats) - beats, beats, rng.integers(48, 84, n), np.full(n, 80)], axis=1)


@given(CLIP, st.integers(-12, 12), CLIP)
@settings(max_examples=60, deadline=None)
def test_measures_are_1_for_the_same_clip_in_any_key_and_symmetrical(a, shift, b):
    for measure in dv.MEASURES.values():
        assert np.isclose(measure(a, a + [0, 0, shift, 0]), 1)
        assert np.isclose(measure(a, b), measure(b, a)) and -1e-9 <= measure(a, b) <= 1 + 1e-9


def test_shared_figures_by_hand():
    # five notes make two figures of four; the second clip shares the first of them and has one of its own
    a = np.array([[i, 1, p, 80] for i, p in enumerate([60, 62, 64, 65, 67])], float)
    b = a.copy()
    b[4, 2] = 72
    assert dv.shared_figures(a, b) == 1 / 3 and dv.shared_figures(a[:3], b[:3]) == 0


def test_harmony_by_hand():
    # C against a fifth: the best of twelve keys makes them the same; a dyad against one tone has cosine 1 / sqrt 2
    c, g, dyad = (np.array([[0, 4, p, 80] for p in pitches], float) for pitches in ([60], [67], [60, 67]))
    assert np.isclose(dv.harmony_likeness(c, g), 1) and np.isclose(dv.harmony_likeness(c, dyad), 0.5**0.5)


def test_the_roll_holds_overlapping_notes_once_and_ends_at_the_bar_line():
    notes = np.array([[0, 2, 60, 80], [1, 2, 60, 80], [3, 9, 64, 80], [9, 1, 70, 80]], float)
    sounding = dv.roll(notes, 1)
    assert sounding.shape == (16, 128) and sounding[:, 60].sum() == 12 and sounding[:, 64].sum() == 4 and not sounding[:, 70].any()


def test_windows_cut_at_bar_lines():
    notes = line(np.random.default_rng(0), 200)
    cuts = dv.windows(notes, 4)
    assert all((cut[:, 0] < 16).all() and (cut[:, 0] + cut[:, 1] <= 16 + 1e-9).all() and len(cut) >= 8 for cut in cuts)
    assert sum(map(len, cuts)) >= 200 - 7


def test_the_ruler_orders_a_rut_a_theme_and_strangers():
    rng = np.random.default_rng(1)
    themes = [line(rng, 30) for _ in range(8)]
    pieces = [[np.concatenate([theme, line(rng, 10, 40.0)]) for _ in range(3)] for theme in themes]
    strangers = [[line(rng, 40) for _ in range(4)] for _ in range(3)]
    place = {name: dv.evaluate(groups, pieces)["shared figures"]["place"]
             for name, groups in {"rut": [[themes[0]] * 4] * 2, "strangers": strangers, "theme": pieces[:4]}.items()}
    assert abs(place["strangers"]) < 0.05 and 0.8 < place["theme"] < 1.2 < place["rut"]
    found = dv.evaluate(strangers, pieces)["harmony"]
    assert all(low <= mean <= high for mean, low, high in (found[k] for k in ("same plan", "same piece", "different pieces")))
    own = [dv.self_similarity(cuts, dv.harmony_likeness) for cuts in pieces]
    assert min(own) <= found["range"][0] < found["same piece"][0] < found["range"][1] <= max(own)


def test_one_clip_has_no_pair():
    clip = line(np.random.default_rng(2), 20)
    with pytest.raises(InputError, match="at least 2"):
        dv.self_similarity([clip])
    with pytest.raises(InputError, match="at least 2"):
        dv.evaluate([[clip, clip]], [[clip, clip]])
