"""Each reader against the traps of its source, on small folders that the test writes, and on the real data if any."""

import gzip
import json
import os
import re
import zipfile

import numpy as np
import polars as pl
import pytest

from emonotes.atlas.readers import colours, images, music, odours, speech, tastes, temperatures, texts, touch, words
from emonotes.atlas.readers.base import at_hand, find_readers, read_starter, reader, rows_of
from emonotes.atlas.rows import harmonise
from emonotes.atlas.sources import card

READERS = find_readers()
real_data = pytest.mark.skipif(not os.environ.get("EMONOTES_DATA"), reason="needs EMONOTES_DATA")


def write(path, text, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))


def column(frame: pl.DataFrame, name: str, stimulus: str):
    return frame.filter(pl.col("stimulus") == stimulus)[name][0]


def read(function, folder):
    one = card(function.source)
    return harmonise(function(folder, one), one)


# words


def warriner_table(*rows):
    return "\n".join([",Word,V.Mean.Sum,V.SD.Sum,V.Rat.Sum,A.Mean.Sum,A.SD.Sum,A.Rat.Sum,A.SD.H", *rows])


def test_warriner_null_is_a_word_and_na_is_ignored(tmp_path):
    write(tmp_path / "Ratings_Warriner_et_al.csv", warriner_table("1,null,5,1,20,3,2,20,NA", "2,Sun,9,1,20,5,2,20,1"))
    frame = read(words.warriner, tmp_path)
    assert (
        column(frame, "valence", "null") == 0
        and column(frame, "group", "Sun") == "word/sun"
        and frame["raters"].to_list() == [20, 20]
    )


GLASGOW = "Words,Length,AROU,,,VAL,,\n,,M,SD,N,M,SD,N\n"


def test_glasgow_two_headers_and_senses(tmp_path):
    write(
        tmp_path / card("glasgow_norms").files[0]["name"],
        GLASGOW + "null,4,1,1,30,9,1,31\norange (fruit),6,5,1,30,7,1,31\n",
    )
    frame = read(words.glasgow, tmp_path)
    assert (
        column(frame, "valence", "null") == 1
        and column(frame, "arousal", "null") == -1
        and column(frame, "raters", "null") == 31
    )
    assert column(frame, "group", "orange (fruit)") == "word/orange"


def test_food_words_drop_ambiguous_words_and_things(data):
    rows = [
        "apple,5,5,1,30,7,1,30",
        "orange,6,5,1,30,7,1,30",
        "orange (fruit),6,5,1,30,7,1,30",
        "glue,4,5,1,30,5,1,30",
        "happy,5,6,1,30,8,1,30",
    ]
    write(data / "glasgow_norms" / card("glasgow_norms").files[0]["name"], GLASGOW + "\n".join(rows))
    write(
        data / "flavorgraph/nodes_191120.csv",
        "node_id,name,id,node_type,is_hub\n0,apple,,ingredient,no\n1,happy,3,compound,no\n2,glue,,ingredient,no\n",
    )
    write(data / "flavorgraph/dict_ingr2cate.csv", "ingredient,category\r\norange,Fruit\r\n")
    frame = read(words.food_words, data / "food_words")
    assert frame["content"].to_list() == ["apple"] and frame["basis"][0] == "proxy" and frame["modality"][0] == "food"


def test_food_words_need_both_parents(data):
    (data / "flavorgraph").mkdir()
    assert at_hand(words.food_words) == "starter table"
    (data / "glasgow_norms").mkdir()
    assert at_hand(words.food_words) == "data folder"


# texts


def test_emobank_official_split_without_copies(tmp_path):
    write(
        tmp_path / "emobank.csv",
        'id,split,V,A,D,text\n1,train,3,3,3,P.S.\n2,test,5,3,3,p.s.\n3,dev,1,3,3,NA\n4,train,2,3,3,"Hi, you"\n',
    )
    for view in ("reader", "writer"):
        write(
            tmp_path / f"{view}.csv", "id,V,A,D,stdV,stdA,stdD,N\n" + "".join(f"{i},3,3,3,1,1,1,5\n" for i in (1, 2, 4))
        )
    frame = read(texts.emobank, tmp_path)
    assert dict(frame.select("stimulus", "split").iter_rows()) == {"2": "test", "3": "val", "4": "train"}
    assert (
        column(frame, "content", "3") == "NA"
        and column(frame, "raters", "2") == 10
        and column(frame, "valence_sd", "2") == 0.5
    )


