"""A tiny random MusicGen saved to a folder: found or refused, frozen for good, taught in one small part, and heard."""

import hashlib

import numpy as np
import pytest
import soundfile
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from emonotes.errors import InputError
from emonotes.music import conditioner as cond
from emonotes.music import musicgen as mg
from emonotes.music.render import save_audio

TEXT = "angry, tense piano music: allegro, D minor"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return mg.tiny_musicgen(tmp_path_factory.mktemp("musicgen"), seed=0)


@pytest.fixture(scope="module")
def musicgen(folder):
    return mg.load_musicgen(folder)


@pytest.fixture(scope="module")
def lesson():
    return mg.written_points(40, seed=3)


@pytest.fixture(scope="module")
def taught(musicgen, lesson):
    return cond.fit_conditioner(musicgen, *lesson, tokens=12, steps=80, seed=0)


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def beep(pitch, rate, seconds=0.6):
    return np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate).astype(np.float32) * 0.3


def heard_codes(musicgen, monkeypatch, **asked):
    """The tokens that `generate` hands to the codec."""
    codec, seen = musicgen.model.audio_encoder, []
    decode = codec.decode
    monkeypatch.setattr(codec, "decode", lambda codes, **more: seen.append(codes) or decode(codes, **more))
    musicgen.model.generate(**asked)
    return seen[0][0]


def test_the_same_seed_builds_the_same_folder_and_another_does_not(folder, tmp_path):
    def digest(place):
        return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in place.iterdir()}

    again, other = mg.tiny_musicgen(tmp_path / "again", 0), mg.tiny_musicgen(tmp_path / "other", 1)
    assert digest(again) == digest(folder)
    assert digest(other)["model.safetensors"] != digest(folder)["model.safetensors"]


def test_a_folder_is_found_and_named(folder, musicgen):
    assert musicgen.origin == "folder" == mg.available(folder)
    assert (musicgen.rate, musicgen.frame_rate) == (8000, 50)


def test_every_word_of_a_prompt_is_known(musicgen, lesson):
    assert musicgen.tokenizer.unk_token_id not in set(np.concatenate(musicgen.tokenizer(lesson[1])["input_ids"]))


def test_missing_weights_are_one_clear_sentence(tmp_path):
    for name in ("nobody/has-this-model", str(tmp_path), "no such name !"):
        with pytest.raises(InputError, match="cannot be loaded.*give a folder") as error:
            mg.load_musicgen(name)
        assert "\n" not in str(error.value)


def test_what_is_nowhere_is_not_available(tmp_path):
    assert mg.available(str(tmp_path / "nothing")) is None


def test_another_kind_of_model_is_refused(musicgen, tmp_path):
    from transformers import T5Config, T5EncoderModel

    T5EncoderModel(T5Config(vocab_size=8, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)).save_pretrained(tmp_path)
    musicgen.tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="no MusicGen in mono"):
        mg.load_musicgen(tmp_path)


def test_padding_changes_no_state(musicgen):
    alone, _ = musicgen.states([TEXT])
    both, mask = musicgen.states(["calm", TEXT + " legato legato legato"])
    assert both.shape == (2, mask.shape[1], musicgen.width)
    again, kept = musicgen.states([TEXT, TEXT + " legato legato legato"])
    assert torch.allclose(again[0][kept[0].bool()], alone[0], atol=1e-5)


@pytest.mark.parametrize("wave", [np.zeros((2, 8000)), np.zeros(10), np.full(8000, np.nan)])
def test_a_sound_that_cannot_be_coded(musicgen, wave):
    with pytest.raises(InputError, match="mono samples"):
        musicgen.codes(wave)


