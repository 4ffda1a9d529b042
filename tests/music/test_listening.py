"""Listening tests: balance for any size, nothing leaks, odd files are refused, and a known accuracy is recovered."""

import json

import numpy as np
import polars as pl
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from emonotes.affect.space import QUADRANT_CENTRES
from emonotes.cli import app
from emonotes.errors import InputError
from emonotes.music import listening_analysis as analysis
from emonotes.music.listening import Clip, balanced_orders, listening_test, tone, williams
from emonotes.music.listening_answers import attention, check_answers, kept, read_answers, read_key, simulate, table


def made(per_quadrant=2, listeners=40, systems=("emonotes",)):
    clips = [Clip(tone(220, 1.0), va, system) for system in systems for va in QUADRANT_CENTRES.values() for _ in range(per_quadrant)]
    return listening_test(clips, listeners, seed=3)


@pytest.fixture(scope="module")
def key():
    return made().key


@given(st.integers(2, 24))
def test_every_clip_at_every_place_and_after_every_other(n):
    rows = williams(n)
    rounds = len(rows) // n
    assert all((np.bincount(column, minlength=n) == rounds).all() for column in rows.T)
    after = np.zeros((n, n), int)
    np.add.at(after, (rows[:, :-1].ravel(), rows[:, 1:].ravel()), 1)
    assert (after[~np.eye(n, dtype=bool)] == rounds).all() and not after.diagonal().any()


@given(st.integers(1, 5), st.integers(1, 3), st.integers(0, 99))
def test_a_few_listeners_in_a_row_are_balanced_already(each, systems, seed):
    conditions = [(s, q) for s in range(systems) for q in range(4) for _ in range(each)]
    orders = balanced_orders(conditions, 4 * systems, seed)
    for column in orders.T:
        assert len({conditions[i] for i in column}) == 4 * systems


def test_conditions_of_unequal_size_still_give_whole_orders():
    orders = balanced_orders([("a", 1)] * 5 + [("b", 1)] * 2, 30, seed=0)
    assert (np.sort(orders, 1) == np.arange(7)).all()


def test_the_page_knows_nothing_of_the_key():
    test = made(systems=("machine-xyz", "people-xyz"))
    assert "xyz" not in test.page() and set(test.shown) == {"format", "test", "title", "minutes", "needed", "orders", "tones", "sounds"}
    assert "</script>" not in json.dumps(test.shown).replace("<", "\\u003c")


def test_a_title_cannot_break_the_page():
    clips = [Clip(tone(220, 1.0), va) for va in QUADRANT_CENTRES.values()]
    page = listening_test(clips, title="</script><b>hello").page()
    assert "</script><b>" not in page


@pytest.mark.parametrize("clips, said", [([], "at least 4"), ([Clip("nowhere.wav", (0.5, 0.5))] * 4, "nowhere.wav"),
                                         ([Clip(np.zeros(99_999), (0.5, 0.5))] * 4, "silent"),
                                         ([Clip(tone(220, 1.0), (0.5, 5.0))] * 4, "-1..1")])
def test_clips_that_make_no_test(clips, said):
    with pytest.raises(InputError, match=said):
        listening_test(clips)


def spoiled(answers, **change):
    return json.loads(json.dumps(answers)) | change


@pytest.mark.parametrize("change, said", [({"format": "?"}, "holds no answers"), ({"test": "ffffffff"}, "ffffffff"),
                                          ({"listener": 99}, "1 to 40"), ({"listener": "2"}, "1 to 40"), ({"listener": 2}, "order")])
def test_files_that_do_not_fit_are_refused(key, change, said):
    with pytest.raises(InputError, match=said):
        check_answers(spoiled(simulate(key, 1)[0], **change), key)


@pytest.mark.parametrize("change", [{"quadrant": 5}, {"valence": 3}, {"arousal": None}])
def test_answers_the_page_cannot_have_written(key, change):
    held = spoiled(simulate(key, 1)[0])
    held["answers"][0] |= change
    with pytest.raises(InputError, match="sliders in -1..1"):
        check_answers(held, key)


def test_a_key_is_not_an_answer_and_the_other_way_round(key, tmp_path):
    for name, held in {"one.json": key, "two.json": simulate(key, 1)[0], "broken.json": None}.items():
        (tmp_path / name).write_text(json.dumps(held) if held else "{")
    with pytest.raises(InputError, match="the key as key"):
        read_answers(tmp_path / "one.json", key)
    with pytest.raises(InputError, match="not the key"):
        read_key(tmp_path / "two.json")
    with pytest.raises(InputError, match="broken.json.*JSON"):
        read_answers(tmp_path, key)


