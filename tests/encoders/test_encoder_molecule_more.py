"""Percept networks, odour map, message passing, taste vectors and compounds of foods: what the chapters do not show."""
import numpy as np
import polars as pl
import pytest

from emonotes.encoders import base
from emonotes.encoders.flavours import Compounds, TasteVector, as_taste, components, found_in
from emonotes.encoders.molecule import read_smiles
from emonotes.encoders.odorants import Chemprop, Descriptors, OdourMap, messages
from emonotes.encoders.percepts import (
    Percepts,
    described,
    new_network,
    pieces,
    save_networks,
    shipped,
    targets,
    train,
    unrated,
)
from emonotes.errors import InputError

SMELLS = ["CC(=O)OCCC(C)C", "COc1cc(C=O)ccc1O", "CC(C)CC(=O)O", "CSC"]


def collections(folder):
    """The three collections in miniature."""
    places = {name: folder / name for name in ("leffingwell", "arctander_1960", "gs_lf_openpom")}
    [place.mkdir() for place in places.values()]
    (places["leffingwell"] / "behavior_sparse.csv").write_text("Stimulus,Raw Labels,Labels\n1,x,\"['fruity', 'Green']\"\n2,x,\"['fruity']\"\n")
    (places["leffingwell"] / "molecules.csv").write_text("CID,IsomericSMILES\n1,CC(=O)OCCC(C)C\n2,CSC\n")
    (places["arctander_1960"] / "behavior_1_sparse.csv").write_text("Stimulus,Labels\n7,winey; fruity\n8,\n9,rose\n")
    (places["arctander_1960"] / "stimuli.csv").write_text("Stimulus,new_CID\n7,1\n8,1\n9,0\n")
    (places["arctander_1960"] / "molecules.csv").write_text("CID,IsomericSMILES\n1,CC(C)CCOC(C)=O\n")
    (places["gs_lf_openpom"] / "curated_GS_LF_merged_4983.csv").write_text("nonStereoSMILES,descriptors,x\nCSC,sulfurous;cabbage,1\n")
    return folder


def test_collections_are_joined_by_skeleton_and_words_are_cleaned(tmp_path):
    table = described(collections(tmp_path))
    assert len(table) == 4 and table["group"].n_unique() == 2
    leffingwell = table.filter(pl.col("collection") == "leffingwell")
    assert {tuple(sorted(labels)) for labels in leffingwell["labels"]} == {("fruity", "green"), ("fruity",)}
    assert table.filter(pl.col("collection") == "arctander_1960")["labels"].to_list() == [["fruity", "winey"]], "no CID 0, no blanks"


def test_without_collections_one_sentence(tmp_path):
    with pytest.raises(InputError, match="EMONOTES_DATA"):
        described(tmp_path)


def test_molecules_that_a_panel_smelt_are_banned_and_those_of_word_lists_are_not(tmp_path):
    table = described(collections(tmp_path))
    first, second = sorted(set(table["group"]))
    rows = pl.DataFrame({"modality": ["odour", "odour"], "source": ["snitz_2019_smellspace", "leffingwell"], "group": [first, second]})
    assert set(unrated(table, rows)["group"]) == {second}


def test_unknown_words_are_masked(tmp_path):
    smiles, y, known, tasks = targets(described(collections(tmp_path)), least=1)
    assert y.shape == known.shape == (2, len(tasks)) and (y <= known).all()
    lacking = [not known[:, k].all() for k, task in enumerate(tasks) if task.startswith(("arct", "gs_lf"))]
    assert all(lacking) and all(read_smiles(s) for s in smiles)


def test_training_repeats_itself_and_leaves_the_callers_chance_alone():
    import torch

    x, y = np.random.default_rng(0).random((40, 12), np.float32), np.tile(np.float32([[1, 0], [0, 1]]), (20, 1))
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second = (train(x, y, np.ones_like(y), 3, epochs=2, rows=10) for _ in range(2))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_mask_hides_wrong_words():
    x, y = np.random.default_rng(0).random((40, 12), np.float32), np.zeros((40, 2), np.float32)
    known = np.ones_like(y)
    known[:20, 0] = 0
    wrong = y.copy()
    wrong[:20, 0] = 1
    a, b = (train(x, labels, known, 0, epochs=1, rows=10) for labels in (y, wrong))
    import torch
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_networks_are_written_and_read(tmp_path):
    wide = pieces([read_smiles(s) for s in SMELLS]).shape[1]
    columns = np.arange(0, wide, 7)
    path = save_networks([new_network(len(columns), 3).eval() for _ in range(2)], columns, tmp_path / "own.safetensors")
    own = Percepts(path)
    assert own.encode(SMELLS).shape == (4, own.dim) == (4, 256) and len(own.version) == 12
    with pytest.raises(InputError, match="do not exist"):
        Percepts(tmp_path / "none.safetensors")


