"""Food, drink, taste and temperature: each trap of the studies on a small file in their format, and the real counts."""

import gzip
import os
import re
from pathlib import Path

import polars as pl
import pytest

from emonotes.atlas import readers
from emonotes.atlas.readers import foods
from emonotes.atlas.readers.base import at_hand, find_readers, read_singles, rows_of
from emonotes.atlas.rows import harmonise, harmonise_singles
from emonotes.atlas.sources import card, load_cards
from emonotes.errors import InputError

READERS = find_readers()
LIKING = [*foods.READERS, "coffee_quality_cqi", "candy_power_ranking", "ashrae_thermal_comfort"]
real_data = pytest.mark.skipif(not os.environ.get("EMONOTES_DATA"), reason="needs EMONOTES_DATA")


def lay(folder: Path, source: str, files: dict) -> Path:
    """The files in the folder that the source is read from; returns the folder that its reader is given."""
    place = folder / (card(source).made_from or (source,))[0]
    place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (place / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / source


def rows(folder: Path, source: str, **files) -> dict:
    """Rows of a source by their stimulus, from files of that text."""
    place = lay(folder, source, files)
    found = harmonise(READERS[source](place, card(source)), card(source))
    return {row["stimulus"]: row for row in found.iter_rows(named=True)}


def singles(folder: Path, source: str) -> pl.DataFrame:
    """Single ratings of a source whose files lie there already."""
    return harmonise_singles(READERS[source].singles(folder / source, card(source)), card(source))


# yoghurt, beer, creams


def yoghurt(*likings):
    lines = [f"{i},F,L1,day1,A-P1-S1-F1,P1,S1,F1,{liking}" for i, liking in enumerate(likings)]
    return "\n".join(["Consumer,Gender,ConsumerGroup,sessiondate,ProductName,ProteinLevel,SugarLevel,FlavourLevel,Liking", *lines])


@pytest.mark.parametrize("likings, mean", [(['"13,8"', "9", '"0,15"', "0"], 5.7375), (["3", "6"], 4.5), (['"7,5"'], 7.5)])
def test_yoghurt_has_decimal_commas_but_not_everywhere(tmp_path, likings, mean):
    found = rows(tmp_path, "ku_yogurt", **{"yogurt_liking.csv": yoghurt(*likings)})["A-P1-S1-F1"]
    assert found["valence_raw"] == pytest.approx(mean) and found["raters"] == len(likings)


@pytest.mark.parametrize("liking, said", [('"15,5"', "15.5"), ("", "None"), ("-1", "-1.0")])
def test_an_answer_off_the_scale_or_missing_is_named_though_the_mean_is_fine(tmp_path, liking, said):
    words = f"person 1 gives 'A-P1-S1-F1' the rating {said} in 'yogurt_liking.csv', and legal is 0..15"
    with pytest.raises(InputError, match=re.escape(words)):
        rows(tmp_path, "ku_yogurt", **{"yogurt_liking.csv": yoghurt("3", liking, "4")})


def test_yoghurt_that_is_no_number_is_an_error(tmp_path):
    with pytest.raises(pl.exceptions.InvalidOperationError, match="n/a"):
        rows(tmp_path, "ku_yogurt", **{"yogurt_liking.csv": yoghurt('"7,5"', "n/a")})


def test_beer_skips_missing_answers(tmp_path):
    text = "Beer,Consumer.ID,Gender,Age,Interest in food,Liking\nRiver Beer,a01,M,18 - 25,6.0,7.0\nRiver Beer,a02,F,26 - 35,7.0,\n"
    found = rows(tmp_path, "ku_beer", **{"beer_liking.csv": text})["River Beer"]
    assert (found["valence"], found["raters"], found["content"]) == (1.0, 1, "River Beer")
    assert singles(tmp_path, "ku_beer")["rater"].to_list() == ["a01"]


def test_creams_are_what_was_tasted_not_the_ideal(tmp_path):
    text = "juge,produit,couleur,id_couleur,sucre,id_sucre,liking\n1,Laitiere,2.0,8,4,7.0,4.0\n2,Laitiere,2,9,4,9,6\n"
    found = rows(tmp_path, "chocolate_creams", **{"cream_ideal.csv": text})
    assert found["Laitiere"]["valence"] == 0 and found["Laitiere"]["raters"] == 2


def test_no_reader_uses_the_chocolates_of_unknown_direction():
    code = "".join(path.read_text() for path in Path(readers.__path__[0]).glob("*.py"))
    listed = [entry["name"] for one in load_cards().values() for entry in one.files]
    assert "cream_ideal" in code and "cream_ideal.csv" in listed
    assert "chocolate_hedonic" not in code and "chocolate_hedonic.csv" not in listed and "chocolate_liking" not in READERS
    assert all(any("uncertain" in trap for trap in card(name).traps) for name in ("chocolate_liking", "chocolate_creams"))


# berries

BERRIES = "Subject Code,Sample Name,9pt_overall,us_overall,lms_overall,subject,test_day,berry,sample\n"


def berry_file(*lines):
    return {"clt-berry-data.csv": BERRIES + "\n".join(lines) + "\n"}


def test_berry_people_are_subjects_not_codes(tmp_path):
    one, two = "1001,Fig 1,9,NA,NA,77,Day 1,fig,1", "2001,Fig 1,5,NA,NA,77,Day 2,fig,1"
    other = "1001,Fig 1,1,NA,NA,88,Day 3,fig,1"
    found = rows(tmp_path, "berry_9pt", **berry_file(one, two, other))["fig 1"]
    assert (found["raters"], found["valence_raw"]) == (2, 4.0), "77 is one person with two codes; 88 has a code of 77"
    assert set(singles(tmp_path, "berry_9pt")["rater"]) == {"77", "88"}


def test_berries_have_one_content_on_three_scales(tmp_path):
    file = berry_file("1,Fig 1,5,NA,NA,7,D,fig,1", "1,Fig 1,NA,15,NA,7,D,fig,1", "1,Fig 1,NA,NA,-100,7,D,fig,1")
    found = {source: rows(tmp_path, source, **file)["fig 1"] for source in foods.BERRY}
    assert [row["valence"] for row in found.values()] == [0, 1, -1] and {row["raters"] for row in found.values()} == {1}
    assert len({(row["content"], row["group"], row["split"]) for row in found.values()}) == 1


@pytest.mark.parametrize("line, count", [("1,Fig 1,5,7,NA,7,D,fig,1", 2), ("1,Fig 1,NA,NA,NA,7,D,fig,1", 0)])
@pytest.mark.parametrize("source", foods.BERRY)
def test_berry_lines_have_exactly_one_of_three_ratings(tmp_path, source, line, count):
    file = berry_file("1,Fig 1,5,NA,NA,7,D,fig,1", line)
    with pytest.raises(InputError, match=f"line 3 of 'clt-berry-data.csv' has {count} overall ratings"):
        rows(tmp_path, source, **file)


# wide tables


def test_cocktails_of_one_recipe_share_a_group(tmp_path):
    found = rows(tmp_path, "cocktail_liking", **{
        "cocktail_hedonic.csv": ",1,2\n1,4,5\n2,10,10.0\n3,1,1\n",
        "cocktail_composition.csv": ",orange,mango\n1,0.78,1.95\n2,0.78,1.95\n3,0.0,2.73\n"})
    assert [row["valence_raw"] for row in found.values()] == [4.5, 10, 1] and found["cocktail 1"]["raters"] == 2
    assert found["cocktail 1"]["group"] == found["cocktail 2"]["group"] != found["cocktail 3"]["group"]
    assert found["cocktail 3"]["content"] == "fruit cocktail of 0.0 orange, 2.73 mango"
    assert singles(tmp_path, "cocktail_liking")["rater"].unique().sort().to_list() == ["1", "2"]


def test_apples_say_that_their_direction_is_assumed(tmp_path):
    found = rows(tmp_path, "apples_sh", **{"apples_pref.csv": ",X1,X2,X3\n0,80,99,91\n1,0,20,10\n"})
    assert found["variety 0"]["valence"] == pytest.approx(0.8) and found["variety 1"]["valence"] == pytest.approx(-0.8)
    assert any("ASSUMED" in trap for trap in card("apples_sh").traps)


def wine(**renamed):
    names = [renamed.get(name, name) for name in foods.WINES]
    head = ",".join(["Judge,Wine Frequency,IT frequency,Gender,Age", *names])
    return {"torriconsFinal.csv": f"{head}\r\n1,2,3,2,22,1,2,3,4,5,6,7,8\r\n2,3,4,2,60,3,4,5,6,7,8,9,8\r\n"}


def test_wine_lines_are_people_and_age_is_no_rating(tmp_path):
    found = rows(tmp_path, "torri_2013_wine_liking", **wine())
    assert len(found) == 8 and found["C_MERLOT"]["valence_raw"] == 2 and found["I_REFOSCO"]["valence_raw"] == 8
    assert found["I_PRIMITIVO"]["content"] == "Primitivo from Italy" and found["C_MERLOT"]["raters"] == 2
    assert set(singles(tmp_path, "torri_2013_wine_liking")["rater"]) == {"1", "2"}


def test_a_wine_that_lost_its_column_is_missed(tmp_path):
    with pytest.raises(pl.exceptions.ColumnNotFoundError, match="I_SYRAH"):
        rows(tmp_path, "torri_2013_wine_liking", **wine(I_SYRAH="I_SHIRAZ"))


# coffee, candy

MARKS = {"arabica": "Aroma,Acidity,Body,Uniformity,Sweetness", "robusta": "Fragrance...Aroma,Salt...Acid,Mouthfeel,Uniform.Cup,Bitter...Sweet"}


def coffees(kind, *lines):
    head = '"","Species","Owner","Country.of.Origin","Variety","Processing.Method",' + MARKS[kind] + ",Cupper.Points,Total.Cup.Points\n"
    return head + "".join(f'"{i}","{kind.title()}","somebody",{line}\n' for i, line in enumerate(lines, 1))


def test_coffee_drops_the_row_of_zeros_and_reads_robusta_too(tmp_path):
    found = rows(tmp_path, "coffee_quality_cqi", **{
        "arabica_data_cleaned.csv": coffees("arabica", '"Ethiopia","","Washed / Wet",8,8,8,10,10,8.75,90.6', '"Honduras","Caturra","",0,0,0,0,0,0,0'),
        "robusta_data_cleaned.csv": coffees("robusta", '"Uganda","","",7,8,8,10,10,7.5,80')})
    assert {name: row["valence_raw"] for name, row in found.items()} == {"arabica 1": 8.75, "robusta 1": 7.5}
    assert found["arabica 1"]["content"] == "Arabica coffee, Ethiopia, Washed / Wet" and found["robusta 1"]["raters"] is None
    assert not any("somebody" in str(row.values()) for row in found.values()), "owners are not read"


def test_coffees_of_one_description_share_a_group(tmp_path):
    line = '"Peru","Bourbon","",8,8,8,10,10,{},80'
    found = rows(tmp_path, "coffee_quality_cqi", **{"arabica_data_cleaned.csv": coffees("arabica", line.format(7), line.format(8)),
                                                    "robusta_data_cleaned.csv": coffees("robusta", line.format(9))})
    assert found["arabica 1"]["group"] == found["arabica 2"]["group"] != found["robusta 1"]["group"]


def test_candy_without_coins_and_with_apostrophes(tmp_path):
    text = "competitorname,chocolate,winpercent\nHersheyÕs Kisses,1,55\nOne dime,0,32\nOne quarter,0,46\n"
    found = rows(tmp_path, "candy_power_ranking", **{"candy-data.csv": text})
    assert list(found) == ["Hershey's Kisses"] and found["Hershey's Kisses"]["valence"] == pytest.approx(0.1)
    with pytest.raises(InputError, match="'Root Beer' has no winpercent in 'candy-data.csv'"):
        rows(tmp_path, "candy_power_ranking", **{"candy-data.csv": text + "Root Beer,0\n"})


# comfort


def comfort_file(votes):
    text = "index,ta,thermal_sensation,thermal_comfort,age\n" + "".join(f"{i},{t},{s},{c},40\n" for i, (t, s, c) in enumerate(votes))
    return {card("ashrae_thermal_comfort").files[0]["name"]: gzip.compress(text.encode())}


def test_comfort_votes_are_singles_of_their_degree(tmp_path):
    votes = [(23.4, 0, 6)] * 20 + [(22.6, 0, 4)] * 20 + [(35.2, 3, 1)] * 2
    votes += [(23.0, 0, 0.9)] * 5 + [("", 0, 3), (23.0, 0, ""), (23.0, 2, "")]
    found = rows(tmp_path, "ashrae_thermal_comfort", **comfort_file(votes))
    single = singles(tmp_path, "ashrae_thermal_comfort")
    assert list(found) == ["23.0 C"] and found["23.0 C"]["raters"] == 40 and found["23.0 C"]["valence_raw"] == 5
    assert dict(single["stimulus"].value_counts().iter_rows()) == {"23.0 C": 40, "35.2 C": 2}, "rare degrees have votes, no row"
    assert single["rater"].is_null().all() and single["valence_raw"].min() == 1, "0.9 is below the scale"


def test_thermal_sensation_is_not_arousal(tmp_path):
    cold_and_hot = [(10.0, -3, 2)] * 30 + [(35.0, 3, 2)] * 30
    found = rows(tmp_path, "ashrae_thermal_comfort", **comfort_file(cold_and_hot))
    assert len(found) == 2 and all(row["arousal"] is None and row["arousal_raw"] is None for row in found.values())
    assert singles(tmp_path, "ashrae_thermal_comfort")["arousal"].is_null().all()
    assert set(card("ashrae_thermal_comfort").scales) == {"valence"}


# bittersweet


def bitter_files(**tables):
    files = {entry["name"]: "" for entry in card("bittersweet").files}
    for name in files:
        head = "Name\tTaste\tReference\tSMILES\tCanonical SMILES\t" + ("In Bitter Domain\t" if "test" in name else "")
        lines = tables.get(name.removesuffix(".tsv").replace("-", "_"), [])
        files[name] = head + ("Bitter" if "bitter" in name else "Sweet") + "\n" + "".join(
            f'A "quoted name\t{taste}\tsomebody\tX\t{smiles}\t' + ("1.0\t" if "test" in name else "") + f"{answer}\n"
            for smiles, taste, answer in lines)
    return files


def test_bittersweet_reads_the_label_not_the_answer(tmp_path):
    found = rows(tmp_path, "bittersweet", **bitter_files(
        bitter_train=[("CCO", "Sweet", False), ("CCN", "Bitter", True), ("CCC", "Tasteless", False), ("CCCC", "Bitter", True)],
        bitter_test=[("CCO", "Non-bitter", False), ("CCCC", "Non-bitter", False), ("CCS", "Non-bitter", False)],
        sweet_train=[("CCN", "Bitter", False), ("CCF", "Sweet", True), ("c1ccc", "Sweet", True)],
        sweet_test=[("CCF", "Bitter", False), ("CCCl", "Tasteless", False)]))
    assert {name: (row["valence"], row["arousal"]) for name, row in found.items()} == {"CCO": (0.5, None), "CCN": (-0.5, -0.5)}
    assert all(row["group"].startswith("molecule/") and row["content"] == name for name, row in found.items())


# what the cards promise


@pytest.mark.parametrize("source", LIKING)
def test_liking_is_a_proxy_of_valence_alone(source):
    one = card(source)
    assert one.basis == "proxy" and set(one.scales) == {"valence"} and one.scales["valence"].direction == 1
    assert source == "coffee_quality_cqi" or source == "candy_power_ranking" or READERS[source].singles


@pytest.mark.parametrize("source", ["nhanes_2014_taste", "ahn_2011_flavor_network", "flavorgraph", "berry_clt_2021",
                                    "ku_beer_yogurt_liking", "chocolate_liking"])
def test_a_folder_without_affect_has_a_card_and_no_reader(source):
    assert card(source).basis == "none" and not card(source).scales and source not in READERS


# the real files


@real_data
@pytest.mark.parametrize("source, height, answers, people, mean", [
    ("berry_9pt", 23, 2445, 155, 5.679), ("berry_line", 23, 2560, 158, 8.491), ("berry_lam", 23, 2502, 153, 20.245),
    ("ku_beer", 6, 920, 155, None), ("ku_yogurt", 9, 720, 80, 7.976), ("cocktail_liking", 16, 1600, 100, None),
    ("chocolate_creams", 9, 774, 86, 5.324), ("apples_sh", 12, 720, 60, 52.619), ("torri_2013_wine_liking", 8, 848, 106, None),
    ("ashrae_thermal_comfort", 27, 38031, 0, 4.34), ("coffee_quality_cqi", 1338, 0, 0, None), ("bittersweet", 2136, 0, 0, None),
    ("candy_power_ranking", 83, 0, 0, None),
])
def test_real_counts_are_those_of_the_studies(source, height, answers, people, mean):
    if at_hand(READERS[source]) != "data folder":
        pytest.skip(f"{source} is not in the data folder")
    found, single = rows_of(READERS[source]), read_singles(READERS[source])
    assert (found.height, single.height, single["rater"].drop_nulls().n_unique()) == (height, answers, people)
    assert mean is None or single["valence_raw"].mean() == pytest.approx(mean, abs=0.005)
    if answers:
        assert found["raters"].sum() <= answers and set(found["stimulus"]) <= set(single["stimulus"])


@real_data
def test_real_berries_are_the_same_people_and_berries():
    if at_hand(READERS["berry_9pt"]) != "data folder":
        pytest.skip("the berries are not in the data folder")
    parts = [(rows_of(READERS[source]), read_singles(READERS[source])) for source in foods.BERRY]
    assert len({tuple(found["content"]) for found, _ in parts}) == 1
    assert pl.concat([single for _, single in parts])["rater"].n_unique() == 165

