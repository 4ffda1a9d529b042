"""The odour readers against the traps of their studies: what is missing, what is strength, who answered twice."""

import os

import polars as pl
import pytest

from emonotes.atlas.readers import odours
from emonotes.atlas.readers.base import at_hand, read_raw, read_singles
from emonotes.atlas.rows import harmonise, harmonise_singles
from emonotes.atlas.sources import card, load_cards
from emonotes.errors import InputError

real_data = pytest.mark.skipif(not os.environ.get("EMONOTES_DATA"), reason="needs EMONOTES_DATA")
MOLECULES = "CID,MolecularWeight,IsomericSMILES\n702,46,CCO\n176,60,CC(=O)O\n263,74,CCCCO\n8042,270,CCCCCCCCCCCCCC(=O)OC(C)C\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def rows_in(function, folder) -> dict:
    """The reader's rows by stimulus, harmonised, so that the scale has been applied."""
    one = card(function.source)
    return {row["stimulus"]: row for row in harmonise(function(folder, one), one).iter_rows(named=True)}


def singles_in(function, folder) -> list:
    one = card(function.source)
    table = harmonise_singles(function.singles(folder, one), one)
    return sorted(table.select("stimulus", "rater", "valence_raw").rows())


# Keller 2016

HEADER = "Compound Identifier,Odor,Replicate,Intensity,Dilution,subject #,INTENSITY/STRENGTH,VALENCE/PLEASANTNESS".split(",")


@pytest.fixture
def dream(tmp_path):
    """A DREAM folder with CR line ends, blanks, quotes, a repeat, missing answers and wrong concentrations."""
    def table(rows, end="\r"):
        return end.join("\t".join(map(str, row)) for row in rows) + end

    write(tmp_path / "TrainSet.txt", table([
        HEADER,
        (1, "a ", "", "high ", '"1/10"', 7, 50, 100), (1, "a ", "replicate ", "high ", '"1/10"', 7, 50, 60),
        (1, "a ", "", "high ", '"1/10"', 8, 90, 40), (1, "a ", "", "high ", '"1/10"', 9, 0, ""),
        (1, "a ", "", "low ", '"1/1,000 "', 9, 99, 1)]))  # fmt: skip
    write(tmp_path / "TestSet.txt", table([HEADER, (2, "N/A", 0, "low", " '1/10'", 7, 9, 75)], "\r\n"))
    write(tmp_path / "LBs1.txt", table([
        ("#oID", "individual", "descriptor", "value"), (3, 7, " VALENCE/PLEASANTNESS", 25), (3, 8, "VALENCE/PLEASANTNESS", "NaN"),
        (3, 7, " CHEMICAL", 99), (3, 7, "INTENSITY/STRENGTH", 98)]))  # fmt: skip
    write(tmp_path / "all_smiles.csv", "CID,smiles\n1,CCO\n2,CC(=O)O\n3,CCC\n4,CCCC\n")
    return tmp_path


def test_dream_answers_keep_the_person_and_what_is_missing_stays_missing(dream):
    assert singles_in(odours.keller_2016, dream) == [
        ("CID 1", "7", 60), ("CID 1", "7", 100), ("CID 1", "8", 40), ("CID 2", "7", 75), ("CID 3", "7", 25)]  # fmt: skip


def test_dream_rows_are_made_of_the_answers(dream):
    found = rows_in(odours.keller_2016, dream)
    assert {s: (r["valence_raw"], r["raters"]) for s, r in found.items()} == {
        "CID 1": (60, 2), "CID 2": (75, 1), "CID 3": (25, 1)}, "person 7's two answers count once"  # fmt: skip
    assert found["CID 1"]["valence_sd"] == pytest.approx(pl.Series([80.0, 40.0]).std() / 50)


def test_dream_files_lose_blanks_quotes_and_the_hash(dream):
    table = odours._dream(dream / "LBs1.txt")
    assert table.columns[0] == "oID" and "CHEMICAL" in table["descriptor"].to_list() and table.height == 4
    assert odours._dream(dream / "TrainSet.txt")["Dilution"].to_list()[-1] == "1/1,000"


def test_an_answer_about_an_unknown_molecule_is_an_error(dream):
    write(dream / "all_smiles.csv", "CID,smiles\n1,CCO\n2,CC(=O)O\n")
    with pytest.raises(InputError, match="no SMILES is known for.*CID 3"):
        odours.keller_2016(dream, card("keller_2016_dream"))


# Keller 2012


