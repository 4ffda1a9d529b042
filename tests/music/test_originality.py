"""The longest shared passage is exact, blind to key and tempo, and finds what was planted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonotes.errors import InputError
from emonotes.music import originality as og

ROW = st.tuples(st.integers(0, 40), st.integers(1, 3), st.integers(60, 63), st.just(80))
PIECE = st.lists(ROW, min_size=2, max_size=30).map(lambda rows: np.array(rows, float) / [4, 4, 1, 1])
VIEW = st.sampled_from(og.VIEWS)


def line(rng, n, low=48, high=84, start=0.0):
    """A melody thrown by dice."""
    beats = rng.choice([0.25, 0.5, 1, 1.5], n)
    return np.stack([start + np.cumsum(beats) - beats, beats, rng.integers(low, high, n), rng.integers(40, 100, n)], axis=1)


def brute(clip, piece, view):
    """The longest shared run in notes, by comparing every note of one with every note of the other."""
    a, b = (og.in_order(notes, view)[:, 1:3].tolist() for notes in (clip, piece))

    def run(i, j):
        n, shift = 0, 0 if view == "exact" else b[j][1] - a[i][1]
        while i + n < len(a) and j + n < len(b) and a[i + n][0] == b[j + n][0] and a[i + n][1] + shift == b[j + n][1]:
            n += 1
        return n

    best = max(run(i, j) for i in range(len(a)) for j in range(len(b)))
    return best if view == "exact" or best > 1 else 0  # one note alone has no interval to compare


@given(st.lists(PIECE, min_size=1, max_size=4), st.lists(PIECE, min_size=1, max_size=3), VIEW)
@settings(max_examples=150, deadline=None)
def test_the_longest_run_is_that_of_brute_force(tmp_path_factory, pieces, clips, view):
    index = og.build_index({f"p{i}": p for i, p in enumerate(pieces)}, view, tmp_path_factory.mktemp("index"))
    for clip, run in zip(clips, og.longest_runs(clips, index, batch=2), strict=True):
        assert run.notes == max(brute(clip, piece, view) for piece in pieces)
        if run.notes:
            piece = pieces[int(run.piece[1:])]
            a, b = og.in_order(clip, view), og.in_order(piece, view)
            assert any(np.array_equal(a[i:i + run.notes, 1:3] - [0, run.semitones], b[j:j + run.notes, 1:3])
                       for i in np.flatnonzero(a[:, 0] == 4 * run.clip_beat)
                       for j in np.flatnonzero(b[:, 0] == 4 * run.piece_beat)), "the run is not where it is said to be"


@given(PIECE, PIECE, VIEW)
@settings(max_examples=100, deadline=None)
def test_the_freshest_run_is_that_of_brute_force(tmp_path_factory, piece, clip, view):
    a, b = og.symbols(clip, view).tolist(), og.symbols(piece, view).tolist()
    best = 0
    for i in range(len(a)):
        for j in range(len(b)):
            n = 0
            while i + n < len(a) and j + n < len(b) and a[i + n] == b[j + n]:
                n += 1
            figures = {tuple(a[k:k + og.FIGURE]) for k in range(i, i + n - og.FIGURE + 1)}
            best = max(best, min(n, len(figures) + og.FIGURE - 1))
    run, = og.longest_runs([clip], og.build_index({"p": piece}, view, tmp_path_factory.mktemp("index")), by="fresh")
    assert run.fresh == best + (best > 0 and view != "exact") and run.fresh <= run.notes


def test_a_trill_is_long_but_not_fresh(tmp_path):
    trill = np.array([[i / 4, 0.25, 72 + 2 * (i % 2), 80] for i in range(90)])
    theme = line(np.random.default_rng(2), 12)
    index = og.build_index({"trill": trill, "theme": theme}, "moved", tmp_path)
    clip = np.concatenate([trill, theme + [40, 0, 0, 0]])
    by = {name: og.longest_runs([clip], index, by=name)[0] for name in ("notes", "fresh")}
    assert (by["notes"].notes, by["notes"].fresh, by["notes"].piece) == (90, 5, "trill")
    assert by["fresh"].notes == by["fresh"].fresh == 12 and by["fresh"].piece == "theme"


@pytest.mark.parametrize("shift", [-7, 0, 5])
@pytest.mark.parametrize("view", ["moved", "melody"])
def test_a_planted_copy_of_twenty_notes_is_found(tmp_path, view, shift):
    rng = np.random.default_rng(3)
    pieces = {f"piece {i}": line(rng, 400) for i in range(30)}
    stolen = pieces["piece 17"][100:120].copy()
    stolen[:, 0] += 50 - stolen[0, 0]
    stolen[:, 2] += shift
    host = np.concatenate([line(rng, 20), stolen, line(rng, 20, start=120)])
    run, = og.longest_runs([host], og.build_index(pieces, view, tmp_path))
    assert (run.notes, run.piece, run.semitones, run.clip_beat) == (20, "piece 17", shift, 50.0)
    assert run.piece_beat == pieces["piece 17"][100, 0]


def test_the_melody_view_sees_through_a_new_accompaniment(tmp_path):
    rng = np.random.default_rng(4)
    piece = line(rng, 60, 60, 84)
    bass = np.stack([piece[:, 0], piece[:, 1], rng.integers(30, 50, 60), np.full(60, 60)], axis=1)
    clip = np.concatenate([piece + [0, 0, 3, 0], bass])
    found = {view: og.longest_runs([clip], og.build_index({"piece": piece}, view, tmp_path))[0].notes for view in og.VIEWS}
    assert found["melody"] == 60 and found["moved"] < 5 and found["exact"] < 5


@given(PIECE, st.integers(-20, 20), st.integers(0, 8), st.permutations(range(4)))
@settings(max_examples=50, deadline=None)
def test_key_start_loudness_and_order_of_rows_do_not_matter(notes, shift, bars, order):
    moved = notes[np.random.default_rng(order[0]).permutation(len(notes))] + [4 * bars, 0, shift, order[1]]
    for view in ("moved", "melody"):
        assert np.array_equal(og.symbols(notes, view), og.symbols(moved, view))
    assert np.array_equal(og.symbols(notes, "exact"), og.symbols(moved - [0, 0, shift, 0], "exact"))


def test_timing_finer_than_the_grid_does_not_matter():
    rng = np.random.default_rng(5)
    notes = line(rng, 50)
    played = notes + np.column_stack([rng.uniform(-0.1, 0.1, (50, 2)), np.zeros((50, 2))])
    played[0, 0] = 0
    assert np.array_equal(og.symbols(notes), og.symbols(played))


def test_a_run_does_not_cross_from_one_piece_to_the_next(tmp_path):
    whole = line(np.random.default_rng(6), 40)
    index = og.build_index({"first": whole[:20], "second": whole[20:]}, "exact", tmp_path)
    run, = og.longest_runs([whole], index)
    assert run.notes == 20


def test_the_index_is_found_again_by_content_and_mapped(tmp_path):
    rng = np.random.default_rng(7)
    pieces = {"a": line(rng, 50), "b": line(rng, 50)}
    first = og.build_index(pieces, "moved", tmp_path)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    again = og.build_index(pieces, "moved", tmp_path)
    assert made == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")} and isinstance(again.order, np.memmap)
    assert np.array_equal(first.order, again.order) and again.names == ("a", "b")
    og.build_index({**pieces, "b": pieces["b"] + [0, 0, 1, 0]}, "exact", tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_an_index_half_written_is_made_anew(tmp_path):
    pieces = {"a": line(np.random.default_rng(8), 50)}
    og.build_index(pieces, "moved", tmp_path)
    home, = tmp_path.iterdir()
    (home / "pieces.json").unlink()
    (home / "order.npy").write_bytes(b"half")
    assert og.longest_runs([pieces["a"]], og.build_index(pieces, "moved", tmp_path))[0].notes == 50


@given(st.lists(st.integers(2, 30), min_size=1, max_size=12), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_passages_have_the_lengths_asked_for_and_take_turns(lengths, seed):
    rng = np.random.default_rng(0)
    pieces = [line(rng, 60) + [0, 0, 0, 1000 * i] for i in range(4)]
    dealt = og.passages(pieces, lengths, seed)
    assert [len(p) for p in dealt] == lengths and all(0 <= p[0, 0] < 4 for p in dealt)
    used = np.bincount([int(p[0, 3] // 1000) for p in dealt], minlength=4)
    assert used.max() - used.min() <= 1


NOTES = line(np.random.default_rng(0), 10)


@pytest.mark.parametrize("call", [lambda: og.passages([NOTES], [11]), lambda: og.build_index({}), lambda: og.open_index("nowhere"),
                                  lambda: og.longest_runs([], None, by="bars"), lambda: og.symbols(NOTES, "bass"),
                                  lambda: og.copying([], [og.Run(3, 3, 50)]),
                                  lambda: og.copying([og.Run(3, 3, 50)], [og.Run(50, 50, 50)])])
def test_mistakes_are_named(call):
    with pytest.raises(InputError, match="give|take|make|pass|shorten"):
        call()


@pytest.mark.parametrize("bad", [np.zeros((1, 4)), np.zeros((5, 3)), np.full((5, 4), np.nan), np.full((5, 4), -1.0),
                                 np.full((5, 4), 128.0), np.array([[0, 480, 60, 80], [480, 480, 60, 80]])])
def test_notes_that_are_none(bad):
    with pytest.raises(InputError, match="clip 1"):
        og.validate([line(np.random.default_rng(0), 5), bad])


def test_the_verdict():
    human = [og.Run(n, n, 100) for n in range(1, 101) if n < 50] * 2
    same = og.copying(human, human)
    assert same["clean"] and same["over"] <= 0.05 < same["over_high"] and same["percentile"][48] == 1 and not same["doubles"]
    shifted = og.copying([og.Run(48, 48, 100)] * 50, human)
    assert not shifted["clean"] and not shifted["suspects"] and shifted["over"] == 1
    thief = og.copying([*human, og.Run(90, 90, 100)], [*human, og.Run(80, 80, 100)])
    assert thief["suspects"] == [98] and thief["doubles"] == 1 and thief["held_out_longest"] == 49


def test_the_interval_of_a_share():
    # Wilson's interval of 8 in 10 by his formula (13): (.8+.19207+-1.96*sqrt(.016+.0096))/1.38415
    found = og.copying([og.Run(n, n, 100) for n in [48] * 8 + [1] * 2], [og.Run(n, n, 100) for n in range(1, 50)])
    assert found["over"] == 0.8 and np.allclose((found["over_low"], found["over_high"]), (0.4902, 0.9433), atol=2e-4)


def test_evaluate_says_clean_of_strangers_and_not_of_a_thief(tmp_path):
    rng = np.random.default_rng(9)
    training, unseen = {f"{i}": line(rng, 300) for i in range(10)}, [line(rng, 300) for _ in range(30)]
    strangers = [line(rng, 100) for _ in range(20)]
    found = og.evaluate([*strangers[1:], training["3"][:100]], training, unseen, folder=tmp_path)
    rows = [row for view in og.VIEWS for row in found[view].values()]
    assert len(rows) == 6 and all(19 in row["suspects"] and not row["clean"] for row in rows)
    assert all(row["generated_longest"] == 100 and row["held_out_longest"] < 10 for row in rows)
    assert og.evaluate(strangers, training, unseen, folder=tmp_path)["moved"]["fresh"]["over_low"] <= 0.05
