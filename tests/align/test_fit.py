"""The joint fit: deterministic, resumable, leak-free; the saved space."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from emonotes.align import fit, heldout, middle, space
from emonotes.align import ratings as ratings_module
from emonotes.align.ratings import Ratings, arrays
from emonotes.errors import InputError


def toy(n, seed, groups=20, dim=5):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, dim)).astype(np.float32)
    va = np.clip(0.5 * x[:, :2] + rng.normal(scale=0.2, size=(n, 2)), -1, 1).astype(np.float32)
    return Ratings("toy", "toy/x", x, va, np.full((n, 2), 0.01, np.float32), (np.arange(n) % groups).astype(str),
                   np.full(n, "toy"), ("rated",))


LIGHT = fit.FitConfig(steps=24, kinds=("line",))


def states(fitted):
    return {f"{key}|{name}": tensor for key, m in fitted.middles.items() for name, tensor in m.state_dict().items()}


def test_an_untrained_middle_encoder_is_exactly_its_vote():
    d = toy(60, 0)
    fresh, _ = middle.new_middle(d.x, d.va, kinds=["line"])
    ready = fresh.standardise(torch.as_tensor(d.x))
    assert np.allclose(middle.outputs(fresh, d.x)["mean"], fresh.vote(ready).numpy(), atol=1e-6)


def test_constant_and_wild_inputs_stay_finite():
    rng = np.random.default_rng(0)
    x = np.c_[np.ones(40), rng.normal(size=40)].astype(np.float32)
    fitted, _ = middle.new_middle(x, rng.uniform(-1, 1, (40, 2)).astype(np.float32))
    assert all(np.isfinite(value).all() for value in middle.outputs(fitted, [[1e9, -1e9]]).values())


def test_embeddings_without_ratings_are_refused():
    with pytest.raises(InputError, match="cannot be fitted"):
        middle.new_middle(np.ones((4, 2)), np.full((4, 2), np.nan))


@pytest.mark.parametrize("stop", [1, 11, 23])
def test_a_killed_fit_goes_on_to_the_same_result(tmp_path, monkeypatch, stop):
    data = {"a@toy/x": toy(80, 0), "b@toy/x": toy(50, 1)}
    whole = states(fit.fit(data, LIGHT))
    real = fit.draw

    def killed(data, voted, held, config, step):
        if step == stop:
            raise KeyboardInterrupt
        return real(data, voted, held, config, step)

    monkeypatch.setattr(fit, "draw", killed)
    with pytest.raises(KeyboardInterrupt):
        fit.fit(data, LIGHT, checkpoint=tmp_path / "fit.safetensors", every=5)
    monkeypatch.setattr(fit, "draw", real)
    resumed = states(fit.fit(data, LIGHT, checkpoint=tmp_path / "fit.safetensors", every=5))
    assert whole.keys() == resumed.keys() and all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_checkpoint_of_other_data_or_a_broken_one_is_ignored(tmp_path):
    path = tmp_path / "fit.safetensors"
    fit.fit({"a@toy/x": toy(80, 7)}, LIGHT, checkpoint=path, every=8)
    mine = {"a@toy/x": toy(80, 0)}
    fresh = states(fit.fit(mine, LIGHT))
    assert all(torch.equal(fresh[n], t) for n, t in states(fit.fit(mine, LIGHT, checkpoint=path, every=100)).items())
    path.write_bytes(path.read_bytes()[:300])
    assert all(torch.equal(fresh[n], t) for n, t in states(fit.fit(mine, LIGHT, checkpoint=path, every=100)).items())


def test_no_group_is_in_training_and_test_at_once(monkeypatch):
    seen, real = [], heldout.fit
    monkeypatch.setattr(heldout, "fit", lambda data, config: seen.append({k: set(d.group) for k, d in data.items()}) or real(data, config))
    data = {"a@toy/x": toy(100, 0), "b@toy/x": toy(60, 1)}
    out = heldout.cross_validate(data, fit.FitConfig(steps=1, kinds=("line",)), folds=4, progress=False)
    assert len(seen) == 4 and set(out["a@toy/x"].fold) == {0, 1, 2, 3}
    for train in seen:
        left_out = set(data["a@toy/x"].group) - train["a@toy/x"]
        assert left_out and not left_out & train["b@toy/x"]


def test_calibrated_intervals_cover_new_data_and_flag_the_strange():
    data = {"toy@toy/x": toy(600, 0, groups=600)}
    predicted = heldout.cross_validate(data, LIGHT, progress=False)
    fitted = heldout.calibrate(fit.fit(data, LIGHT), data, predicted)
    new, told = toy(2000, 9, groups=2000), fitted.calibrations["toy@toy/x"]
    found = middle.outputs(fitted.middles["toy@toy/x"], new.x)
    span = told.interval(found["mean"], found["sd"], told.strange(found["novelty"]))
    assert 0.87 < ((span[..., 0] <= new.va) & (new.va <= span[..., 1])).mean() < 0.94
    assert told.strange(middle.outputs(fitted.middles["toy@toy/x"], new.x + 9)["novelty"]).all()
    assert 0.87 < heldout.coverage_table(data, [predicted])["coverage"].mean() < 0.93


def test_a_space_is_the_same_after_saving(tmp_path):
    data = {"touch@touch/vibration": toy(80, 0, dim=9)}
    fitted = heldout.calibrate(fit.fit(data, LIGHT), data, heldout.cross_validate(data, LIGHT, progress=False))
    again, items = space.load_space(fitted.save(tmp_path)), [[1, 2, 0], [-3, 0, 2.5]]
    assert np.allclose(fitted.va(items, "touch"), again.va(items, "touch"), atol=1e-3)
    assert np.allclose(fitted.interval(items, "touch"), again.interval(items, "touch"), atol=1e-3)
    assert again.facts == json.loads(json.dumps(fitted.facts)) and fitted.region(items, "touch").shape == (2, 72, 2)


def test_the_encoder_with_the_best_held_out_figure_is_used():
    middles = {f"colour@{name}": None for name in ("colour/cielab", "colour/aura", "colour/cielab+colour/cielab")}
    scores = {"colour@colour/cielab": 0.5, "colour@colour/aura": 0.9, "colour@colour/cielab+colour/cielab": 0.6}
    held = space.EmotionSpace(middles, facts={"held_out": scores})
    assert held.key("colour") == "colour@colour/cielab+colour/cielab", "the best of those whose weights are at hand"
    with pytest.raises(InputError, match="not calibrated"):
        held.calibration("colour")


def test_a_truncated_space_is_one_sentence(tmp_path):
    shutil.copytree(space.PRETRAINED / "emotion_space", tmp_path / "space")
    weights = tmp_path / "space" / "space.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(InputError, match="cannot be read"):
        space.load_space(tmp_path / "space")


def test_rows_that_taught_the_encoder_teach_but_are_not_judged():
    d = toy(200, 3, groups=50)
    fair = np.arange(200) % 4 == 0
    all_rows, some = (heldout.cross_validate({"a@x": one}, LIGHT, progress=False)["a@x"] for one in (d, replace(d, fair=fair)))
    assert np.isnan(some.mean[~fair]).all() and np.isnan(some.novelty[~fair]).all()
    assert np.array_equal(some.mean[fair], all_rows.mean[fair]), "they teach as before"
    table = heldout.held_out_table({"a@x": replace(d, fair=fair)}, {"a@x": some}, draws=20)
    assert table["n"].to_list() == [50, 50]
    space_ = heldout.calibrate(fit.fit({"a@x": d}, LIGHT), {"a@x": replace(d, fair=fair)}, {"a@x": some})
    assert np.isfinite(space_.calibrations["a@x"].reach).any()


def test_a_taught_encoder_is_fair_outside_of_train(monkeypatch):
    import polars as pl

    rows = pl.DataFrame({"valence": [0.1, 0.2], "arousal": [0.0, 0.1], "valence_sd": [None, 0.1], "arousal_sd": [None, 0.1], "raters": [None, 4],
                         "basis": ["rated"] * 2, "group": ["a", "b"], "source": ["s"] * 2, "split": ["train", "test"]},
                        schema_overrides={"valence_sd": pl.Float64, "arousal_sd": pl.Float64, "raters": pl.Int64})
    assert arrays(rows, "text", "text/minilm", np.zeros((2, 3))).fair is None
    monkeypatch.setattr(ratings_module, "taught", lambda encoder: True)
    assert arrays(rows, "text", "text/any", np.zeros((2, 3))).fair.tolist() == [False, True]
