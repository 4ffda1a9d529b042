"""The row format: what it accepts, what it refuses, and a split that does not leak."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonotes.atlas import rows
from emonotes.atlas.sources import card, load_cards
from emonotes.errors import InputError

RAW = pl.DataFrame(
    {
        "stimulus": ["b", "a"],
        "content": ["[0, 0, 0]", "[1, 1, 1]"],
        "group": ["vibviz/b", "vibviz/a"],
        "valence_raw": [3.0, None],
        "arousal_raw": [-1.5, float("nan")],
        "valence_sd_raw": [1.5, 1.0],
        "raters": [9, 9],
    }
)


def good():
    return rows.harmonise(RAW, card("vibviz"))


def test_harmonise_maps_drops_and_keeps_the_raw_figure():
    frame = good()
    assert frame["stimulus"].to_list() == ["b"], "nobody rated 'a'"
    row = frame.row(0, named=True)
    assert (row["valence"], row["arousal"], row["valence_sd"], row["arousal_sd"]) == (1.0, -0.5, 0.5, None)
    assert (row["valence_raw"], row["source"], row["basis"], row["modality"]) == (3.0, "vibviz", "rated", "touch")
    assert frame.columns == list(rows.COLUMNS)


def other_side(frame):
    return "val" if frame["split"][0] != "val" else "test"


@pytest.mark.parametrize("value", [7.2, -3.01, float("inf")])
def test_a_rating_outside_its_scale(value):
    with pytest.raises(InputError, match=r"of 'b' \(row 1\) is outside the scale -3..3"):
        rows.harmonise(RAW.with_columns(valence_raw=pl.lit(value)), card("vibviz"))


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda f: f.with_columns(arousal=pl.lit(float("nan"))), "NaN"),
        (lambda f: f.with_columns(valence=pl.lit(1.5)), "valence"),
        (lambda f: f.with_columns(valence=None, arousal=None).cast(rows.COLUMNS), "neither valence nor arousal"),
        (lambda f: f.with_columns(basis=pl.lit("hearsay")), "basis"),
        (lambda f: f.with_columns(split=pl.lit("dev")), "split"),
        (lambda f: f.with_columns(raters=pl.lit(0, pl.Int64)), "raters"),
        (lambda f: f.with_columns(content=pl.lit("")), "content"),
        (lambda f: f.drop("licence"), "licence"),
        (lambda f: f.with_columns(extra=pl.lit(1)), "extra"),
        (lambda f: pl.concat([f, f]), "stimulus 'b' more than once"),
        (lambda f: pl.concat([f, f.with_columns(stimulus=pl.lit("c"), split=pl.lit(other_side(f)))]), "two sides"),
    ],
)
def test_broken_promises_are_named(spoil, words):
    with pytest.raises(InputError, match=f"'vibviz'.*({words})"):
        rows.validate(spoil(good()))


def test_an_empty_atlas_is_legal():
    assert rows.validate(rows.empty()).is_empty()


@given(st.text(min_size=1, max_size=30))
def test_split_is_a_stable_function_of_the_group(group):
    assert rows.split_of(group) == rows.split_of(group) in rows.SPLITS


def test_split_is_pinned_and_has_its_shares():
    examples = ("word/apple", "emopia/1fdxsFbnsX4", "molecule/MWOOGOJBHIAYLA")
    assert [rows.split_of(group) for group in examples] == ["test", "train", "test"]
    share = pl.Series([rows.split_of(str(n)) for n in range(20_000)]).value_counts(normalize=True)
    assert np.allclose(share.sort("")["proportion"], [0.1, 0.8, 0.1], atol=0.01)


@pytest.mark.parametrize("name", [n for n, c in load_cards().items() if c.scales])
@settings(max_examples=25, deadline=None)
@given(share=st.floats(0, 1))
def test_every_scale_of_every_card_can_be_undone(name, share):
    for scale in card(name).scales.values():
        raw = scale.low + share * (scale.high - scale.low)
        assert abs(float(scale.from_va(scale.to_va(raw))) - raw) < 1e-9 and abs(float(scale.to_va(raw))) <= 1 + 1e-12


def test_aggregating_twice_gives_the_same_bits():
    rng = np.random.default_rng(0)
    answers = pl.DataFrame({"stimulus": rng.integers(0, 50, 20_000).astype(str), "rater": rng.integers(0, 300, 20_000).astype(str),
                            "valence_raw": rng.normal(0, 1, 20_000)})
    first = rows.aggregate(answers)
    assert all(rows.aggregate(answers).equals(first) for _ in range(5))