@pytest.mark.skipif(not shipped().is_file(), reason="the networks are not installed")
def test_shipped_networks_are_small_and_tell_esters_from_sulfides():
    percepts = base.get("molecule/percepts")
    assert percepts.path.stat().st_size < 8e6
    esters, sulfides = percepts.encode(["CCCC(=O)OCC", "CCC(=O)OCCC", "CC(=O)OCCCC"]), percepts.encode(["CSC", "CSSC", "CCSSCC"])
    def near(a, b):
        return np.corrcoef(np.vstack([a, b]))[: len(a), len(a) :].mean()
    assert near(esters, esters) > near(esters, sulfides) and near(sulfides, sulfides) > near(esters, sulfides)


def test_descriptors_stay_finite_for_giants_and_specks():
    rows = Descriptors().encode(["[H][H]", "C" * 200, "[Na+].[Cl-]", "[U]", "OC1C(O)C(O)C(O)C(O)C1O"])
    assert np.isfinite(rows).all() and np.abs(rows).max() < 50


def test_messages_against_a_slow_reading_of_the_formula():
    rng = np.random.default_rng(1)
    w_input, w_hidden, w_output, bias = (rng.normal(0, 0.2, shape).astype(np.float32) for shape in ((6, 147), (6, 6), (6, 139), (6,)))
    from emonotes.encoders.odorants import atom_row, bond_row
    molecule = read_smiles("CC(=O)C1CC1")
    atoms = np.array([atom_row(a) for a in molecule.GetAtoms()], np.float32)
    directed = {}
    for b in molecule.GetBonds():
        for v, w in ((b.GetBeginAtomIdx(), b.GetEndAtomIdx()), (b.GetEndAtomIdx(), b.GetBeginAtomIdx())):
            directed[v, w] = w_input @ np.concatenate([atoms[v], bond_row(b)]).astype(np.float32)
    h = {key: np.maximum(value, 0) for key, value in directed.items()}
    for _ in range(2):
        h = {(v, w): np.maximum(directed[v, w] + w_hidden @ sum((h[u, t] for u, t in h if t == v and u != w), np.zeros(6)), 0) for v, w in h}
    slow = np.mean([np.maximum(w_output @ np.concatenate([atoms[v], sum(h[u, t] for u, t in h if t == v)]) + bias, 0) for v in range(len(atoms))], 0)
    assert np.allclose(messages(molecule, w_input, w_hidden, w_output, bias), slow, atol=1e-5)


def test_altered_weights_are_refused(tmp_path, monkeypatch):
    place = tmp_path / "chemprop_admet"
    place.mkdir()
    (place / "chemprop_admet_classification_0.pt").write_bytes(b"not these")
    monkeypatch.setenv("EMONOTES_ENCODERS", str(tmp_path))
    with pytest.raises(InputError, match="damaged"):
        Chemprop().encode(SMELLS)


def test_the_odour_map_knows_what_it_does_not_know(tmp_path, monkeypatch):
    place = tmp_path / "pom_embeddings_qian_2023"
    place.mkdir()
    head, row = ["smiles", *(f"POM_dim{i}" for i in range(256))], ["C[S]C", *["0.5"] * 256]
    (place / "pom_embeddings.csv").write_text("\n".join([",".join(head), ",".join(row), ""]))
    monkeypatch.setenv("EMONOTES_DATA", str(tmp_path))
    rows = OdourMap().encode(["CSC", "CC"])
    assert (rows[0, :256] == 0.5).all() and rows[0, 256] == 1 and not rows[1].any()


def test_taste_forms_agree():
    forms = ["sour", [0, 1, 0, 0, 0], '{"sour": 1}', {"sour": 1.0}, "[0, 1, 0, 0, 0]"]
    rows = TasteVector().encode(forms)
    assert (rows == rows[0]).all() and len({TasteVector().content(form) for form in forms}) == 1


@pytest.mark.parametrize("mistake", [[0.1] * 4, [2, 0, 0, 0, 0], [np.nan] * 5, "sugary", {"sweat": 1}, {}, b"\x00"])
def test_tastes_that_are_none(mistake):
    with pytest.raises(InputError, match="legal are five numbers"):
        as_taste(mistake)


def test_words_are_used_once_and_foods_without_compounds_are_zeros():
    known = {"olive", "olive_oil", "tomato", "oil"}
    assert found_in("Tomatoes, olive oil & more olives", known) == ["olive_oil", "tomato", "olive"]
    assert not components(np.zeros((3, 4)), 2).any()


@pytest.mark.skipif(not base.entries()["food/compounds"].entry.at_hand(), reason="the compounds of foods are not at hand")
def test_compounds_of_real_foods():
    rows = Compounds().encode(["coffee", "tea", "beef", "nothing of the kind"])
    assert rows.shape == (4, 65) and not rows[3].any() and np.abs(np.linalg.norm(rows[0, :64]) - 1) < 0.7
