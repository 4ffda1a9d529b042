"""Losses, metrics, the middle encoder's promises, and the saved space."""

import shutil

import numpy as np
import pytest
import torch

from emonotes.align import fit, losses, metrics, middle, space
from emonotes.errors import InputError


def test_nothing_known_costs_nothing():
    mean = torch.zeros(3, 2, requires_grad=True)
    loss = losses.gaussian_nll(mean, torch.zeros(3, 2), torch.full((3, 2), float("nan")))
    loss.backward()
    assert loss == 0 and torch.all(mean.grad == 0)


def test_a_missing_coordinate_sends_no_gradient_through_the_kernel():
    va = torch.tensor([[0.1, float("nan")], [0.2, 0.5], [float("nan"), float("nan")]])
    weight = losses.va_kernel(va, 0.2)
    assert torch.isfinite(weight).all() and torch.all(weight[2] == 0) and weight.diagonal().abs().max() == 0


def test_contrast_agrees_with_its_definition_in_loops():
    torch.manual_seed(0)
    z, va = torch.nn.functional.normalize(torch.randn(6, 4), dim=1), torch.rand(6, 2) * 2 - 1
    total = 0.0
    for i in range(6):
        others = [j for j in range(6) if j != i]
        w = torch.stack([torch.exp(-((va[i] - va[j]) ** 2).sum() / (2 * 0.2**2)) for j in others])
        s = torch.stack([z[i] @ z[j] / 0.1 for j in others])
        total -= ((w / w.sum()) * s.log_softmax(0)).sum()
    assert torch.isclose(losses.kernel_infonce(z, va), total / 6, atol=1e-5)


def test_metrics_refuse_what_cannot_be_paired():
    for p, r in (([1, 2], [1, 2, 3]), ([1, 2, np.nan], [1, 2, 3])):
        with pytest.raises(InputError):
            metrics.pearson(p, r)


def test_a_constant_prediction_has_no_correlation():
    assert metrics.pearson([1, 1, 1, 1], [1, 2, 3, 4]) == 0 and metrics.ccc([1, 1, 1], [1, 1, 1]) == 0


def test_an_untrained_middle_encoder_is_exactly_ridge():
    rng = np.random.default_rng(0)
    x, va = rng.normal(size=(50, 8)).astype(np.float32), rng.uniform(-1, 1, (50, 2)).astype(np.float32)
    va[:, 1] = np.nan
    mean, _, line = fit.predict(middle.new_middle(x, va)[0], x)
    assert np.allclose(mean, line, atol=1e-6) and np.all(line[:, 1] == 0)


def test_constant_and_wild_inputs_stay_finite():
    rng = np.random.default_rng(0)
    x = np.c_[np.ones(40), rng.normal(size=40)].astype(np.float32)
    fitted, _ = middle.new_middle(x, rng.uniform(-1, 1, (40, 2)).astype(np.float32))
    mean, sd, _ = fit.predict(fitted, np.array([[1e9, -1e9]], np.float32))
    assert np.isfinite(mean).all() and np.isfinite(sd).all()


def toy(n, seed, groups=20):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5)).astype(np.float32)
    va = np.clip(0.5 * x[:, :2] + rng.normal(scale=0.2, size=(n, 2)), -1, 1).astype(np.float32)
    return fit.Ratings("toy", "toy/x", x, va, np.full((n, 2), 0.01, np.float32), (np.arange(n) % groups).astype(str),
                       np.full(n, "toy"), ("rated",))


def test_no_group_is_in_training_and_test_at_once(monkeypatch):
    seen = []
    real = fit.fit
    monkeypatch.setattr(fit, "fit", lambda data, config: seen.append({k: set(d.group) for k, d in data.items()}) or real(data, config))
    data = {"a@toy/x": toy(100, 0), "b@toy/x": toy(60, 1)}
    fit.cross_validate(data, fit.FitConfig(steps=1), folds=4, progress=False)
    assert len(seen) == 4
    for train in seen:
        left_out = set(data["a@toy/x"].group) - train["a@toy/x"]
        assert left_out and not left_out & train["b@toy/x"]


def test_calibrated_intervals_cover_new_data():
    config = fit.FitConfig(steps=40)
    data = {"toy@toy/x": toy(600, 0, groups=600)}
    fitted = fit.calibrate(fit.fit(data, config), data, fit.cross_validate(data, config, progress=False))
    new = toy(2000, 9, groups=2000)
    mean, sd, _ = fit.predict(fitted.middles["toy@toy/x"], new.x)
    reach = np.array([np.interp(0.9, space.LEVELS, q) for q in fitted.quantiles["toy@toy/x"]])
    assert 0.87 < (np.abs(new.va - mean) <= reach * sd).mean() < 0.93


def test_a_truncated_space_is_one_sentence(tmp_path):
    shutil.copytree(space.PRETRAINED / "emotion_space", tmp_path / "space")
    weights = tmp_path / "space" / "space.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(InputError, match="cannot be read"):
        space.load_space(tmp_path / "space")
