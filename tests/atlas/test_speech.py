"""Speech: three kinds of votes in one table, and three annotators where the README says two."""

import gzip
import os

import numpy as np
import polars as pl
import pytest

from emonotes.affect.lexicon import lookup
from emonotes.atlas.readers import speech
from emonotes.atlas.readers.base import find_readers, read_raw, read_singles
from emonotes.atlas.rows import harmonise, harmonise_singles
from emonotes.atlas.sources import card
from emonotes.errors import InputError

real_data = pytest.mark.skipif(not os.environ.get("EMONOTES_DATA"), reason="needs EMONOTES_DATA")


def read(function, folder):
    one = card(function.source)
    return harmonise(function(folder, one), one), harmonise_singles(function.singles(folder, one), one)


def test_crema_single_votes_are_words_on_the_voice(tmp_path):
    text = '"","A","D","F","H","N","S","fileName"\n"100001",2,0,0,1,0,0,"1001_IEO_ANG_XX"\n'
    text += '"200001",0,0,0,9,0,0,"1001_IEO_ANG_XX"\n"300001",0,0,0,9,0,0,"1001_IEO_ANG_XX"\n'
    text += '"100002",0,0,0,0,0,0,"1001_IEO_HAP_XX"\n'
    (tmp_path / "tabulatedVotes.csv.gz").write_bytes(gzip.compress(text.encode()))
    rows, votes = read(speech.crema_d, tmp_path)
    anger, happy = (tuple(map(float, lookup(word).mean)) for word in ("anger", "happy"))
    assert sorted(votes.select("valence", "arousal").rows()) == sorted([anger, anger, happy]), "face and video are not read"
    assert votes["rater"].is_null().all() and set(votes["stimulus"]) == {"1001_IEO_ANG_XX"} == set(rows["stimulus"])
    assert np.allclose(votes.select("valence", "arousal").mean().row(0), rows.select("valence", "arousal").row(0), atol=1e-6)
    assert rows["raters"].to_list() == [3]


def test_a_vote_for_an_unknown_word_is_an_error():
    with pytest.raises(InputError, match="'wistfulish' is not in the emotion lexicon"):
        speech.with_points(pl.DataFrame({"word": ["anger", "wistfulish"]}))


def test_points_keep_the_order_of_the_votes():
    given = ["sad", "anger", "sad", "happy"]
    assert speech.with_points(pl.DataFrame({"word": given}))["word"].to_list() == given


EMOTALE = "file," + ",".join(f"a{i}_{x}" for i in (1, 2, 3) for x in ("A", "V", "D", "cat")) + ",gt_emotion\n"


def test_emotale_has_three_annotators_and_arousal_stands_first(tmp_path):
    (tmp_path / "annotations.csv").write_text(
        EMOTALE + "DK_008_A_1.wav,5,1,3,A,5,1,3,A,2,4,3,A,A\nEN_008_H_2.wav,3,3,5,H,3.5,3,5,H,4,3,5,H,H\n")
    rows, singles = read(speech.emotale, tmp_path)
    danish, english = rows.iter_rows(named=True)
    assert (danish["valence_raw"], danish["arousal_raw"], danish["raters"]) == (2, 4, 3)
    assert english["valence"] == 0 and english["arousal"] == 0.25 and english["arousal_sd"] == 0.25
    assert danish["group"] == english["group"] == "speaker/emotale/008", "a speaker speaks in both languages"
    assert singles.height == 6 and set(singles["rater"]) == {"a1", "a2", "a3"}
    assert singles.filter(stimulus="DK_008_A_1.wav", rater="a3").select("valence", "arousal").row(0) == (0.5, -0.5)


@real_data
@pytest.mark.parametrize("name, rows, groups, singles, tolerance", [
    ("emotale", 800, 18, 2400, 1e-9), ("crema_d", 7442, 91, 68568, 1e-6)])
def test_real_speech_has_the_rows_its_authors_state(name, rows, groups, singles, tolerance):
    read_one = find_readers()[name]
    frame, answers = read_raw(read_one), read_singles(read_one)
    assert (frame.height, frame["group"].n_unique(), answers.height) == (rows, groups, singles)
    means = answers.group_by("stimulus").agg(pl.col("valence", "arousal").mean()).join(frame, on="stimulus", how="full")
    assert all((means[d] - means[f"{d}_right"]).abs().max() < tolerance for d in ("valence", "arousal"))


@real_data
def test_real_emotale_acted_moods_lie_where_they_should():
    rows = read_raw(find_readers()["emotale"]).group_by(mood=pl.col("stimulus").str.split("_").list.get(2))
    points = {mood: (v, a) for mood, v, a in rows.agg(pl.col("valence", "arousal").mean()).iter_rows()}
    assert points["H"][0] > 0 > points["A"][0] and points["A"][1] > 0 > points["B"][1]
    languages = read_raw(find_readers()["emotale"])["stimulus"].str.head(2).value_counts().sort("stimulus")["count"].to_list()
    assert languages == [450, 350]
