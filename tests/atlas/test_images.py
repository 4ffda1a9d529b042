"""Pictures: lines that end with CR, missing pictures, two cultures kept apart, descriptions that repeat."""

import os

import polars as pl
import pytest

from emonotes.atlas.readers import images
from emonotes.atlas.readers.base import find_readers, read_raw
from emonotes.atlas.rows import harmonise, split_of
from emonotes.atlas.sources import card

real_data = pytest.mark.skipif(not os.environ.get("EMONOTES_DATA"), reason="needs EMONOTES_DATA")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def read(function, folder):
    one = card(function.source)
    return harmonise(function(folder, one), one)


def rows_by_name(frame):
    return {row["stimulus"]: row for row in frame.iter_rows(named=True)}


OASIS = ",Theme,Category,Source,Valence_mean,Valence_SD,Valence_N,Arousal_mean,Arousal_SD,Arousal_N"


@pytest.mark.parametrize("end", ["", "\r"])
def test_oasis_counts_the_raters_of_valence_and_strips_both_blanks(tmp_path, end):
    lines = [OASIS, "I1,War 2 ,Person,P,2,1,100,6,1,108", "I2,Crosswalk 1 ,Object,P,4,1,104,1,1,101",
             "I3,Gone 1,Object,P,4,1,104,1,1,101"]
    write(tmp_path / "OASIS.csv", "\r".join(lines) + end)
    for name in ("War 2.jpg", "Crosswalk 1.jpg"):
        write(tmp_path / "images_256" / name, "x")
    found = rows_by_name(read(images.oasis, tmp_path))
    assert {name: row["raters"] for name, row in found.items()} == {"War 2": 100, "Crosswalk 1": 104}
    assert found["War 2"]["content"] == "oasis/images_256/War 2.jpg" and found["War 2"]["group"] == "oasis/War"
    assert found["Crosswalk 1"]["arousal"] == -1, "a calm picture lies at the low end, not at the mid-point"


BASS = ("file_name,val_mean_us,aro_mean_us,val_sd_us,aro_sd_us,val_n_us,aro_n_us,val_mean_ch,aro_mean_ch,val_sd_ch,"
        "aro_sd_ch,val_n_ch,aro_n_ch,val_diff,aro_diff,keywords,source")


@pytest.fixture
def bass(tmp_path):
    lines = [BASS, 'dog.png,7,3,1,2,93,94,8,6,.5,1.5,95,119,1,3,"dog, pet",Pixabay',
             "dog2.png,2,7,1,2,93,94,3,4,1,2,101,102,1,3,dog,Pixabay", "away.png,5,5,1,1,93,93,5,5,1,1,95,95,0,0,x,P"]
    write(tmp_path / "bass/BASS_data.csv", "\r\n".join(lines) + "\r\n")
    for name in ("images/dog.png", "images/dog2.png", "imgs_excluded/away.png"):
        write(tmp_path / "bass" / name, "x")
    return tmp_path


def test_bass_keeps_the_cultures_apart_and_leaves_the_absolute_differences_alone(bass):
    usa, china = (rows_by_name(read(f, bass / f.source)) for f in (images.bass_us, images.bass_china))
    assert list(usa) == list(china) == ["dog", "dog2"], "a picture that nobody rated is no row"
    seen = [[row[name] for row in rows.values()] for rows in (usa, china) for name in ("valence_raw", "arousal_raw")]
    assert seen == [[7, 2], [3, 7], [8, 3], [6, 4]], "China is not USA minus a difference without a sign, nor a mean of both"
    assert [usa["dog"][n] for n in ("valence_sd", "arousal_sd", "raters")] == [0.25, 0.5, 93]
    assert [china["dog"][n] for n in ("valence_sd", "arousal_sd", "raters")] == [0.125, 0.375, 95]


def test_bass_shares_content_between_cultures_and_groups_a_subject(bass):
    usa, china = read(images.bass_us, bass / "bass_us"), read(images.bass_china, bass / "bass_china")
    assert usa["content"].to_list() == china["content"].to_list() == ["bass/images/dog.png", "bass/images/dog2.png"]
    assert set(usa["group"]) == set(china["group"]) == {"image/bass/dog"}


def test_naps_repeated_descriptions_stay_rows_but_share_a_side(tmp_path):
    scales = [f"{who}_{what}_{how}" for who in ("women", "men", "all") for what in ("valence", "avap", "arousal")
              for how in ("mean", "sd")]
    figures = "9,0,9,0,1,0,1,0,1,0,9,0,6,2,2,0,4,1"
    lines = [",".join(["id", "category", "nr", "orientation", "description", *scales])]
    lines += [f"People_00{i}_h,People,{i},h,{name},{figures}" for i, name in enumerate(["Man", "Man ", "man", "null"])]
    write(tmp_path / "naps_ratings_1356.csv", "\n".join(lines) + "\n")
    frame = read(images.naps, tmp_path)
    assert frame.height == 4 and frame["content"].to_list() == ["Man", "Man", "man", "null"]
    assert frame["group"].to_list() == ["image/naps/man"] * 3 + ["image/naps/null"]
    assert set(frame["split"].head(3)) == {split_of("image/naps/man")}
    assert frame.select("valence", "valence_sd", "arousal", "arousal_sd").row(0) == (0.25, 0.5, -0.25, 0.25)
    assert frame["raters"].is_null().all(), "about 55 a picture is no count"


@real_data
@pytest.mark.parametrize("name, rows, valence, arousal, r", [
    ("bass_us", 583, 5.641, 5.000, -0.323), ("bass_china", 583, 5.462, None, 0.805),
    ("naps_ratings", 1356, 5.392, 5.102, -0.818), ("oasis", 688, None, None, None)])
def test_real_pictures_have_the_rows_and_means_their_authors_state(name, rows, valence, arousal, r):
    frame = read_raw(find_readers()[name])
    assert frame.height == rows
    means = frame.select("valence_raw", "arousal_raw").mean().row(0)
    assert all(stated is None or abs(mean - stated) < 6e-4 for mean, stated in zip(means, (valence, arousal), strict=True))
    assert r is None or abs(frame.select(pl.corr("valence", "arousal")).item() - r) < 6e-4


@real_data
def test_real_oasis_rates_more_photographs_than_are_at_hand():
    from emonotes.atlas.folders import data_folder

    rated = (data_folder() / "oasis/OASIS.csv").read_bytes().rstrip(b"\r").count(b"\r")
    assert rated == 900 > read_raw(find_readers()["oasis"]).height


@real_data
def test_real_cultures_agree_on_valence_and_hardly_on_arousal():
    usa, china = (read_raw(find_readers()[name]) for name in ("bass_us", "bass_china"))
    both = usa.join(china, on="content", suffix="_china")
    assert both.select(pl.corr(d, f"{d}_china").round(3) for d in ("valence", "arousal")).row(0) == (0.936, 0.282)