# images


def test_oasis_line_ends_blanks_and_missing_pictures(tmp_path):
    header = ",Theme,Category,Source,Valence_mean,Valence_SD,Valence_N,Arousal_mean,Arousal_SD,Arousal_N"
    rows = ["I1,Crosswalk 1 ,Object,P,4,1,100,2.5,1,101", "I2,War 3,Person,P,1.5,1,100,6,1,100"]
    write(tmp_path / "OASIS.csv", "\r".join([header, *rows]))
    write(tmp_path / "images_256/Crosswalk 1.jpg", "x")
    frame = read(images.oasis, tmp_path)
    assert frame.height == 1 and frame["content"][0] == "oasis/images_256/Crosswalk 1.jpg"
    assert frame["group"][0] == "oasis/Crosswalk" and frame["valence"][0] == 0 and frame["arousal"][0] == -0.5


# odours

DREAM = [
    "Compound Identifier",
    "Odor",
    "Replicate",
    "Intensity",
    "Dilution",
    "subject #",
    "INTENSITY/STRENGTH",
    "VALENCE/PLEASANTNESS",
]


def dream(folder, train, test=(), board=()):
    join = "\r".join
    write(folder / "TrainSet.txt", join("\t".join(map(str, row)) for row in [DREAM, *train]) + "\r")
    write(folder / "TestSet.txt", join("\t".join(map(str, row)) for row in [DREAM, *test]) + "\r\n")
    write(
        folder / "LBs1.txt",
        join("\t".join(map(str, row)) for row in [("#oID", "individual", "descriptor", "value"), *board]) + "\r",
    )
    write(folder / "all_smiles.csv", "CID,smiles\n1,CCO\n2,CC(=O)O\n3,CCC\n")


def test_dream_missing_is_skipped_high_only_and_replicates_count_once(tmp_path):
    dream(
        tmp_path,
        train=[
            (1, "a ", "", "high ", '"1/10"', 1, 50, 100),
            (1, "a ", "replicate ", "high ", '"1/10"', 1, 50, 60),
            (1, "a ", "", "high ", '"1/10"', 2, 50, 40),
            (1, "a ", "", "high ", '"1/10"', 3, 0, ""),
            (1, "a ", "", "low ", '"1/1,000 "', 2, 50, 0),
        ],
        test=[(2, "N/A", 0, "low", " '1/10'", 1, 9, 75)],
        board=[(3, 1, "VALENCE/PLEASANTNESS", 25), (3, 2, "VALENCE/PLEASANTNESS", "NaN"), (3, 1, "SWEET", 99)],
    )
    frame = read(odours.keller_2016, tmp_path)
    assert column(frame, "valence_raw", "CID 1") == 60 and column(frame, "raters", "CID 1") == 2
    assert column(frame, "valence", "CID 2") == 0.5, (
        "test pleasantness is at the high concentration whatever the column says"
    )
    assert column(frame, "valence", "CID 3") == -0.5 and column(frame, "raters", "CID 3") == 1
    assert frame["arousal"].is_null().all(), "intensity is not arousal"


def test_keller_2012_high_molecules_only(tmp_path):
    write(
        tmp_path / "stimuli.csv",
        "stimulus,CID,concentration,notes\nA,702.0,high,\nB,702.0,low,\nC,,high,\nD,176.0,high,first repeat; solvent\n",
    )
    write(
        tmp_path / "behavior_4.csv",
        "stimulus,subject,rep,pleasantness\nA,1,1,7\nA,1,2,5\nA,2,1,4\nA,3,1,\nB,1,1,1\nC,1,1,1\nD,1,1,1\n",
    )
    write(tmp_path / "molecules.csv", "CID,MolecularWeight,IsomericSMILES\n702,46,CCO\n176,60,CC(=O)O\n")
    frame = read(odours.keller_2012, tmp_path)
    assert frame["stimulus"].to_list() == ["CID 702"] and frame["valence_raw"][0] == 5 and frame["raters"][0] == 2


