"""Tokens, plans, the grammar, and training that may be killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from emonotes.errors import InputError
from emonotes.music import decoder, lm, plan, render, tokens

NOTES = st.lists(st.tuples(st.integers(0, 63), st.integers(1, 15), st.integers(21, 108), st.integers(1, 127)), min_size=1, max_size=40)


def score_of(rows):
    score = symusic.Score(480)
    score.tempos.append(symusic.Tempo(0, 100))
    score.tracks.append(symusic.Track())
    for onset, duration, pitch, velocity in {(o, p): (o, d, p, v) for o, d, p, v in rows}.values():
        score.tracks[0].notes.append(symusic.Note(onset * 120, duration * 120, pitch, velocity))
    return score


@given(NOTES)
@settings(max_examples=40, deadline=None)
def test_tokens_keep_onset_pitch_and_duration(rows):
    score = score_of(rows)
    ids = tokens.encode(score)
    wanted = {tuple(row) for row in tokens.notes_of_score(score)[:, :3].tolist()}
    assert {tuple(row) for row in tokens.notes_of_tokens(ids)[:, :3].tolist()} == wanted
    again = tokens.decode(ids, 90)
    assert {tuple(row) for row in tokens.notes_of_score(again)[:, :3].tolist()} == wanted


@pytest.mark.parametrize("semitones", [-3, 0, 5])
def test_transposing_moves_pitches_only(semitones):
    ids = tokens.encode(score_of([(0, 4, 60, 80), (4, 4, 64, 80)]))
    before, after = tokens.notes_of_tokens(ids), tokens.notes_of_tokens(lm.transpose(ids, semitones))
    assert np.array_equal(after - before, [[0, 0, semitones, 0]] * 2)


def test_transposing_off_the_keyboard_changes_nothing():
    ids = tokens.encode(score_of([(0, 4, 108, 80)]))
    assert np.array_equal(lm.transpose(ids, 5), ids)


@pytest.mark.parametrize("bad", [b"", b"MThd", b"x" * 100])
def test_bytes_that_are_no_midi(bad):
    with pytest.raises(InputError, match="MIDI"):
        tokens.read_score(bad)


def test_drums_alone_are_refused():
    score = score_of([(0, 4, 60, 80)])
    score.tracks[0].is_drum = True
    with pytest.raises(InputError, match="pitched"):
        tokens.read_score(score.dumps_midi())


@pytest.mark.parametrize("field,value", [("tempo", 0), ("loudness", 300), ("density", float("nan")), ("mode", "lydian")])
def test_an_impossible_plan_is_refused(field, value):
    with pytest.raises(InputError, match=field):
        plan.Plan(**{field: value})


def test_louder_notes_sound_louder():
    soft, loud = (render.level(render.synthesize(score_of([(0, 8, 60, v)]))) for v in (40, 110))
    assert loud - soft > 10


def test_a_missing_soundfont_is_one_sentence(tmp_path):
    (tmp_path / "bad.sf2").write_text("no")
    for path in ("bad.sf2", "gone.sf2"):
        with pytest.raises(InputError, match="SoundFont"):
            render.synthesize(score_of([(0, 4, 60, 80)]), str(tmp_path / path))


def test_generated_music_parses_and_has_the_bars_asked_for():
    plans = [plan.Plan(tempo=140, density=9, loudness=95), plan.Plan(tempo=60, density=2, mode="minor", loudness=40)]
    for bars in (1, 5):
        for ids in lm.generate(plans, bars, seed=1):
            kinds = [word.split("_")[0] for word in tokens.words(ids)]
            assert kinds.count("Bar") == bars and kinds.count("Pitch") == len(tokens.notes_of_tokens(ids))
            assert np.array_equal(tokens.encode(tokens.decode(ids)), ids)


def test_the_same_seed_writes_the_same_music():
    one, two, other = (lm.generate([plan.Plan()], 2, seed=s)[0] for s in (0, 0, 1))
    assert np.array_equal(one, two) and not np.array_equal(one, other)


def test_nothing_to_write_is_refused():
    for plans, bars in (([], 4), ([plan.Plan()], 0)):
        with pytest.raises(InputError):
            lm.generate(plans, bars)


def test_a_truncated_weights_file_is_one_sentence(tmp_path):
    shutil.copytree(lm.PRETRAINED / "music_lm", tmp_path / "lm")
    weights = tmp_path / "lm" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be read"):
        lm.load_lm(str(tmp_path / "lm"))
    with pytest.raises(InputError, match="cannot be read"):
        decoder.load_decoder(tmp_path)


TRAIN = """
import sys, numpy as np
from emonotes.music import lm, tokens
ids = np.concatenate([np.tile(np.array([3, 141, 43, 100, 112]), 40)]).astype(np.int16)
piece = lm.Piece("toy", ids, 100.0)
print("losses", lm.train([piece], sys.argv[1], lm.LMConfig(32, 1, 1, 64), steps=int(sys.argv[2]), batch=2, save_every=3, progress=False)[1])
"""


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_same_losses(tmp_path):
    def run(folder, steps, kill=False):
        process = subprocess.Popen([sys.executable, "-c", TRAIN, str(tmp_path / folder), str(steps)], stdout=subprocess.PIPE,
                                   text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        while kill and not (tmp_path / folder / "checkpoint.safetensors").exists() and process.poll() is None:
            time.sleep(0.01)
        if kill:
            process.send_signal(signal.SIGKILL)
        return process.communicate()[0]

    whole = run("whole", 12)
    run("killed", 12, kill=True)
    assert not [p for p in Path(tmp_path / "killed").iterdir() if p.suffix not in (".safetensors", ".part")]
    assert run("killed", 12) == whole and "losses" in whole


def test_slopes_follow_psychology_even_when_the_data_do_not():
    rng = np.random.default_rng(0)
    va = rng.uniform(-1, 1, (60, 2)).astype(np.float32)
    plans = [plan.Plan(tempo=float(100 - 30 * a), mode="minor" if v > 0 else "major") for v, a in va]
    fitted = decoder.fit_decoder(va, plans)
    assert fitted.slopes["tempo"][2] == 0 and fitted.mode[1] == 0


def test_the_decoder_survives_a_round_trip(tmp_path):
    held = decoder.load_decoder()
    assert decoder.load_decoder(decoder.save_decoder(held, tmp_path)) == held
    assert json.loads((tmp_path / "decoder.json").read_text())["mode"]
