"""The book: builds without a warning, loads nothing from outside, is built again only when a page changed."""

import pytest

from emonotes.course import html
from emonotes.course.html import build_html, contents, outside_loads, part_title
from emonotes.errors import InputError


@pytest.fixture
def executed(tmp_path, cell, write):
    """An executed book with a front page, a formula, a sound and a link out of the book."""
    sound = {"outputs": [{"output_type": "display_data", "metadata": {}, "data": {
        "text/html": "<audio controls src='data:audio/ogg;base64,T2dnUw=='></audio>", "text/plain": "sound"}}]}
    folder = tmp_path / "executed"
    write(folder / "index.ipynb",
          cell("# emonotes\n\nSee [the licence](../LICENSE), [more](#here).\n\n## Here", "markdown"))
    write(folder / "01_affect/01_space.ipynb", cell("# The plane\n\n$v \\in [-1, 1]$", "markdown"),
          cell("#| hide\nsecret = 1"), cell("#| export\nx = 1"), cell("play()", **sound),
          cell("# [next](../02_atlas/01_rows.ipynb)", "markdown"))
    write(folder / "02_atlas/01_rows.ipynb", cell("# Rows", "markdown"))
    write(folder / ".failed/02_atlas/02_bad.ipynb", cell("# Bad", "markdown"))
    return folder


@pytest.mark.slow
def test_the_book_opens_offline_and_is_kept(executed, tmp_path, cell, write, monkeypatch):
    first = build_html(executed, tmp_path / "html", progress=False)
    page = (tmp_path / "html/01_affect/01_space.html").read_text(encoding="utf-8")
    assert "secret" not in page and "#| export" not in page and "data:audio/ogg" in page
    assert 'href="../02_atlas/01_rows.html"' in page and "mathjax/tex-chtml.js" in page
    assert not (tmp_path / "html/02_atlas/02_bad.html").exists()
    assert "Affect" in first.read_text(encoding="utf-8") and outside_loads(tmp_path / "html") == []

    with monkeypatch.context() as patch:
        patch.setattr(html, "_sphinx", lambda *_: pytest.fail("nothing changed, so nothing should be built"))
        assert build_html(executed, tmp_path / "html", progress=False) == first
    write(executed / "02_atlas/01_rows.ipynb", cell("# Rows", "markdown"), cell("New words.", "markdown"))
    build_html(executed, tmp_path / "html", progress=False)
    assert "New words." in (tmp_path / "html/02_atlas/01_rows.html").read_text(encoding="utf-8")
    (executed / "02_atlas/01_rows.ipynb").unlink()
    build_html(executed, tmp_path / "html", progress=False)
    assert not (tmp_path / "html/02_atlas/01_rows.html").exists(), "the page of a chapter that is gone goes too"


@pytest.mark.slow
def test_a_fault_is_told_each_time(executed, tmp_path, cell, write):
    write(executed / "02_atlas/01_rows.ipynb", cell("# Rows\n\n{unknown_role}`x`", "markdown"))
    for _ in range(2):
        with pytest.raises(RuntimeError, match="unknown_role"):
            build_html(executed, tmp_path / "html", progress=False)


def test_outside_loads_are_found(tmp_path):
    (tmp_path / "here.js").write_text("")
    (tmp_path / "a.html").write_text(
        '<script src="here.js?v=1"></script><script src="https://cdn.example/x.js"></script><img src="gone.png">'
        '<link href="//fonts.example/a.css"><a href="https://doi.org/1">paper</a>'
        '<audio src="data:audio/ogg;base64,T2"></audio>')
    (tmp_path / "a.css").write_text("@import url('https://fonts.example/b.css');")
    found = outside_loads(tmp_path)
    assert [f.split(": ")[1] for f in found] == ["https://cdn.example/x.js", "gone.png", "//fonts.example/a.css",
                                                 "a style from outside"]


def test_parts_come_from_folders():
    assert part_title("04_align") == "Align" and part_title("exercises") == "Exercises"
    text = contents(["01_affect/01_space.ipynb", "02_atlas/01_rows.ipynb", "index.ipynb"])
    assert text.index("Affect") < text.index("01_affect/01_space") < text.index("Atlas") and "index" not in text


def test_nothing_executed_is_a_clear_error(tmp_path):
    with pytest.raises(InputError, match="make book"):
        build_html(tmp_path, tmp_path / "html")
