"""Odours in words: which label is a word of the hedonic list, which molecule is no molecule, and what no label means."""

import os

import polars as pl
import pytest

from emonotes.atlas.readers import descriptors
from emonotes.atlas.readers.base import at_hand, find_readers, read_raw
from emonotes.atlas.rows import harmonise
from emonotes.atlas.sources import card

real_data = pytest.mark.skipif(not os.environ.get("EMONOTES_DATA"), reason="needs EMONOTES_DATA")
WEAK = ("leffingwell", "arctander_1960", "gs_lf_openpom", "flavordb_percepts")
TONES = [',Hedonic Tones', '"FRUITY,CITRUS",3', '"FRUITY,OTHER THAN CITRUS",2', '"MEATY ( COOKED,GOOD)",2.5', "SWEET,2",
         "SWEATY,-2", "BLACK PEPPER,0.2", '"SHARP, PUNGENT, ACID",-2.4', "PEACH FRUIT,2.6", "CARAMEL,2.4", "RANCID,-3"]  # fmt: skip
MOLECULES = "CID,MolecularWeight,IsomericSMILES\n702,46,CCO\n176,60,CC(=O)O\n263,74,CCCCO\n-955,60,CCC\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


@pytest.fixture
def study(tmp_path):
    """A folder of Dravnieks' hedonic list, which ends its lines with CR LF and has no name for its first column."""
    write(tmp_path / "dravnieks_1985/descriptor_hedonic_scores.csv", "\r\n".join(TONES) + "\r\n")
    return tmp_path / "dravnieks_1985"


def weak(name, study) -> dict:
    one, function = card(name), find_readers()[name]
    table = harmonise(function(study.parent / name, one), one)
    assert table["raters"].is_null().all() and table["arousal"].is_null().all() and set(table["basis"]) <= {"proxy"}
    return dict(table.select("stimulus", "valence_raw").iter_rows())


@pytest.mark.parametrize("label, tone", [
    ("fruity", 2.5), ("citrus", 3), ("meaty", 2.5), ("sweet", 2), ("pungent", -2.4), ("peach", 2.6), ("caramellic", 2.4),
    ("caramelic", 2.4), ("black currant", None), ("pepper", None), ("good", None), ("cooked", None), ("sweat", None),
    ("odorless", None), ("Hedonic Tones", None), ("", None), ("tar", None), ("tarry", None)])  # fmt: skip
def test_a_label_is_a_word_of_the_list_or_one_of_its_stated_forms(study, label, tone):
    assert descriptors.odour_words(study).get(label) == tone


def test_weak_valence_is_the_mean_of_known_labels_each_once_and_none_is_no_row(study):
    table = pl.DataFrame({"stimulus": ["a", "b", "c", "d"], "content": ["CCO", "CCC", "CCCC", "CO"],
                          "labels": [["sweet", " Sweet", "sweaty", "jasmine"], ["odorless"], [], None]})  # fmt: skip
    rows = descriptors.weak_rows(table, study)
    assert rows.select("stimulus", "valence_raw").rows() == [("a", 0)], "an unknown label is neither a zero nor a vote"


def test_dravnieks_weighs_by_applicability_and_takes_the_high_concentration(study):
    names = ",".join(line.rsplit(",", 1)[0] for line in TONES[1:])
    fits = {"Alow_low": {"RANCID": 90}, "Ahigh_high": {"SWEET": 60, "SWEATY": 20}, "Oil_high": {"RANCID": 1}, "B_high": {"RANCID": 9}}
    rows = [",".join([s, *(str(float(f.get(line.rsplit(",", 1)[0], 0))) for line in TONES[1:])]) for s, f in fits.items()]
    write(study / "behavior_1.csv", "\n".join([f"Stimulus,{names}", *rows]))
    write(study / "behavior_2.csv", "\n".join([f"Stimulus,{names}"]))
    write(study / "stimuli.csv", "Stimulus,CAS,CID,Conc,Name\nAlow_low,1,702,low,A\nAhigh_high,1,702,high,A\n"
          "Oil_high,,,high,Oil\nB_high,?,176,high,B\n")  # fmt: skip
    write(study / "molecules.csv", MOLECULES)
    one = card("dravnieks_1985")
    frame = harmonise(descriptors.dravnieks(study, one), one)
    assert dict(frame.select("stimulus", "valence").iter_rows()) == {"CID 176": -0.75, "CID 702": 0.25}
    assert frame["content"].to_list() == ["CC(=O)O", "CCO"] and frame["arousal"].is_null().all()


