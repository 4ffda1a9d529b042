"""Fusion: weights by hand, missing senses, order of senses, seeds, and trials that keep groups whole."""

import numpy as np
import pytest
import torch

from emonotes.align import fusion, fusion_nets, fusion_trials
from emonotes.errors import InputError

SMALL = fusion_nets.FusionConfig(steps=20, check=10, width=16)
KINDS = {
    "late": lambda: fusion_nets.Late(config=SMALL),
    "average": lambda: fusion_nets.Late("average", SMALL),
    "learned": lambda: fusion_nets.Late("learned", SMALL),
    "middle": lambda: fusion_nets.Middle(SMALL),
    "early": lambda: fusion_nets.Early(SMALL),
    "side by side": fusion.SideBySide,
    "best": lambda: fusion.SenseBySense("best"),
    "ridge late": fusion.SenseBySense,
}


def given(n=60, seed=0):
    s = fusion.toy(n, seed=seed)
    return s, (s.parts, s.va, s.noise, s.group)


@pytest.fixture(scope="module")
def fitted():
    return {name: kind().fit(*given()[1], seed=3) for name, kind in KINDS.items()}


def test_precision_weights_by_hand():
    mean = np.array([[[0.5, 0.1]], [[-0.1, 0.3]], [[0.9, 0.9]]])
    variance = np.array([[[0.04, 0.01]], [[0.01, 0.04]], [[0.01, 0.01]]])
    point, left = fusion.combine(mean, variance, np.array([[True, True, False]]))
    assert np.allclose(point[0, 0], (0.5 * 25 - 0.1 * 100) / 125) and np.allclose(left[0, 0], 1 / 125)
    assert np.allclose(point[0, 1], (0.1 * 100 + 0.3 * 25) / 125) and np.allclose(left[0, 1], 1 / 125)


