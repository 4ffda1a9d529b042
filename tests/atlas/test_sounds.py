"""Sounds: numbers that are texts, names that differ, and answers to eight words that are not ratings of arousal."""

import gzip
import os

import polars as pl
import pytest

from emonotes.atlas.readers import sounds
from emonotes.atlas.readers.base import find_readers, read_raw, read_singles
from emonotes.atlas.rows import harmonise, harmonise_singles
from emonotes.atlas.sources import card
from emonotes.errors import InputError

real_data = pytest.mark.skipif(not os.environ.get("EMONOTES_DATA"), reason="needs EMONOTES_DATA")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def read(function, folder):
    one = card(function.source)
    return harmonise(function(folder, one), one)


# soundscapes

UNIT = 4 / (4 + 32**0.5)


@pytest.mark.parametrize("word, pleasantness, eventfulness", [
    ("pleasant", 1, 0), ("annoying", -1, 0), ("eventful", 0, 1), ("uneventful", 0, -1), ("vibrant", 0.5**0.5, 0.5**0.5),
    ("calm", 0.5**0.5, -(0.5**0.5)), ("chaotic", -(0.5**0.5), 0.5**0.5), ("monotonous", -(0.5**0.5), -(0.5**0.5))])
def test_each_word_points_where_the_standard_says(word, pleasantness, eventfulness):
    answers = pl.DataFrame({name: [5 if name == word else 1] for name in sounds.WORDS})
    found = sounds.pleasantness_eventfulness(answers).select("valence_raw", "arousal_raw").row(0)
    assert found == pytest.approx((pleasantness * UNIT, eventfulness * UNIT))


def test_the_extremes_are_one_and_a_rating_outside_is_named():
    best = {name: [5 if name in ("pleasant", "calm", "vibrant") else 1] for name in sounds.WORDS}
    assert sounds.pleasantness_eventfulness(pl.DataFrame(best))["valence_raw"][0] == pytest.approx(1)
    with pytest.raises(InputError, match="rating 6 is outside the scale 1..5"):
        sounds.pleasantness_eventfulness(pl.DataFrame(best | {"calm": [6]}))


def survey(session, place, **answers):
    answers = {name: 3 for name in sounds.WORDS} | answers
    return ",".join(map(str, [place, session, "UNKNOWN", 22, *(answers[name] for name in sounds.WORDS), 60.5]))


@pytest.fixture
def surveys(tmp_path):
    header = ",".join(["LocationID", "SessionID", "GroupID", "RecordID", *sounds.WORDS, "LAeq"])
    lines = [survey("Park1", "Park", pleasant=5, annoying="1.0"), survey("Park1", "Park"), survey("Park2", "Park", eventful=""),
             survey("Park2", "Park", pleasant=""), survey("Tap1", "Tap", vibrant=""), survey("Tap1", "Tap", annoying=5)]
    write(tmp_path / "ISD_v1.0_Data.csv.gz", "\n".join([header, *lines]) + "\n")
    return tmp_path


def test_a_row_is_a_person_and_a_skipped_word_is_missing(surveys):
    one = card("isd_soundscapes")
    singles = harmonise_singles(sounds.isd_answers(surveys, one), one)
    assert singles.height == 5, "a person who skipped 'vibrant' gave neither figure"
    park2 = singles.filter(pl.col("stimulus") == "Park2").select("valence", "arousal").rows()
    assert park2 == [(0, None), (None, 0)], "a skipped word is missing, not 0, and only where it is needed"
    assert singles["rater"].is_null().all(), "the numbers of questionnaires name nobody"


def test_sessions_are_means_over_people_and_group_by_place(surveys):
    frame = read(sounds.isd, surveys)
    found = {row["stimulus"]: row for row in frame.iter_rows(named=True)}
    assert found["Park1"]["raters"] == 2, "two people with one questionnaire number are two people"
    assert found["Park1"]["valence"] == pytest.approx(UNIT / 2) and found["Tap1"]["valence"] == pytest.approx(-UNIT / 2)
    assert found["Park2"]["raters"] == 1 and found["Tap1"]["raters"] == 1
    assert frame["group"].to_list() == ["sound/isd/Park", "sound/isd/Park", "sound/isd/Tap"]
    assert set(frame["basis"]) == {"proxy"}, "eventfulness is not quite arousal"


# everyday sounds

JAPAN = "Source,Description,Category,Sound ID,BE Classification,AroMN,AroSD,ValMN,ValSD,DomMN,DomSD"
PORTUGAL = "Sound Number,Description,EP Description,Val-M,Val-SD,Arou-M,Arou-SD,Dom-M,Dom-SD"


