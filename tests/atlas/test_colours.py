"""Colours: two tables in one folder, two experiments, and choices whose labels are not colour names."""

import os

import numpy as np
import polars as pl
import pytest

from emonotes.affect.lexicon import lookup
from emonotes.atlas.readers import colours
from emonotes.atlas.readers.base import find_readers, read_raw, read_singles
from emonotes.atlas.rows import harmonise, harmonise_singles
from emonotes.atlas.sources import card
from emonotes.errors import InputError

real_data = pytest.mark.skipif(not os.environ.get("EMONOTES_DATA"), reason="needs EMONOTES_DATA")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def read(function, folder):
    one = card(function.source)
    return harmonise(function(folder, one), one), harmonise_singles(function.singles(folder, one), one)


# happy and sad


def test_bcp_singles_are_happy_sad_not_angry(tmp_path):
    write(tmp_path / "T_BCP.csv", "ColorName,ColorNumber,Happy,Sad,Angry,L,a,b,C\r\nWH,1,60,-40,0,100,0,0,0\r\n")
    write(tmp_path / "T_BCPEmoSubj.csv", "Subject,HS_WH,A_WH\r\n1,40,-100\r\n2,60,100\r\n")
    rows, singles = read(colours.bcp37, tmp_path)
    assert singles.select("stimulus", "rater", "valence").rows() == [("WH", "1", 0.4), ("WH", "2", 0.6)]
    assert singles["arousal"].is_null().all() and rows["valence"][0] == 0.5


@pytest.fixture
def equiluminant(tmp_path):
    folder = tmp_path / "bcp37_colour_emotion"
    write(folder / "T_EquilumData.csv", "Subj,HappySad,Angry,Sat,LD,YB,RG,C,L,a,b\n1,100,-100,0,0,0,0,15,85.2,13.2,7.2\n"
          "1,-50,100,0,0,0,0,30,28.5,26.4,14.3\n2,50,-100,0,0,0,0,15,85.2,13.2,7.2\n2,-100,100,0,0,0,0,30,28.5,26.4,14.3\n")
    write(folder / "T_Equilum2Data.csv", "Subj,TaskOrd,HappySad_r,HappySad_m,Angry_r,L_r,L_m,a_r,b_r,C_r,C_m,b_m,a_m\n"
          "1,1,20,-90,0,85.2,85.2,13.2,7.2,15,-1,9.5,17.6\n1,1,-20,-90,0,28.5,28.5,26.4,14.3,30,1,9.5,17.6\n")
    return tmp_path


def test_equiluminant_experiments_stay_apart_and_share_their_colours(equiluminant):
    (one, people), (two, others) = (read(f, equiluminant / f.source) for f in colours.EQUILUMINANT.values())
    assert one["content"].to_list() == two["content"].to_list() and one["group"].to_list() == two["group"].to_list()
    assert one.sort("valence").select("valence", "raters").rows() == [(-0.75, 2), (0.75, 2)]
    assert two["valence"].sort().to_list() == [-0.2, 0.2], "the columns _m are of another task"
    assert people.height == 4 and others.height == 2 and set(people["stimulus"]) == set(one["stimulus"])
    light = one.sort("valence")["content"][1]
    assert min(int(light[i : i + 2], 16) for i in (1, 3, 5)) > 150, "the happy one is the light one"


# colours chosen for a word


@pytest.fixture
def bottini(tmp_path):
    folder = tmp_path / "bottini_colour_emotion"
    write(folder / "colour_patches_rgb.csv", "label,r,g,b\nRED,255,0,0\nRGBGREEN,128,255,0\nGREEN,0,255,0\n")
    head = "participant,Response,Emotions,Reaction Time\n"
    write(folder / "exp1_emotion_color_association.csv", head + "e1_p001,RED,ANGRY,227.7\ne1_p001,RED,ANGRY,1.5\n"
          "e1_p002,RED,EXCITED,3\ne1_p002,RGBGREEN,CALM,3\n")
    write(folder / "exp2_emotion_color_association.csv", head + "e2_p001,RED,HAPPY,1\n")
    write(folder / "exp4_emotion_color_association.csv", 'participant,Emotion,Color\ne4_p001,SAD,"[\'rgb(0, 0, 9)\']"\n'
          "e4_p002,HAPPY,\"['rgb(1, 128, 255)' 'Unexpectedly long close out!']\"\n"
          "e4_p003,HAPPY,\"['A delay of more than 10s' 'rgb(1, 128, 255)']\"\n")
    return tmp_path


