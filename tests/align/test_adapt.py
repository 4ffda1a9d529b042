"""Adapting the text encoder: what is opened, a killed training, foreign checkpoints, and the file that is passed on."""

import json
from unittest.mock import patch

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from emonotes.align import adapt
from emonotes.encoders.adapted import AffectMiniLM, add_adapter, read_adapter
from emonotes.encoders.text import MiniLM
from emonotes.errors import InputError

WORDS = ["joy", "grief", "a warm bath", "a tax form", "murder", "picnic", "storm", "lullaby", "mould", "victory", "queue", "kiss"]
RATED = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
SMALL = adapt.AdaptConfig(rank=2, epochs=2, tokens=24)


class Killed(Exception):
    """The accident."""


def killed_after(steps):
    """A `one_step` that dies when it is called once more than `steps` times."""
    taken = []

    def step(*given):
        taken.append(1)
        if len(taken) > steps:
            raise Killed
        return real(*given)

    real = adapt.one_step
    return step


@pytest.mark.parametrize("how", ["lora", "last"])
def test_a_killed_training_resumes_to_the_same_result(tmp_path, how):
    config = adapt.AdaptConfig(how=how, rank=2, last=1, epochs=2, tokens=24)
    whole = adapt.adapt(WORDS, RATED, config)
    file = tmp_path / "adapt.safetensors"
    with patch.object(adapt, "one_step", killed_after(3)), pytest.raises(Killed):
        adapt.adapt(WORDS, RATED, config, file, every=2)
    torch.manual_seed(99)
    resumed = adapt.adapt(WORDS, RATED, config, file, every=2)
    again = adapt.adapt(WORDS, RATED, config, file)
    assert np.array_equal(whole.predict(WORDS), resumed.predict(WORDS))
    assert np.array_equal(whole.predict(WORDS), again.predict(WORDS))


def test_a_checkpoint_of_other_texts_or_settings_is_refused(tmp_path):
    file = tmp_path / "adapt.safetensors"
    adapt.adapt(WORDS, RATED, SMALL, file)
    for words, rated, config in ((WORDS[::-1], RATED, SMALL), (WORDS, RATED + 1, SMALL),
                                 (WORDS, RATED, adapt.AdaptConfig(rank=2, epochs=2, tokens=24, seed=1))):
        with pytest.raises(InputError, match="other texts or settings"):
            adapt.adapt(words, rated, config, file)


def test_training_leaves_the_random_numbers_of_the_user_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    adapt.adapt(WORDS, RATED, SMALL)
    assert torch.equal(before, torch.get_rng_state())


def test_what_is_frozen_stays_as_it_was():
    _, plain = adapt.fresh_body()
    model = adapt.adapt(WORDS, RATED, adapt.AdaptConfig(how="last", last=1, epochs=1, tokens=24))
    moved = {name for name, p in model.body.named_parameters() if not torch.equal(p, dict(plain.named_parameters())[name])}
    assert moved and all(name.startswith("encoder.layer.5.") for name in moved)


def test_an_unrated_column_and_missing_targets_are_left_out_of_the_loss():
    y = torch.tensor([[1.0, float("nan")], [0.0, 2.0]])
    said = torch.tensor([[1.0, 50.0], [0.0, 2.0]], requires_grad=True)
    loss = adapt.known_loss(said, y)
    loss.backward()
    assert loss == 0 and said.grad[0, 1] == 0


@pytest.mark.parametrize("rated", [RATED[:5], np.full((12, 2), np.nan), RATED[:, 0]])
def test_targets_that_do_not_fit_are_named(rated):
    with pytest.raises(InputError, match="do not fit"):
        adapt.adapt(WORDS, rated, SMALL)


def test_the_saved_adapter_gives_the_trained_vectors_and_names_no_place(tmp_path):
    model = adapt.adapt(WORDS, RATED, SMALL)
    adapt.save_adapter(model, tmp_path)
    difference = np.abs(AffectMiniLM(tmp_path).encode(WORDS) - model.embed(WORDS)).max()
    assert difference < 0.02 and str(tmp_path) not in (tmp_path / "adapter_config.json").read_text()
    assert AffectMiniLM(tmp_path).version != MiniLM().version
    assert all(t.dtype == np.float16 for t in load_file(tmp_path / "adapter_model.safetensors").values())


def test_an_adapter_of_zeros_changes_nothing_and_peft_agrees_with_ours(tmp_path):
    model = adapt.adapt(WORDS, RATED, SMALL)
    adapt.save_adapter(model, tmp_path)
    ours = add_adapter(adapt.fresh_body()[1], tmp_path).state_dict()
    theirs = model.body.merge_and_unload().state_dict()
    assert max((ours[name] - theirs[name]).abs().max().item() for name in theirs) < 1e-3
    tensors = load_file(tmp_path / "adapter_model.safetensors")
    save_file({name: np.zeros_like(t) for name, t in tensors.items()}, tmp_path / "adapter_model.safetensors")
    assert np.array_equal(AffectMiniLM(tmp_path).encode(WORDS), MiniLM().encode(WORDS))


def test_only_a_lora_can_be_passed_on(tmp_path):
    model = adapt.adapt(WORDS, RATED, adapt.AdaptConfig(how="last", last=1, epochs=1))
    with pytest.raises(InputError, match="only how='lora'"):
        adapt.save_adapter(model, tmp_path)


@pytest.mark.parametrize("damage", ["missing", "cut", "no json"])
def test_a_damaged_adapter_is_one_sentence(tmp_path, damage):
    adapt.save_adapter(adapt.TextRegressor(2, SMALL), tmp_path)
    weights, settings = tmp_path / "adapter_model.safetensors", tmp_path / "adapter_config.json"
    if damage == "missing":
        weights.unlink()
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:100])
    else:
        settings.write_text("{")
    with pytest.raises(InputError, match="text/minilm"):
        AffectMiniLM(tmp_path)


def test_settings_of_a_saved_adapter_are_those_peft_reads(tmp_path):
    adapt.save_adapter(adapt.TextRegressor(2, SMALL), tmp_path)
    settings, pairs = read_adapter(tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["peft_type"] == "LORA"
    assert settings["scale"] == 2 and len(pairs) == 36 and all(a.shape[0] == b.shape[1] == 2 for a, b in pairs.values())
