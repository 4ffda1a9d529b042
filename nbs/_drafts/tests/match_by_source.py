"""Exact search in tiles, the matrix of senses, and the paired comparison of two ways to match."""

import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonotes.align import match
from emonotes.align.match import HeldOut
from emonotes.align.retrieval import exclude, ndcg
from emonotes.errors import InputError


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def sense(n, noise, seed, name="s", each=1, fold=None, arousal=True):
    rng = np.random.default_rng(seed)
    va = rng.uniform(-1, 1, (n, 2))
    seen = va + rng.normal(scale=noise, size=va.shape)
    if not arousal:
        va[:, 1] = np.nan
    return HeldOut(unit(np.c_[seen, np.ones(n)]), seen, va, np.array([f"{name}{i // each}" for i in range(n)]), fold)


def by_sorting(query, gallery, k, by):
    scores = match.similarity(query, gallery, by).astype(np.float32)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order, axis=1)


@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from(match.WAYS), st.booleans())
@settings(max_examples=40, derandomize=True, deadline=None)
def test_tiles_find_what_sorting_finds(seed, k, by, coarse):
    rng = np.random.default_rng(seed)
    query, gallery = rng.normal(size=(11, 3)), rng.normal(size=(37, 3))
    gallery = np.r_[gallery, gallery[:9]]  # copies must come after their originals
    if coarse:
        query, gallery = query.round(), gallery.round()
    old, match.TILE = match.TILE, (4, 10)
    try:
        order, scores = match.nearest(query, gallery, k, by)
    finally:
        match.TILE = old
    wanted, wanted_scores = by_sorting(query, gallery, k, by)
    assert order.tolist() == wanted.tolist() and np.array_equal(scores, wanted_scores)


def test_many_copies_of_one_candidate_come_in_their_order():
    rng = np.random.default_rng(0)
    query, one = unit(rng.normal(size=(33, 32))), unit(rng.normal(size=(7, 32)))
    order, _ = match.nearest(query, np.tile(one, (3000, 1)), k=5)
    assert (np.diff(order, axis=1) == 7).all() and (order[:, 0] < 7).all()


def test_similarity_of_both_ways_and_float32():
    query, gallery = np.array([[0.6, 0.8]], np.float32), [[0.6, 0.8], [0, 1]]
    assert np.allclose(match.similarity(query, gallery, "embedding"), [[1, 0.8]], atol=1e-6)
    assert np.allclose(match.similarity(query, gallery, "va"), [[0, -np.hypot(0.6, 0.2)]], atol=1e-6)
    assert match.similarity([0.6, 0.8], gallery, "va").shape == (1, 2)


def test_no_query_no_answer_and_a_small_gallery():
    assert match.nearest(np.empty((0, 2)), np.ones((3, 2)), 2)[0].shape == (0, 2)
    assert match.nearest(np.ones((1, 2)), np.ones((3, 2)), 10)[0].tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("query, gallery, k, by, cause", [
    (np.ones((1, 2)), np.ones((3, 2)), 0, "va", "at least one"), (np.ones((1, 2)), np.ones((0, 2)), 1, "va", "at least one"),
    (np.ones((1, 2)), np.ones((3, 3)), 1, "va", "same space"), (np.ones((1, 2)), np.full((3, 2), np.nan), 1, "va", "NaN"),
    (np.ones((1, 2)), np.ones((3, 2)), 1, "smell", "embedding, va")])
def test_what_cannot_be_searched(query, gallery, k, by, cause):
    with pytest.raises(InputError, match=cause):
        match.nearest(query, gallery, k, by)


@pytest.mark.slow
def test_memory_does_not_hold_the_whole_table():
    code = ("import resource, numpy as np, torch; from emonotes.align.match import nearest\n"
            "x = np.random.default_rng(0).normal(size=(12_000, 16)); nearest(x[:9], x[:9], 5)\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; nearest(x, x, 5)\n"
            "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)")
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(found.stdout) < 400  # MB; the whole table would take 1150


