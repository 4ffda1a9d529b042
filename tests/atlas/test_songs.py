"""Collections of rated songs: each trap on small files that the test writes, and what their authors state on the real data."""

import gzip
import json
import os

import numpy as np
import polars as pl
import pytest

from emonotes.atlas.readers import songs
from emonotes.atlas.readers.base import at_hand, find_readers, read_raw, read_singles, read_traces
from emonotes.atlas.rows import aggregate, harmonise, harmonise_singles, harmonise_traces
from emonotes.atlas.sources import card

real_data = pytest.mark.skipif(not os.environ.get("EMONOTES_DATA"), reason="needs EMONOTES_DATA")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def rows_in(read, folder):
    frame = harmonise(read(folder, card(read.source)), card(read.source))
    return {row["stimulus"]: row for row in frame.iter_rows(named=True)}


def deam_files(folder, early, late="2001,3,1,5,1,2,1,7,1,8,1,3,1\n"):
    one, two = (folder / entry["name"] for entry in card("deam").files)
    write(one, "song_id, valence_mean, valence_std, arousal_mean, arousal_std\n" + early)
    write(
        two,
        "song_id, valence_mean, valence_std, valence_ max_mean, valence_max_std, valence_min_mean, valence_min_std, "
        "arousal_mean, arousal_std, arousal_max_mean, arousal_max_std, arousal_min_mean, arousal_min_std\n" + late,
    )


def test_deam_columns_are_swapped_up_to_song_1000_only(tmp_path):
    deam_files(tmp_path, "2,8,0.8,3,0.4\n1000,9,1.6,1,0.8\n1001,9,1.6,1,0.8\n")
    rows = rows_in(songs.deam, tmp_path)
    assert (rows["2"]["valence"], rows["2"]["arousal"]) == (-0.5, 0.75)
    assert (rows["2"]["valence_sd"], rows["2"]["arousal_sd"]) == pytest.approx((0.1, 0.2)), "the SDs are swapped too"
    assert (rows["1000"]["valence"], rows["1000"]["arousal"]) == (-1, 1)
    assert (rows["1001"]["valence"], rows["1001"]["arousal"]) == (1, -1)
    assert (rows["2001"]["valence_raw"], rows["2001"]["arousal_raw"]) == (3, 7), "means, not the means of the maxima"
    assert [rows[n]["raters"] for n in ("2", "1001", "2001")] == [10, 10, 5]


def emomusic_files(folder):
    write(folder / "static_annotations.csv", "song_id,mean_arousal,std_arousal,mean_valence,std_valence\n2,9,1,1,2\n")
    head = "song_id,sample_15000ms,sample_15500ms\n"
    write(folder / "arousal_cont_average.csv.gz", head + "2,0.5,-1\n")
    write(folder / "valence_cont_average.csv.gz", head + "2,0,0.25\n")


def test_deam_and_emomusic_share_a_song(tmp_path):
    deam_files(tmp_path, "2,8,0.8,3,0.4\n")
    emomusic_files(tmp_path)
    one, two = rows_in(songs.deam, tmp_path)["2"], rows_in(songs.emomusic, tmp_path)["2"]
    assert (
        one["group"] == two["group"] == "song/deam-2"
        and one["content"] == two["content"]
        and one["split"] == two["split"]
    )
    assert (two["valence"], two["arousal"]) == (-1, 1), "arousal stands first in emoMusic's table"


def test_emomusic_traces_begin_at_second_15_and_use_the_ratings_scale(tmp_path):
    emomusic_files(tmp_path)
    traces = harmonise_traces(songs.emomusic_traces(tmp_path, None), card("emomusic"))
    assert traces.select("stimulus", "seconds", "valence", "arousal").rows() == [
        ("2", 15, 0, 0.5),
        ("2", 15.5, 0.25, -1),
    ]
    assert traces["valence_raw"].to_list() == [5, 6] and traces["rater"].null_count() == 2