def test_each_way_not_to_listen_is_told(key):
    held = simulate(key, 4, 0.7, seed=1)
    held[0]["answers"] = held[0]["answers"][:5]
    for answer in held[1]["answers"]:
        answer["quadrant"] = answer["quadrant"] and 4
    next(a for a in held[2]["answers"] if a["tones"])["tones"] += 1
    rows = table(held, key)
    told = attention(rows, held, key)
    assert told["kept"].to_list() == [False, False, False, True]
    assert [r.split()[0] for r in told["reason"][:3]] == ["left", "chose", "counted"]
    assert kept(rows, told)["listener"].unique().to_list() == [4]
    with pytest.raises(InputError, match="none of 3"):
        kept(rows, told[:3])


def test_perfect_and_helpless_listeners(key):
    for accuracy, low, high in ((0.999, 0.99, 1.0), (0.001, 0.0, 0.01)):
        rows = table(simulate(key, 40, accuracy, listener_sd=0, clip_sd=0), key).filter(pl.col("kind") == "clip")
        value, *ends = analysis.accuracies(rows, "system").row(-1)[2:]
        assert low <= value <= high and 0 <= ends[0] <= value <= ends[1] <= 1


def test_one_listener_has_no_interval_and_no_model(key):
    report = analysis.analyse(simulate(key, 1), key)
    assert report["accuracy by system (chance 0.25)"]["low"].is_nan().all() and "mixed model" not in report


def test_intervals_stay_where_the_measure_can_be():
    report = analysis.analyse(simulate(made(1, 4).key, 4, 0.8, seed=2), made(1, 4).key)
    shown = report["sliders and wanted points"]
    assert -1 <= shown["low"].min() <= shown["r"].min() and shown["r"].max() <= shown["high"].max() <= 1
    assert report["agreement"].filter(~pl.col("what").str.starts_with("alpha"))["high"].max() <= 1


def test_correlation_and_weights_are_what_they_say(key):
    rows = table(simulate(key, 10, seed=2), key).filter(pl.col("kind") == "clip")
    twice = np.repeat([[1.0]], rows.height, 1) * 2
    wanted = np.corrcoef(rows["wanted_valence"], rows["valence"])[0, 1]
    assert np.isclose(analysis.correlation_of("valence")(rows, twice)[0], wanted)
    assert np.isclose(analysis.share_right(rows, twice)[0], rows["correct"].mean())
    assert analysis.confusion(rows).trace() == rows["correct"].sum()


@pytest.mark.slow
def test_a_known_accuracy_is_recovered_as_often_as_promised():
    """100 invented classes: both 95 % intervals hold the truth in at least 88 and the estimates are not biased."""
    key, truth = made(2, 20, ("a", "b")).key, {"a": 0.55, "b": 0.8}
    found = []
    for seed in range(100):
        rows = table(simulate(key, 20, truth, seed), key).filter(pl.col("kind") == "clip")
        plain, model = analysis.accuracies(rows, "system", seed), analysis.model_table(analysis.mixed_model(rows), 1000, seed)
        found.append([[frame.row(i)[-3:] for i in range(2)] for frame in (plain, model)])
    value, low, high = np.moveaxis(np.array(found), -1, 0)
    wanted = np.array(list(truth.values()))
    assert np.abs(value.mean(0) - wanted).max() < 0.02
    assert ((low <= wanted) & (wanted <= high)).mean((0, 2)).min() > 0.88


@pytest.mark.slow
def test_the_command_line_composes_and_analyses(tmp_path):
    soundfile.write(tmp_path / "people.wav", np.tile(tone(300, 0.5), 20), 44_100)
    (tmp_path / "also.csv").write_text("file,valence,arousal,system\n" + "people.wav,0.5,0.5,people\n" * 2)
    made = CliRunner().invoke(app, ["listening-test", "-o", str(tmp_path / "out"), "--clips-per-quadrant", "1", "--listeners", "6",
                                    "--seconds", "6", "--also", str(tmp_path / "also.csv"), "--json"])
    assert made.exit_code == 0, made.output
    key = read_key(tmp_path / "out" / "key.json")
    assert sorted(c["system"] for c in key["clips"].values()) == ["emonotes"] * 4 + ["people"] * 2
    (tmp_path / "answers").mkdir()
    for held in simulate(key, 6, 0.7):
        (tmp_path / "answers" / f"{held['listener']}.json").write_text(json.dumps(held))
    told = CliRunner().invoke(app, ["listening-analyse", str(tmp_path / "answers"), "--key", str(tmp_path / "out" / "key.json"), "--json"])
    assert told.exit_code == 0, told.output
    assert {"agreement", "mixed model", "confusion, in answers"} <= set(json.loads(told.output))
    assert "NaN" not in told.output, "people have one wanted point only, so no correlation; JSON knows no NaN"


@pytest.mark.parametrize("arguments, said", [(["--clips-per-quadrant", "0"], "between 1 and 20"), (["--seconds", "2"], "between 6 and 60"),
                                             (["--also", "nowhere.csv"], "nowhere.csv")])
def test_the_command_line_refuses(arguments, said, tmp_path):
    ended = CliRunner().invoke(app, ["listening-test", "-o", str(tmp_path), *arguments])
    assert isinstance(ended.exception, InputError) and said in str(ended.exception)