def test_patches_are_mixtures_of_the_words_they_were_chosen_for(bottini):
    rows, singles = read(colours.BOTTINI["bottini_colour_emotion"], bottini / "bottini_colour_emotion")
    assert rows["content"].to_list() == ["#80ff00", "#ff0000"], "RGBGREEN is a label of this study, not a colour's name"
    assert rows["raters"].to_list() == [1, 2], "four answers of one person are one rater"
    red = (2 * lookup("angry").mean + lookup("excited").mean) / 3
    assert np.allclose(rows.row(1, named=True)["valence"], red[0], atol=1e-6) and rows["group"][1] == "colour/#ff0000"
    assert rows["valence_sd"][1] > rows["valence_sd"][0], "disagreement widens"
    assert singles.height == 4 and np.allclose(singles.filter(stimulus="#ff0000")["arousal"].mean(), red[1], atol=1e-6)


def test_experiments_of_other_words_stay_apart(bottini):
    rows, _ = read(colours.BOTTINI["bottini_23_emotions"], bottini / "bottini_23_emotions")
    assert rows.select("content", "raters").rows() == [("#ff0000", 1)]
    assert np.allclose(rows.select("valence", "arousal").row(0), lookup("happy").mean, atol=1e-6)


def test_the_wheel_ignores_messages_beside_the_colour(bottini):
    rows, singles = read(colours.BOTTINI["bottini_colour_wheel"], bottini / "bottini_colour_wheel")
    assert rows.select("content", "raters").rows() == [("#000009", 1), ("#0180ff", 2)] and singles.height == 3


def test_a_cell_of_the_wheel_without_a_colour_is_an_error():
    with pytest.raises(InputError, match="'A delay' holds no colour"):
        colours._wheel(pl.Series(["['rgb(1, 2, 3)']", "A delay"]))


@pytest.mark.parametrize("line, error", [("e1_p001,MAUVE,ANGRY,1\n", pl.exceptions.PolarsError),
                                         ("e1_p001,RED,WISTFULISH,1\n", InputError)])
def test_an_unknown_label_or_word_is_an_error(bottini, line, error):
    with open(bottini / "bottini_colour_emotion/exp1_emotion_color_association.csv", "a") as stream:
        stream.write(line)
    with pytest.raises(error, match="MAUVE|wistfulish|replace"):
        read(colours.BOTTINI["bottini_colour_emotion"], bottini / "bottini_colour_emotion")


def test_figures_from_the_literature_have_a_card_and_no_rows():
    assert card("literature_figures").basis == "none" and "literature_figures" not in find_readers()


# real data


@real_data
@pytest.mark.parametrize("name, rows, singles, raters", [
    ("bcp37_colour_emotion", 37, 48 * 37, 48), ("equiluminant_colours", 32, 640, 20),
    ("equiluminant_replication", 32, 1376, 43), ("bottini_colour_emotion", 12, 10776, None),
    ("bottini_23_emotions", 12, 1954, None), ("bottini_colour_wheel", None, 1970, None)])
def test_real_colours_have_the_rows_their_authors_state(name, rows, singles, raters):
    read_one = find_readers()[name]
    frame, answers = read_raw(read_one), read_singles(read_one)
    assert (rows is None or frame.height == rows) and answers.height == singles
    assert raters is None or set(frame["raters"]) == {raters}
    means = answers.group_by("stimulus").agg(pl.col("valence").mean()).join(frame, on="stimulus", how="full")
    assert (means["valence"] - means["valence_right"]).abs().max() < 1e-6, "rows are the means of the singles"


@real_data
@pytest.mark.parametrize("name, column", [("equiluminant_colours", "HS1"), ("equiluminant_replication", "HSr")])
def test_real_equiluminant_means_are_the_published_ones(name, column):
    from emonotes.atlas.folders import data_folder

    table = pl.read_csv(data_folder() / "bcp37_colour_emotion/T_Equilum_Regressions.csv")
    codes = colours.hex_of(colours.lab_to_rgb(table.select("L", "a", "b").to_numpy()))
    published = pl.DataFrame({"content": codes, "mean": table[column]})
    both = read_raw(find_readers()[name]).join(published, on="content")
    assert both.height == 32 and (both["valence_raw"] - both["mean"]).abs().max() < 1e-9


@real_data
def test_real_red_is_angry_and_yellow_happy():
    for name in ("bottini_colour_emotion", "bottini_23_emotions"):
        points = {row["content"]: row for row in read_raw(find_readers()[name]).iter_rows(named=True)}
        assert points["#ffff00"]["valence"] == max(row["valence"] for row in points.values())
        assert points["#ff0000"]["valence"] == min(row["valence"] for row in points.values())
        assert points["#ff0000"]["arousal"] > points["#0000ff"]["arousal"]