def test_fixed_weights_give_the_moments_of_a_mixture():
    rng = np.random.default_rng(0)
    mean, variance, weight = rng.normal(size=(2, 1, 2)), rng.uniform(0.01, 0.1, (2, 1, 2)), np.array([[1.0, 1], [3, 3]])
    point, left = fusion.combine(mean, variance, np.ones((1, 2), bool), weight)
    draws = np.where(rng.random((200_000, 1)) < 0.25, *(mean[k] + rng.normal(size=(200_000, 2)) * np.sqrt(variance[k]) for k in (0, 1)))
    assert np.allclose(draws.mean(0), point[0], atol=0.01) and np.allclose(draws.var(0), left[0], rtol=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_nan_and_a_sense_left_out_are_the_same(fitted, kind):
    test, _ = given(20, 1)
    left_out = fitted[kind].predict({"eye": test.parts["eye"]})
    blank = fitted[kind].predict({"eye": test.parts["eye"], "ear": np.full_like(test.parts["ear"], np.nan)})
    half = {"eye": test.parts["eye"], "ear": np.where(np.arange(20)[:, None] < 10, np.nan, test.parts["ear"])}
    for whole, nan, some, full in zip(left_out, blank, fitted[kind].predict(half), fitted[kind].predict(test.parts), strict=True):
        assert np.allclose(whole, nan, atol=1e-6) and np.allclose(some[:10], whole[:10], atol=1e-5)
        assert np.allclose(some[10:], full[10:], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_senses_does_not_matter(fitted, kind):
    stimuli, (parts, *rest) = given()
    turned = dict(reversed(parts.items()))
    again = KINDS[kind]().fit(turned, *rest, seed=3)
    for a, b, c in zip(fitted[kind].predict(parts), fitted[kind].predict(turned), again.predict(parts), strict=True):
        assert np.array_equal(a, b) and np.allclose(a, c, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_finite_on_the_plane_and_do_not_depend_on_the_batch(fitted, kind):
    test, _ = given(20, 1)
    wild = {"eye": test.parts["eye"] * 1e6, "ear": test.parts["ear"]}
    mean, sd = fitted[kind].predict(wild)
    assert np.abs(mean).max() <= 1 and np.isfinite(mean).all() and (sd > 0).all() and mean.dtype == sd.dtype == np.float32
    one = fitted[kind].predict({s: x[4:5] for s, x in test.parts.items()})[0]
    assert np.allclose(one, fitted[kind].predict(test.parts)[0][4:5], atol=1e-5)


@pytest.mark.parametrize("kind", ["late", "middle", "early"])
def test_a_seed_decides_and_the_global_generator_is_left_alone(fitted, kind):
    stimuli, data = given()
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    same, other = KINDS[kind]().fit(*data, seed=3), KINDS[kind]().fit(*data, seed=4)
    assert torch.equal(torch.rand(1), expected)
    mean = fitted[kind].predict(stimuli.parts)[0]
    assert np.array_equal(mean, same.predict(stimuli.parts)[0]) and not np.allclose(mean, other.predict(stimuli.parts)[0])


def test_early_fusion_does_not_see_padding():
    torch.manual_seed(0)
    net = fusion_nets.EarlyNet([5, 4, 3], SMALL).eval()
    x, there = [torch.randn(6, d) for d in (5, 4, 3)], torch.tensor([[True, True, False], [True, False, False]] * 3)
    junk = [torch.where(there[:, k : k + 1], one, torch.randn_like(one) * 100) for k, one in enumerate(x)]
    assert torch.allclose(net(x, there)[0], net(junk, there)[0], atol=1e-5)
    assert torch.allclose(net(x, there)[1], net(junk, there)[1], atol=1e-5)


def test_hiding_never_takes_the_last_sense():
    torch.manual_seed(0)
    there = torch.tensor([[True, False], [True, True]]).repeat(200, 1)
    kept = fusion_nets.hide(there, 0.9)
    assert kept.any(1).all() and not (kept & ~there).any()


@pytest.mark.parametrize("kind", KINDS)
def test_bad_senses_are_one_sentence(fitted, kind):
    test, (parts, va, noise, group) = given(20, 1)
    nobody = {s: np.where(np.arange(20)[:, None] == 7, np.nan, x) for s, x in test.parts.items()}
    with pytest.raises(InputError, match="stimulus 7 has none"):
        fitted[kind].predict(nobody)
    with pytest.raises(InputError, match="cannot be fused here"):
        fitted[kind].predict({"nose": parts["eye"]})
    with pytest.raises(InputError, match="different numbers"):
        fitted[kind].predict({"eye": parts["eye"], "ear": parts["ear"][:5]})
    with pytest.raises(InputError, match="none"):
        fitted[kind].predict({})
    with pytest.raises(InputError, match="cannot be fitted"):
        KINDS[kind]().fit(parts, np.full_like(va, np.nan))
    with pytest.raises(InputError, match="no training stimulus has"):
        KINDS[kind]().fit({**parts, "ear": np.full_like(parts["ear"], np.nan)}, va, noise, group)


def test_ways_and_groups_are_checked():
    _, (parts, va, noise, group) = given(20)
    for make in (lambda: fusion_nets.Late("vote"), lambda: fusion.SenseBySense("average")):
        with pytest.raises(InputError, match="is not a way"):
            make()
    with pytest.raises(InputError, match="groups"):
        fusion_nets.Middle(SMALL).fit(parts, va, noise, np.arange(20) % 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_sense_and_an_unrated_coordinate_stay_finite(kind):
    _, (parts, va, noise, group) = given()
    flat = {**parts, "nose": np.ones((60, 4), np.float32)}
    va = np.c_[va[:, 0], np.full(60, np.nan)].astype(np.float32)
    assert np.isfinite(np.stack(KINDS[kind]().fit(flat, va, noise, group).predict(flat))).all()


def test_the_best_sense_steps_aside_where_it_is_missing(fitted):
    test, _ = given(20, 1)
    best = fitted["best"]
    both = best.predict(test.parts)[0]
    leader = [min(best.senses, key=lambda s, k=k: best.alone[s].error[k]) for k in range(2)]
    for k in range(2):
        assert np.allclose(both[:, k], best.alone[leader[k]].predict({leader[k]: test.parts[leader[k]]})[0][:, k], atol=1e-5)
    assert np.allclose(best.predict({"ear": test.parts["ear"]})[0], best.alone["ear"].predict({"ear": test.parts["ear"]})[0], atol=1e-5)


def test_learned_weights_follow_the_errors_and_ignore_the_missing():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(200, 2)).astype(np.float32)
    said = (truth + rng.normal(size=(2, 200, 2)) * np.array([0.2, 1.0])[:, None, None]).astype(np.float32)
    there = np.ones((200, 2), bool)
    there[:50, 0] = False
    said[0, :50] = 1e3
    weight = fusion_nets.learned_weight(said, truth, there)
    assert np.allclose(weight.sum(0), 1, atol=1e-5) and (weight[0] > 0.8).all()


def test_swapped_senses_come_from_another_group():
    group = np.repeat(np.arange(6), 4)
    x = np.where(np.arange(24)[:, None] == 5, np.nan, np.arange(24.0)[:, None])
    out = fusion_trials.swapped(x, group)
    known = np.isfinite(out[:, 0])
    assert np.array_equal(known, np.isfinite(x[:, 0])) and sorted(out[known, 0]) == sorted(x[known, 0])
    assert (group[out[known, 0].astype(int)] != group[known]).all()


def test_trials_keep_groups_whole_and_leave_no_gap(monkeypatch):
    stimuli, _ = given(60)
    stimuli = fusion.Stimuli(stimuli.parts, stimuli.va, stimuli.noise, (np.arange(60) % 15).astype(str), stimuli.label)
    seen, real = [], fusion_trials.answer

    class Model:
        senses = ("ear", "eye")

        def predict(self, parts):
            n = len(next(iter(parts.values())))
            return np.zeros((n, 2), np.float32), np.ones((n, 2), np.float32)

    monkeypatch.setattr(fusion_trials, "contenders", lambda train, seed, config: seen.append(set(train.group)) or {"m": Model()})
    monkeypatch.setattr(fusion_trials, "answer", lambda model, parts: real(model, parts))
    answers = fusion_trials.trial(stimuli, seeds=(0, 1), folds=5)
    assert len(seen) == 10 and all(len(train) == 12 for train in seen)
    assert all(np.isfinite(run).all() for runs in answers["all"].values() for run in runs) and len(answers["all"]["m"]) == 2
    assert set(answers) == {"all", "without eye", "without ear", "eye of another", "ear of another"}


def test_only_a_mixture_grows_in_doubt_when_senses_disagree(fitted):
    test, _ = given(40, 1)
    late = fusion_nets.Late(config=fusion_nets.FusionConfig(steps=120)).fit(*given()[1])
    models = {"late": late, "average": late.by("average"), "ridge late": fitted["ridge late"]}
    answers = {s: {n: [fusion_trials.answer(m, parts)] for n, m in models.items()} for s, parts in fusion_trials.situations(test).items()}
    table = fusion_trials.doubts(test, answers, draws=20)
    ratio = {(s, m): r for s, m, r in table.select("situation", "model", "sd_ratio").iter_rows()}
    assert ratio["ear of another", "average"] > 1.01 and np.isclose(ratio["ear of another", "ridge late"], 1, atol=1e-4)
    assert ratio["without ear", "ridge late"] > 1 and all(np.isclose(ratio["all", m], 1) for m in models)
