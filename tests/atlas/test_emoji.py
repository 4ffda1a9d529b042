"""Emoji: one stimulus in two spellings, associations without a negative pole, counts of tweets."""

import os

import numpy as np
import polars as pl
import pytest

from emonotes.affect.lexicon import lookup
from emonotes.atlas.readers import emoji
from emonotes.atlas.readers.base import at_hand, read_raw
from emonotes.atlas.rows import harmonise
from emonotes.atlas.sources import card

real_data = pytest.mark.skipif(not os.environ.get("EMONOTES_DATA"), reason="needs EMONOTES_DATA")
HEART, DRESSED = "\u2764", "\u2764\ufe0f"


def emotag(folder, **scores):
    """The rows of EmoTag's file with joy and anger as given (a name's emoji is its key); the other six are 0."""
    rows = [f"X,{sign},name,{anger},0.0,0.0,0.0,{joy},0.0,0.0,0.0" for sign, (joy, anger) in scores.items()]
    head = "unicode,emoji,name," + ",".join(emoji.EMOTIONS)
    (folder / card("emotag1200").files[0]["name"]).write_text("\n".join([head, *rows]), encoding="utf-8")
    return harmonise(emoji.emotag(folder, card("emotag1200")), card("emotag1200"))


def ranking(folder, *rows):
    """The rows of the ranking's file from `(emoji, negative, neutral, positive)`."""
    head = "Emoji,Unicode codepoint,Occurrences,Position,Negative,Neutral,Positive,Unicode name,Unicode block"
    lines = [f"{s},0x0,{a + b + c},0.5,{a},{b},{c},NAME,Block" for s, a, b, c in rows]
    one = card("emoji_sentiment_ranking")
    (folder / one.files[0]["name"]).write_text("\n".join([head, *lines]), encoding="utf-8")
    return harmonise(emoji.ranking(folder, one), one)


def test_two_spellings_are_one_stimulus_in_both_studies(tmp_path):
    asked = emotag(tmp_path, **{HEART: (1, 0), DRESSED: (0, 0), "A": (1, 0)})
    seen = ranking(tmp_path, (HEART, 1, 0, 3), (DRESSED, 0, 1, 5), ("A", 0, 0, 9))
    for frame in (asked, seen):
        one = frame.filter(content=HEART)
        assert frame.height == 2 and one["stimulus"].item() == HEART and one["group"].item() == f"emoji/{HEART}"
    assert seen.filter(content=HEART)["raters"].item() == 10 and seen.filter(content=HEART)["valence"].item() == 0.7
    assert asked.filter(content=HEART)["valence"].item() < asked.filter(content="A")["valence"].item()


def test_an_association_of_zero_is_neutral_not_the_opposite(tmp_path):
    frame = emotag(tmp_path, a=(0, 0), b=(0.1, 0), c=(1, 0), d=(0, 1), e=(0.5, 0.5))
    place = {row["stimulus"]: (row["valence"], row["arousal"]) for row in frame.iter_rows(named=True)}
    for stimulus, word in {"a": "neutral", "c": "joy", "d": "anger"}.items():
        assert np.allclose(place[stimulus], lookup(word).mean, atol=1e-6)
    assert place["a"][0] < place["b"][0] < place["c"][0] / 2, "weak joy is not full joy"
    assert place["d"][0] < place["e"][0] < place["c"][0] and frame["basis"].unique().to_list() == ["category"]


def test_ranking_is_a_proxy_from_five_uses_on(tmp_path):
    frame = ranking(tmp_path, ("A", 0, 0, 4), ("B", 5, 0, 0), ("C", 1, 2, 1), ("D", 2, 2, 6))
    assert frame["content"].to_list() == ["B", "D"] and frame["valence"].to_list() == [-1, 0.4]
    assert np.allclose(frame["valence_sd"], [0, np.std([-1] * 2 + [0] * 2 + [1] * 6)])
    assert frame["arousal"].is_null().all() and frame["basis"][0] == "proxy"


@real_data
def test_real_emoji():
    if any(at_hand(read) != "data folder" for read in (emoji.emotag, emoji.ranking)):
        pytest.skip("the emoji are not in the data folder")
    asked, seen = read_raw(emoji.emotag), read_raw(emoji.ranking)
    assert asked.height == 150 and seen.height == 751
    assert (round(seen["valence"].mean(), 3), round(seen["valence"].std(), 3)) == (0.321, 0.310)
    assert round(seen.filter(content="\U0001f602")["valence"].item(), 3) == 0.221
    both = asked.join(seen, on="content", suffix="_seen")
    assert both.height == 148 and both.select(pl.corr("valence", "valence_seen")).item() > 0.8
