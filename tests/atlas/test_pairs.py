"""Comparisons of songs: what the model recovers and predicts, and the traps of MusAV."""

import gzip
import json
import os

import numpy as np
import polars as pl
import pytest

from emonotes.atlas.readers import pairs
from emonotes.atlas.readers.base import at_hand, find_readers, read_raw
from emonotes.atlas.rows import harmonise, with_errors
from emonotes.atlas.sources import card

real_data = pytest.mark.skipif(not os.environ.get("EMONOTES_DATA"), reason="needs EMONOTES_DATA")


def strengths(first, second, won, **settings):
    fit = pairs.bradley_terry(np.array(list(first)), np.array(list(second)), won, **settings)
    return dict(fit.select("stimulus", "strength").iter_rows())


def simulated(seed, n=200, m=4000):
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, pairs.VARIANCE**0.5, n)
    one, two = rng.integers(0, n, (2, m))
    one, two = one[one != two], two[one != two]
    return truth, one, two, rng.random(len(one)) < 1 / (1 + np.exp(truth[two] - truth[one]))


@pytest.mark.parametrize("seed", range(3))
def test_known_strengths_are_recovered_and_their_errors_are_right(seed):
    truth, one, two, won = simulated(seed)
    fit = pairs.bradley_terry(one, two, won)
    assert fit["stimulus"].to_list() == list(range(200))
    gap = fit["strength"].to_numpy() - truth
    assert np.corrcoef(truth, fit["strength"])[0, 1] > 0.94
    assert 0.88 < np.mean(np.abs(gap) < 2 * fit["se"].to_numpy()) < 0.99


def test_hidden_simulated_pairs_are_predicted_better_than_chance():
    _, one, two, won = simulated(0)
    fit = pairs.bradley_terry(one[:2000], two[:2000], won[:2000])["strength"].to_numpy()
    assert np.mean((fit[one[2000:]] > fit[two[2000:]]) == won[2000:]) > 0.75


def test_equal_is_half_a_win_and_order_of_a_pair_does_not_matter():
    tied = strengths("aab", "bcc", [0.5, 1, 1])
    assert tied["a"] == pytest.approx(tied["b"], abs=1e-4) and tied["a"] > 0 > tied["c"]
    assert strengths("ab", "bc", [1, 1]) == pytest.approx(strengths("bc", "ab", [0, 0]), abs=1e-4)


def test_strengths_of_a_song_that_always_won_stay_finite_and_small_samples_shrink():
    few, many = strengths("a", "b", [1]), strengths("a" * 20, "b" * 20, [1] * 20)
    assert 0 < few["a"] < many["a"] < 10 and few["a"] == pytest.approx(-few["b"], abs=1e-6)
    fit = pairs.bradley_terry(np.array(["a"]), np.array(["b"]), [1])
    assert (fit["se"] <= pairs.VARIANCE**0.5 + 1e-9).all() and (fit["se"] > 1).all()


def test_the_plane_is_the_probability_against_an_average_song():
    table = pairs.against_average(pl.DataFrame({"strength": [0.0, np.log(3)], "se": [1.0, 1.0]}))
    assert table["p"].to_list() == pytest.approx([0.5, 0.75]) and table["p_se"].to_list() == pytest.approx(
        [0.25, 0.1875]
    )
    assert card("musav").scales["valence"].to_va([0.5, 0.75, 1]) == pytest.approx([0, 0.5, 1])


