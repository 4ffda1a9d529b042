"""Linking: what counts as the same stimulus, recovery of known lines, no win by shrinking, and links that do not hold."""

import numpy as np
import polars as pl
import pytest

from emonotes.atlas.linking import (
    ENOUGH,
    fit_link,
    fit_links,
    linked,
    linking_table,
    on_ruler,
    shared,
    verdicts,
    with_key,
)
from emonotes.atlas.rows import DERIVED


def rows_of(**sources):
    """Rows of made-up sources `name=(modality, group list, content list, valence list)`."""
    parts = [pl.DataFrame({"stimulus": [f"{i}" for i in range(len(g))], "source": name, "modality": m, "content": c, "group": g,
                           "basis": "rated", "valence": v, "arousal": v}, schema_overrides={"valence": pl.Float64, "arousal": pl.Float64})
             for name, (m, g, c, v) in sources.items()]
    return pl.concat(parts).with_columns(valence_se=None, arousal_se=None)


def panel(n=300, seed=0, slopes=(1.2, 1.0, 0.8), offsets=(0.2, 0.0, -0.2), noise=0.08):
    rng = np.random.default_rng(seed)
    theta = rng.uniform(-0.6, 0.6, n)
    figures = np.clip(np.array(offsets) + np.array(slopes) * theta[:, None] + rng.normal(0, noise, (n, len(slopes))), -1, 1)
    return rows_of(**{f"s{i}": ("word", [f"word/{k}" for k in range(n)], [f"w{k}" for k in range(n)], figures[:, i].tolist())
                      for i in range(len(slopes))})


def test_a_shared_group_is_the_same_stimulus_only_where_it_holds_one_row():
    rows = rows_of(a=("word", ["word/bank", "word/bank", "word/sun"], ["bank (river)", "bank (money)", "sun"], [0.1, 0.2, 0.3]),
                   b=("word", ["word/bank", "word/sun"], ["bank", "sol"], [0.0, 0.5]))
    assert shared(rows, "valence")["key"].to_list() == ["word/sun"]


def test_a_word_among_its_senses_is_the_row_without_a_sense():
    rows = rows_of(a=("word", ["word/bank"] * 3, ["bank", "bank (river)", "bank (money)"], [0.1, 0.2, 0.3]),
                   b=("word", ["word/bank"], ["Bank"], [0.5]))
    assert shared(rows, "valence").select("a", "b").rows() == [(0.1, 0.5)]


def test_a_shared_spelling_is_no_shared_word_but_a_shared_picture_is_the_same():
    rows = rows_of(a=("word", ["word/chat"], ["chat"], [0.1]), b=("word", ["word/cat"], ["chat"], [0.2]),
                   us=("image", ["image/lake", "image/lake"], ["lake 1.png", "lake 2.png"], [0.1, 0.2]),
                   china=("image", ["image/lake", "image/lake"], ["lake 1.png", "lake 2.png"], [0.3, 0.4]))
    found = shared(rows, "valence")
    assert found["modality"].unique().to_list() == ["image"] and found.height == 2
    assert with_key(rows).filter(pl.col("source") == "us")["key"].null_count() == 0


def test_categories_are_not_linked():
    rows = panel().with_columns(basis=pl.when(pl.col("source") == "s2").then(pl.lit("category")).otherwise("basis"))
    assert set(shared(rows, "valence").columns) == {"modality", "key", "s0", "s1"}


def test_known_lines_are_found_and_the_ruler_keeps_its_length():
    links, table = fit_links(panel())
    slope = table.filter(pl.col("dimension") == "valence").sort("source")["slope"].to_numpy()
    assert np.allclose(slope / slope[1], [1.2, 1.0, 0.8], atol=0.06) and np.prod(slope) ** (1 / 3) == pytest.approx(1, abs=1e-6)
    spread = linked(panel()).group_by("source").agg(pl.col("valence", "valence_linked").std().log())
    assert abs(spread["valence"].mean() - spread["valence_linked"].mean()) < 0.05, "linking must not win by shrinking"


def test_linking_brings_held_out_stimuli_closer_and_keeps_their_order():
    pairs = linking_table(panel()).filter(pl.col("dimension") == "valence")
    assert pairs.height == 3 and (pairs["rmse_linked"] < 0.6 * pairs["rmse_plain"]).all()
    assert (pairs["rank_linked"] - pairs["rank_plain"]).abs().max() < 0.02
    assert (pairs["fall_unit_free"] <= pairs["fall_bound"] + 0.02).all(), "no line can do better than the pair's own"


def test_sources_that_already_agree_are_left_alone():
    rows = linked(panel(slopes=(1, 1, 1), offsets=(0, 0, 0)))
    assert (rows["valence_linked"] - rows["valence"]).abs().max() < 0.06


def test_few_shared_stimuli_stay_near_the_plain_map():
    figures = np.full((200, 4), np.nan)
    theta = np.random.default_rng(0).normal(0, 0.3, 200)
    figures[:, :3] = theta[:, None] + np.random.default_rng(1).normal(0, 0.05, (200, 3))
    figures[:4, 3] = 0.4 + 2 * theta[:4]
    few, many = fit_link("abcd", figures), None
    figures[:, 3] = 0.4 + 2 * theta
    many = fit_link("abcd", figures)
    ratio = [link.coef[3, 0] / link.coef[0, 0] for link in (few, many)]
    assert ratio[1] > 1.8 and ratio[0] < ratio[1] - 0.3


def test_a_link_that_does_not_hold_is_reported_and_not_applied():
    rng, rows = np.random.default_rng(3), panel()
    noise = pl.Series(rng.uniform(-1, 1, rows.height))
    rows = rows.with_columns(valence=pl.when(pl.col("source") == "s2").then(noise).otherwise("valence"))
    _, table = fit_links(rows)
    verdict = table.filter((pl.col("dimension") == "valence") & (pl.col("source") == "s2")).row(0, named=True)
    assert verdict["verdict"] == "does not hold" and abs(verdict["r_plain"]) < 0.3
    own = linked(rows).filter(pl.col("source") == "s2")
    assert own["valence_linked"].equals(own["valence"]) and not own.is_empty()


def test_too_few_shared_stimuli_is_said():
    figures = np.random.default_rng(0).normal(0, 0.3, (ENOUGH - 1, 1)) + np.zeros((1, 2))
    assert set(verdicts("ab", figures, figures)["verdict"]) == {"too few"}


def test_arousal_that_leans_on_valence_is_bent_back():
    rng = np.random.default_rng(0)
    pleasant, theta = rng.uniform(-1, 1, 500), rng.normal(0, 0.2, 500)
    figures = np.column_stack([theta + 0.3 * pleasant, theta - 0.3 * pleasant]) + rng.normal(0, 0.03, (500, 2))
    valence = np.column_stack([pleasant, pleasant])
    link = fit_link("ab", figures, valence)
    moved = on_ruler(link, figures, valence)
    assert np.corrcoef(figures.T)[0, 1] < 0.3 and np.corrcoef(moved.T)[0, 1] > 0.9


def test_columns_come_back_in_their_order_and_missing_stays_missing():
    rows = panel().with_columns(valence=pl.when(pl.col("stimulus") != "7").then("valence"))
    found = linked(rows)
    assert found.columns[-len(DERIVED):] == list(DERIVED)
    assert found.filter(pl.col("stimulus") == "7")["valence_linked"].null_count() == 3
    assert linked(rows.clear()).height == 0
