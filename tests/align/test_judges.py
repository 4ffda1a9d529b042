"""Judges: halves share no song, every judge keeps the contract, and what is saved reads as before."""

import numpy as np
import polars as pl
import pytest
import symusic

from emonotes.align.judge_trials import examine, fit_judge, fitted_slope
from emonotes.align.judges import (
    PRETRAINED,
    Judge,
    halves,
    judges,
    load_judges,
    save_judge,
    score_of,
    share_of,
    tiles,
    varied,
    written,
)
from emonotes.atlas.rows import HALVES, half_of
from emonotes.errors import InputError

SHIPPED = load_judges()
every = pytest.mark.parametrize("name", sorted(SHIPPED))


def tune(seed=0, major=True, step=0.25, loud=80, count=64):
    """Broken chords with a bass, as written notes on sixteenths of 120 beats a minute."""
    draw = np.random.default_rng(seed)
    shape = draw.choice([0, 4 if major else 3, 7, 12, 16 if major else 15], count)
    notes = [(i * step, step, 60 + up, loud) for i, up in enumerate(shape)]
    notes += [(i * step, 4 * step, 48 + up, loud - 8) for i in range(0, count, 4) for up in (0, 7)]
    return np.array(sorted(notes), float)


def score(notes):
    """Notes as a score with the default tempo map."""
    return score_of(notes).to("tick")


SCORES = [score(tune(i, i % 2 == 0, 0.25 if i < 2 else 0.5, 90 if i < 2 else 48)) for i in range(4)]


