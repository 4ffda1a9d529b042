"""Tokens, plans, the grammar, and training that may be killed."""

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

from emonotes.align import ear
from emonotes.errors import InputError
from emonotes.music import chords, composing, corpora, decoder, lm, plan, render, sampling, sentences, tokens

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
    ids = tokens.encode(score, lead_in=True)
    wanted = {tuple(row) for row in tokens.notes_of_score(score)[:, :3].tolist()}
    assert {tuple(row) for row in tokens.notes_of_tokens(ids)[:, :3].tolist()} == wanted
    again = tokens.decode(ids, 90)
    assert {tuple(row) for row in tokens.notes_of_score(again)[:, :3].tolist()} == wanted


METRES = st.sampled_from([(4, 4), (3, 4), (2, 4), (6, 8)])


@given(NOTES, METRES, st.integers(-6, 6))
@settings(max_examples=40, deadline=None)
def test_a_sentence_keeps_the_notes_in_any_metre_and_key(rows, metre, semitones):
    score = score_of(rows)
    score.time_signatures.append(symusic.TimeSignature(0, *metre))
    piece = sentences.piece_of(score)
    assert np.array_equal(sentences.notes_only(piece.ids), tokens.encode(score))
    moved = sentences.transpose(piece.ids, piece.rows, semitones)
    before, after = (tokens.notes_of_tokens(ids) for ids in (piece.ids, moved))
    assert np.array_equal(np.delete(before, 2, 1), np.delete(after, 2, 1))
    assert set((after - before)[:, 2]) <= {semitones, semitones - 12, semitones + 12}
    words = sentences.say(piece.ids)
    assert words.count("Bar_None") == len(piece.rows) == sum(word.startswith("left") for word in words)