def pmemo_files(folder):
    table = [
        {"id": 90, "title": "Twice", "artist": "Ann ", "v": 0.5, "a": 0},
        {"id": 92, "title": "twice", "artist": "ann", "v": 1, "a": 0.25},
    ]
    write(folder / "scatter.json", json.dumps(table))
    write(
        folder / "samples/90.json",
        json.dumps({"id": 90, "dynamic": {"t": [15.5, 16.0], "v": [0.5, 1], "a": [0.0, 0.75]}}),
    )


def test_pmemo_zero_is_the_calm_pole_and_a_song_may_stand_twice(tmp_path):
    pmemo_files(tmp_path)
    rows = rows_in(songs.pmemo, tmp_path)
    assert rows["90"]["arousal"] == -1 and rows["90"]["valence"] == 0 and rows["92"]["arousal"] == -0.5
    assert rows["90"]["content"] == rows["92"]["content"] == "ann: twice" and rows["90"]["group"] == rows["92"]["group"]
    traces = harmonise_traces(songs.pmemo_traces(tmp_path, None), card("pmemo"))
    assert traces.select("stimulus", "seconds", "valence", "arousal").rows() == [
        ("90", 15.5, 0, -1),
        ("90", 16, 1, 0.5),
    ]


def situnes_files(folder):
    write(
        folder / "situnes/stage1_interactions.csv",
        "user_id,item_id,No.,timestamp,rating,duration,emo_valence,emo_arousal\n1,7,1,10,4,,0.25,-0.5\n2,7,2,11,4,90,0.35,-0.7\n",
    )
    head = "emo_pre_valence,emo_pre_arousal,emo_post_valence,emo_post_arousal,duration"
    write(
        folder / "situnes/stage2_interactions.csv",
        f"inter_id,user_id,item_id,timestamp,rating,{head},rec_type\n"
        "1,1,7,20,1,-1,-1,0.5,0.5,,\n2,1,7,20,1,-1,-1,0.5,0.5,,\n3,2,7,21,1,-1,-1,0,0.1,,\n",
    )
    write(
        folder / "situnes/stage3_interactions.csv",
        f"inter_id,user_id,item_id,timestamp,rating,preference,{head},rec_type\n"
        "1,1,8,30,1,50,1,1,-0.5,0.25,300,Random\n",
    )


def test_situnes_takes_the_mood_after_the_song_once(tmp_path):
    situnes_files(tmp_path)
    rows = rows_in(songs.situnes, tmp_path / "situnes")
    assert set(rows) == {"7", "8"} and rows["7"]["raters"] == 2 and rows["7"]["valence"] == 0.25
    assert (rows["8"]["valence"], rows["8"]["arousal"]) == (-0.5, 0.25)
    assert songs.situnes_answers(tmp_path / "situnes", None).height == 3, "an event that stands there twice counts once"


def test_situnes_laboratory_arousal_is_upside_down(tmp_path):
    situnes_files(tmp_path)
    rows = rows_in(songs.situnes_lab, tmp_path / "situnes_lab")
    assert rows["7"]["arousal"] == pytest.approx(0.6) and rows["7"]["arousal_raw"] == pytest.approx(-0.6)
    assert rows["7"]["valence"] == pytest.approx(0.3)
    assert rows["7"]["content"] == rows_in(songs.situnes, tmp_path / "situnes")["7"]["content"]


def test_solo_piano_arousal_has_its_centre_at_two(tmp_path):
    write(
        tmp_path / "annotations.csv",
        "ID,Song2,Category,Arousal,Valence\n44,Bach,Joy,2,2\n28,Bach,Joy,2,0\n44,Alb,Joy,0,-2\n",
    )
    rows = rows_in(songs.solo_piano, tmp_path)
    assert (rows["Bach"]["valence"], rows["Bach"]["arousal"], rows["Bach"]["raters"]) == (0.5, 0, 2)
    assert (rows["Alb"]["valence"], rows["Alb"]["arousal"]) == (-1, -1)


