"""Chapters run once, run again only when something changed, and fail without taking the others along."""

import json

import pytest

from emonotes.course import execute
from emonotes.course.execute import chapters, declared_parameters, execute_book, main, notebooks
from emonotes.errors import InputError


@pytest.fixture
def book(tmp_path, cell, write):
    """Two chapters that work and one that fails in its third cell."""
    nbs = tmp_path / "nbs"
    write(nbs / "01_a/01_good.ipynb", cell("tiny = True\nseed = 0", tags=["parameters"]), cell("print(tiny, seed)"))
    write(nbs / "01_a/02_bad.ipynb", cell("# Bad", "markdown"), cell("seed = 0", tags=["parameters"]),
          cell("raise ValueError('first line\\nthe reason')"), cell("print('never')"))
    write(nbs / "02_b/01_plain.ipynb", cell("import os; print(os.getcwd(), os.environ['HF_HUB_OFFLINE'])"))
    write(nbs / "_drafts/x.ipynb", cell("raise SystemExit"))
    return nbs


def text_of(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "".join("".join(o.get("text", "")) for c in cells for o in c.get("outputs", []))


@pytest.mark.slow
def test_run_fail_keep_and_run_again(book, tmp_path, cell, write):
    def run(**more):
        return {r.name: r for r in execute_book(book, tmp_path / "out", tiny=False, seed=3, inputs="same",
                                                progress=False, **more)}
    first = run()
    assert [r.status for r in first.values()] == ["ran", "failed", "ran"]
    bad = first["01_a/02_bad"]
    assert (bad.cell, bad.error) == (3, "ValueError: the reason") and bad.path.parent.parent.name == ".failed"
    assert text_of(first["01_a/01_good"].path) == "False 3\n"
    assert text_of(first["02_b/01_plain"].path) == f"{book / '02_b'} 1\n"
    assert not list((tmp_path / "out").rglob(".*.ipynb")), "no half-written copy stays"

    write(book / "01_a/02_bad.ipynb", cell("print('mended')"))
    second = run()
    assert [r.status for r in second.values()] == ["kept", "ran", "kept"]
    assert not bad.path.exists(), "the stopped copy goes when the chapter works again"
    third = {r.name: r.status for r in execute_book(book, tmp_path / "out", tiny=True, seed=3, inputs="same",
                                                    only=["01_a"], progress=False)}
    assert third == {"01_a/01_good": "ran", "01_a/02_bad": "kept"}, "a parameter matters to those who declare it"


@pytest.mark.slow
def test_a_cell_that_never_ends_is_stopped_and_named(tmp_path, cell, write):
    write(tmp_path / "nbs/slow.ipynb", cell("x = 1"), cell("import time; time.sleep(60)"))
    (result,) = execute_book(tmp_path / "nbs", tmp_path / "out", timeout=1, progress=False)
    assert (result.status, result.cell) == ("failed", 2) and "Timeout" in result.error


def test_inputs_and_package_are_part_of_the_key(book, tmp_path, monkeypatch):
    def key(inputs=""):
        return execute._job(book / "02_b/01_plain.ipynb", book, tmp_path, {}, execute.package_hash() + inputs, 1)["key"]
    before = key()
    assert key() == before != key("another data folder")
    monkeypatch.setattr(execute, "package_hash", lambda: "changed")
    assert key() != before


def test_the_data_at_hand_is_described(tmp_path, monkeypatch):
    monkeypatch.delenv("EMONOTES_ENCODERS", raising=False)
    monkeypatch.setenv("EMONOTES_DATA", str(tmp_path))
    empty = execute.describe_inputs()
    (tmp_path / "a_source").mkdir()
    assert "a_source" in execute.describe_inputs() and "a_source" not in empty
    monkeypatch.setenv("EMONOTES_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="nowhere"):
        execute.describe_inputs()


def test_only_literals_of_the_parameters_cell_are_parameters(cell):
    cells = [cell("a = 1\nb, c = 2, 3", tags=["parameters"]), cell("d = 4")]
    assert declared_parameters({"cells": cells}) == {"a"}


def test_reading_order_and_drafts(book):
    assert [p.stem for p in notebooks(book)] == ["01_good", "02_bad", "01_plain"]


def test_bad_requests_say_what_there_is(book, tmp_path, capsys):
    with pytest.raises(InputError, match="no notebooks under"):
        chapters(tmp_path / "nowhere")
    with pytest.raises(InputError, match="01_a/01_good"):
        chapters(book, ["nonsense"])
    assert main(["--nbs", str(tmp_path / "nowhere")]) == 2
    assert main(["--nbs", str(book), "--out", str(tmp_path / "out"), "02_bad"]) == 1
    assert "the reason" in capsys.readouterr().out


@pytest.mark.parametrize("message, times, raised", [("Kernel died before replying to kernel_info", 2, False),
                                                    ("Kernel died before replying to kernel_info", 3, True), ("no room", 1, True)])
def test_a_kernel_that_lost_its_port_is_started_again(tmp_path, message, times, raised):
    from types import SimpleNamespace

    from emonotes.course.chapter import _execute

    calls = []

    def execute_notebook(*arguments, **settings):
        calls.append(arguments)
        if len(calls) <= times:
            raise RuntimeError(message)

    job = {"parameters": {}, "timeout": 1}
    try:
        _execute(SimpleNamespace(execute_notebook=execute_notebook), tmp_path / "a.ipynb", tmp_path / "b.ipynb", job)
        assert not raised and len(calls) == times + 1
    except RuntimeError as error:
        assert raised and str(error) == message and len(calls) == times
