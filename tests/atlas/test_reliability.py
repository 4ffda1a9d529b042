"""Reliability against what is known by construction, and its limits."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonotes.atlas.reliability import icc, noise_ceiling, pooled_reliability, reliability_table, split_half
from emonotes.errors import InputError


def made(stimuli=150, raters=12, truth=0.4, noise=0.6, seed=0, named=True):
    rng = np.random.default_rng(seed)
    mean = np.repeat(rng.normal(0, truth, stimuli), raters)
    return pl.DataFrame({"source": "made", "stimulus": np.repeat(np.arange(stimuli), raters).astype(str),
                         "rater": np.tile(np.arange(raters), stimuli).astype(str) if named else [None] * stimuli * raters,
                         "valence": mean + rng.normal(0, noise, stimuli * raters), "arousal": pl.Series([None] * stimuli * raters, dtype=pl.Float64)},
                        schema_overrides={"rater": pl.String})


@settings(max_examples=12)
@given(st.floats(0.2, 0.5), st.floats(0.2, 0.8), st.integers(4, 30), st.booleans())
def test_all_three_agree_with_construction(truth, noise, raters, named):
    ratings = made(2500, raters, truth, noise, named=named)
    expected = truth**2 / (truth**2 + noise**2 / raters)
    rows = ratings.group_by("stimulus").agg(pl.col("valence").mean(), valence_sd=pl.col("valence").std(), raters=pl.len())
    found = [split_half(ratings, splits=10), icc(ratings)["mean"], pooled_reliability(rows)]
    assert np.allclose(found, expected, atol=0.09), (found, expected)
    assert abs(icc(ratings)["single"] - truth**2 / (truth**2 + noise**2)) < 0.09


def test_known_people_are_split_as_people():
    """A bias per person is the same in every stimulus, so a split by person leaves it out of the correlation."""
    rng, ratings = np.random.default_rng(1), made(300, 10, 0.3, 0.3)
    bias = dict(zip(map(str, range(10)), rng.normal(0, 1.0, 10), strict=True))
    biased = ratings.with_columns(pl.col("valence") + pl.col("rater").replace_strict(bias, return_dtype=pl.Float64))
    assert abs(split_half(biased, splits=10) - split_half(ratings, splits=10)) < 0.02
    assert icc(biased)["mean"] < split_half(biased, splits=10) - 0.1


def test_missing_answers_are_skipped():
    ratings = made()
    holes = ratings.with_columns(pl.when(pl.int_range(pl.len()) % 3 != 0).then("valence"))
    assert abs(split_half(holes, splits=10) - icc(holes)["mean"]) < 0.08 and icc(holes)["k"] == pytest.approx(8, abs=0.1)


def test_nothing_to_split_is_nan_and_a_wrong_column_is_named():
    ratings = made(2, 1)
    assert np.isnan(split_half(ratings)) and np.isnan(icc(ratings)["mean"]) and np.isnan(split_half(ratings.clear()))
    with pytest.raises(InputError, match="no column 'dominance'.*valence"):
        split_half(ratings, "dominance")


def test_the_table_says_how_each_figure_came_to_be():
    ratings = made()
    rows = pl.DataFrame({"source": ["made"] * 150 + ["printed"] * 150, "modality": "word", "basis": "rated",
                         "stimulus": [str(i) for i in range(150)] * 2, "valence": np.tile(np.linspace(-1, 1, 150), 2),
                         "valence_sd": 0.5, "arousal": pl.Series([None] * 300, dtype=pl.Float64),
                         "arousal_sd": pl.Series([None] * 300, dtype=pl.Float64), "raters": 25})
    table = reliability_table(rows, ratings, splits=5)
    assert dict(table.select("source", "method").rows()) == {"made": "split-half", "printed": "SD and n"}
    printed = table.filter(pl.col("source") == "printed").row(0, named=True)
    assert printed["reliability"] == pytest.approx(1 - 0.01 / rows["valence"].head(150).var())
    assert printed["ceiling"] == pytest.approx(noise_ceiling(printed["reliability"]))