def test_keller_2012_drops_solvents_mixtures_and_weak_samples_and_pools_bottles_within_the_person(tmp_path):
    write(tmp_path / "stimuli.csv", "stimulus,CID,name,concentration,dilution,notes\n"
          "A,702.0,a,high,1/5.000,first repeat\nA2,702.0,a,high,1/5.000,second repeat\nB,702.0,a,low,1/50.000,\n"
          "C,,orange,high,,\nD,176.0,s,high,,first repeat; solvent\nE,176.0,s,,,solvent\nF,263.0,f,high,,\n")  # fmt: skip
    write(tmp_path / "behavior_4.csv", "stimulus,subject,rep,pleasantness\n"
          "A,1,1,7.0\nA,1,2,5.0\nA2,1,1,3.0\nA,2,1,\nA2,2,1,2.0\nB,1,1,1.0\nC,1,1,1.0\nD,1,1,4.0\nE,1,1,4.0\nF,3,1,\n")  # fmt: skip
    write(tmp_path / "behavior_3.csv", "stimulus,subject,rep,intensity\nA,1,1,7.0\n")
    write(tmp_path / "molecules.csv", MOLECULES)
    assert singles_in(odours.keller_2012, tmp_path) == [("CID 702", "1", v) for v in (3, 5, 7)] + [("CID 702", "2", 2)]
    found = rows_in(odours.keller_2012, tmp_path)
    assert list(found) == ["CID 702"], "a molecule that nobody could smell has no row, and a solvent none"
    assert (found["CID 702"]["valence_raw"], found["CID 702"]["raters"]) == (3.5, 2)


# Arshamian


def test_arshamian_answers_are_ranks_of_persons_and_rank_one_is_the_best(tmp_path):
    write(tmp_path / "behavior_1.csv", "Stimulus,ParticipantID,Ranking\n702,1,1.0\n702,2,2.5\n176,1,10.0\n")
    write(tmp_path / "behavior_2.csv", "ParticipantID,Rank 1,Rank 2\n1,176,702\n")
    write(tmp_path / "behavior_3.csv", "Stimulus,ParticipantID,Rep1,Rep2\n702,284,9,9\n")
    write(tmp_path / "molecules.csv", MOLECULES)
    assert singles_in(odours.arshamian, tmp_path) == [("CID 176", "1", 10), ("CID 702", "1", 1), ("CID 702", "2", 2.5)]
    found = rows_in(odours.arshamian, tmp_path)
    assert found["CID 702"]["valence"] > 0.8 and found["CID 176"]["valence"] == -1


# SmellSpace


@pytest.fixture
def smellspace(tmp_path):
    study = tmp_path / "snitz_2019_smellspace"
    write(study / "stimuli.csv", "Stimulus,CID\nHG,702\nKO,702\nFL,176\nNE,8042\n")
    write(study / "molecules.csv", MOLECULES)
    write(study / "behavior_1.csv", "Stimulus,Subject,Pleasant,WeakStrong,FreshRotten\n"
          "HG,7,101,1,1\nKO,8,1,101,101\nFL,7,50,101,101\nNE,7,80,1,1\nXM,7,20,9,9\n")  # fmt: skip
    write(study / "behavior_2.csv", "Stimulus,Subject,SessionNumber,Pleasant,WeakStrong,FreshRotten\n"
          "FL,0,1,80,1,1\nFL,0,2,60,1,1\nFL,1,1,10,1,1\n")  # fmt: skip
    return tmp_path


def test_smellspace_keeps_molecules_without_diluent_and_mixtures(smellspace):
    found = rows_in(odours.snitz_home, smellspace / "snitz_2019_smellspace")
    assert {s: r["valence"] for s, r in found.items()} == {"CID 702 HG": 1, "CID 702 KO": -1, "CID 176 FL": 0}
    assert found["CID 702 HG"]["group"] == found["CID 702 KO"]["group"], "one molecule in two strengths must not be torn"
    assert found["CID 176 FL"]["content"] == "CC(=O)O"


def test_smellspace_laboratory_is_its_own_population_with_sessions_averaged(smellspace):
    found = rows_in(odours.snitz_laboratory, smellspace / "snitz_2019_laboratory")
    assert (found["CID 176 FL"]["valence_raw"], found["CID 176 FL"]["raters"], len(found)) == (40, 2, 1)
    assert singles_in(odours.snitz_laboratory, smellspace / "snitz_2019_laboratory") == [
        ("CID 176 FL", "0", 60), ("CID 176 FL", "0", 80), ("CID 176 FL", "1", 10)]  # fmt: skip


# coffee and perfume

TERMS = "Calm,Nostalgic,Angry,Disgusted,Unique,Excited,Unpleasant,Disappointed,Free,Surprised,Irritated,Energetic,Happy,Well,Amused"


def aroma(name, person, **felt):
    return f"{name},{person}," + ",".join(str(felt.get(term, 1)) for term in TERMS.split(","))


def test_coffee_follows_the_formula_and_a_missing_term_is_no_smaller_mean(tmp_path):
    write(tmp_path / "coffee_emotions.csv", "\n".join([
        f"odor,subject,{TERMS}",
        aroma("Coffee.Flower", 1, Happy=5, Well=5, Free=5, Amused=5, Calm=5, Nostalgic=5, Unique=5),
        aroma("Earth", 1, Energetic=5, Excited=5, Surprised=5, Disgusted=5, Unpleasant=4),
        aroma("Earth", 2, Happy=""), aroma("B.Rice", 2), aroma("B.Rice", 3, Angry=5, Calm="")]))  # fmt: skip
    found = rows_in(odours.coffee, tmp_path)
    assert list(found) == ["B Rice", "Coffee Flower", "Earth"] and found["Coffee Flower"]["content"] == "Coffee Flower"
    assert (found["Coffee Flower"]["valence"], found["Coffee Flower"]["arousal"]) == (1, -1)
    assert (found["Earth"]["valence_raw"], found["Earth"]["arousal_raw"]) == (pytest.approx(-1.4), pytest.approx(2))
    assert (found["B Rice"]["valence"], found["B Rice"]["arousal"], found["B Rice"]["raters"]) == (0, 0, 1)


