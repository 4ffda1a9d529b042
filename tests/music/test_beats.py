"""Beats without a tempo map: known rubato is found, what must not matter does not, and poor input is met with grace."""

import zipfile

import numpy as np
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from emonotes.atlas.rows import half_of
from emonotes.errors import InputError
from emonotes.music import beats, marked, tapping, tokens
from emonotes.music.corpora import CORPORA, read_corpus
from emonotes.music.plan import FIELDS, plan_of, tempo_of

TRUTH = tapping.made_up(3, bars=20, bpm=92, depth=0.25)


def score_of(notes, ticks=960):
    """Notes in seconds as a score at 120, 2 * `ticks` to a second."""
    score = symusic.Score(ticks)
    score.tempos.append(symusic.Tempo(0, 120))
    score.tracks.append(symusic.Track("piano"))
    for onset, duration, pitch, velocity in notes:
        score.tracks[0].notes.append(symusic.Note(round(onset * 2 * ticks), max(round(duration * 2 * ticks), 1), int(pitch), int(velocity)))
    return score


@pytest.fixture(scope="module")
def found():
    return beats.beats_of(score_of(TRUTH.notes))


@pytest.mark.parametrize("seed", range(4))
def test_the_search_follows_a_swaying_pulse_through_noise(seed):
    p, rng = tapping.made_up(seed, bars=20, meter=(3, 4)[seed % 2], bpm=80 + 12 * seed, depth=0.25), np.random.default_rng(seed)
    times, _ = tapping.hints(p.notes)
    odds = np.full(len(times), -1.5)
    odds[tapping.nearest(times, p.beats)] = 1.5
    row = beats.best_row(times, odds + rng.normal(0, 1.0, len(times)), np.zeros((len(times), len(tapping.PERIODS))))
    assert marked.f_measure(p.beats, row) > 0.9


@pytest.mark.parametrize("seed", range(4))
def test_swaying_beats_and_bars_are_found(seed):
    """At a moderate tempo, that is up to 100 beats a minute in the fastest bar."""
    p = tapping.made_up(seed, bars=20, meter=(3, 4)[seed % 2], bpm=60 + 5 * seed, depth=0.25)
    got = beats.beats_of(score_of(p.notes))
    assert marked.f_measure(p.beats, got.times) > 0.9
    near = np.abs(got.times[:, None] - p.beats).argmin(0)
    curve = 60 / np.diff(got.times[near])
    assert np.corrcoef(curve, 60 / np.diff(p.beats))[0, 1] > 0.9, "the tempo curve follows the sway"
    assert marked.f_measure(p.beats[p.down], got.times[got.downbeat]) > 0.9


@pytest.mark.parametrize("seed", range(4))
def test_fast_playing_is_tapped_on_each_beat_or_on_every_other(seed):
    """Up to 200 beats a minute in the fastest bar: the level is then a matter of taste, as among people, but a beat it is."""
    p = tapping.made_up(seed, bars=20, meter=(3, 4)[seed % 2], bpm=92 + 19 * seed, depth=0.25)
    got = beats.beats_of(score_of(p.notes))
    inside = got.times[(got.times > p.beats[0] - 0.07) & (got.times < p.beats[-1] + 0.07)]
    assert (np.abs(inside[:, None] - p.beats).min(1) < 0.07).mean() > 0.95
    steps = np.diff(got.place(p.beats))
    assert (np.minimum(np.abs(steps - 1), np.abs(steps - 0.5)) < 0.1).mean() > 0.95


@given(st.integers(-12, 12), st.floats(0.4, 1.5), st.floats(0, 30))
@settings(max_examples=8, deadline=None)
def test_key_loudness_and_start_do_not_matter(found, steps, louder, later):
    notes = TRUTH.notes * [1, 1, 1, louder] + [later, 0, steps, 0]
    got = beats.beats_of_notes(notes)
    assert len(got.times) == len(found.times)
    assert np.allclose(got.times - later, found.times, atol=0.02)
    assert got.confidence == pytest.approx(found.confidence, abs=0.02)