@given(NOTES, st.integers(0, 11))
@settings(max_examples=40, deadline=None)
def test_harmony_moves_with_the_key(rows, semitones):
    notes = tokens.notes_of_score(score_of(rows))
    roll = chords.tone_roll(notes)
    moved = chords.tone_roll(notes + [0, 0, semitones, 0])
    assert np.allclose(np.roll(roll, semitones, 1), moved)
    assert np.isclose(chords.majorness(roll.sum(0)), chords.majorness(moved.sum(0)))
    key = np.array([3, 15])
    far = chords.tension(np.tile(roll.sum(0), (2, 1)), key)
    assert np.allclose(far, chords.tension(np.tile(moved.sum(0), (2, 1)), key // 12 * 12 + (key + semitones) % 12))


@given(NOTES)
@settings(max_examples=40, deadline=None)
def test_any_music_has_a_plan_inside_the_limits(rows):
    found = plan.plan_of(score_of(rows))
    assert plan.plan_of_row(found.row) == found and plan.describe(found)
    bars = plan.plans_of_tokens(tokens.encode(score_of(rows)), 100)
    assert all(plan.plan_of_row(one.row) == one for one in bars)


@pytest.mark.parametrize("phase", [0.0, 0.05, -0.09])
@pytest.mark.parametrize("first", [0, 3, 6])
def test_a_shifted_recording_is_put_back_on_its_bars(phase, first):
    rows = [(16 * bar + 4 * beat, 4, pitch, 80) for bar in range(12) for beat, pitches in
            enumerate([(36 + 5 * (bar % 2),), (64 + bar % 2, 67), (64 + bar % 2, 67), (64 + bar % 2, 67)]) for pitch in pitches]
    late = score_of([(onset + first, d, p, v) for onset, d, p, v in rows]).shift_time(round(480 * (phase + 0.25)))
    mended, sure = corpora.on_bars(late)
    notes = tokens.notes_of_score(mended)
    low = notes[notes[:, 2] < 50]
    assert sure > 0.95 and np.allclose(low[:, 0] % 4, 0, atol=0.01) and np.isclose(mended.tempos[0].qpm, 100)


def test_tempo_between_bars_follows_the_map():
    score = score_of([(0, 4, 60, 80)])
    score.tempos.append(symusic.Tempo(4 * 480, 50))
    assert np.allclose(sentences.tempo_between(score, [0, 4, 8]), [100, 50])
    assert np.allclose(sentences.tempo_between(score, [2, 6]), 400 / (2 * 60 / 100 + 2 * 60 / 50) * 0.6)


@pytest.mark.parametrize("bad", [b"", b"MThd", b"x" * 100])
def test_bytes_that_are_no_midi(bad):
    with pytest.raises(InputError, match="MIDI"):
        tokens.read_score(bad)


def test_drums_alone_are_refused():
    score = score_of([(0, 4, 60, 80)])
    score.tracks[0].is_drum = True
    with pytest.raises(InputError, match="pitched"):
        tokens.read_score(score.dumps_midi())


@pytest.mark.parametrize("field,value", [("tempo", 0), ("loudness", 300), ("density", float("nan")), ("majorness", 2)])
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


PLANS = [plan.Plan(tempo=140, density=5, loudness=95), plan.Plan(tempo=60, density=1, majorness=-0.2, loudness=40, metre=3)]


@pytest.mark.parametrize("bars", [1, 5])
def test_generated_music_parses_and_has_the_bars_asked_for(bars):
    for ids, asked in zip(sampling.generate([[one] * bars for one in PLANS], seed=1), PLANS, strict=True):
        kinds = [word.split("_")[0] for word in sentences.say(ids)]
        assert kinds.count("Bar") == bars and kinds[0] == "BOS" and kinds[-1] == "EOS"
        assert kinds.count("Pitch") == len(tokens.notes_of_tokens(ids)) >= bars
        remi = sentences.notes_only(ids)
        assert np.array_equal(tokens.bars_of_tokens(remi), np.arange(bars + 1) * asked.metre)
        again = tokens.notes_of_tokens(tokens.encode(tokens.decode(ids), lead_in=True))
        assert {tuple(row) for row in again[:, :3]} == {tuple(row) for row in tokens.notes_of_tokens(ids)[:, :3]}


def test_the_same_seed_writes_the_same_music_whatever_stands_beside_it():
    one, two, other = (sampling.generate([[plan.Plan()] * 2], seed=s)[0] for s in (0, 0, 1))
    assert np.array_equal(one, two) and not np.array_equal(one, other)
    alone = sampling.generate([[PLANS[0]] * 3], seed=[7])[0]
    beside = sampling.generate([[PLANS[1]] * 2, [PLANS[0]] * 3, [PLANS[1]] * 5], seed=[1, 7, 2])[1]
    assert np.array_equal(alone, beside)


def test_a_piece_longer_than_the_memory_goes_on():
    written = composing.write([[plan.Plan(density=6, texture=3)] * 24], seed=0)[0]
    assert len(written.ids) > lm.LMConfig().context and len(written.heard) == 24
    ends = written.notes[:, :2].sum(1)
    assert ends.max() <= 96 and len(np.unique(written.notes[:, 0] // 4)) > 20


def test_the_last_bar_ends_and_does_not_run_on_to_its_last_sixteenth():
    points = [(0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5)]
    pieces = composing.write([composing.plans_for(point, 12, seed) for seed, point in enumerate(points)], list(range(4)), progress=False)
    ends = [sum(plan.metre for plan in piece.plans) for piece in pieces]
    last = sum((piece.notes[:, 0] >= end - piece.plans[-1].metre).sum() for piece, end in zip(pieces, ends, strict=True))
    assert 0 < last < 1.2 * sum(len(piece.notes) / len(piece.plans) for piece in pieces)


@pytest.mark.parametrize("plans,seed", [([], 0), ([[]], 0), ([[plan.Plan()]], [1, 2]), ([plan.Plan().row], 0)])
def test_nothing_to_write_is_refused(plans, seed):
    with pytest.raises(InputError):
        sampling.generate(plans, seed=seed)


@pytest.mark.parametrize("style", [{"guidance": -1}, {"temperature": float("nan")}, {"top_p": 0}])
def test_an_impossible_style_is_refused(style):
    with pytest.raises(InputError):
        sampling.Style(**style)


def test_the_likeliest_words_are_those_of_transformers():
    import torch

    from emonotes.music.decoding import Decoder

    model = lm.load_lm()
    top = sentences.heads([plan.Plan().row], sentences.left_words(1))[0]
    prompt = torch.as_tensor(np.concatenate([[1], top]))[None]
    theirs = model.generate(input_ids=prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=60)[0, prompt.shape[1]:]
    with torch.inference_mode():
        pen, ours = Decoder(model, 1, 128), []
        logits = pen.feed(prompt)
        while len(ours) < len(theirs):
            ours.append(int(logits.argmax()))
            logits = pen.feed(torch.tensor([[ours[-1]]]))
    assert ours == theirs.tolist()


def test_rows_of_unlike_length_read_as_each_alone_with_torchscript_and_without(monkeypatch):
    import torch

    from emonotes.music import decoding

    model, ids, found = lm.load_lm(), torch.randint(3, 200, (3, 24), generator=torch.Generator().manual_seed(0)), []
    for scripted in (True, False):
        if not scripted:
            monkeypatch.setattr(decoding, "_scripted", lambda layer: layer)
        with torch.inference_mode():
            three, alone = decoding.Decoder(model, 3, 32), decoding.Decoder(model, 1, 32)
            assert isinstance(three.layers[0], torch.jit.ScriptModule) == scripted
            three.feed(ids[:1, :9], slice(0, 1))
            three.feed(ids[1:, :20], slice(1, 3))
            three.keep([0, 2])
            found.append(three.feed(ids[[0, 2], 20:21]))
            alone.feed(ids[:1, :9])
            assert torch.allclose(alone.feed(ids[:1, 20:21])[0], found[-1][0], atol=2e-4)
            assert torch.allclose(model(input_ids=ids[2:, :21]).logits[0, -1], found[-1][1], atol=2e-4)
    assert torch.allclose(*found, atol=2e-4)


@pytest.mark.parametrize("seconds", [5, 33])
@pytest.mark.parametrize("path", [(0.5, 0.5), [(-0.9, -0.9), (0.9, 0.9)], [(0, 0)] * 7])
def test_bars_fill_the_time(seconds, path):
    plans = composing.plans_for(path, seconds, seed=2)
    assert 0 <= composing.seconds_of(plans) - seconds < max(60 * one.metre / one.tempo for one in plans)


def test_a_truncated_weights_file_is_one_sentence(tmp_path):
    shutil.copytree(lm.PRETRAINED / "music_lm", tmp_path / "lm")
    weights = tmp_path / "lm" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be read"):
        lm.load_lm(str(tmp_path / "lm"))
    with pytest.raises(InputError, match="cannot be read"):
        decoder.load_decoder(tmp_path)


TRAIN = """
import sys, symusic
from emonotes.music import lm, sentences
score = symusic.Score(480)
score.tracks.append(symusic.Track("piano"))
score.tracks[0].notes.extend([symusic.Note(240 * i, 240, 60 + i % 5, 80) for i in range(96)])
piece = sentences.piece_of(score)
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


def made_up_clips(tempo_slope=30, major_slope=0.2, n=60):
    rng = np.random.default_rng(0)
    va = rng.uniform(-1, 1, (n, 2)).astype(np.float32)
    rows = np.array([plan.Plan(tempo=float(100 + tempo_slope * a), majorness=float(major_slope * v + 0.02 * rng.standard_normal()),
                               loudness=float(70 + 5 * rng.standard_normal())).row for v, a in va])
    return decoder.Labelled(va, rows, np.array(["vgmidi"] * n), np.ones(rows.shape, bool))


def test_slopes_follow_psychology_even_when_the_data_do_not():
    fitted = decoder.fit_decoder(made_up_clips(-30, -0.2))
    tempo, major = (fitted.lines[decoder.FITTED.index(field)] for field in ("tempo", "majorness"))
    assert abs(tempo[2]) < 1e-6 and abs(major[1]) < 1e-6
    fitted = decoder.fit_decoder(made_up_clips())
    assert fitted.plan((0, 1)).tempo > 115 and fitted.plan((-1, 0)).majorness < -0.1 < 0.1 < fitted.plan((1, 0)).majorness


def test_register_may_turn_with_the_product_and_what_must_rise_does_not():
    clips = made_up_clips()
    clips.rows[:, plan.FIELDS.index("register")] = 62 + 8 * clips.va.prod(1)
    fitted = decoder.fit_decoder(clips)
    register = [fitted.plan(corner).register for corner in ((1, 1), (-1, 1), (-1, -1), (1, -1))]
    assert min(register[0], register[2]) - max(register[1], register[3]) > 5
    assert all(fitted.lines[decoder.FITTED.index(field), 3] == 0 for field in decoder.RISES)


@pytest.mark.parametrize("point", [(0, 0), (0.7, 0.4), (-0.5, -0.9)])
def test_a_draw_is_not_heard_as_another_point(point):
    held = decoder.load_decoder()
    draws = np.array([held.draw(point, seed) for seed in range(50)])
    reads = np.linalg.solve(held.spread, held.lines[:, 1:3] + held.lines[:, 3:] * held.aimed(point)[::-1])
    free = np.random.default_rng(0).multivariate_normal(np.zeros(8), held.spread, 200) @ reads
    assert np.abs(draws @ reads).max() < 1e-6 * free.std() and (draws.std(0) > 0.5 * np.sqrt(np.diag(held.spread))).all()


def test_two_draws_are_two_plans_around_one_mean():
    held = decoder.load_decoder()
    draws = [held.plan((0.5, 0.5), seed=s) for s in range(200)]
    mean = held.plan((0.5, 0.5))
    assert len({one.loudness for one in draws}) > 150 and abs(np.mean([one.register for one in draws]) - mean.register) < 1
    assert {one.tonic for one in draws} == set(range(12))


def test_the_decoder_survives_a_round_trip(tmp_path):
    held = decoder.load_decoder()
    again = decoder.load_decoder(decoder.save_decoder(held, tmp_path))
    assert all(np.allclose(value, getattr(again, name), atol=1e-6) for name, value in vars(held).items())


@pytest.mark.parametrize("point", [(2, 0), (float("nan"), 0)])
def test_a_point_outside_the_plane_has_no_plan(point):
    with pytest.raises(InputError):
        composing.plans_for(point, 10)


def test_the_best_draft_is_the_one_both_readers_hear_nearest_and_one_without_notes_is_never_taken():
    one = composing.write([composing.plans_for((0.5, 0.5), 4, 0)], progress=False)[0]
    silent = composing.Written(one.plans[:1], np.r_[1, sentences.heads(np.array([one.plans[0].row]), sentences.left_words(1))[0], 2])
    first, second = [(0.9, 0.5), (0.5, 0.4), (-0.5, -0.5), (0.1, 0.1), (-0.6, -0.5)], [(0.1, 0.5), (0.5, 0.3), (-0.5, -0.5), (0.1, 0.1), (-0.6, -0.5)]
    pieces = [composing.Written(one.plans, one.ids) for _ in range(3)] + [silent] + [composing.Written(one.plans, one.ids) for _ in range(2)]
    assert composing.best_drafts(pieces, [(0.5, 0.5), (-0.5, -0.5)], lambda scores: np.array([first, second])[:, :len(scores)], 3).tolist() == [1, 5]


def test_a_piece_for_a_point_is_its_best_draft_whatever_stands_beside_it():
    plans = [composing.plans_for(point, 6, 0) for point in ((0.6, 0.6), (-0.6, -0.6))]
    both = composing.write(plans, [3, 4], progress=False, wanted=[(0.6, 0.6), (-0.6, -0.6)], hear=ear.hear)
    alone = composing.write(plans[1:], [4], progress=False, wanted=[(-0.6, -0.6)], hear=ear.hear)[0]
    drafts = composing.write(plans[1:] * composing.DRAFTS, [[4, draft] for draft in range(composing.DRAFTS)], progress=False)
    far = composing.far_off(drafts, [(-0.6, -0.6)] * len(drafts), ear.hear)
    assert (both[1].ids == alone.ids).all() and (alone.ids == drafts[far.argmin()].ids).all() and np.isfinite(far).all()


def test_of_a_long_piece_only_the_opening_that_was_heard_nearest_goes_on(monkeypatch):
    monkeypatch.setattr(composing, "OPENING", 5)
    plans, wanted = [composing.plans_for((0.6, 0.6), 12, 0), composing.plans_for((-0.6, -0.6), 12, 1)], [(0.6, 0.6), (-0.6, -0.6)]
    pieces = composing.write(plans, [3, 4], progress=False, wanted=wanted, hear=ear.hear)
    drafts = composing.write([one for one in plans for _ in range(composing.DRAFTS)],
                             [[seed, draft] for seed in (3, 4) for draft in range(composing.DRAFTS)], progress=False)
    assert [piece.ids.tolist() for piece in pieces] == [drafts[k].ids.tolist() for k in composing.best_drafts(drafts, wanted, ear.hear)]
    opening = pieces[1].opening
    assert 5 <= composing.seconds_of(opening.plans) < composing.seconds_of(pieces[1].plans) and len(opening.heard) == len(opening.plans)


def test_each_piece_needs_a_wanted_point_of_its_own():
    with pytest.raises(InputError, match="1 wanted points for 2 pieces"):
        composing.write([composing.plans_for((0, 0), 2, 0)] * 2, wanted=[(0.0, 0.0)], hear=ear.hear)