def test_arshamian_rank_one_is_the_most_pleasant(tmp_path):
    write(tmp_path / "behavior_1.csv", "Stimulus,ParticipantID,Ranking\n1183,1,1.0\n10430,1,10.0\n379,1,5.5\n")
    write(
        tmp_path / "molecules.csv",
        "CID,MolecularWeight,IsomericSMILES\n1183,1,CCO\n10430,1,CC(C)CC(=O)O\n379,1,CCCCCCCC(=O)O\n",
    )
    frame = read(odours.arshamian, tmp_path)
    assert dict(frame.select("stimulus", "valence").iter_rows()) == {"CID 1183": 1, "CID 10430": -1, "CID 379": 0}


def test_skeleton_ignores_spelling_and_mirror_images():
    assert odours.skeleton("OCC") == odours.skeleton("CCO") != odours.skeleton("CCN")
    assert odours.skeleton("C[C@@H](N)C(=O)O") == odours.skeleton("C[C@H](N)C(=O)O")
    assert odours.skeleton("not a molecule") == "molecule/not a molecule"


# music


def test_emopia_groups_a_song_with_two_quadrants(tmp_path):
    names = ["Q1_1fdxsFbnsX4_0", "Q4_1fdxsFbnsX4_2", "Q3_a_b-C_11"]
    write(tmp_path / "label.csv", "ID,4Q,annotator\n" + "".join(f"{n},{n[1]},A\n" for n in names) + "Q2_gone_0,2,A\n")
    with zipfile.ZipFile(tmp_path / "midis.zip", "w") as archive:
        for name in names:
            archive.writestr(f"midis/{name}.mid", b"MThd")
    frame = read(music.emopia, tmp_path)
    assert frame["stimulus"].to_list() == sorted(names) and frame["basis"].unique().to_list() == ["category"]
    assert column(frame, "group", names[0]) == column(frame, "group", names[1]) == "emopia/1fdxsFbnsX4"
    assert column(frame, "group", names[2]) == "emopia/a_b-C"
    assert frame.select("valence", "arousal").rows() == [(0.5, 0.5), (-0.5, -0.5), (0.5, -0.5)]
    assert column(frame, "content", names[0]) == "emopia/midis.zip!midis/Q1_1fdxsFbnsX4_0.mid"


def test_vgmidi_keeps_pieces_at_hand_by_game(tmp_path):
    rows = [
        "Mario_SNES_World_Map.mid,30,0.2,0.1,-0.3,0.2",
        "Mario_SNES_World_Castle.mid,30,-0.2,0.1,0.3,0.2",
        "Other_PC_Gone_x.mid,30,0,0,0,0",
    ]
    write(
        tmp_path / "derived_piece_va.csv",
        "midi,n_raters,valence_mean,valence_sd_raters,arousal_mean,arousal_sd_raters\n" + "\n".join(rows),
    )
    with zipfile.ZipFile(tmp_path / "labelled_midi.zip", "w") as archive:
        for name in ("Map", "Castle"):
            archive.writestr(f"midi/Mario_SNES_World_{name}.mid", b"MThd")
    frame = read(music.vgmidi, tmp_path)
    assert (
        frame.height == 2
        and frame["group"].unique().to_list() == ["vgmidi/Mario_SNES_World"]
        and frame["valence"].to_list() == [-0.2, 0.2]
    )


# touch, colours, temperatures, tastes, speech


def test_vibviz_content_is_three_numbers(tmp_path):
    write(
        tmp_path / card("vibviz").files[0]["name"],
        "id,index,energy,tempo,roughness,pleasantness,arousal\r\nv-1,1,-2,0.769230769,-3,3,-1.5\r\n",
    )
    frame = read(touch.vibviz, tmp_path)
    assert (
        json.loads(frame["content"][0]) == [-2, 0.7692, -3] and frame["valence"][0] == 1 and frame["arousal"][0] == -0.5
    )


def test_bcp_is_half_of_happy_minus_sad_without_arousal(tmp_path):
    write(tmp_path / "T_BCP.csv", "ColorName,ColorNumber,Happy,Sad,Angry,L,a,b,C\r\nWH,1,60,-40,0,100,0,0,0\r\n")
    write(tmp_path / "T_BCPEmoSubj.csv", "Subject,HS_WH,A_WH\r\n1,40,0\r\n2,60,0\r\n")
    frame = read(colours.bcp37, tmp_path)
    assert (
        frame["valence_raw"][0] == 50
        and frame["content"][0] == "#ffffff"
        and frame["arousal"][0] is None
        and frame["raters"][0] == 2
    )