def test_leffingwell_keeps_molecules_without_a_number_under_another_name(study):
    write(study.parent / "leffingwell/behavior_sparse.csv", "Stimulus,Raw Labels,Labels\n"
          "-955,\"Sweet, fruity\",\"['sweet', 'fruity']\"\n702,\"Rancid, sweet\",\"['sweaty']\"\n176,Odorless,['odorless']\n")  # fmt: skip
    write(study.parent / "leffingwell/molecules.csv", MOLECULES)
    assert weak("leffingwell", study) == {"no CID, Leffingwell 955": 2.25, "CID 702": -2}


def test_arctander_zero_is_no_molecule_repeats_are_pooled_and_empty_is_nothing(study):
    write(study.parent / "arctander_1960/behavior_1_sparse.csv", "Stimulus,Labels\n1,sweet\n2,sweet;sweaty\n3,sweet\n4,sweaty\n5,\n")
    write(study.parent / "arctander_1960/stimuli.csv", "Stimulus,ChemicalName,CAS,new_CID\n"
          "1,A,,702\n2,A again,,702\n3,?,,0\n4,??,,0\n5,B,,176\n")  # fmt: skip
    write(study.parent / "arctander_1960/molecules.csv", MOLECULES + "0,1,CCCCCC\n")
    assert weak("arctander_1960", study) == {"CID 702": 0}, "labels pooled: sweet, sweaty"


def test_gs_lf_reads_the_descriptors(study):
    text = "nonStereoSMILES,descriptors,sweaty,sweet\nCCO,sweet;fruity,1,1\nCO,odorless,0,0\n"
    write(study.parent / "gs_lf_openpom/curated_GS_LF_merged_4983.csv", text)
    assert weak("gs_lf_openpom", study) == {"CCO": 2.25}


def test_flavordb_reads_neither_tastes_nor_strength_and_needs_a_molecule(study):
    write(study.parent / "flavordb_percepts/behavior.csv", "Stimulus,Odor Percepts,Odor Modifiers,Flavor Percepts,Flavor Modifiers\n"
          "702,sweet,sharp,rancid,pungent\n176,,pungent,sweet,\n263,reminiscent,sharp,,\n999,sweet,,,\n")  # fmt: skip
    write(study.parent / "flavordb_percepts/stimuli.csv", "Stimulus,CID\n702,702\n176,176\n263,263\n999,999\n")
    write(study.parent / "pyrfume_molecules/molecules.csv", MOLECULES)
    assert weak("flavordb_percepts", study) == {"CID 702": 2}


@pytest.mark.parametrize("name", WEAK)
def test_a_weak_source_needs_the_hedonic_list_beside_it(name, data):
    for parent in card(name).made_from:
        assert at_hand(find_readers()[name]) == "absent"
        (data / parent).mkdir()
    assert at_hand(find_readers()[name]) == "data folder" and {name, "dravnieks_1985"} <= set(card(name).made_from)


# the real collections


def needs(*names):
    for name in names:
        if at_hand(find_readers()[name]) != "data folder":
            pytest.skip(f"{name} is not in the data folder")


@real_data
@pytest.mark.parametrize("name, rows", [("dravnieks_1985", 138), ("leffingwell", 3428), ("arctander_1960", 2465),
                                        ("gs_lf_openpom", 4699), ("flavordb_percepts", 304)])  # fmt: skip
def test_real_rows(name, rows):
    needs(name)
    frame = read_raw(find_readers()[name])
    assert frame.height == rows and not frame["stimulus"].str.contains("-|CID 0$").any() or name == "gs_lf_openpom"


@real_data
def test_every_form_has_its_word_in_the_real_list():
    from emonotes.atlas.folders import data_folder

    needs("dravnieks_1985")
    words = descriptors.odour_words(data_folder() / "dravnieks_1985")
    assert set(descriptors.FORMS) <= set(words) and not set(descriptors.FORMS) & set(descriptors.FORMS.values())
    assert words["fruity"] == pytest.approx((2.72 + 2.23) / 2) and words["bakery"] == words["bread"] == 3.53


@real_data
@pytest.mark.parametrize("name, r, molecules", [("dravnieks_1985", 0.80, 69), ("gs_lf_openpom", 0.38, 446)])
def test_real_words_agree_with_noses_as_stated(name, r, molecules, monkeypatch):
    needs(name, "keller_2016_dream")
    monkeypatch.setattr(descriptors, "FORMS", {})  # the stated figures are those of exact words
    each = [read_raw(find_readers()[one]).group_by("group").agg(pl.col("valence").mean()) for one in ("keller_2016_dream", name)]
    both = each[0].join(each[1], on="group")
    assert both.height == pytest.approx(molecules, abs=4)
    assert both.select(pl.corr("valence", "valence_right")).item() == pytest.approx(r, abs=0.02)