def rated(count=40):
    """Rows and pieces of made-up songs, two clips a song."""
    lively = np.arange(count) // 2 % 2 == 0
    rows = pl.DataFrame({"source": "made up", "basis": "category", "group": [f"song {i // 2}" for i in range(count)],
                         "valence": np.where(np.arange(count) // 4 % 2 == 0, 0.5, -0.5), "arousal": np.where(lively, 0.5, -0.5),
                         "valence_sd": 0.3, "arousal_sd": 0.3})
    pieces = [tune(i, v > 0, 0.25 if a > 0 else 0.5, 90 if a > 0 else 50) for i, (v, a) in enumerate(rows.select("valence", "arousal").iter_rows())]
    return rows, pieces


def test_halves_are_stable_disjoint_and_even():
    assert [half_of(f"emopia/{i}") for i in range(6)] == ["judge", "maker", "judge", "maker", "maker", "maker"]
    rows = pl.DataFrame({"group": [f"song {i // 3}" for i in range(6000)]})
    sides = halves(rows)
    assert set(sides) == set(HALVES) and not set(sides["maker"]["group"]) & set(sides["judge"]["group"])
    assert sum(len(side) for side in sides.values()) == 6000 and abs(len(sides["judge"]) - 3000) < 200


def test_share_of_listeners_follows_mean_and_spread():
    rows = pl.DataFrame({"valence": [0.0, 0.3, -0.3], "arousal": [0.3, 0.3, 0.3], "valence_sd": [0.3] * 3, "arousal_sd": [0.3, 0.1, 3.0]})
    found = share_of(rows)
    assert found[0, 0] == 0.5 and np.isclose(found[1, 0], 0.8413, atol=1e-4) and np.isclose(found[1, 0] + found[2, 0], 1)
    assert found[1, 1] > found[0, 1] > found[2, 1] > 0.5
    with pytest.raises(InputError, match="row 2"):
        share_of(rows.with_columns(valence_sd=pl.Series([0.3, None, 0.3])))


def test_every_judge_is_found_and_shipped():
    assert {"measures", "picture"} <= set(judges()) and set(SHIPPED) <= set(judges())
    assert len({one.family for one in SHIPPED.values()}) == len(SHIPPED) >= 2
    assert sum(path.stat().st_size for path in PRETRAINED.iterdir()) < 8_000_000


@every
def test_the_card_says_how_well_it_reads_songs_it_never_heard(name):
    card = SHIPPED[name].card.filter(pl.col("heard") == "songs of the makers' half")
    assert set(card["source"]) == {"emopia", "vgmidi"} and card.select(pl.col("value").is_between("low", "high").all()).item()
    for row in card.iter_rows(named=True):
        assert f"{row['measure']} {row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]" in repr(SHIPPED[name])


@every
def test_points_lie_on_the_plane_and_do_not_depend_on_company(name):
    said = SHIPPED[name].read(SCORES)
    assert said.shape == (4, 2) and said.dtype == np.float32 and (np.abs(said) <= 1).all()
    assert np.array_equal(said, SHIPPED[name].read(SCORES))
    assert np.allclose(said, np.concatenate([SHIPPED[name].read([one]) for one in SCORES]), atol=1e-6)


@every
def test_fast_and_loud_is_livelier_than_slow_and_soft(name):
    said = SHIPPED[name].read(SCORES)
    assert said[:2, 1].min() > said[2:, 1].max()


@every
def test_key_matters_little(name):
    notes = [tune(i, i % 2 == 0, (0.25, 0.375, 0.5)[i % 3]) for i in range(6)]
    base = SHIPPED[name].read([score(one) for one in notes])
    for shift, most in ((2, 0.15), (-3, 0.15), (12, 0.4)):
        moved = SHIPPED[name].read([score(one + [0, 0, shift, 0]) for one in notes])
        assert np.abs(moved - base).mean() < most, shift


@every
def test_what_has_no_pitched_note_is_refused(name):
    drums = symusic.Score(480)
    drums.tracks.append(symusic.Track("kit", is_drum=True))
    drums.tracks[0].notes.append(symusic.Note(0, 240, 38, 90))
    for bad in (drums, symusic.Score(480), b"no music"):
        with pytest.raises(InputError):
            SHIPPED[name].read([bad])
    with pytest.raises(InputError, match="score 1"):
        SHIPPED[name].read([SCORES[0], drums])
    with pytest.raises(InputError):
        SHIPPED[name].read([])


@every
def test_one_note_and_ten_minutes_can_be_read(name):
    one, long = np.array([[0.0, 0.5, 60, 70]]), tune(count=2400)
    said = SHIPPED[name].read([score(one), score(long)])
    assert np.isfinite(said).all()


@every
def test_saved_and_loaded_it_says_the_same(name, tmp_path):
    again = load_judges(save_judge(SHIPPED[name], tmp_path))[name]
    assert np.array_equal(again.read(SCORES), SHIPPED[name].read(SCORES)) and repr(again) == repr(SHIPPED[name])
    (tmp_path / f"{name}.safetensors").write_bytes(b"broken")
    with pytest.raises(InputError, match=name):
        load_judges(tmp_path)


def test_an_empty_folder_holds_no_judge(tmp_path):
    with pytest.raises(InputError, match="holds no judge"):
        load_judges(tmp_path)


def test_written_twice_is_written_once_and_a_performance_becomes_its_score():
    paper = tune()
    assert np.allclose(written(score(paper))[:, 0], paper[:, 0], atol=0.01)
    assert np.allclose(written(score_of(paper)), written(score(paper)))
    draw = np.random.default_rng(0)
    played = paper + np.c_[draw.uniform(-0.01, 0.01, (len(paper), 2)), np.zeros((len(paper), 2))]
    played[:, 0] = np.maximum(played[:, 0], 0)
    heard = written(score(played))
    assert np.array_equal(np.bincount(heard[:, 2].astype(int)), np.bincount(paper[:, 2].astype(int)))
    gaps = np.diff(np.unique(heard[:, 0].round(3)))
    assert np.abs(gaps / 0.25 - np.round(gaps / 0.25)).max() < 0.15


def test_tiles_cover_every_note_and_end_in_time():
    notes = tune(count=500)
    parts = tiles(notes, 24)
    assert sum(map(len, parts)) >= len(notes) and all(part[:, :2].sum(1).max() <= 24 + 1e-6 for part in parts)
    assert len(tiles(tune(), 24)) == 1


def test_variations_are_repeatable_and_legal():
    notes = tune()
    assert np.array_equal(varied(notes, 3), varied(notes, 3)) and not np.array_equal(varied(notes, 3), varied(notes, 4))
    for seed in range(30):
        other = varied(notes, seed)
        assert len(other) == len(notes) and other[:, 0].min() >= 0 and other[:, 1].min() > 0
        assert 21 <= other[:, 2].min() and other[:, 2].max() <= 108 and 1 <= other[:, 3].min() and other[:, 3].max() <= 127


def test_the_slope_makes_vain_odds_true():
    draw = np.random.default_rng(0)
    odds = draw.normal(0, 1.5, (4000, 2))
    share = (draw.random((4000, 2)) < 1 / (1 + np.exp(-odds))).astype(float)
    assert np.allclose(fitted_slope(3 * odds, share, np.ones(4000)), 1 / 3, atol=0.03)
    assert (fitted_slope(-odds, share, np.ones(4000)) == 0).all()


@pytest.mark.slow
@every
def test_fitting_again_gives_the_same_judge(name, monkeypatch):
    kind = judges()[name]
    monkeypatch.setattr(kind, "seeds", 1)
    if hasattr(kind, "epochs"):
        monkeypatch.setattr(kind, "epochs", 40)
    rows, pieces = rated()
    one, two = (fit_judge(name, rows, pieces, folds=2) for _ in range(2))
    assert np.array_equal(one.read(SCORES), two.read(SCORES))
    assert one.card.filter(pl.col("measure") == "arousal")["value"][0] > 0.8


def test_an_unknown_judge_is_named():
    with pytest.raises(InputError, match="measures"):
        fit_judge("oracle", rated()[0])
    with pytest.raises(NotImplementedError):
        Judge({}).odds([])


def test_a_card_tells_truth_from_chance():
    rows = rated(200)[0]
    va = rows.select("valence", "arousal").to_numpy()
    assert examine(va, rows, "truth", draws=50)["value"].min() > 0.999
    chance = examine(np.random.default_rng(0).uniform(-1, 1, va.shape), rows, "chance", draws=200).filter(pl.col("measure") == "4Q")
    assert chance["low"][0] < 0.25 < chance["high"][0] + 0.05