def test_valdez_mehrabian_follows_the_equations():
    frame = rows_of(colours.valdez_mehrabian)
    assert frame["content"].str.contains("^#[0-9a-f]{6}$").all() and frame["content"].is_unique().all()
    lab = colours.colour_grid()
    b, s = lab[:, 0], np.hypot(lab[:, 1], lab[:, 2])
    b, s = (b - b.mean()) / b.std(), (s - s.mean()) / s.std()
    raw = dict(frame.select("content", "arousal_raw").iter_rows())
    assert np.allclose([raw[c] for c in colours.hex_of(colours.lab_to_rgb(lab))], -0.31 * b + 0.60 * s)


def test_ashrae_bins_need_thirty_votes_inside_the_scale(tmp_path):
    votes = [(23.2, 5.0)] * 30 + [(23.0, 0.9)] * 5 + [(30.0, 1.0)] * 29 + [("", 3.0), (23.0, "")]
    text = "index,ta,thermal_comfort,age\n" + "".join(f"{i},{t},{c},40\n" for i, (t, c) in enumerate(votes))
    (tmp_path / card("ashrae_thermal_comfort").files[0]["name"]).write_bytes(gzip.compress(text.encode()))
    frame = read(temperatures.ashrae, tmp_path)
    assert (
        frame.height == 1
        and frame["raters"][0] == 30
        and frame["content"][0] == "23.2"
        and frame["group"][0] == "temperature/23"
    )
    assert frame["valence"][0] == pytest.approx(0.6)


def test_temperature_of_emotions_says_no_more_than_the_figure():
    frame = rows_of(temperatures.temperature_of_emotions)
    found = {row["content"]: (row["valence"], row["arousal"]) for row in frame.iter_rows(named=True)}
    assert found == {
        "0.0": (-0.5, -0.5),
        "10.0": (-0.5, -0.5),
        "20.0": (0.5, -0.25),
        "30.0": (0.5, 0.5),
        "40.0": (None, 0.5),
    }


def test_fart_drops_contradictions_and_tastes_without_a_quadrant(tmp_path):
    rows = ["CCO,sweet", "CCO,bitter", "CC(=O)O,sour", "CC(=O)O,sour", "CCC,undefined", "CCN,umami", "CCCO,bitter"]
    write(tmp_path / "fart_curated.csv", "Standardized SMILES,Canonicalized Taste\n" + "\n".join(rows))
    frame = read(tastes.fart, tmp_path)
    assert dict(frame.select("content", "arousal").iter_rows()) == {"CC(=O)O": 0.5, "CCCO": -0.5}


def test_tastants_parse_and_are_known():
    from rdkit import Chem

    frame = rows_of(tastes.tastants)
    assert frame.height >= 40 and all(Chem.MolFromSmiles(s) for s in frame["content"])
    assert column(frame, "valence", "sucrose") > 0 > column(frame, "valence", "quinine")
    assert (
        column(frame, "arousal", "citric acid") > 0 > column(frame, "arousal", "caffeine")
        and column(frame, "arousal", "sucrose") is None
    )


def test_candy_drops_coins_and_mends_apostrophes(tmp_path):
    write(
        tmp_path / "candy-data.csv",
        "competitorname,chocolate,winpercent\nReeseÕs Pieces,1,75\nOne dime,0,32\nOne quarter,0,46\n",
    )
    frame = read(tastes.candy, tmp_path)
    assert frame["content"].to_list() == ["Reese's Pieces"] and frame["valence"][0] == 0.5


def test_crema_reads_the_voice_only(tmp_path):
    text = '"","A","D","F","H","N","S","fileName"\n"100001",10,0,0,0,0,0,"1001_IEO_ANG_XX"\n'
    text += '"200001",0,0,0,10,0,0,"1001_IEO_ANG_XX"\n'
    text += '"100002",0,0,0,5,0,5,"1001_IEO_SAD_XX"\n"100003",0,0,0,0,0,0,"1001_IEO_HAP_XX"\n'
    (tmp_path / "tabulatedVotes.csv.gz").write_bytes(gzip.compress(text.encode()))
    frame = read(speech.crema_d, tmp_path)
    assert (
        frame.height == 2
        and frame["group"].unique().to_list() == ["crema_d/1001"]
        and frame["raters"].to_list() == [10, 10]
    )
    assert column(frame, "valence", "1001_IEO_ANG_XX") < 0
    assert column(frame, "valence_sd", "1001_IEO_SAD_XX") > column(frame, "valence_sd", "1001_IEO_ANG_XX")