def test_one_per_group_is_seeded_and_keeps_what_can_be_used():
    held = sense(60, 0.1, 0, each=3)
    held.va[::3] = np.nan
    held.z[1::3] = np.nan
    some = match.one_per_group(held, 12, 5)
    assert len(some.group) == len(set(some.group)) == 12 and np.isfinite(some.va[:, 0]).all() and np.isfinite(some.z).all()
    assert (match.one_per_group(held, 12, 5).group == some.group).all()
    assert not (match.one_per_group(held, 12, 6).group == some.group).all()
    assert len(match.one_per_group(held, 300).group) == 20


def test_parts_of_unequal_length():
    with pytest.raises(InputError, match="rows"):
        HeldOut(np.ones((3, 2)), np.ones((3, 2)), np.ones((3, 2)), np.array(["a", "b"]))


@pytest.mark.parametrize("by", match.WAYS)
def test_the_matrix_finds_who_knows_and_who_guesses(by):
    senses = {"knows": sense(80, 0.15, 1, "k"), "also": sense(80, 0.15, 2, "a", arousal=False), "guesses": sense(80, 60, 3, "g")}
    table = match.matrix(senses, by, permutations=2000)
    assert len(table) == 9 and table.columns[:4] == ["query", "gallery", "n_queries", "n_gallery"]
    for asking, answering, sure, gain in table.select("query", "gallery", "significant", pl.col("ndcg") - pl.col("ndcg_chance")).iter_rows():
        known = "guesses" not in (asking, answering)
        assert sure == known and (gain > 0.1) == known
    for name in ("ndcg", "distance"):
        assert (table[f"{name}_p_holm"] >= table[f"{name}_p"]).all()
    assert table.equals(match.matrix(senses, by, permutations=2000))


def test_chance_alone_fills_no_matrix():
    found = [match.matrix({str(i): sense(40, 80, 10 * seed + i, str(i)) for i in range(3)}, permutations=300, seed=seed)["significant"].any()
             for seed in range(20)]
    assert sum(found) <= 3


def test_nobody_finds_himself_nor_his_group_in_another_sense():
    held = sense(40, 0, 4, "song")
    other = HeldOut(held.z, held.predicted, held.va, held.group)
    for _, _, scores, query, gallery in match._searches({"music": held, "sound": other}, "va", 10, 300, 0):
        assert (np.isneginf(scores) == (query.group[:, None] == gallery.group[None])).all() and np.isneginf(scores).any()


def test_other_folds_are_no_candidates_and_chance_stays_within_the_fold():
    fold = np.arange(120) % 3
    held = sense(120, 0.1, 5, fold=fold)
    for f, flip in ((0, [1, 1, 1]), (1, [-1, 1, 1]), (2, [1, -1, -1])):  # each model turned its space another way
        held.z[fold == f] *= flip
    for _, _, scores, query, gallery in match._searches({"x": held}, "embedding", 10, 300, 0):
        assert np.isneginf(scores[query.fold[:, None] != gallery.fold[None]]).all()
    table = match.matrix({"x": held}, permutations=500)
    mixed = match.matrix({"x": HeldOut(held.z, held.predicted, held.va, held.group)}, permutations=500)
    assert table["ndcg"][0] - table["ndcg_chance"][0] > mixed["ndcg"][0] - mixed["ndcg_chance"][0] + 0.1


def test_a_pair_with_too_few_candidates_is_named():
    with pytest.raises(InputError, match="'big' has 10 candidates in 'small' .it has 6"):
        match.matrix({"big": sense(40, 0.1, 0, "b"), "small": sense(6, 0.1, 1, "c")}, permutations=10)
    with pytest.raises(InputError, match="no sense"):
        match.matrix({})


def test_queries_of_a_small_fold_stay_out_and_are_not_counted():
    held = sense(40, 0.1, 7, fold=np.array([0] * 30 + [1] * 10))
    table = match.matrix({"x": held}, permutations=10)
    assert table["n_queries"][0] == 30 and table["n_gallery"][0] == 40