@pytest.mark.parametrize("faster", [0.9, 1.1, 1.2])
def test_faster_playing_has_a_faster_tempo(faster):
    """As long as the fastest bar stays under 100 beats a minute; above, see `test_fast_playing_is_tapped_on_each_beat_or_on_every_other`."""
    notes = tapping.made_up(3, bars=20, bpm=62, depth=0.25).notes
    one, other = beats.beats_of_notes(notes), beats.beats_of_notes(notes * [1 / faster, 1 / faster, 1, 1])
    assert other.tempo / one.tempo == pytest.approx(faster, rel=0.03)


def test_a_score_on_beats_sounds_as_before_and_stands_on_the_grid():
    score, found = score_of(TRUTH.notes), beats.Beats(TRUTH.beats, TRUTH.down)
    score.tracks[0].pedals.append(symusic.Pedal(960, 1920))
    score.tracks[0].controls.append(symusic.ControlChange(1920, 7, 90))
    laid = beats.on_beats(score, found)
    before, after = (np.stack([s.to("second").tracks[0].notes.numpy()[k] for k in ("time", "duration", "pitch", "velocity")], 1)
                     for s in (score, laid))
    shift, length = after[:, 0] - before[:, 0], after[:, 1] - before[:, 1]
    assert np.array_equal(before[:, 2:], after[:, 2:])
    assert np.ptp(shift) < 0.004 and np.abs(length).max() < 0.004
    place = tokens.notes_of_score(laid)[:, 0] * 4
    assert np.abs(place - np.rint(place)).mean() < 0.1
    moved = laid.to("second").tracks[0]
    assert moved.pedals[0].time - 0.5 == pytest.approx(shift.mean(), abs=0.004)
    assert moved.controls[0].time - 1.0 == pytest.approx(shift.mean(), abs=0.004)
    assert moved.pedals[0].duration == pytest.approx(1.0, abs=0.004)