def film_files(folder):
    head = (
        '"","Track","Category","Level","Album","id","Anger","Fear","Happy","Sad","Tender","Gender","Age","Musicianship",'
        '"Emotion","Tension","Energy","Valence"\n'
    )
    answer = '"{n}",{track},"Anger","High","{album}",{who},{words},"Male",30,NA,"{task}",{scales}\n'
    lines = [
        (1, 1, "x", 1, "9,1,1,1,1", "Discrete", "NA,NA,NA"),
        (2, 1, "x", 1, "NA,NA,NA,NA,NA", "Dimensional", "9,3,1"),
        (3, 1, "x", 2, "NA,NA,NA,NA,NA", "Dimensional", "9,5,1"),
    ]
    names = ("n", "track", "album", "who", "words", "task", "scales")
    write(
        folder / "raw_ratings.csv.gz",
        head + "".join(answer.format(**dict(zip(names, line, strict=True))) for line in lines),
    )
    albums = [
        "Grizzly Man",
        "Grizzle Man",
        "Crouching Tiger ",
        "Crouching Tiger jne.",
        "The Untouchables",
        "The Fifth Element",
        "Shine",
    ]
    rows = "".join(f"{i},2,4,9,1,1,1,1,1,5,5,{album},Anger,High,NONE,Discrete\n" for i, album in enumerate(albums, 1))
    write(
        folder / "soundtrack.csv",
        "Number,Valence,Energy,Tension,Anger,Fear,Happy,Sad,Tender,Beauty,Liking,soundtrack,"
        "TARGET_EMOTION,TARGET_STRENGTH,TARGET_POLARITY,TARGET_FRAMEWORK\n" + rows,
    )


def test_film_arousal_is_energy_and_not_tension(tmp_path):
    film_files(tmp_path)
    row = rows_in(songs.film, tmp_path)["001"]
    assert row["arousal"] == -0.25 and row["valence"] == -0.75 and row["raters"] == 2
    answers = harmonise_singles(songs.film_answers(tmp_path, None), card("film_soundtracks"))
    assert answers.select("stimulus", "rater", "valence", "arousal").rows() == [
        ("001", "1", -1, -0.5),
        ("001", "2", -1, 0),
    ]


def test_film_albums_with_two_spellings_are_one_group(tmp_path):
    film_files(tmp_path)
    groups = [row["group"] for row in rows_in(songs.film, tmp_path).values()]
    assert groups[0] == groups[1] and groups[2] == groups[3] and groups[4] == groups[5] and len(set(groups)) == 4


def test_deezer_groups_by_artist_not_by_the_official_split(tmp_path):
    head = "dzr_sng_id,MSD_sng_id,MSD_track_id,valence,arousal,artist_name,track_name\n"
    for name, line in {
        "train": "1,S1,T1,-1.5,3,Lamb,123",
        "validation": '2,S2,T2,0,0,LAMB ,"Gold, blue"',
        "test": "3,S3,T3,1,1,Fiona,X",
    }.items():
        write(tmp_path / f"{name}.csv.gz", head + line + "\n")
    rows = rows_in(songs.deezer, tmp_path)
    assert rows["1"]["group"] == rows["2"]["group"] != rows["3"]["group"] and rows["1"]["split"] == rows["2"]["split"]
    assert rows["1"]["content"] == "lamb: 123" and rows["2"]["content"] == "lamb: gold, blue"
    assert rows["1"]["valence"] == -0.5 and rows["1"]["arousal"] == 1 and rows["1"]["raters"] is None
    assert rows["1"]["basis"] == "proxy", "nobody rated these songs"


