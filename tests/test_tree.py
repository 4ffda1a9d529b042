"""What may stand in the repository: no path of somebody's machine, notebooks ready to commit, shell that parses."""

import configparser
import re
import subprocess
from pathlib import Path

import pytest

from emonotes.course.check import orphans, unclean

ROOT = Path(__file__).parents[1]
MACHINE = re.compile(r"(^|[^A-Za-z0-9_.])/(" + "|".join(["work", "farm", "root", "home", "Users"]) + ")/")


def tracked():
    """Files of the repository: those git tracks, or, without git, all outside built folders."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    names = [name for name in listed.stdout.split("\0") if name] if listed.returncode == 0 else []
    if names:
        return [ROOT / name for name in names if (ROOT / name).is_file()]
    built = {".git", ".venv", "_build", "_docs", "_proc", "build", "dist", "__pycache__"}
    return [p for p in ROOT.rglob("*") if p.is_file() and not built & set(p.relative_to(ROOT).parts)]


def test_no_file_names_a_place_on_somebodys_machine():
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {m[0].strip()}" for m in MACHINE.finditer(text)]
    assert not found


def test_notebooks_are_clean_and_modules_have_their_notebook():
    assert unclean(ROOT / "nbs") == []
    assert orphans(ROOT / "emonotes") == []


def test_pins_satisfy_the_requirements():
    packaging = pytest.importorskip("packaging.requirements")
    parser = configparser.ConfigParser(delimiters=["="])
    parser.read(ROOT / "settings.ini", encoding="utf-8")
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.lower().replace("_", "-").split("==") for line in lines if line and line[0] != "#")
    for key in ("requirements", "dev_requirements"):
        for text in parser["DEFAULT"][key].split():
            wanted = packaging.Requirement(text)
            pin = pins.get(wanted.name.lower().replace("_", "-"))
            assert pin and wanted.specifier.contains(pin), f"{text} has the pin {pin} in constraints.txt"


def test_make_lists_its_targets():
    said = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True).stdout
    assert all(f"make {target} " in said for target in ("setup", "run", "test", "lab", "book", "bench", "clean"))


def test_make_refuses_an_old_python(tmp_path):
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    ended = subprocess.run(["make", "-s", "setup", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}"], cwd=ROOT,
                           capture_output=True, text=True)
    assert ended.returncode and "needs Python 3.11" in ended.stdout and not (tmp_path / "venv").exists()


def test_the_continuous_check_parses():
    assert subprocess.run(["bash", "-n", ".ci/run"], cwd=ROOT).returncode == 0
