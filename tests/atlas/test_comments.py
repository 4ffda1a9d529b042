"""Short texts with single ratings and comments with labels: each trap on a tiny file, and the real data if any."""

import csv
import gzip
import os

import numpy as np
import polars as pl
import pytest

from emonotes.affect.lexicon import GLASGOW, lookup
from emonotes.atlas.folders import data_folder
from emonotes.atlas.readers import comments
from emonotes.atlas.readers.base import at_hand, read_raw, read_singles
from emonotes.atlas.rows import aggregate, harmonise
from emonotes.atlas.sources import card
from emonotes.errors import InputError

real_data = pytest.mark.skipif(not os.environ.get("EMONOTES_DATA"), reason="needs EMONOTES_DATA")
NAMES = list(comments.SETS)


def write(path, *lines: bytes, end: bytes = b"\r\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(end.join(lines)))


def vader(data, source, texts, ratings):
    """The rows of one set from lines `(id, stated mean, text)` and `(id, ratings)`, ends and brackets as in the study."""
    folder, name = data / "vader_sentiment", comments.SETS[source]
    write(folder / f"{name}_GroundTruth.txt.gz", *(b"%s\t%s\t%s" % line for line in texts))
    write(folder / f"{name}_anonDataRatings.txt.gz", *(b"%s\t0\t0\t%s" % line for line in ratings), b"")
    return harmonise(comments.READERS[source](data / source, card(source)), card(source))


def cell(frame, name, stimulus):
    return frame.filter(stimulus=stimulus)[name].item()


@pytest.mark.parametrize("source", NAMES)
def test_vader_odd_bytes_quotes_html_order_and_byte_order_mark(tmp_path, source):
    texts = [(b"1", b"0", b'"I can\x92t, he said'), (b"2", b"0", b"R&amp;amp;B &amp; &lt;3"), (b"3", b"0", b'5" wide')]
    frame = vader(tmp_path, source, texts, [(b"\xef\xbb\xbf2", b"[-4, -4]"), (b"3", b"[1, 2, 3]"), (b"1", b"[0, 4]")])
    assert frame["stimulus"].to_list() == ["1", "2", "3"] and frame["valence"].to_list() == [0.5, -1, 0.5]
    assert frame["content"].to_list() == ['"I can\ufffdt, he said', "R&B & <3", '5" wide']
    assert frame["raters"].to_list() == [2, 2, 3] and frame["arousal"].is_null().all()
    assert np.allclose(frame["valence_sd"], np.array([np.sqrt(8), 0, 1]) / 4), "sample SD over half the scale"


def test_vader_mean_is_that_of_the_ratings_not_the_stated_one(tmp_path):
    frame = vader(tmp_path, "vader_tweets", [(b"1", b"-2.5", b"Yay")], [(b"1", b"[2, 4]")])
    assert frame["valence_raw"][0] == 3


def test_vader_families_by_review_by_words_and_over_both(tmp_path):
    texts = [(b"1_1", b"0", b"It broke."), (b"1_2", b"0", b"Great."), (b"2_1", b"0", b"GREAT!!!"), (b"2_2", b"0", b"Blue."),
             (b"3_1", b"0", b"really, really  great"), (b"4_1", b"0", b"!"), (b"5_1", b"0", b"?"), (b"6_1", b"0", b"!")]
    frame = vader(tmp_path, "vader_amazon", texts, [(line[0], b"[1]") for line in texts])
    group = dict(frame.select("stimulus", "group").iter_rows())
    assert len({group[i] for i in ("1_1", "1_2", "2_1", "2_2", "3_1")}) == 1
    assert group["4_1"] == group["6_1"] != group["5_1"] != group["1_1"], "signs alone are texts of their own"


@pytest.mark.parametrize("ratings, message", [([(b"1", b"[1]")], "2 texts, 1 with ratings"),
                                              ([(b"1", b"[1]"), (b"2", b"[]")], "conversion|could not|cast"),
                                              ([(b"1", b"[1]"), (b"2", b"[5]")], "5 of '2' .*outside the scale")])
def test_vader_damage_is_an_error(tmp_path, ratings, message):
    with pytest.raises((InputError, pl.exceptions.PolarsError), match=message):
        vader(tmp_path, "vader_movies", [(b"1", b"0", b"a"), (b"2", b"0", b"b")], ratings)


def test_vader_singles_are_anonymous_and_give_the_rows(tmp_path):
    frame = vader(tmp_path, "vader_nyt", [(b"1_1", b"0", b"a")], [(b"1_1", b"[-1, -1, 2]")])
    singles = comments.READERS["vader_nyt"].singles(tmp_path / "vader_nyt", card("vader_nyt"))
    assert singles["valence_raw"].to_list() == [-1, -1, 2] and singles["rater"].is_null().all()
    assert frame["raters"][0] == 3 and frame["valence_raw"][0] == aggregate(singles)["valence_raw"][0] == 0


LABELS = "admiration\njoy\ndisapproval\nneutral"


def goemotions(folder, train, dev=(), test=()):
    (folder / "labels.txt").write_text(LABELS)
    for part, lines in {"train": train, "dev": dev, "test": test}.items():
        write(folder / f"{part}.tsv.gz", *lines or [b"filler\t3\tf" + part.encode()], b"", end=b"\n")
    return harmonise(comments.goemotions(folder, card("goemotions")), card("goemotions"))


def test_goemotions_labels_count_alike_and_neutral_is_kept(tmp_path):
    frame = goemotions(tmp_path, [b'"Well\t0,3\ta', b"Hm\t3\tb", b"Nice\t0\tc", b"No\t2\td"])
    admire, neutral = lookup("admire").mean, lookup("neutral").mean
    assert np.allclose(frame.filter(stimulus="a").select("valence", "arousal").row(0), (admire + neutral) / 2, atol=1e-6)
    assert np.allclose(frame.filter(stimulus="b").select("valence", "arousal").row(0), neutral, atol=1e-6)
    assert cell(frame, "valence", "d") < 0 and cell(frame, "content", "a") == '"Well' and frame["raters"].is_null().all()
    assert cell(frame, "valence_sd", "a") > max(cell(frame, "valence_sd", i) for i in "bc"), "two labels, wider"


def test_goemotions_repeated_text_stays_together(tmp_path):
    repeated = [b"Thank you %d!\t1\tx%d" % (i, i) for i in range(40)]
    again = [b"thank YOU %d! \t1\ty%d" % (i, i) for i in range(40)]
    frame = goemotions(tmp_path, repeated, test=again)
    assert frame.height == 81, "no copy is dropped"
    sides = frame.group_by("group").agg(pl.len(), pl.col("split").n_unique())
    assert sides["split"].max() == 1 and sides.filter(pl.col("group") != "text/filler")["len"].to_list() == [2] * 40
    assert frame["split"].n_unique() == 3, "split by the group's hash"


@real_data
@pytest.mark.parametrize("source, rows, mean, sd, singles, raters", [
    ("vader_tweets", 4200, None, None, 159750, (20, 99)), ("vader_movies", 10605, 0.005, 1.922, 198810, (15, 29)),
    ("vader_amazon", 3708, 0.382, 1.633, 74160, (20, 20)), ("vader_nyt", 5190, -0.141, 0.884, 103800, (20, 20))])
def test_real_vader(source, rows, mean, sd, singles, raters):
    read = comments.READERS[source]
    if at_hand(read) != "data folder":
        pytest.skip(f"{source} is not in the data folder")
    frame = read_raw(read)
    assert frame.height == rows and read_singles(read).height == singles == frame["raters"].sum()
    assert (frame["raters"].min(), frame["raters"].max()) == raters
    if mean is not None:
        assert (round(frame["valence_raw"].mean(), 3), round(frame["valence_raw"].std(), 3)) == (mean, sd)
        return
    stated = comments._lines(data_folder() / "vader_sentiment/tweets_GroundTruth.txt.gz", "stimulus", "stated", "text")
    stated = stated.with_columns(pl.col("stated").cast(pl.Float64)).join(frame, on="stimulus")
    assert (round(stated["stated"].mean(), 3), round(stated["stated"].std(), 3)) == (0.505, 1.514)
    off = stated.filter((pl.col("stated") - pl.col("valence_raw")).abs() > 0.01)
    assert off.height == 196 and frame.filter(pl.len().over("group") > 1, pl.col("group").is_in(off["group"].implode())).height >= 200


@real_data
def test_real_goemotions_rows_labels_and_lexicon():
    if at_hand(comments.goemotions) != "data folder":
        pytest.skip("goemotions is not in the data folder")
    folder, frame = data_folder() / "goemotions", read_raw(comments.goemotions)
    labels = (folder / "labels.txt").read_text().split()
    table = pl.concat([comments._lines(folder / f"{p}.tsv.gz", "text", "labels", "id") for p in ("train", "dev", "test")])
    assert frame.height == table.height == 54263 and table["labels"].str.contains(",").sum() == 8817
    counts = table["labels"].str.split(",").explode().cast(pl.Int64).value_counts()
    found = {labels[number]: count for number, count in counts.iter_rows()}
    assert (found["neutral"], found["admiration"], found["grief"]) == (17772, 5122, 96) and len(found) == 28
    assert 300 < frame.height - frame["group"].n_unique() < 340, "repeated texts share a group"


@real_data
def test_real_lexicon_is_the_glasgow_norms():
    path = data_folder() / "glasgow_norms" / card("glasgow_norms").files[0]["name"]
    if not path.is_file():
        pytest.skip("glasgow_norms is not in the data folder")
    with open(path, encoding="utf-8") as stream:
        norms = {row[0]: row for row in csv.reader(stream)}
    for row in GLASGOW.replace("\n", " ").split(","):
        word, *figures = row.split()
        assert list(map(float, figures)) == [float(norms[word][i]) for i in (5, 6, 2, 3)], word