def test_telling_two_studies_apart_is_not_understanding():
    """One study rates at four far points, the other near the middle; the model knows the study of an item and nothing else."""
    rng = np.random.default_rng(0)
    far, near = rng.choice([-0.5, 0.5], (60, 2)), rng.normal(scale=0.1, size=(60, 2)).clip(-1, 1)
    z = unit(np.r_[np.tile([1.0, 0], (60, 1)), np.tile([0, 1.0], (60, 1))] + rng.normal(scale=0.01, size=(120, 2)))
    parts = z, z, np.r_[far, near], np.arange(120).astype(str)
    assert match.matrix({"x": HeldOut(*parts)}, permutations=999)["ndcg_p"][0] == 0.001
    found = match.matrix({"x": HeldOut(*parts, None, np.repeat(["quadrants", "points"], 60))}, permutations=999)
    assert found["ndcg_p"][0] > 0.05 and abs(found["ndcg"][0] - found["ndcg_chance"][0]) < 0.1


def test_out_of_fold_answers_become_a_matrix():
    from emonotes.align.fit import FitConfig
    from emonotes.align.heldout import cross_validate
    from emonotes.align.ratings import Ratings

    rng, data = np.random.default_rng(0), {}
    for name in ("a", "b"):
        x = rng.normal(size=(80, 4)).astype(np.float32)
        va = np.clip(0.5 * x[:, :2] + rng.normal(scale=0.1, size=(80, 2)), -1, 1).astype(np.float32)
        group = np.array([f"{name}{i}" for i in range(80)])
        data[f"{name}@toy"] = Ratings(name, "toy", x, va, np.full((80, 2), 0.01, np.float32), group, np.full(80, "toy"), ("rated",))
    senses = match.from_folds(data, cross_validate(data, FitConfig(steps=5, kinds=("line",)), folds=2, progress=False))
    assert set(senses["a@toy"].fold) == {0, 1} and len(set(senses["a@toy"].strata)) == 2 and (senses["a@toy"].group == data["a@toy"].group).all()
    assert match.matrix(senses, "va", permutations=500)["significant"].all()


def test_scores_per_query_are_those_of_retrieval():
    held = sense(30, 0.2, 6)
    table = match.per_query({"x": held}, "va")
    scores = exclude(match.similarity(held.predicted, held.predicted, "va"), held.group, held.group)
    assert np.allclose(table["ndcg"], ndcg(scores, held.va, held.va)) and table["group"].to_list() == held.group.tolist()


def test_a_paired_difference_is_found_and_none_is_not_claimed():
    runs = [{"a": sense(60, 0.1, seed, "a"), "b": sense(60, 0.1, 50 + seed, "b")} for seed in range(5)]
    worse = [{"a": sense(60, 0.6, seed, "a"), "b": sense(60, 0.6, 50 + seed, "b")} for seed in range(5)]
    fine, poor = ([match.per_query(run, "va") for run in part] for part in (runs, worse))
    gap = match.difference(fine, poor)
    assert len(gap) == 5 and gap["query"][-1] == "all" and (gap["low"] > 0).all() and (gap["low"] <= gap["difference"]).all()
    assert gap["difference"][-1] == pytest.approx(gap["difference"][:-1].mean())
    assert (match.difference(fine, poor, "distance")["high"] < 0).all()
    none = match.difference(fine, fine)
    assert (none["difference"] == 0).all() and (none["high"] == 0).all()
    with pytest.raises(InputError, match="one table per seed"):
        match.difference(fine, poor[:3])


def test_the_interval_knows_that_another_seed_gives_another_answer():
    def table(gap):
        return pl.DataFrame({"query": "a", "gallery": "b", "group": [f"g{i}" for i in range(200)], "ndcg": np.full(200, gap), "distance": 0.0})

    gap = match.difference([table(g) for g in (0.3, -0.2, 0.1, -0.3, 0.2)], [table(0.0)] * 5)
    assert gap["low"][0] < 0 < gap["high"][0] and gap["difference"][0] == pytest.approx(0.02)


def test_the_picture_strikes_out_what_is_not_significant():
    import matplotlib

    matplotlib.use("Agg")
    table = match.matrix({"knows": sense(60, 0.1, 1, "k"), "guesses": sense(60, 60, 2, "g")}, permutations=500)
    for measure in ("ndcg", "distance"):
        texts = [text.get_text() for text in match.heat_map(table, measure).texts]
        assert texts[0] != "x" and texts[1:] == ["x"] * 3
    with pytest.raises(InputError, match="ndcg"):
        match.heat_map(table, "mrr")