def test_downbeats_stand_on_bar_lines(found):
    laid = beats.on_beats(score_of(TRUTH.notes), found)
    signs = [(s.time, s.numerator, s.denominator) for s in laid.time_signatures]
    lines = np.concatenate([np.arange(t, end, beats.TICKS * 4 * n // d) for (t, n, d), end in
                            zip(signs, [s[0] for s in signs[1:]] + [laid.end() + 8 * beats.TICKS], strict=True)])
    bars = found.times[found.downbeat]
    clock = score_of(np.stack([bars, np.full(len(bars), 0.1), np.full(len(bars), 60), np.full(len(bars), 60)], 1))
    at = tokens.notes_of_score(beats.on_beats(clock, found))[:, 0] * beats.TICKS
    assert np.abs(at[:, None] - lines).min(1).max() <= 2


def test_a_beat_in_three_parts_is_a_dotted_quarter():
    times = np.arange(0, 12, 0.75)
    jig = beats.Beats(times, np.arange(len(times)) % 2 == 0, parts=3)
    eighths = np.arange(0, 10, 0.25)
    notes = np.stack([eighths, np.full(len(eighths), 0.2), np.full(len(eighths), 60), np.full(len(eighths), 70)], 1)
    laid = beats.on_beats(score_of(notes), jig)
    assert (laid.time_signatures[0].numerator, laid.time_signatures[0].denominator) == (6, 8)
    assert np.allclose(np.diff(tokens.notes_of_score(laid)[:, 0]), 0.5, atol=0.01)
    assert laid.tempos[0].qpm == pytest.approx(120, rel=1e-3)
    assert beats.parts_of(eighths, times) == 3 and beats.parts_of(np.arange(0, 10, 0.1875), times) == 2


def test_an_upbeat_is_filled_up_to_a_bar():
    times = 1 + np.arange(0, 12, 0.5)
    got = beats.Beats(times, np.arange(len(times)) % 4 == 1)
    assert beats._bar_lines(got)[:2] == [(-3, 4), (1, 4)]
    laid = beats.on_beats(score_of([(1, 0.4, 60, 70), (1.5, 0.4, 62, 70), (9, 0.4, 64, 70)]), got)
    assert tokens.notes_of_score(laid)[:2, 0].tolist() == pytest.approx([3, 4], abs=0.01)


@given(st.lists(st.floats(-6, 6), min_size=2, max_size=60))
@settings(max_examples=30, deadline=None)
def test_bars_have_two_to_four_beats(odds):
    assert set(np.diff(np.flatnonzero(beats.downbeats(np.array(odds))))) <= {2, 3, 4}


@pytest.mark.parametrize("bars", [[4, 4, 4], [3, 3, 3, 3], [4, 4, 3, 4, 2, 4, 4], [2, 3, 3, 3, 4, 3]])
@pytest.mark.parametrize("upbeat", [0, 1, 3])
def test_tokens_draw_the_bar_lines_that_were_found(bars, upbeat):
    down = np.zeros(upbeat + sum(bars), bool)
    down[upbeat + np.r_[0, np.cumsum(bars[:-1])]] = True
    got = beats.Beats(1 + 0.5 * np.arange(len(down)), down)
    laid = beats.on_beats(score_of([(when, 0.4, 60, 70) for when in got.times]), got)
    lines, meter = tokens.bars_of_tokens(tokens.encode(laid, lead_in=True)), got.meter
    lead = -(-upbeat // meter)
    wanted = [*range(0, lead * meter, meter), *(lead * meter + np.r_[0, np.cumsum(bars[:-1])])]
    assert np.allclose(lines[:len(wanted)], wanted)


@pytest.mark.parametrize("onsets", [[0.0], [2.0], [1.0, 1.0, 1.0], [0.0, 0.5], np.arange(7) * 0.4, np.zeros(40), np.arange(12) * 20.0,
                                    np.r_[np.arange(20) * 0.3, 200 + np.arange(20) * 0.3], np.arange(300) * 0.035])
def test_few_notes_one_chord_and_long_pauses(onsets):
    onsets = np.asarray(onsets, float)
    notes = np.stack([onsets, np.full(len(onsets), 0.3), 50 + np.arange(len(onsets)) % 30, np.full(len(onsets), 64)], 1)
    got = beats.beats_of(score_of(notes))
    assert np.isfinite(got.times).all() and np.isfinite(got.curve).all() and 0 <= got.confidence <= 1
    assert got.times[0] <= onsets[0] + 0.01 and got.times[-1] >= onsets[-1] - 0.01
    laid = beats.on_beats(score_of(notes), got)
    assert np.ptp(tapping.notes_in_seconds(laid)[:, 0] - np.sort(onsets)) < 0.01
    assert len(tokens.encode(laid)) > 0


def test_ten_thousand_notes():
    p = tapping.made_up(1, bars=900, meter=3)
    assert len(p.notes) > 10_000
    got = beats.beats_of_notes(p.notes)
    assert np.isfinite(got.curve).all() and got.times[0] <= p.notes[0, 0] and got.times[-1] >= p.notes[-1, 0]


def test_nothing_pitched_is_refused():
    with pytest.raises(InputError, match="no pitched note"):
        beats.beats_of(symusic.Score(480))
    with pytest.raises(InputError, match="rising times"):
        beats.Beats(np.array([1.0, 1.0]), np.array([True, False]))


def test_the_row_bridges_silent_beats_and_jumps_over_pauses():
    times = np.delete(np.arange(0, 20, 0.5), [5, 11, 12, 20])
    flat = np.zeros((len(times), len(tapping.PERIODS)))
    assert np.allclose(beats.best_row(times, np.full(len(times), 2.0), flat), np.arange(0, 20, 0.5))
    apart = np.r_[times, 60 + times]
    assert set(apart) <= set(beats.best_row(apart, np.full(len(apart), 4.0), np.zeros((len(apart), 40))))


def test_f_measure_agrees_with_mir_eval():
    mir_eval = pytest.importorskip("mir_eval")
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = np.sort(rng.uniform(5, 30, 40)), np.sort(rng.uniform(5, 30, 55))
        assert marked.f_measure(a, b) == pytest.approx(mir_eval.beat.f_measure(a, b))


def test_shared_melodies_are_seen_in_another_key():
    rng = np.random.default_rng(0)
    tune = rng.integers(55, 80, 60)
    score = [score_of([(0.5 * k, 0.4, p + up, 64) for k, p in enumerate(tune)]) for up in (0, 5)]
    assert marked.turns(score[0]) == marked.turns(score[1]) != set()
    other = score_of([(0.5 * k, 0.4, p, 64) for k, p in enumerate(rng.integers(55, 80, 60))])
    assert not marked.turns(other) & marked.turns(score[0])


def test_no_work_stands_on_both_sides():
    folder = marked.data_folder()
    if folder is None or not (folder / "asap_piano").is_dir():
        pytest.skip("no ASAP at hand")
    work = marked.works(folder / "asap_piano")
    assert len(set(work.values())) == 222
    sides = [{w for w in work.values() if marked.fold(w) in part} for part in (range(60), range(60, 70), range(70, 100))]
    assert all(sides) and not sides[0] & (sides[1] | sides[2])


def test_a_training_that_was_killed_ends_at_the_same_weights(tmp_path, monkeypatch):
    performances = [tapping.made_up(k, bars=6) for k in range(2)]
    small = {"steps": 6, "batch": 2, "size": 32, "every": 2}
    whole = marked.train(performances, tmp_path / "whole", **small).state_dict()

    class Killed(Exception):
        pass

    keep = marked._keep

    def kept_and_killed(path, done, *rest):
        keep(path, done, *rest)
        if done == 4:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(marked, "_keep", kept_and_killed)
        marked.train(performances, tmp_path / "cut", **small)
    again = marked.train(performances, tmp_path / "cut", **small).state_dict()
    assert all((whole[name] == value).all() for name, value in again.items())
    marked.train(performances, tmp_path / "cut", **{**small, "seed": 1})
    assert len(list((tmp_path / "cut").iterdir())) == 2, "another training has a place of its own"


def test_a_network_comes_back_from_its_file(tmp_path):
    from safetensors.torch import load_file

    network = marked.train([TRUTH], steps=2, batch=1, size=64)
    held = load_file(marked.save_ear(network, tmp_path / "ear.safetensors"))
    again = tapping.new_network()
    again.load_state_dict({name: value.float() for name, value in held.items()})
    _, table = tapping.hints(TRUTH.notes)
    for one, two in zip(tapping.listen(table, network), tapping.listen(table, again.eval()), strict=True):
        assert np.allclose(one, two, atol=0.05)


def test_a_score_that_keeps_time_is_left_alone_and_a_performance_is_not():
    played = score_of(TRUTH.notes)
    laid = beats.in_time(played)
    assert not beats.keeps_time(played) and beats.keeps_time(laid) and beats.in_time(laid) is laid
    true = beats.on_beats(played, beats.Beats(TRUTH.beats, TRUTH.down))
    assert plan_of(played) == plan_of(laid) and tempo_of(true) == pytest.approx(60 / np.diff(TRUTH.beats).mean(), rel=0.03)
    empty_map = symusic.Score(480)
    empty_map.tracks.append(symusic.Track("piano"))
    empty_map.tracks[0].notes.extend([symusic.Note(120 * k, 120, 60, 70) for k in range(8)])
    assert beats.keeps_time(empty_map)


def test_a_corpus_of_performances_stands_on_found_beats_and_the_judges_songs_never_teach(tmp_path, monkeypatch):
    monkeypatch.setenv("EMONOTES_CACHE", str(tmp_path / "cache"))
    songs = [f"song{k}" for k in range(6)]
    (tmp_path / "emopia").mkdir()
    with zipfile.ZipFile(tmp_path / "emopia" / CORPORA["emopia"].archive, "w") as archive:
        for k, song in enumerate(songs):
            archive.writestr(f"midis/Q{k % 4 + 1}_{song}_0.mid", score_of(tapping.made_up(k, bars=40, bpm=70 + 5 * k, depth=0).notes).dumps_midi())
    pieces, makers = read_corpus(tmp_path, "emopia"), {song for song in songs if half_of(f"emopia/{song}") == "maker"}
    assert pieces and {piece.name.split("_")[1] for piece in pieces} <= makers < set(songs)
    for piece in pieces:
        tempo, true = np.median(piece.rows[:, FIELDS.index("tempo")]), 70 + 5 * songs.index(piece.name.split("_")[1])
        assert min(abs(np.log2(tempo / (times * true))) for times in (0.5, 1, 1.5, 2)) < 0.05, (piece.name, tempo)