def test_sounds_become_different_tokens(musicgen):
    low, high = (musicgen.codes(beep(pitch, musicgen.rate)) for pitch in (110, 1200))
    assert low.shape == (4, 30) and not torch.equal(low, high)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_vectors_of_a_sentence_sound_like_the_sentence(musicgen, guidance):
    states, _ = musicgen.states([TEXT])
    words = musicgen.tokenizer([TEXT], return_tensors="pt")
    with torch.random.fork_rng():
        torch.manual_seed(5)
        sentence = musicgen.model.generate(**words, guidance_scale=guidance, do_sample=True, top_k=250, max_new_tokens=28)
    assert np.array_equal(musicgen.write(states, 0.5, 5, guidance), sentence[0, 0].numpy().clip(-1, 1))


def test_prediction_sees_the_delays_that_writing_has(musicgen, monkeypatch):
    states, mask = musicgen.states([TEXT])
    words = musicgen.tokenizer([TEXT], return_tensors="pt")
    codes = heard_codes(musicgen, monkeypatch, **words, guidance_scale=1.0, do_sample=False, max_new_tokens=33)
    logits = musicgen.predict(states, mask, codes).logits
    guess = torch.stack([row[k : k + codes.shape[2]] for k, row in enumerate(logits.argmax(-1))])
    assert torch.equal(guess, codes[0])


def test_reading_does_not_care_for_order_and_skips_padding(musicgen):
    states, mask = musicgen.states(["calm", TEXT])
    queries = states[1]
    turned = cond.reading(queries, states.flip(1), mask.flip(1))
    assert torch.allclose(cond.reading(queries, states, mask), turned, atol=1e-5)
    assert torch.allclose(cond.reading(queries, states, mask)[0], cond.reading(queries, states[:1, :2])[0], atol=1e-5)


def test_the_loss_falls_and_distinct_points_are_told_apart(taught, musicgen):
    conditioner, losses = taught
    assert np.mean(losses[-10:]) < 0.8 * losses[0]
    grid = np.array([(v, a) for v in np.linspace(-1, 1, 5) for a in np.linspace(-1, 1, 5)])
    made = conditioner.sequence(grid)
    assert made.shape == (25, 12, musicgen.width) and made.dtype == np.float32
    apart = np.abs(made[:, None] - made[None]).max((2, 3))[~np.eye(25, dtype=bool)]
    assert apart.min() > 1e-3


def test_gradients_reach_the_middle_decoder_alone(musicgen, taught):
    before, points = weights(musicgen.model), np.array([(0.7, 0.6), (-0.7, -0.6)])
    start = weights(taught[0])
    sounds = [beep(pitch, musicgen.rate) for pitch in (900, 150)]
    learner, nats = cond.fit_by_listening(musicgen, taught[0], points, sounds, frames=20, steps=25, seed=1)
    assert np.mean(nats[-3:]) < np.mean(nats[:3])
    assert all(not p.requires_grad and p.grad is None for p in musicgen.model.parameters())
    assert same(before, weights(musicgen.model))
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in learner.parameters())
    assert same(start, weights(taught[0])) and not same(start, weights(learner))
    assert all(torch.equal(value, start[name]) for name, value in learner.named_buffers())


def test_teaching_is_the_same_for_the_same_seed(musicgen, lesson):
    one, other, third = (cond.fit_conditioner(musicgen, *lesson, tokens=8, steps=6, seed=seed) for seed in (0, 0, 1))
    assert one[1] == other[1] and same(weights(one[0]), weights(other[0]))
    assert one[1] != third[1]


