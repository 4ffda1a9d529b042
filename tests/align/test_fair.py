"""Groups of unequal size: the closed form equals fitting again, and every group counts the same."""
import numpy as np
import pytest
import torch

from emonotes.align.fair import decomposed, fair, fit_fair, kernel_of, unseen


def sample(seed, n=30, groups=8):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 6)), rng.normal(size=(n, 2)), rng.integers(0, groups, n)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["line", "memory"])
def test_closed_form_equals_fitting_again(seed, kind):
    x, y, group = sample(seed)
    kernel, _ = kernel_of(x, kind)
    noise = np.diag(0.3 / fair(group))
    values, half = decomposed(kernel, fair(group))
    said, dual = unseen(half, 1 / (values + 0.3), y, group)
    assert np.allclose((kernel + noise) @ dual, y, atol=1e-8)
    for g in np.unique(group):
        keep = group != g
        again = kernel[~keep][:, keep] @ np.linalg.solve((kernel + noise)[keep][:, keep], y[keep])
        assert np.allclose(said[~keep], again, atol=1e-8)


def test_groups_count_the_same():
    group = np.array(list("aaaaabbc"))
    weight = fair(group)
    assert np.isclose(weight.mean(), 1) and np.allclose([weight[group == g].sum() for g in "abc"], weight.sum() / 3)


@pytest.mark.parametrize("kind", ["line", "memory"])
def test_module_says_what_the_kernel_says_and_unseen_is_honest(kind):
    x, noise, group = sample(9, n=60, groups=20)
    y = (x[:, :2] + 0.1 * noise).astype(np.float32)
    y += 0.7
    model, left_out = fit_fair(x.astype(np.float32), y, fair(group), group, kind, np.ones(60, bool))
    said = model(torch.as_tensor(x, dtype=torch.float32)).numpy()
    assert said.shape == left_out.shape == (60, 2)
    assert np.mean((said - y) ** 2) < np.mean((left_out - y) ** 2) < np.var(y)


def test_only_judged_rows_choose_the_penalty():
    x, _, group = sample(3, n=60, groups=30)
    rng = np.random.default_rng(1)
    y = np.where(np.arange(60)[:, None] < 30, x[:, :2], 20 * rng.normal(size=(60, 2))).astype(np.float32)
    own = np.arange(60) < 30
    weight = np.where(own, 1.0, 1e-6)
    _, left_out = fit_fair(x.astype(np.float32), y, weight, group, "line", own)
    assert np.corrcoef(left_out[own, 0], y[own, 0])[0, 1] > 0.8


def test_helpers_have_a_level_of_their_own():
    x, _, group = sample(4, n=60, groups=30)
    own = np.arange(60) < 30
    y = (0.3 * x[:, :2] + np.where(own, 0.1, 5.0)[:, None]).astype(np.float32)
    model, _ = fit_fair(x.astype(np.float32), y, np.ones(60), group, "line", own)
    said = model(torch.as_tensor(x[own], dtype=torch.float32)).numpy()
    assert np.abs(said - y[own]).max() < 0.1


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_known_of_a_group_left_out(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(80, 400)).astype(np.float32)
    x -= x.mean(0)
    y = rng.normal(size=(80, 2)).astype(np.float32)
    for kind in ("line", "memory"):
        _, left_out = fit_fair(x, y - y.mean(0), np.ones(80), np.arange(80), kind, np.ones(80, bool))
        assert all(np.corrcoef(left_out[:, k], y[:, k])[0, 1] < 0.35 for k in range(2))