def test_perfume_duplicates_are_answers_about_the_same_perfume(tmp_path):
    write(tmp_path / "perfume_ideal.csv", "user,product,intensity,id_int,liking\n"
          "1,Shalimar,99,1,9\n1,Shalimar2,99,1,5\n2,Shalimar,1,99,1\n1,Chaneln5,50,50,5\n1,PurePoison2,0,0,1\n")  # fmt: skip
    found = rows_in(odours.perfume, tmp_path)
    assert {s: (r["valence_raw"], r["raters"]) for s, r in found.items()} == {
        "Chaneln5": (5, 1), "PurePoison": (1, 1), "Shalimar": (4, 2)}  # fmt: skip
    assert len(singles_in(odours.perfume, tmp_path)) == 5


# strength is not arousal


@pytest.mark.parametrize("name", [n for n, one in load_cards().items() if one.modality == "odour"])
def test_no_odour_takes_arousal_from_its_strength(name):
    assert set(load_cards()[name].scales) <= {"valence"} or name == "coffee_aroma_emotions"


# the real studies


def mean_of(function, stimulus):
    return read_raw(function).filter(pl.col("stimulus").str.starts_with(stimulus))["valence_raw"].to_list()


def needs(*functions):
    for one in functions:
        if at_hand(one) != "data folder":
            pytest.skip(f"{one.source} is not in the data folder")


@real_data
@pytest.mark.parametrize("name, rows, groups, people", [
    ("keller_2016", 476, 473, 49), ("keller_2012", 55, 54, 391), ("arshamian", 10, 10, 283), ("snitz_home", 23, 22, 983),
    ("snitz_laboratory", 10, 10, 26), ("coffee", 12, 12, 84), ("perfume", 12, 12, 103)])  # fmt: skip
def test_real_rows_and_people(name, rows, groups, people):
    function = getattr(odours, name)
    needs(function)
    table, singles = read_raw(function), read_singles(function)
    assert (table.height, table["group"].n_unique(), singles["rater"].n_unique()) == (rows, groups, people)
    assert set(table["stimulus"]) == set(singles["stimulus"]) and table["raters"].max() <= people


@real_data
@pytest.mark.parametrize("name, stimulus, means", [
    ("keller_2012", "CID 1183", [5.4]), ("keller_2012", "CID 10430", [1.6]), ("arshamian", "CID 1183", [3.0]),
    ("arshamian", "CID 10430", [8.6]), ("snitz_home", "CID 91497", [67.8, 56.0]), ("snitz_home", "CID 101010", [15.6])])  # fmt: skip
def test_real_means_are_the_stated_ones(name, stimulus, means):
    needs(getattr(odours, name))
    assert mean_of(getattr(odours, name), stimulus) == pytest.approx(means, abs=0.06)


@real_data
def test_real_coffee_means_are_the_stated_ones():
    needs(odours.coffee)
    found = {row[0]: row[1:] for row in read_raw(odours.coffee).select("stimulus", "valence_raw", "arousal_raw").iter_rows()}
    stated = {"Lemon": (2.02, 0.67), "Coffee Flower": (1.82, -1.04), "Apricot": (1.67, -0.15), "Hazelnut": (0.63, -0.10),
              "Vanilla": (0.13, -0.42), "Cedar": (-0.42, -0.43), "Medicine": (-0.94, 0.23), "Earth": (-0.96, 0.33)}  # fmt: skip
    assert all(found[name] == pytest.approx(point, abs=0.006) for name, point in stated.items())


@real_data
def test_real_dream_answers_are_all_there():
    needs(odours.keller_2016)
    raw = odours.keller_2016.singles(*folder_and_card("keller_2016_dream"))
    assert raw.height == 338 * 49 + 20 * 49 + 2 * 69 * 49, "every molecule, person and repeat at the high concentration"
    assert raw["valence_raw"].null_count() == 3074, "those who could not smell it"


def folder_and_card(name):
    from emonotes.atlas.folders import data_folder

    return data_folder() / name, card(name)


@real_data
@pytest.mark.parametrize("name, r, molecules", [("keller_2012", 0.81, 38), ("arshamian", 0.95, 10)])
def test_real_noses_agree_as_stated(name, r, molecules):
    other = getattr(odours, name)
    needs(other, odours.keller_2016)
    each = [read_raw(one).group_by("group").agg(pl.col("valence").mean()) for one in (odours.keller_2016, other)]
    both = each[0].join(each[1], on="group")
    assert both.height == molecules
    assert both.select(pl.corr("valence", "valence_right")).item() == pytest.approx(r, abs=0.02)
