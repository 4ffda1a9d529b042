"""Out of step means: an exported module that its notebook would write differently, a dirty notebook, an old README."""

import subprocess

import pytest

from emonotes.course import check, readme


@pytest.fixture
def root(tmp_path, cell, write):
    """A tiny repository of its own with one chapter, exported, without git."""
    (tmp_path / "settings.ini").write_text(
        "[DEFAULT]\nrepo = emonotes\nlib_name = emonotes\nversion = 0.0.1\nmin_python = 3.11\nlicense = apache2\n"
        "doc_path = _docs\nlib_path = emonotes\nnbs_path = nbs\nrecursive = True\nbranch = main\nuser = u\nauthor = a\n"
        "author_email = a\ncopyright = c\ndescription = d\nkeywords = k\nlanguage = English\nstatus = 2\ntitle = t\n"
        "git_url = https://example.org\ndoc_host = https://example.org\ndoc_baseurl = /e\ncustom_sidebar = False\n"
        "black_formatting = False\n")
    write(tmp_path / "nbs/01_a/01_x.ipynb", cell("# X\n> One sentence.", "markdown"), cell("#| default_exp a.x"),
          cell("#| export\nx = 1"))
    write(tmp_path / "nbs/index.ipynb", cell("# Front\n\n[licence](../LICENSE), [gone](../GONE)", "markdown"),
          cell("#| echo: false\nprint('figure')"), cell("#| hide\nprint('hidden')"))
    (tmp_path / "LICENSE").write_text("words")
    (tmp_path / "emonotes").mkdir()
    check.export_changes(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_export_is_in_step_or_named(root, cell, write):
    assert check.export_changes(root) == []
    module = root / "emonotes/a/x.py"
    module.write_text(module.read_text().replace("x = 1", "x = 2"))
    assert [fault.split(" was")[0] for fault in check.export_changes(root)] == ["emonotes/a/x.py"]
    assert "x = 1" in module.read_text() and check.export_changes(root) == []
    (root / "nbs/01_a/01_x.ipynb").unlink()
    assert any("gone; delete it" in fault for fault in check.export_changes(root))
    assert subprocess.run(["git", "status"], cwd=root, capture_output=True).returncode, "and all this without git"


@pytest.mark.slow
def test_readme_comes_from_the_index(root):
    assert check.readme_changes(root)
    text = readme.write_readme(root).read_text(encoding="utf-8")
    assert text == "# Front\n\n[licence](LICENSE), gone\n\n    figure\n"
    assert check.readme_changes(root) == []


def test_dirty_cells_are_named(tmp_path, cell, write):
    dirty = cell("x", outputs=[{}], execution_count=3) | {"metadata": {"collapsed": True}}
    write(tmp_path / "a.ipynb", cell("ok"), dirty, cell("y", id="c1"))
    faults = check.unclean(tmp_path)
    assert len(faults) == 3 and "id" in faults[0] and "cell 2" in faults[1] and "collapsed" in faults[2]