# every reader


def test_a_reader_is_found_by_walking():
    assert {"vibviz", "emobank", "oasis", "keller_2016_dream", "emopia", "crema_d"} <= set(READERS)

    @reader("vibviz", computed=True)
    def mine(folder, card):
        return None

    assert mine.source == "vibviz" and mine.computed and mine is not READERS["vibviz"]


@pytest.mark.parametrize("name", [n for n in READERS if card(n).starter])
def test_every_starter_table_is_legal_small_and_from_its_card(name):
    frame = read_starter(name)
    one = card(name)
    assert 0 < frame.height <= 500 and frame["source"].unique().to_list() == [name]
    assert frame["licence"].unique().to_list() == [one.licence] and frame["basis"].unique().to_list() == [one.basis]
    for dimension, scale in one.scales.items():
        raw, mapped = frame[f"{dimension}_raw"].to_numpy(), frame[dimension].to_numpy()
        assert np.nanmax(np.abs(scale.to_va(raw, name) - mapped), initial=0) < 1e-5


@pytest.mark.parametrize("name", [n for n, r in READERS.items() if r.computed])
def test_a_computed_source_ships_what_it_computes(name):
    computed, shipped = rows_of(READERS[name]), read_starter(name)
    assert computed["content"].to_list() == shipped["content"].to_list()
    assert np.allclose(computed["arousal"].to_numpy(), shipped["arousal"].to_numpy(), atol=1e-5, equal_nan=True)


@real_data
@pytest.mark.parametrize(
    "name, rows, groups",
    [
        ("warriner2013_vad", 13915, None),
        ("glasgow_norms", 5553, 4682),
        ("oasis", 688, None),
        ("keller_2016_dream", 476, None),
        ("arshamian_2022", 10, 10),
        ("emopia", 1078, 387),
        ("vibviz", 120, 120),
        ("bcp37_colour_emotion", 37, 37),
        ("candy_power_ranking", 83, 83),
        ("crema_d", 7442, 91),
    ],
)
def test_real_sources_have_the_rows_their_authors_state(name, rows, groups):
    if at_hand(READERS[name]) != "data folder":
        pytest.skip(f"{name} is not in the data folder")
    frame = rows_of(READERS[name])
    assert frame.height == rows and (groups is None or frame["group"].n_unique() == groups)


@real_data
def test_real_oasis_groups_are_its_themes():
    from emonotes.atlas.folders import data_folder

    if at_hand(READERS["oasis"]) != "data folder":
        pytest.skip("oasis is not in the data folder")
    themes = dict(pl.read_csv(data_folder() / "oasis/theme_groups.csv").iter_rows())
    for row in rows_of(READERS["oasis"]).iter_rows(named=True):
        assert row["group"] == "oasis/" + themes[row["content"].split("/")[-1]]


@real_data
def test_real_ashrae_wide_bins_are_the_published_ones():
    if at_hand(READERS["ashrae_thermal_comfort"]) != "data folder":
        pytest.skip("ashrae is not in the data folder")
    from emonotes.atlas.readers.base import read_raw

    means = (
        read_raw(READERS["ashrae_thermal_comfort"], starter=True)
        .sort(pl.col("content").cast(float))["valence_raw"]
        .round(2)
        .to_list()
    )
    assert means == [3.73, 3.71, 4.16, 4.33, 4.42, 4.49, 4.50, 4.23, 4.11, 3.99, 3.80, 3.81]


def test_modality_and_content_go_together():
    shapes = {"colour": r"#[0-9a-f]{6}", "temperature": r"-?\d+\.\d", "touch": r"\[.*\]"}
    for name, function in READERS.items():
        if (kind := card(name).modality) in shapes:
            assert all(re.fullmatch(shapes[kind], content) for content in rows_of(function)["content"]), name