def test_a_run_that_was_stopped_goes_on_exactly(musicgen, lesson, tmp_path):
    whole, losses = cond.fit_conditioner(musicgen, *lesson, tokens=8, steps=60, seed=0)
    steps = iter(range(60))

    def stop(*_):
        if next(steps) == 54:
            raise KeyboardInterrupt

    hook = register_optimizer_step_post_hook(stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            cond.fit_conditioner(musicgen, *lesson, tmp_path, tokens=8, steps=60, seed=0)
    finally:
        hook.remove()
    assert (tmp_path / "checkpoint.safetensors").is_file()
    resumed, again = cond.fit_conditioner(musicgen, *lesson, tmp_path, tokens=8, steps=60, seed=0)
    assert again == losses and same(weights(resumed), weights(whole))
    with pytest.raises(InputError, match="other data or settings"):
        cond.fit_conditioner(musicgen, *lesson, tmp_path, tokens=8, steps=60, seed=1)


def test_saved_and_loaded_is_the_same(taught, tmp_path):
    cond.save_conditioner(taught[0], tmp_path, made_for="tiny")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["conditioner.json", "conditioner.safetensors"]
    assert same(weights(cond.load_conditioner(tmp_path)), weights(taught[0]))


@pytest.mark.parametrize("spoil", ["conditioner.json", "conditioner.safetensors"])
def test_a_damaged_conditioner_says_so(taught, tmp_path, spoil):
    cond.save_conditioner(taught[0], tmp_path)
    (tmp_path / spoil).write_text("{}")
    with pytest.raises(InputError, match="cannot be read"):
        cond.load_conditioner(tmp_path)


def test_a_point_becomes_a_file_of_the_right_length(musicgen, taught, tmp_path):
    sound = cond.compose_audio((0.5, -0.5), 0.7, musicgen, taught[0], seed=4)
    assert sound.shape == (5600,) and sound.dtype == np.float32 and np.abs(sound).max() <= 1
    file = soundfile.info(save_audio(sound[:, None], tmp_path / "point.wav", musicgen.rate))
    assert (file.frames, file.samplerate, file.channels) == (5600, 8000, 1)
    assert np.array_equal(sound, cond.compose_audio((0.5, -0.5), 0.7, musicgen, taught[0], seed=4))
    assert not np.array_equal(sound, cond.compose_audio((0.5, -0.5), 0.7, musicgen, taught[0], seed=5))
    assert not np.array_equal(sound, cond.compose_audio((-0.9, 0.9), 0.7, musicgen, taught[0], seed=4))


def test_writing_leaves_the_callers_chance_alone(musicgen, taught):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    cond.compose_audio((0, 0), 0.01, musicgen, taught[0])
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("point", [(1.2, 0), (np.nan, 0), (0, -np.inf), (0.1, 0.2, 0.3), [(0, 0), (0.5, 0.5)], 0.3])
def test_what_is_no_point_is_refused(musicgen, taught, lesson, point):
    with pytest.raises(InputError):
        cond.compose_audio(point, 0.5, musicgen, taught[0])


@pytest.mark.parametrize(("seconds", "guidance"), [(0, 3), (-1, 3), (31, 3), (np.nan, 3), (1, 0.5), (1, np.nan)])
def test_lengths_and_guidance_out_of_range(musicgen, taught, seconds, guidance):
    with pytest.raises(InputError, match="at most 30 seconds"):
        cond.compose_audio((0, 0), seconds, musicgen, taught[0], guidance=guidance)


def test_a_conditioner_of_another_model_is_refused(musicgen):
    with pytest.raises(InputError, match="vectors of 16"):
        cond.compose_audio((0, 0), 0.5, musicgen, cond.Conditioner(16))


@pytest.mark.parametrize("bad", [(2.0, 0.0), (np.nan, 0.0)])
def test_points_off_the_plane_teach_nothing(musicgen, lesson, bad):
    points = lesson[0].copy()
    points[3] = bad
    with pytest.raises(InputError, match="-1..1"):
        cond.fit_conditioner(musicgen, points, lesson[1])
    with pytest.raises(InputError, match="-1..1"):
        cond.fit_by_listening(musicgen, cond.Conditioner(musicgen.width), [bad], [beep(200, 8000)])


def test_lessons_that_do_not_fit_together(musicgen, lesson):
    with pytest.raises(InputError, match="one prompt per point"):
        cond.fit_conditioner(musicgen, lesson[0], lesson[1][:-1])
    with pytest.raises(InputError, match="at least 8"):
        cond.fit_conditioner(musicgen, lesson[0][:5], lesson[1][:5])
    with pytest.raises(InputError, match="one sound per point"):
        cond.fit_by_listening(musicgen, cond.Conditioner(musicgen.width), [(0, 0)], [])