def test_turkish_classes_are_quadrants_and_a_recording_is_one_group(tmp_path):
    lines = ["1,0.1,9", "2,0.2,8", "3,0.3,7", "4,0.4,6", "2,0.2,8"]
    write(tmp_path / "Acoustic_Features.csv", "Class,_RMSenergy_Mean,_Tempo_Mean\n" + "\n".join(lines) + "\n")
    rows = rows_in(songs.turkish, tmp_path)
    points = [(row["valence"], row["arousal"]) for row in rows.values()]
    assert points == [(0.5, -0.5), (0.5, 0.5), (-0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)]
    assert rows["2"]["group"] == rows["5"]["group"] and len({row["group"] for row in rows.values()}) == 4
    assert rows["1"]["basis"] == "category" and "INFERRED" in " ".join(card("turkish_music_emotion").traps)


def test_taste_music_is_happy_minus_the_unpleasant_without_arousal(tmp_path):
    write(
        tmp_path / "mean_ratings_by_prompt.csv",
        "prompt_taste,bitter,salty,sour,sweet,sad,anger,disgust,fear,surprise,happy,hot,cold\n"
        "sweet,1,1,1,5,1,1,1,1,5,5,5,1\nbitter,5,1,1,1,5,3,3,5,1,2,1,5\n",
    )
    rows = rows_in(songs.taste_music, tmp_path)
    assert rows["sweet"]["valence"] == 1 and rows["bitter"]["valence"] == -0.5 and rows["sweet"]["arousal"] is None


CORPORA = "pop909 js_fakes piano_midi_de giantmidi_subset asap_piano supra_piano_rolls nottingham_folk music_flavor_spanio2026"


@pytest.mark.parametrize("name", CORPORA.split())
def test_music_without_ratings_has_a_card_and_no_reader(name):
    one = card(name)
    assert one.basis == "none" and not one.scales and not one.redistribute and name not in find_readers()


# the real data


def real(name):
    read = find_readers()[name]
    if at_hand(read) != "data folder":
        pytest.skip(f"{name} is not in the data folder")
    return read


STATED = [
    ("deam", 1802, 1802, 0, 0),
    ("emomusic", 744, 744, 0, 744 * 61),
    ("pmemo", 767, 395, 0, 278),
    ("situnes", 305, 305, 1403, 0),
    ("situnes_lab", 25, 25, 600, 0),
    ("solo_piano_va", 24, 24, 984, 0),
    ("film_soundtracks", 110, 37, 6470, 0),
    ("deezer_mood", 18644, 4221, 0, 0),
    ("turkish_music_emotion", 400, 388, 0, 0),
    ("spanio2025_taste_music_emotion", 4, 4, 0, 0),
]


@real_data
@pytest.mark.parametrize("name, rows, groups, singles, traces", STATED)
def test_real_counts(name, rows, groups, singles, traces):
    frame, answers, series = read_raw(real(name)), read_singles(real(name)), read_traces(real(name))
    assert (frame.height, frame["group"].n_unique(), answers.height, series.height) == (rows, groups, singles, traces)
    assert set(answers["stimulus"]) | set(series["stimulus"]) <= set(frame["stimulus"])


def correlations(frame, *pairs):
    return [frame.select(pl.corr(a, b)).item() for a, b in pairs]


@real_data
def test_real_deam_agrees_with_emomusic_and_its_sliders():
    old, new, series = read_raw(real("emomusic")), read_raw(real("deam")), read_traces(real("emomusic"))
    both = new.join(old, on="content", suffix="_e").join(
        series.group_by("stimulus").agg(pl.col("valence", "arousal").mean()), on="stimulus", suffix="_t"
    )
    found = correlations(
        both, ("valence", "valence_e"), ("arousal", "arousal_e"), ("arousal_e", "arousal_t"), ("valence_e", "valence_t")
    )
    assert both.height == 744 and found == pytest.approx([0.9999, 0.9998, 0.956, 0.950], abs=6e-4)
    late = new.filter(pl.col("stimulus").cast(pl.Int64).is_between(1001, 2000))
    assert late.select(pl.col("valence_raw", "arousal_raw").std()).row(0) == pytest.approx((0.99, 1.30), abs=0.15)


