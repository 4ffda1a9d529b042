"""Line, memory, forest and their vote: missing ratings, equal results after saving, and nothing that crashes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emonotes.align import regressors
from emonotes.align.regressors import FITS, fit_vote, load_vote, vote_weights


def toy(n=80, seed=0, dim=6):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, dim)).astype(np.float32)
    va = np.stack([0.4 * x[:, 0], 0.3 * np.abs(x[:, 1]) - 0.2], 1) + rng.normal(scale=0.1, size=(n, 2))
    return x, np.clip(va, -1, 1).astype(np.float32)


@pytest.mark.parametrize("kind", FITS)
def test_rows_without_a_rating_change_nothing(kind):
    x, va = toy()
    more_x, more_va = np.concatenate([x, 5 + x[:7]]), np.concatenate([va, np.full((7, 2), np.nan, np.float32)])
    if kind == "memory":
        more_x[-7:] = x[:7]  # the median distance, and so the reach, is taken over all rows
    one, two = FITS[kind](x, va, None, 0), FITS[kind](more_x, more_va, None, 0)
    assert torch.allclose(one(torch.as_tensor(x)), two(torch.as_tensor(x)), atol=0.02)


@pytest.mark.parametrize("kind", FITS)
def test_a_coordinate_nobody_rated_is_flat(kind):
    x, va = toy()
    va[:, 1] = np.nan
    said = FITS[kind](x, va, None, 0)(torch.as_tensor(x))
    assert torch.isfinite(said).all() and torch.all(said[:, 1] == 0) and said[:, 0].std() > 0


def test_the_kept_forest_says_what_scikit_learn_says():
    from sklearn.ensemble import ExtraTreesRegressor

    x, va = toy(200)
    theirs = ExtraTreesRegressor(100, min_samples_leaf=3, max_features=1 / 3, random_state=3).fit(x, va).predict(x)
    assert np.allclose(regressors.fit_forest(x, va, seed=3)(torch.as_tensor(x)).numpy(), theirs, atol=1e-5)


def test_the_memory_is_kernel_ridge():
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.metrics.pairwise import rbf_kernel

    x, va = toy(60)
    memory = regressors.fit_memory(x, va)
    kernel = rbf_kernel(x, gamma=float(memory.gamma)) + regressors.LEVEL
    theirs = [KernelRidge(alpha=p, kernel="precomputed").fit(kernel, va).predict(kernel) for p in np.logspace(-3, 2, 11)]
    ours = memory(torch.as_tensor(x)).numpy()
    assert min(np.abs(ours - one).max() for one in theirs) < 1e-3


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 4), st.integers(1, 60), st.integers(0, 10_000), st.floats(0, 1))
def test_weights_are_never_negative_and_never_crash(members, n, seed, missing):
    rng = np.random.default_rng(seed)
    said, va = rng.normal(size=(members, n, 2)) * rng.choice([-1, 0, 1]), rng.normal(size=(n, 2))
    va[rng.random((n, 2)) < missing] = np.nan
    weights = vote_weights(said, va)
    assert weights.shape == (members, 2) and np.isfinite(weights).all() and (weights >= 0).all()


def test_a_vote_of_useless_members_says_the_mean():
    rng = np.random.default_rng(0)
    x, va = rng.normal(size=(300, 5)).astype(np.float32), rng.normal(0.3, 0.1, size=(300, 2)).astype(np.float32)
    vote, honest = fit_vote(x, va)
    assert np.abs(honest.mean(0) - va.mean(0)).max() < 0.05 and vote(torch.as_tensor(x)).std() < 0.1


def test_a_vote_is_the_same_after_saving(tmp_path):
    from safetensors.torch import load_file, save_file

    x, va = toy(120)
    va[::3, 1] = np.nan
    vote, _ = fit_vote(x, va)
    save_file(vote.state_dict(), tmp_path / "vote.safetensors")
    again = load_vote(load_file(tmp_path / "vote.safetensors"))
    assert torch.equal(vote(torch.as_tensor(x)), again(torch.as_tensor(x)))


def test_no_group_is_in_its_own_cross_fitted_model():
    x, va = toy(60)
    groups, seen = np.arange(60) // 3, []
    regressors.cross_fitted(lambda x, va, noise, seed: seen.append(x) or regressors.fit_line(x, va), x, va, None, groups, 0)
    for rows in seen:
        inside = {int(groups[i]) for row in rows for i in np.flatnonzero((x == row).all(1))}
        outside = set(groups.tolist()) - inside
        assert len(inside) + len(outside) == 20 and outside
