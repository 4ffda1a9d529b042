"""The losses against their definitions in loops: values, gradients, ties, missing ratings, extreme embeddings."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emonotes.align import losses, metrics
from emonotes.errors import InputError

NAN = float("nan")
CONTRASTIVE = {
    "supcon": losses.supcon,
    "kernel_infonce": losses.kernel_infonce,
    "rank_n_contrast": losses.rank_n_contrast,
    "cdcml": lambda z, va: losses.cdcml(z, va, 0.5 * z[:, :2], torch.arange(len(z)) % 2),
}
REGRESSION = {
    "mse": losses.mse,
    "ccc_loss": losses.ccc_loss,
    "gaussian_nll": lambda mean, target: losses.gaussian_nll(mean, torch.zeros_like(mean), target),
}


def drawn(n, d=6, seed=0, dtype=torch.float32, missing=0.0, grid=False):
    """Unit-norm embeddings and ratings, the first two rows rated; on a grid of eighths distances tie exactly."""
    g = torch.Generator().manual_seed(seed)
    z = torch.nn.functional.normalize(torch.randn(n, d, generator=g, dtype=dtype), dim=1)
    va = torch.randint(-8, 9, (n, 2), generator=g) / 8 if grid else torch.rand(n, 2, generator=g) * 2 - 1
    va[2:][torch.rand(max(n - 2, 0), 2, generator=g) < missing] = NAN
    return z.requires_grad_(), va


def value_and_gradient(loss, z, *rest):
    """The loss as a number and its gradient."""
    value = loss(z, *rest)
    return value.item(), torch.autograd.grad(value, z)[0]


def apart(a, b):
    """Label distance of two rows by the convention of the kernel, in plain Python; None if they share no coordinate."""
    gaps = [(x - y) ** 2 for x, y in zip(a, b, strict=True) if not (math.isnan(x) or math.isnan(y))]
    return math.sqrt(2 * sum(gaps) / len(gaps)) if gaps else None


def rnc_by_loops(z, va, temperature=0.1):
    """Zha et al. 2023, equation 1 and 2, one pair at a time."""
    n, labels, terms = len(z), va.tolist(), []
    for i in range(n):
        others = [k for k in range(n) if k != i and apart(labels[i], labels[k]) is not None]
        similar = {k: -torch.linalg.vector_norm(z[i] - z[k]) / temperature for k in others}
        for j in others:
            least = apart(labels[i], labels[j])
            farther = [similar[k] for k in others if apart(labels[i], labels[k]) >= least]
            terms.append(torch.logsumexp(torch.stack(farther), 0) - similar[j])
    return torch.stack(terms).mean()


@pytest.mark.parametrize("n", [2, 3, 7, 19])
@pytest.mark.parametrize("how", [{}, {"grid": True}, {"missing": 0.3}, {"grid": True, "missing": 0.3}])
def test_rank_n_contrast_equals_the_formula_in_loops(n, how):
    z, va = drawn(n, seed=n, dtype=torch.float64, **how)
    value, gradient = value_and_gradient(losses.rank_n_contrast, z, va)
    expected, slope = value_and_gradient(rnc_by_loops, z, va)
    assert value == pytest.approx(expected, abs=1e-9)
    assert torch.allclose(gradient, slope, atol=1e-9)


def test_rank_n_contrast_on_two_views_in_single_precision():
    z, va = drawn(40, d=16, seed=3)
    va = va[:20].repeat(2, 1)
    value, gradient = value_and_gradient(losses.rank_n_contrast, z, va)
    expected, slope = value_and_gradient(rnc_by_loops, z.detach().double().requires_grad_(), va)
    assert value == pytest.approx(expected, abs=1e-5)
    assert torch.allclose(gradient.double(), slope, atol=1e-5)


@settings(max_examples=30)
@given(n=st.integers(2, 9), seed=st.integers(0, 10**6), temperature=st.sampled_from([0.01, 0.1, 2.0]),
       missing=st.sampled_from([0.0, 0.4]), grid=st.booleans())
def test_rank_n_contrast_equals_the_formula_on_any_batch(n, seed, temperature, missing, grid):
    z, va = drawn(n, seed=seed, dtype=torch.float64, missing=missing, grid=grid)
    value, gradient = value_and_gradient(losses.rank_n_contrast, z, va, temperature)
    expected, slope = value_and_gradient(rnc_by_loops, z, va, temperature)
    assert value == pytest.approx(expected, abs=1e-9, rel=1e-9)
    assert torch.allclose(gradient, slope, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("size", [10.0, 1e3, 1e5])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_rank_n_contrast_where_similarities_span_hundreds_of_nats(size, missing):
    z, va = drawn(14, seed=5, missing=missing)
    z = (size * z.detach() + 3 * size).requires_grad_()
    value, gradient = value_and_gradient(losses.rank_n_contrast, z, va)
    expected, slope = value_and_gradient(rnc_by_loops, z.detach().double().requires_grad_(), va)
    assert value == pytest.approx(expected, rel=1e-5)
    assert torch.isfinite(gradient).all() and torch.allclose(gradient.double(), slope, atol=1e-5, rtol=1e-5)


def test_both_ways_of_adding_up_agree(monkeypatch):
    z, va = drawn(60, seed=8, missing=0.2, grid=True)
    plain = value_and_gradient(losses.rank_n_contrast, z, va)
    monkeypatch.setattr(losses, "SPAN", 0)
    robust = value_and_gradient(losses.rank_n_contrast, z, va)
    assert plain[0] == pytest.approx(robust[0], abs=1e-6) and torch.allclose(plain[1], robust[1], atol=1e-6)


@pytest.mark.parametrize("block", [1, 130, 1000])
def test_blocks_do_not_change_the_result(monkeypatch, block):
    z, va = drawn(50, seed=9, missing=0.1)
    whole = value_and_gradient(losses.rank_n_contrast, z, va)
    monkeypatch.setattr(losses, "BLOCK", block)
    parts = value_and_gradient(losses.rank_n_contrast, z, va)
    assert whole[0] == pytest.approx(parts[0], abs=1e-6) and torch.allclose(whole[1], parts[1], atol=1e-7)


def test_rank_n_contrast_refuses_second_derivatives():
    z, va = drawn(6)
    (gradient,) = torch.autograd.grad(losses.rank_n_contrast(z, va), z, create_graph=True)
    with pytest.raises(RuntimeError):
        gradient.sum().backward()


@given(distance=st.lists(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, math.inf]), min_size=5, max_size=5), min_size=1))
def test_a_dense_rank_is_the_place_among_the_different_values(distance):
    expected = [[sorted(set(row)).index(value) for value in row] for row in distance]
    assert losses.dense_rank(torch.tensor(distance)).tolist() == expected


def test_supcon_equals_equation_2_in_loops():
    z, va = drawn(15, seed=2, dtype=torch.float64)
    va[0, 0], va[1] = 0.0, NAN

    def by_loops(z, va, temperature=0.1):
        rated = [i for i in range(len(z)) if not va[i].isnan().any()]
        kind, terms = {i: (bool(va[i, 0] >= 0), bool(va[i, 1] >= 0)) for i in rated}, []
        for i in rated:
            others = [a for a in rated if a != i]
            positives = [p for p in others if kind[p] == kind[i]]
            total = torch.logsumexp(torch.stack([z[i] @ z[a] / temperature for a in others]), 0)
            if positives:
                terms.append(-sum(z[i] @ z[p] / temperature - total for p in positives) / len(positives))
        return torch.stack(terms).mean()

    value, gradient = value_and_gradient(losses.supcon, z, va)
    expected, slope = value_and_gradient(by_loops, z, va)
    assert value == pytest.approx(expected, abs=1e-9) and torch.allclose(gradient, slope, atol=1e-9)


def test_the_kernel_loss_equals_its_definition_in_loops():
    z, va = drawn(8, seed=4, dtype=torch.float64, missing=0.2)
    labels, total = va.tolist(), 0.0
    for i in range(8):
        others = [j for j in range(8) if j != i]
        gaps = [apart(labels[i], labels[j]) for j in others]
        weight = torch.tensor([0.0 if g is None else math.exp(-(g**2) / (2 * 0.2**2)) for g in gaps], dtype=torch.float64)
        share = torch.stack([z[i] @ z[j] / 0.1 for j in others]).log_softmax(0)
        total -= (weight / weight.sum().clamp(min=1e-12) * share).sum()
    assert losses.kernel_infonce(z, va).item() == pytest.approx(total.item() / 8, abs=1e-6)


def test_the_kernel_of_rows_that_share_no_rating_is_zero_and_finite():
    weight = losses.va_kernel(torch.tensor([[0.1, NAN], [0.2, 0.5], [NAN, NAN]]), 0.2)
    assert torch.isfinite(weight).all() and torch.all(weight[2] == 0) and weight.diagonal().abs().max() == 0
    assert weight[:2].sum(1).tolist() == pytest.approx([1, 1])


def test_cdcml_equals_its_three_terms_in_loops():
    z, va = drawn(9, seed=6, dtype=torch.float64, missing=0.2)
    mean, sense, terms = 0.3 * z[:, :2], [0, 0, 0, 1, 1, 1, 2, 2, 2], {True: [], False: []}
    for i in range(9):
        for j in range(9):
            gap = apart(va[i].tolist(), va[j].tolist())
            if i != j and gap is not None:
                near = math.exp(-(z[i] - z[j]).norm().item())
                terms[sense[i] == sense[j]].append((near - math.exp(-gap)) ** 2)
    expected = np.mean(terms[False]) + 0.5 * np.mean(terms[True]) + 2 * losses.mse(mean, va).item()
    got = losses.cdcml(z, va, mean, torch.tensor(sense), within=0.5, regression=2.0)
    assert got.item() == pytest.approx(expected, abs=1e-6)


def test_one_sense_alone_has_no_term_across():
    z, va = drawn(6)
    alone = losses.cdcml(z, va, va, torch.zeros(6), within=0.0)
    assert alone.item() == pytest.approx(0, abs=1e-9)


@given(seed=st.integers(0, 10**6), n=st.integers(3, 40))
def test_ccc_loss_is_one_minus_the_metric(seed, n):
    rng = np.random.default_rng(seed)
    mean, target = rng.normal(size=(2, n, 2))
    target[rng.random(target.shape) < 0.2] = np.nan
    counts = np.isfinite(target).sum(0)
    expected = [1 - metrics.ccc(mean[:, k], target[:, k]) for k in range(2) if counts[k] > 2]
    if len(expected) == 2:
        assert losses.ccc_loss(*map(torch.tensor, (mean, target))).item() == pytest.approx(np.mean(expected), abs=1e-9)


def test_a_constant_prediction_has_no_concordance_and_a_finite_gradient():
    mean = torch.full((5, 2), 0.2, requires_grad=True)
    for target in (torch.linspace(-1, 1, 10).reshape(5, 2), torch.full((5, 2), 0.2)):
        value, gradient = value_and_gradient(losses.ccc_loss, mean, target)
        assert value == pytest.approx(1) and torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", REGRESSION)
def test_what_was_not_rated_neither_costs_nor_pulls(name):
    mean = torch.tensor([[0.3, 0.1], [0.2, -0.4], [0.0, 0.9]], requires_grad=True)
    target = torch.tensor([[0.5, NAN], [0.1, 0.2], [-0.3, -0.1]])
    value, gradient = value_and_gradient(REGRESSION[name], mean, target)
    moved, _ = value_and_gradient(REGRESSION[name], torch.where(target.isnan(), 77.0, mean).detach().requires_grad_(), target)
    assert math.isfinite(value) and value == pytest.approx(moved) and gradient[0, 1] == 0 and torch.isfinite(gradient).all()
    value, gradient = value_and_gradient(REGRESSION[name], mean, torch.full((3, 2), NAN))
    assert value == 0 and torch.all(gradient == 0)


@pytest.mark.parametrize("name", CONTRASTIVE)
def test_the_order_of_the_rows_does_not_matter(name):
    z, va = drawn(24, seed=7, missing=0.1, grid=True)
    senses = torch.arange(24) % 2
    loss = CONTRASTIVE[name] if name != "cdcml" else None
    order = torch.randperm(24, generator=torch.Generator().manual_seed(1))

    def run(z, va, senses):
        return loss(z, va) if loss else losses.cdcml(z, va, 0.5 * z[:, :2], senses)

    value, gradient = value_and_gradient(run, z, va, senses)
    other, turned = value_and_gradient(run, z.detach()[order].requires_grad_(), va[order], senses[order])
    assert value == pytest.approx(other, rel=1e-5) and torch.allclose(gradient[order], turned, atol=1e-6)


@pytest.mark.parametrize("name", CONTRASTIVE)
@pytest.mark.parametrize("rows", [0, 1])
def test_fewer_than_two_rows_are_refused(name, rows):
    with pytest.raises(InputError, match="at least 2"):
        CONTRASTIVE[name](torch.ones(rows, 3), torch.zeros(rows, 2))


@pytest.mark.parametrize("name", CONTRASTIVE)
def test_ratings_that_do_not_pair_up_are_refused(name):
    with pytest.raises(InputError, match="3 embeddings with 2 ratings"):
        CONTRASTIVE[name](torch.ones(3, 3), torch.zeros(2, 2))


@pytest.mark.parametrize("name", CONTRASTIVE)
def test_identical_rows_have_finite_gradients(name):
    z = torch.nn.functional.normalize(torch.ones(40, 8), dim=1)
    _, va = drawn(40)
    for place in (z, torch.cat([z[:20], drawn(20, d=8)[0].detach()])):
        value, gradient = value_and_gradient(CONTRASTIVE[name], place.clone().requires_grad_(), va)
        assert math.isfinite(value) and torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", CONTRASTIVE)
def test_a_batch_nobody_rated_costs_nothing(name):
    z, _ = drawn(5)
    value, gradient = value_and_gradient(CONTRASTIVE[name], z, torch.full((5, 2), NAN))
    assert value == 0 and torch.all(gradient == 0)


@pytest.mark.parametrize("name", ["supcon", "rank_n_contrast"])
def test_a_row_nobody_rated_pulls_no_other(name):
    z, va = drawn(12, seed=11)
    va[0] = NAN
    _, gradient = value_and_gradient(CONTRASTIVE[name], z, va)
    _, without = value_and_gradient(CONTRASTIVE[name], z[1:].detach().requires_grad_(), va[1:])
    assert torch.allclose(gradient[1:], without, atol=1e-6) and torch.all(gradient[0].abs() < 1e-7)


def test_distances_on_the_plane_keep_the_convention_of_missing_ratings():
    _, va = drawn(12, seed=1, missing=0.3)
    got = losses.plane_distance(va)
    for i, a in enumerate(va.tolist()):
        for j, b in enumerate(va.tolist()):
            expected = math.inf if apart(a, b) is None else apart(a, b)
            assert got[i, j].item() == pytest.approx(expected, abs=1e-6)


def test_training_by_each_contrastive_loss_brings_like_ratings_together():
    _, va = drawn(48, seed=12)
    gap = losses.plane_distance(va)
    for name, loss in CONTRASTIVE.items():
        z = drawn(48, d=4, seed=13)[0]
        for _ in range(80):
            gradient = value_and_gradient(loss, z, va)[1]
            z = z.detach() - 0.15 * gradient / gradient.norm(dim=1).max()
            z = torch.nn.functional.normalize(z, dim=1).requires_grad_()
        near = (z @ z.T).detach().fill_diagonal_(-2).argmax(1)
        assert gap[torch.arange(48), near].mean() < 0.7 * gap.mean(), name