@real_data
def test_real_pmemo_quadrants_are_cut_at_the_neutral_point():
    frame = read_raw(real("pmemo"))
    quadrants = (
        frame.select(high=pl.col("valence") >= 0, active=pl.col("arousal") >= 0).group_by("high", "active").len()
    )
    assert {row[:2]: row[2] for row in quadrants.rows()} == {
        (True, True): 505,
        (False, True): 73,
        (False, False): 132,
        (True, False): 57,
    }
    assert correlations(frame, ("valence", "arousal"))[0] == pytest.approx(0.71, abs=0.005)


@real_data
def test_real_situnes_laboratory_agrees_with_the_sound_and_the_field():
    from emonotes.atlas.folders import data_folder

    lab, field = read_raw(real("situnes_lab")), read_raw(real("situnes"))
    sound = pl.read_csv(data_folder() / "situnes/music_info.csv").select(
        pl.col("item_id").cast(pl.String).alias("stimulus"), "energy"
    )
    assert correlations(lab.join(sound, on="stimulus").drop_nulls("energy"), ("arousal", "energy"))[0] > 0.7
    assert correlations(lab.join(field, on="content", suffix="_f"), ("arousal", "arousal_f"))[0] > 0.4


@real_data
def test_real_solo_piano_reliability():
    table = songs.solo_piano_answers(_folder("solo_piano_va"), None)
    for figure, alpha in (("arousal_raw", 0.94), ("valence_raw", 0.97)):
        people = table.pivot("rater", index="stimulus", values=figure).drop("stimulus").to_numpy()
        k = people.shape[1]
        assert k / (k - 1) * (1 - people.var(0, ddof=1).sum() / people.sum(1).var(ddof=1)) == pytest.approx(
            alpha, abs=0.005
        )


def _folder(name):
    from emonotes.atlas.folders import data_folder

    real(name)
    return data_folder() / name


@real_data
def test_real_film_means_and_correlations():
    from emonotes.atlas.folders import data_folder

    frame, answers = read_raw(real("film_soundtracks")), read_singles(real("film_soundtracks"))
    own = aggregate(answers.select("stimulus", "rater", "valence_raw", "arousal_raw"))
    both = frame.join(own, on="stimulus", suffix="_own")
    assert min(correlations(both, ("valence_raw", "valence_raw_own"), ("arousal_raw", "arousal_raw_own"))) > 0.9995
    tension = pl.read_csv(data_folder() / "film_soundtracks/soundtrack.csv")["Tension"]
    found = correlations(
        frame.with_columns(tension=tension), ("valence", "arousal"), ("valence", "tension"), ("arousal", "tension")
    )
    assert found == pytest.approx([-0.09, -0.83, 0.58], abs=0.005), "tension goes against valence, energy does not"
    assert frame["raters"].min() == 49 and frame["raters"].max() == 67 and answers["rater"].n_unique() == 116


@real_data
def test_real_deezer_official_split_tears_artists():
    frame, folder = read_raw(real("deezer_mood")), _folder("deezer_mood")
    parts = pl.concat(
        [
            pl.read_csv(folder / f"{p}.csv.gz", columns=["dzr_sng_id"]).with_columns(
                official=pl.lit(p), stimulus=pl.col("dzr_sng_id").cast(pl.String)
            )
            for p in ("train", "validation", "test")
        ]
    )
    sides = frame.join(parts, on="stimulus").group_by("group").agg(pl.col("official").n_unique())
    assert (sides["official"] > 1).sum() == 20, "if this becomes 0, the official split could be used"
    assert np.allclose(frame.select(pl.col("valence_raw", "arousal_raw").std()).row(0), 1, atol=0.06)
