"""The atlas on the command line: every command on the starter tables, as a person and as a program would call it."""

import json

import pytest
from typer.testing import CliRunner

from emonotes.atlas import build
from emonotes.cli import app


@pytest.fixture(autouse=True)
def starter(no_data):
    """Every command of this file runs on a machine without data."""


def run(*words, code=0):
    ended = CliRunner().invoke(app, ["atlas", *map(str, words)], catch_exceptions=False)
    assert ended.exit_code == code, ended.output
    return ended.stdout


def test_list_says_what_is_here_and_filters_by_sense():
    listed = {line["id"]: line for line in json.loads(run("list", "--json"))}
    assert len(listed) >= 70 and listed["vibviz"]["here"] == "starter table" and listed["pop909"]["here"] == "no reader"
    assert {line["modality"] for line in json.loads(run("list", "-m", "odour", "--json"))} == {"odour"}


def test_show_has_scale_licence_and_traps():
    facts = json.loads(run("show", "deam", "--json"))
    assert facts["scales"]["arousal"]["kind"] == "likert" and any("swapped" in trap for trap in facts["traps"])


def test_build_stats_and_validate_agree(tmp_path):
    built = json.loads(run("build", "--json"))
    stats = json.loads(run("stats", "--json"))
    assert not built["failed"] and stats["stimuli"] == sum(line["rows"] for line in built["sources"]) > 1000
    assert stats["sources"] == len(built["sources"]) and "no problem" in run("validate")


def test_a_changed_file_fails_validation(data):
    (data / "vibviz").mkdir()
    (data / "vibviz" / "vibrationAnnotations-July24th2016.csv").write_text("id,pleasantness\n")
    found = json.loads(run("validate", "vibviz", "--json", code=2))
    assert [line["source"] for line in found["problems"]] == ["vibviz"] and "SHA-256" in found["problems"][0]["problem"]


def test_export_cites_what_it_holds(tmp_path):
    folder = tmp_path / "out"
    assert json.loads(run("export", folder, "--form", "csv", "-s", "vibviz", "--redistributable", "--json"))["folder"] == str(folder)
    bib = (folder / "CITATIONS.bib").read_text()
    assert "seifi2015" in bib and bib.count("@") == 1 and (folder / "rows.csv").read_text().count("\n") == 121


def test_sheet_and_audit_write_files(tmp_path):
    run("sheet", "-o", tmp_path / "sheet.md")
    assert "Composition" in (tmp_path / "sheet.md").read_text()
    found = json.loads(run("audit", "-o", tmp_path / "collisions.csv", "--json"))
    assert found["collisions"] == (tmp_path / "collisions.csv").read_text().count("\n") - 1 > 10


def test_fetch_without_an_address_says_where_to_turn():
    found = json.loads(run("fetch", "deam", "--yes", "--json"))
    assert {line["state"] for line in found} == {"no address"} and all("cvml.unige.ch" in line["message"] for line in found)


def test_ray_gives_the_same_rows(tmp_path):
    pytest.importorskip("ray")
    names = ["vibviz", "tastants", "valdez_mehrabian"]
    local, ray = (build.build(names, tmp_path / f"{engine}.parquet", progress=False, engine=engine) for engine in ("local", "ray"))
    assert local.path.read_bytes() == ray.path.read_bytes()
