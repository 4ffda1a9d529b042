"""Retrieval measures by hand, their bounds, chance under the null, Holm, Mantel and Procrustes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import procrustes as fitted
from scipy.stats import kstest, pearsonr
from sklearn.metrics import ndcg_score

from emonotes.align import retrieval as r
from emonotes.errors import InputError

NAN = float("nan")
ASKED = [[0.5, 0.5]]
TOLD = [[-0.5, 0.5], [0.5, 0.5], [0.5, 0.1], [0.5, -0.5]]
SCORES = [[0.9, 0.8, 0.7, 0.1]]


def drawn(seed, n=12, m=20):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, m)), rng.uniform(-1, 1, (n, 2)), rng.uniform(-1, 1, (m, 2))


def test_golden_values_by_hand():
    assert r.precision(SCORES, ASKED, TOLD, 1) == 0 and r.precision(SCORES, ASKED, TOLD, 3) == pytest.approx(2 / 3)
    assert r.reciprocal_rank(SCORES, ASKED, TOLD) == 0.5
    assert r.mean_distance(SCORES, ASKED, TOLD, 3) == pytest.approx((1 + 0 + 0.4) / 3)
    gains = np.exp(-np.array([1.0, 0.0, 0.16]) / 0.08)
    best = 1 + np.exp(-2) / np.log2(3) + np.exp(-12.5) / 2
    assert r.ndcg(SCORES, ASKED, TOLD, 3) == pytest.approx((gains / np.log2([2, 3, 4])).sum() / best)
    assert r.evaluate(SCORES, ASKED, TOLD, k=3) == {
        "P@1": 0, "P@5": pytest.approx(2 / 3), "MRR": 0.5, "NDCG@3": pytest.approx(float(r.ndcg(SCORES, ASKED, TOLD, 3)[0])),
        "distance@3": pytest.approx(1.4 / 3), "queries": 1, "gallery": 4}


def test_a_missing_arousal_is_compared_by_valence_and_scaled_to_two_coordinates():
    assert r.va_distance([[0.5, NAN]], [[0.1, 0.9]]) == pytest.approx(np.sqrt(2) * 0.4)
    assert np.isnan(r.va_distance([[0.5, NAN]], [[NAN, 0.9]]))
    assert r.same_quadrant([[0.5, NAN], [-0.1, NAN]], [[0.2, -0.9]]).ravel().tolist() == [True, False]
    scores, query, gallery = drawn(0)
    gallery[::2, 1] = NAN
    query[:, 1] = NAN
    assert np.isfinite(list(r.evaluate(scores, query, gallery).values())).all()
    assert r.ndcg(-r.va_distance(query, gallery), query, gallery) == pytest.approx(1)


def test_distance_is_the_one_of_the_loss():
    torch = pytest.importorskip("torch")
    from emonotes.align.losses import va_kernel

    va = np.random.default_rng(0).uniform(-1, 1, (9, 2)).astype(np.float32)
    va[::3, 1] = NAN
    weight = r.gain(r.va_distance(va, va), 0.2) * (1 - np.eye(9))
    assert np.allclose(weight / weight.sum(1, keepdims=True), va_kernel(torch.as_tensor(va), 0.2).numpy(), atol=1e-5)


@given(st.integers(0, 10_000))
@settings(max_examples=25, derandomize=True, deadline=None)
def test_bounds_and_invariances(seed):
    scores, query, gallery = drawn(seed)
    truth, given = r.va_distance(query, gallery), (query, gallery)
    assert np.allclose(r.ndcg(-truth, *given), 1) and (np.nan_to_num(r.reciprocal_rank(-truth, *given), nan=1) <= 1).all()
    ours, least = r.ndcg(scores, *given), r.ndcg(truth, *given)
    assert (least <= ours + 1e-12).all() and (ours <= 1 + 1e-12).all()
    assert (r.mean_distance(-truth, *given) <= r.mean_distance(scores, *given) + 1e-12).all()
    assert (r.mean_distance(scores, *given) <= r.mean_distance(truth, *given) + 1e-12).all()
    assert r.evaluate(np.exp(scores) + 3, *given) == pytest.approx(r.evaluate(scores, *given))
    shuffle = np.random.default_rng(seed).permutation(len(gallery))
    assert r.evaluate(scores[:, shuffle], query, gallery[shuffle]) == pytest.approx(r.evaluate(scores, *given))


def test_ndcg_is_that_of_scikit_learn():
    scores, query, gallery = drawn(3)
    worth = r.gain(r.va_distance(query, gallery))
    assert r.ndcg(scores, query, gallery, 7).mean() == pytest.approx(ndcg_score(worth, scores, k=7))


def test_a_ranking_stands_for_its_similarity():
    scores, query, gallery = drawn(4)
    order = r.ranking(scores)[:, :10]
    assert r.ndcg(r.as_similarity(order, 20), query, gallery) == pytest.approx(r.ndcg(scores, query, gallery))
    with pytest.raises(InputError, match="another gallery"):
        r.as_similarity(order, 5)


def test_ties_keep_the_order_of_the_gallery():
    assert r.ranking(np.zeros((2, 50))).tolist() == [list(range(50))] * 2


def test_a_query_never_finds_its_own_group():
    va = np.random.default_rng(0).uniform(-1, 1, (30, 2))
    group = np.arange(30) // 2
    scores = r.exclude(-r.va_distance(va, va), group, group)
    assert (r.ranking(scores)[:, :28] // 2 != group[:, None]).all()
    assert r.ndcg(scores, va, va) == pytest.approx(1)  # the best of what may be found, not of what lies there
    assert (r.mean_distance(scores, va, va, 1) > 0).all()


def test_a_query_without_any_candidate_of_its_quadrant_is_left_out_of_mrr():
    found = r.reciprocal_rank([[0.3, 0.2], [0.3, 0.2]], [[-0.5, -0.5], [0.5, 0.5]], [[0.5, -0.1], [0.5, 0.1]])
    assert np.isnan(found[0]) and found[1] == 0.5
    assert r.evaluate([[0.3, 0.2]] * 2, [[-0.5, -0.5], [0.5, 0.5]], [[0.5, -0.1], [0.5, 0.1]], k=2)["MRR"] == 0.5


@pytest.mark.parametrize("scores, query, gallery, cause", [
    (np.zeros((4, 1)), ASKED, TOLD, "swapped"),
    (np.zeros((1, 3)), ASKED, TOLD, "does not fit"),
    ([[NAN, 0, 0, 0]], ASKED, TOLD, "length zero"),
    (np.zeros((1, 0)), ASKED, np.zeros((0, 2)), "larger gallery"),
    (np.zeros((0, 4)), np.zeros((0, 2)), TOLD, "0 queries"),
    ([[-np.inf, -np.inf, 1, 2]], ASKED, TOLD, "as few as 2 candidates"),
    (np.zeros((1, 4)), [[5, 3]], TOLD, "Scale.to_va"),
    (np.zeros((1, 4)), [[NAN, 0.5]], [[0.5, NAN]] * 4, "share no rated"),
])
def test_bad_input_is_one_sentence_with_its_cause(scores, query, gallery, cause):
    with pytest.raises(InputError, match=cause):
        r.evaluate(scores, query, gallery, k=3)


def test_the_score_of_chance_is_the_score_and_the_null_is_what_it_says():
    scores, query, gallery = drawn(5)
    found = r.chance(scores, query, gallery, k=5, permutations=400, seed=1)
    assert found["ndcg"] == pytest.approx(r.ndcg(scores, query, gallery, 5).mean())
    assert found["distance"] == pytest.approx(r.mean_distance(scores, query, gallery, 5).mean())
    deals = np.concatenate(list(r._deals(20, 400, 1)))
    slowly = [r.mean_distance(scores, query, gallery[deal], 5).mean() for deal in deals]
    assert found["distance_chance"] == pytest.approx(np.mean(slowly))
    assert found["distance_p"] == pytest.approx((1 + np.sum(np.array(slowly) <= found["distance"] + 1e-12)) / 401)
    slowly = [r.ndcg(scores, query, gallery[deal], 5).mean() for deal in deals]
    assert found["ndcg_chance"] == pytest.approx(np.mean(slowly))


def test_chance_is_seeded_and_smallest_for_a_perfect_search():
    scores, query, gallery = drawn(6, 20, 30)
    assert r.chance(scores, query, gallery, seed=3, permutations=300) == r.chance(scores, query, gallery, seed=3, permutations=300)
    best = r.chance(-r.va_distance(query, gallery), query, gallery, permutations=999)
    worst = r.chance(r.va_distance(query, gallery), query, gallery, permutations=999)
    assert best["ndcg_p"] == best["distance_p"] == 0.001 and worst["ndcg_p"] > 0.99 and worst["distance_p"] > 0.99


@pytest.mark.parametrize("own", [False, True])
def test_p_is_uniform_where_there_is_nothing_to_find(own):
    ps = []
    for seed in range(300):
        scores, query, gallery = drawn(seed, 25, 25)
        if own:  # a sense searching itself: every query may find all but itself
            query, scores = gallery, r.exclude(scores, np.arange(25), np.arange(25))
        ps.append([r.chance(scores, query, gallery, permutations=199, seed=seed)[p] for p in ("ndcg_p", "distance_p")])
    for column in np.array(ps).T:
        assert kstest(column, "uniform").pvalue > 0.001 and 0.01 < (column < 0.05).mean() < 0.1


def test_ratings_change_places_within_their_stratum_only():
    strata = np.array(list("aabbbcc"))
    deals = np.concatenate(list(r._deals(7, 500, 0, strata)))
    assert (strata[deals] == strata).all() and (np.sort(deals, 1) == np.arange(7)).all()
    assert {tuple(d[2:5]) for d in deals.tolist()} == {(2, 3, 4), (2, 4, 3), (3, 2, 4), (3, 4, 2), (4, 2, 3), (4, 3, 2)}


def test_holm_by_a_known_example():
    assert np.allclose(r.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert np.allclose(r.holm([0.6, 0.9]), [1, 1]) and r.holm([0.02]) == 0.02 and len(r.holm([])) == 0
    for bad in ([0.1, 1.2], [-0.1], [NAN]):
        with pytest.raises(InputError, match="is not a p value"):
            r.holm(bad)


def test_a_p_value_is_never_zero():
    assert r.p_value(2, np.zeros(999)) == 0.001 and r.p_value(0, np.zeros(9)) == 1 and r.p_value(1, np.zeros(9), greater=False) == 1


def test_mantel_is_the_correlation_of_the_pairs_and_its_p_that_of_loops():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(12, 3))
    near = points[:, :2] + rng.normal(scale=0.8, size=(12, 2))
    one, other = (np.linalg.norm(x[:, None] - x[None], axis=-1) for x in (points, near))
    above = np.triu_indices(12, 1)
    value, p = r.mantel(one, other, 300, 2)
    assert value == pytest.approx(pearsonr(one[above], other[above]).statistic)
    null = [pearsonr(one[np.ix_(deal, deal)][above], other[above]).statistic for deal in np.concatenate(list(r._deals(12, 300, 2)))]
    assert p == pytest.approx((1 + np.sum(np.array(null) >= value - 1e-12)) / 301)


def test_procrustes_is_that_of_scipy_and_its_p_that_of_loops():
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(15, 4)), rng.normal(size=(15, 2))
    other[:, 0] += one[:, 0]
    wide = np.pad(other, ((0, 0), (0, 2)))
    value, p = r.procrustes(one, other, 200, 4)
    assert value == pytest.approx(fitted(one, wide)[2])
    null = [fitted(one, wide[deal])[2] for deal in np.concatenate(list(r._deals(15, 200, 4)))]
    assert p == pytest.approx((1 + np.sum(np.array(null) <= value + 1e-12)) / 201)


def test_p_of_whole_maps_is_uniform_where_they_have_nothing_in_common():
    rng = np.random.default_rng(2)
    found = [r.evaluate_map(rng.normal(size=(14, 3)), rng.uniform(-1, 1, (14, 2)), 99, i) for i in range(200)]
    for name in ("mantel_p", "procrustes_p"):
        assert kstest([f[name] for f in found], "uniform").pvalue > 0.001


def test_a_map_with_few_arousals_has_no_procrustes():
    va = np.random.default_rng(3).uniform(-1, 1, (10, 2))
    va[2:, 1] = NAN
    found = r.evaluate_map(va[:, :1], va, 99)
    assert found["items"] == 10 and np.isfinite(found["mantel_r"]) and np.isnan(found["procrustes_m2"])


@pytest.mark.parametrize("call", [lambda: r.mantel(np.zeros((5, 2)), np.zeros((5, 5))), lambda: r.mantel(np.eye(3), np.eye(3)),
                                  lambda: r.procrustes(np.zeros((5, 2)), np.zeros((6, 2))),
                                  lambda: r.procrustes(np.full((5, 2), NAN), np.zeros((5, 2))),
                                  lambda: r.procrustes(np.zeros((3, 2)), np.zeros((3, 2))),
                                  lambda: r.evaluate_map(np.zeros((5, 2)), np.zeros((6, 2)))])
def test_maps_that_cannot_be_compared(call):
    with pytest.raises(InputError):
        call()