@pytest.fixture
def iads(tmp_path):
    folder = tmp_path / "iads_e_ratings"
    write(folder / "iadse_all.csv", "\n".join([
        JAPAN, "Expanded,Ship2,Transport,0102,H,3,2,9,1,5,1", "IADS,Cat4,Animals ,102,H,6,2,5,1,5,1",
        "Expanded,LightMusic1,Music,0003,H,5,1,5,1,5,1", "Expanded,LightMusic2,Music,0003_b,H,5,1,5,1,5,1",
        "IADS,Attack4,People,284,F,9,1,1,1,5,1"]) + "\n")
    write(folder / "iadse_men.csv", JAPAN + "\nIADS,Cat4,Animals ,102,H,1,1,1,1,1,1\n")
    write(folder / "iads2_portuguese_all.csv", "\n".join([
        PORTUGAL, "102,Cat,Gato,7,2,3,1,5,1", "284,Attack3,Ataque3,2,1,8,1,5,1"]) + "\n")
    return tmp_path


def test_a_number_is_a_text_and_arousal_stands_first(iads):
    frame = read(sounds.iads_e, iads / "iads_e")
    assert frame.height == 5
    found = {row["content"]: (row["valence"], row["arousal"], row["valence_sd"]) for row in frame.iter_rows(named=True)}
    assert found["102 Cat"] == (0, 0.25, 0.25) and found["0102 Ship"] == (1, -0.5, 0.25)


def test_sounds_match_by_number_not_by_name(iads):
    japan, portugal = read(sounds.iads_e, iads / "iads_e"), read(sounds.iads2_portugal, iads / "iads2_portugal")
    both = japan.join(portugal, on="content")
    assert both["content"].sort().to_list() == ["102 Cat", "284 Attack"] and (both["group"] == both["group_right"]).all()
    assert portugal.select("valence", "arousal", "arousal_sd").row(0) == (0.5, -0.5, 0.25)


def test_two_cuts_form_one_group_and_the_blank_is_stripped(iads):
    groups = dict(read(sounds.iads_e, iads / "iads_e").select("stimulus", "group").iter_rows())
    assert groups["0003"] == groups["0003_b"] == "sound/iads/0003" and groups["102"] != groups["0102"]
    assert "Animals" in sounds.sounds(iads / "iads_e_ratings/iadse_all.csv")["Category"]


@pytest.mark.parametrize("code, words", [("LightMusic24", "Light Music"), ("Sci-Fi4", "Sci-Fi"), ("BGM3", "BGM"),
                                         ("Suspense Thriller1", "Suspense Thriller"), ("EroticFem1", "Erotic Fem")])
def test_names_are_split_on_case_and_lose_their_number(code, words):
    assert pl.DataFrame({"code": [code]}).select(sounds.words_of(pl.col("code"))).item() == words


# real data


@real_data
@pytest.mark.parametrize("name, rows, groups, valence, arousal", [
    ("iads_e", 935, 910, 4.545, 5.583), ("iads2_portugal", 167, 167, 4.549, 5.711), ("isd_soundscapes", 66, 26, None, None)])
def test_real_sounds_have_the_rows_and_means_their_authors_state(name, rows, groups, valence, arousal):
    frame = read_raw(find_readers()[name])
    assert (frame.height, frame["group"].n_unique()) == (rows, groups)
    means = frame.select("valence_raw", "arousal_raw").mean().row(0)
    assert all(stated is None or abs(mean - stated) < 6e-4 for mean, stated in zip(means, (valence, arousal), strict=True))


@real_data
def test_real_countries_share_every_old_sound_and_agree_more_on_valence():
    japan, portugal = (read_raw(find_readers()[name]) for name in ("iads_e", "iads2_portugal"))
    both = japan.join(portugal, on=["content", "group"], suffix="_portugal")
    assert both.height == 167
    assert both.select(pl.corr(d, f"{d}_portugal").round(3) for d in ("valence", "arousal")).row(0) == (0.809, 0.571)


@real_data
def test_real_surveys_are_people():
    singles = read_singles(find_readers()["isd_soundscapes"])
    assert 3589 - 26 <= singles.height < 3589 and singles["stimulus"].n_unique() == 66
    places = singles.group_by(pl.col("stimulus").str.replace(r"\d+$", "")).agg(pl.col("valence").mean())
    means = dict(places.iter_rows())
    assert means["RegentsParkJapan"] > 0.5 > 0 > means["EustonTap"], "a garden is pleasanter than a street"
