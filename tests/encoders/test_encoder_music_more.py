"""Harmony, gesture, bags, the language model's states and musicnn: what must hold for any music, not only for the chapters' pieces."""

import numpy as np
import pytest
from symusic import Note, Score, Track

from emonotes.encoders import base, harmony, musicnn
from emonotes.encoders.bags import BAGS, Bags, bags
from emonotes.encoders.gesture import GESTURE_NAMES, Gesture, gesture, strikes, tune_of
from emonotes.encoders.music_lm import MusicLM, RandomMusicLM, sentence_of
from emonotes.errors import InputError

RNG = np.random.default_rng(1)


def score(pitches, step=240, velocity=70, drum=False):
    made, track = Score(480), Track("t", 0, drum)
    for i, pitch in enumerate(pitches):
        track.notes.append(Note(int(i * step), int(step), int(pitch), int(velocity)))
    made.tracks.append(track)
    return made


def chords(roots, shape):
    made, track = Score(480), Track("t", 0, False)
    for i, root in enumerate(roots):
        for step in shape:
            track.notes.append(Note(i * 960, 950, 48 + root + step, 70))
    made.tracks.append(track)
    return made


PIECES = {"one note": score([60]), "two the same": score([60, 60]), "random": score(RNG.integers(21, 109, 400), 60),
          "edges of the keyboard": score([21, 108] * 9), "drums alone": score([36, 38] * 8, drum=True),
          "slow": score([60, 64, 67], 48_000), "cluster": chords([0] * 4, range(12)), "very soft": score([60, 62], velocity=1)}


@pytest.mark.parametrize("name", PIECES)
def test_measurements_are_finite_for_odd_music(name):
    notes = harmony.pitched(PIECES[name])
    for measure, names in ((harmony.harmony, harmony.HARMONY_NAMES), (gesture, GESTURE_NAMES)):
        found = measure(notes)
        assert tuple(found) == names and np.isfinite(list(found.values())).all()
    found = bags(notes)
    assert {key: len(row) for key, row in found.items()} == BAGS
    assert all(np.isclose(np.linalg.norm(row), 1) or not row.any() for row in found.values())


@pytest.mark.parametrize("shape,number", [("maj", 0), ("min", 1), ("dim", 2), ("aug", 3), ("maj7", 4), ("dom7", 6), ("halfdim", 9)])
def test_each_chord_is_called_by_its_name(shape, number):
    path = harmony.chord_path(harmony.sounding(harmony.pitched(chords([0, 5, 7], harmony.CHORDS[shape]))))
    assert list(path[[1, 5, 9]]) == [12 * number, 12 * number + 5, 12 * number + 7]


@pytest.mark.parametrize("semitones", [1, 5, -4])
def test_degrees_do_not_move_with_the_key(semitones):
    tune = np.array([60, 62, 64, 65, 67, 65, 64, 62, 60, 67, 72, 67, 64, 60, 59, 60] * 2)
    here, there = (harmony.pitched(score(pitches)) for pitches in (tune, tune + semitones))
    for name in ("degrees", "steps", "chords", "moves", "gaps"):
        assert np.allclose(bags(here)[name], bags(there)[name]), name
    kept = [name for name in harmony.HARMONY_NAMES if name.startswith(("class_", "major_on", "minor_on", "tune_", "counted_m"))]
    one, other = harmony.harmony(here), harmony.harmony(there)
    assert np.allclose([one[k] for k in kept], [other[k] for k in kept])


def test_home_of_a_minor_key_is_anchored_at_its_relative_major():
    weights = np.zeros(12)
    weights[[9, 11, 0, 2, 4, 5, 8]] = [3, 1, 2, 1, 2, 1, 1]
    assert harmony.home_of(weights) == (9, 0)


def test_nothing_sounds_after_the_last_note_and_louder_is_more():
    soft, loud = (harmony.sounding(harmony.pitched(score([60, 64], velocity=v))) for v in (30, 90))
    assert np.allclose(loud, 3 * soft) and loud.sum(1)[-1] >= 0 and loud[:, [p for p in range(128) if p not in (60, 64)]].max() == 0


def test_strikes_and_tune():
    notes = harmony.pitched(chords([0, 5], (0, 4, 7, 12)))
    first, number = strikes(notes)
    assert first.tolist() == [0, 4] and number.tolist() == [0] * 4 + [1] * 4
    assert notes["pitch"][tune_of(notes)].tolist() == [60, 65]


def test_language_model_reads_the_start_of_a_long_piece_and_refuses_drums():
    assert len(sentence_of(score(RNG.integers(40, 80, 2000), 60))) == 1024
    with pytest.raises(InputError):
        MusicLM().encode([PIECES["drums alone"]])


def test_the_control_of_the_language_model_is_another_model():
    pieces = [score([60, 62, 64, 65] * 8)]
    assert not np.allclose(MusicLM().encode(pieces), RandomMusicLM().encode(pieces))


def test_musicnn_control_is_the_same_twice_and_has_the_shapes_of_the_file():
    one, two = musicnn.random_weights(3), musicnn.random_weights(3)
    assert all((one[name] == two[name]).all() for name in one)
    if musicnn._at_hand():
        trained = musicnn.Musicnn().weights[0]
        assert {k: tuple(v.shape) for k, v in trained.items() if "num_batches" not in k} == {k: tuple(v.shape) for k, v in one.items()}


def test_musicnn_without_weights_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("EMONOTES_ENCODERS", str(tmp_path))
    with pytest.raises(InputError, match="sound/spectral"):
        base.get("sound/musicnn")


@pytest.mark.slow
def test_heard_scores_differ_by_loudness_and_are_named_after_their_ears():
    heard = musicnn.Heard(base.get("sound/spectral"), seconds=2)
    soft, loud = heard.encode([score([60, 64] * 8, velocity=v) for v in (30, 110)])
    assert heard.name == "score/heard-sound-spectral" and heard.dim == len(soft) and np.abs(soft - loud).max() > 0.1


@pytest.mark.skipif(not musicnn._at_hand(), reason="the weights of musicnn are not at hand")
def test_musicnn_hears_a_piano_in_the_wave_of_a_synthetic_piano_more_than_in_noise():
    import torch

    names = (musicnn.encoder_folder() / "musicnn_mtg" / "jamendo_tags.txt").read_text().split()
    wave, rate = musicnn.Heard(base.get("sound/spectral"), 4).check(chords([0, 5, 7, 0], (0, 4, 7, 12)))
    noise = RNG.normal(0, 0.1, 3 * rate).astype(np.float32)
    with torch.inference_mode():
        said = [musicnn.musicnn(torch.from_numpy(musicnn.patches_of(w)), musicnn.Musicnn().weights[1])[1].mean(0) for w in (wave, noise)]
    piano = names.index("instrument---piano")
    assert said[0][piano] > said[1][piano]


def test_the_default_reader_of_scores_is_still_the_plain_one():
    assert base.default_for("music") == "score/features"
    assert Gesture.dim == len(GESTURE_NAMES) and Bags.dim == sum(BAGS.values())
