"""The study of OASIS: no theme leaks, the election is honest, and what it fits can be saved without pickle."""
import numpy as np
import polars as pl
import pytest
import torch

from emonotes.align.regressors import load_vote
from emonotes.errors import InputError
from emonotes.studies import oasis
from emonotes.studies.oasis import Candidate, Pictures


def made(n=60, themes=20, seed=0, informative=True):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 12)).astype(np.float32)
    va = (0.3 * x[:, :2] + 0.05 * rng.normal(size=(n, 2))).astype(np.float32)
    other = rng.normal(size=(n, 12)).astype(np.float32)
    hint = (va + 0.2 * rng.normal(size=(n, 2))).astype(np.float32)
    group = np.array([f"theme {chr(97 + i % themes)}x" for i in range(n)])
    return Pictures({"good": x, "bad": other, oasis.WORDS: hint}, va, group)


def test_silhouettes_of_unseen_themes_are_left_out_in_every_spelling():
    names = np.array(["snakes", "snake", "guns", "dog", "bus"])
    silhouettes = Pictures({"good": np.zeros((5, 1), np.float32)}, np.zeros((5, 2), np.float32), names)
    kept = oasis.helpers(silhouettes, ["gun", "lake"], banned=["Snake", "Dog attack"])
    assert list(kept.group) == ["gun", "shape of bus"]


def test_words_need_the_kernel_memory():
    with pytest.raises(InputError, match="words"):
        Candidate(("good",), "line", words=True)


def test_no_theme_is_on_both_sides(monkeypatch):
    photos, seen = made(), []

    def spy(tried, train, x_test, silhouettes, banned):
        test = [tuple(row) for row in x_test["good"]]
        theme = {tuple(row): group for row, group in zip(photos.x["good"], photos.group, strict=True)}
        seen.append(not {theme[row] for row in test} & set(train.group) and {theme[row] for row in test} == set(banned))
        return np.zeros((len(test), len(tried) + 1, 2), np.float32)

    monkeypatch.setattr(oasis, "one_fold", spy)
    oasis.run(photos, None, {"good": Candidate(("good",))}, {}, [0, 1])
    assert len(seen) == 10 and all(seen)


def test_the_election_knows_only_training_rows():
    photos = made()
    tried = {"bad": Candidate(("bad",), "line"), "good": Candidate(("good",), "line")}
    assert oasis.elected({n: oasis.fit(c, photos) for n, c in tried.items()}, photos.va) == ["good", "good"]
    said = oasis.run(photos, None, tried, {}, [0])
    assert np.array_equal(said[oasis.ELECTED][0], said["good"][0])


@pytest.mark.parametrize("candidate", [Candidate(("good", "bad"), "line"), Candidate(("good",)), Candidate(("good",), words=True),
                                       Candidate(("good", "bad"), words=True, silhouettes=True)])
def test_what_is_fitted_can_be_saved_and_says_the_same(candidate):
    photos, fresh = made(), made(seed=5)
    silhouettes = oasis.helpers(made(seed=3), photos.group)
    fitted = oasis.fit(candidate, photos, silhouettes)
    again = load_vote(fitted.vote.state_dict())
    x = torch.as_tensor(np.concatenate([fresh.x[name] for name in fitted.names], 1))
    assert torch.allclose(again(x), fitted.vote(x))
    assert np.corrcoef(fitted(fresh.x)[:, 0], fresh.va[:, 0])[0, 1] > 0.6 and fitted.unseen.shape == photos.va.shape


def test_without_photographs_one_sentence(monkeypatch):
    monkeypatch.setattr(oasis, "rows_of", lambda source: pl.DataFrame())
    with pytest.raises(InputError, match="EMONOTES_DATA"):
        oasis.study()


def test_figures_are_those_of_the_elected():
    table = pl.DataFrame({"model": ["a", oasis.ELECTED] * 2, "coordinate": ["valence"] * 2 + ["arousal"] * 2,
                          "value": [0.9, 0.6, 0.9, 0.5], "low": [0.0] * 4, "high": [1.0] * 4, "n": [9] * 4})
    found = oasis.figures(table)
    assert found["oasis_v"]["value"] == 0.6 and found["oasis_a"] == {"value": 0.5, "low": 0.0, "high": 1.0, "n": 9, "unit": "r"}