def musav_files(folder, answers):
    for dimension in ("valence", "arousal"):
        lines = [
            json.dumps(
                {
                    "tripletid": t,
                    "songid_a": a,
                    "songid_b": b,
                    "annotator": who,
                    "type": dimension,
                    "higher_value": value,
                }
            )
            for t, a, b, who, value in answers
        ]
        (folder / f"annotations.{dimension}.all.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))


ANSWERS = [
    ("t1", "x", "y", "p1", "a"),
    ("t1", "x", "z", "p1", "a"),
    ("t1", "y", "z", "p1", "ab"),
    ("t2", "u", "v", "p2", "b"),
]


def rows_in(folder):
    frame = harmonise(pairs.musav(folder, card("musav")), card("musav"))
    return frame, {row["stimulus"]: row for row in frame.iter_rows(named=True)}


def test_musav_equal_songs_and_groups(tmp_path):
    musav_files(tmp_path, ANSWERS)
    frame, rows = rows_in(tmp_path)
    assert rows["x"]["valence"] > 0 > rows["y"]["valence"] == pytest.approx(rows["z"]["valence"], abs=1e-4), (
        "'ab' is a tie"
    )
    assert rows["u"]["valence"] < 0 < rows["v"]["valence"] and frame["basis"].unique().to_list() == ["order"]
    assert {row["group"] for row in rows.values()} == {"musav/t1", "musav/t2"} and rows["x"]["group"] == rows["z"][
        "group"
    ]
    assert rows["x"]["content"] == "spotify:track:x" and rows["x"]["raters"] == 1


def test_musav_not_selected_is_no_answer(tmp_path):
    musav_files(tmp_path, ANSWERS)
    _, before = rows_in(tmp_path)
    musav_files(tmp_path, [*ANSWERS, ("t1", "x", "y", "p3", "not_selected"), ("t1", "x", "z", "p3", "not_selected")])
    _, after = rows_in(tmp_path)
    assert after["x"]["valence"] == pytest.approx(before["x"]["valence"], abs=1e-6) and after["x"]["raters"] == 1


def test_musav_standard_error_comes_back_from_sd_and_raters(tmp_path):
    musav_files(tmp_path, [*ANSWERS, ("t1", "x", "y", "p3", "a")])
    frame, rows = rows_in(tmp_path)
    table = pairs.comparisons(tmp_path / "annotations.valence.all.jsonl.gz")
    fit = pairs.against_average(pairs.bradley_terry(*(table[c].to_numpy() for c in ("songid_a", "songid_b", "won"))))
    both = with_errors(frame).join(fit, on="stimulus")
    assert rows["x"]["raters"] == 2 and both["valence_se"].to_list() == pytest.approx(
        (2 * both["p_se"]).to_list(), abs=1e-6
    )


@real_data
def test_real_musav_rows_and_hidden_answers():
    read = find_readers()["musav"]
    if at_hand(read) != "data folder":
        pytest.skip("musav is not in the data folder")
    from emonotes.atlas.folders import data_folder

    frame = read_raw(read)
    assert (
        frame.height == 2092
        and frame["group"].n_unique() == 699
        and frame.drop_nulls(["valence", "arousal"]).height == 2092
    )
    assert 0.4 < with_errors(frame)["valence_se"].median() < 0.6
    for dimension, answers, right in (("arousal", 6255 - 33, 0.72), ("valence", 6255 - 62, 0.68)):
        table = pairs.comparisons(data_folder() / f"musav/annotations.{dimension}.all.jsonl.gz")
        assert table.height == answers
        pair = pl.col("songid_a") + pl.col("songid_b")
        hidden = pair == pair.max().over("tripletid")
        seen, unseen = table.filter(~hidden), table.filter(hidden, pl.col("won") != 0.5)
        known = dict(
            pairs.bradley_terry(*(seen[c].to_numpy() for c in ("songid_a", "songid_b", "won")))
            .select("stimulus", "strength")
            .iter_rows()
        )
        gap = np.array(
            [known.get(a, 0) - known.get(b, 0) for a, b in unseen.select("songid_a", "songid_b").iter_rows()]
        )
        points = np.where(np.abs(gap) < 1e-6, 0.5, (gap > 0) == (unseen["won"].to_numpy() == 1))
        assert points.mean() > right, "hidden answers must be predicted better than chance, 0.5"
