"""The studies of odours and tastes: no molecule on both sides, no look at the test, and figures that tell chance from skill."""
import numpy as np
import polars as pl
import pytest

from emonotes.align.trials import fold_of
from emonotes.studies import keller, tastants


@pytest.fixture(scope="module")
def rows():
    return keller.ratings()


def test_levelling_moves_other_laboratories_by_training_rows_alone(rows):
    train = fold_of(rows["group"].to_numpy(), 5, 0) != 0
    moved, y, source = keller.levelled(rows, train), rows["valence"].to_numpy(), rows["source"].to_numpy()
    assert np.array_equal(moved[source == keller.HOME], y[source == keller.HOME])
    big = source == "keller_2012"
    assert abs(moved[big & train].mean() - y[(source == keller.HOME) & train].mean()) < 1e-9
    noisy = rows.with_columns(valence=pl.when(pl.Series(train)).then("valence").otherwise(pl.lit(0.9)))
    assert np.allclose(keller.levelled(noisy, train)[train], moved[train]), "test ratings have no say"


def test_the_view_is_chosen_without_the_test_ratings(rows, monkeypatch):
    train = fold_of(rows["group"].to_numpy(), 5, 1) != 0
    monkeypatch.setattr(keller, "VIEWS", ("molecule/morgan", "molecule/percepts"))
    first = keller.best_view(rows, train, 0, folds=2)
    wild = rows.with_columns(valence=pl.when(pl.Series(train)).then("valence").otherwise(pl.lit(np.random.default_rng(0).normal(size=len(rows)))))
    assert keller.best_view(wild, train, 0, folds=2) == first


def test_no_molecule_teaches_in_one_laboratory_and_is_asked_in_another(rows, monkeypatch):
    seen = []
    monkeypatch.setattr(keller, "predicted", lambda recipe, train, asked, seed: seen.append((train, asked)) or np.zeros(asked.sum()))
    keller.out_of_fold("Morgan + ridge", 0)
    groups = rows["group"].to_numpy()
    assert len(seen) == 5 and not any(set(groups[train]) & set(groups[asked]) for train, asked in seen)
    assert sum(asked.sum() for _, asked in seen) == (rows["source"] == keller.HOME).sum()


def test_a_left_out_laboratory_shares_no_molecule_with_its_teachers(rows, monkeypatch):
    monkeypatch.setattr(keller, "predicted", lambda recipe, train, asked, seed, home: np.r_[train.sum(), np.zeros(asked.sum() - 1)])
    groups = rows["group"].to_numpy()
    for laboratory in rows["source"].unique():
        own = (rows["source"] == laboratory).to_numpy()
        taught = keller._abroad(keller.CHOSEN, laboratory, 0)[0]
        assert taught == (~np.isin(groups, groups[own])).sum()


def test_the_dream_needs_its_files(tmp_path):
    with pytest.raises(keller.InputError, match="EMONOTES_DATA"):
        keller.dream(folder=tmp_path)


def test_auroc_agrees_with_scikit_learn_also_with_ties():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    said, truth = rng.integers(0, 5, 200), rng.random(200) < 0.3
    assert abs(tastants.auroc(said, truth) - roc_auc_score(truth, said)) < 1e-12


def test_molecules_with_several_tastes_only_teach():
    table = pl.DataFrame({"content": ["C" * (i + 1) for i in range(100)], "taste": ["sweet"] * 100, "several": [i % 10 == 0 for i in range(100)]})
    train, test = tastants.published_split(table, 40)
    assert len(test) == 20 and not table["several"].to_numpy()[test].any() and len(train) == 60
    assert set(np.flatnonzero(table["several"])) <= set(train)


def test_no_scaffold_and_no_skeleton_on_both_sides():
    table = tastants.textbook()
    train, test = tastants.scaffold_split(table, 4)
    for names in (tastants.scaffolds(table), tastants.skeletons(table)):
        assert not set(names[train]) & set(names[test])


def test_joined_groups_are_connected_components():
    joined = tastants._joined(np.array(["a", "a", "b", "c"]), np.array(["x", "y", "y", "z"]))
    assert joined[0] == joined[1] == joined[2] != joined[3]


def test_a_taste_that_training_never_had_gets_zeros():
    x = np.random.default_rng(0).random((20, 4))
    said = tastants.forest(x, np.array(["sweet", "sour"] * 10), x[:3], 0, trees=5)
    assert np.allclose(said.sum(1), 1) and not said[:, [1, 3, 4]].any()


def test_the_study_of_tastes_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(tastants, "data_folder", lambda: None)
    tastants.tastants.cache_clear()
    with pytest.raises(tastants.InputError, match="fart_tastants"):
        tastants.study(tiny=True)
    tastants.tastants.cache_clear()
