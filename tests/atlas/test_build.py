"""The built atlas: repeatable bytes, failures that are named and do not spread, and machines without data."""

import os
import stat

import polars as pl
import pytest

from emonotes.atlas import build
from emonotes.atlas.folders import cache_folder
from emonotes.atlas.rows import COLUMNS, DERIVED, SPLITS
from emonotes.atlas.sources import card
from emonotes.errors import InputError


def test_without_data_there_is_a_starter_atlas(no_data, capsys):
    frame = build.load()
    assert "starter tables: " in capsys.readouterr().out
    assert frame.columns == [*COLUMNS, *DERIVED] and {
        "word",
        "odour",
        "food",
        "taste",
        "touch",
        "colour",
        "temperature",
    } <= set(frame["modality"])
    assert all(card(source).redistribute for source in frame["source"].unique())
    assert build.load(progress=False).equals(frame)


def test_two_builds_are_identical(no_data, tmp_path):
    one, two = (build.build(out=tmp_path / name, progress=False) for name in ("one.parquet", "two.parquet"))
    assert one.path.read_bytes() == two.path.read_bytes() and not one.failed
    assert pl.read_parquet(os.fspath(one)).equals(build.load(one))
    names = [f"{name}{table}.parquet" for name in ("one", "two") for table in ("", ".ratings", ".traces")]
    assert sorted(p.name for p in tmp_path.glob("*")) == sorted(names), "nothing half-written is left"


def test_rows_are_sorted_and_sources_chosen(no_data, tmp_path):
    frame = pl.read_parquet(build.build(["vibviz", "tastants", "vibviz"], tmp_path / "a.parquet", progress=False).path)
    assert frame["source"].unique().sort().to_list() == ["tastants", "vibviz"] and frame.equals(
        frame.sort("source", "stimulus")
    )


@pytest.mark.parametrize("bad", [["moon_smells"], "moon_smells", ["vibviz", "moon_smells"], []])
def test_unknown_sources_list_the_legal_ones(no_data, bad):
    with pytest.raises(InputError, match="no source .*the sources are .*emobank.*vibviz"):
        build.build(bad)


def test_a_missing_data_folder_is_an_error(monkeypatch):
    monkeypatch.setenv("EMONOTES_DATA", "/no/such/folder")
    with pytest.raises(InputError, match="EMONOTES_DATA"):
        build.load()


@pytest.mark.parametrize("what", ["changed", "missing"])
def test_a_broken_source_is_named_and_the_others_build(data, tmp_path, what, capsys):
    (data / "vibviz").mkdir()
    if what == "changed":
        (data / "vibviz" / card("vibviz").files[0]["name"]).write_text("half a downl")
    built = build.build(out=tmp_path / "a.parquet")
    assert [r.source for r in built.failed] == ["vibviz"] and "vibrationAnnotations" in built.failed[0].message
    frame = pl.read_parquet(built.path)
    assert "vibviz" not in frame["source"] and "glasgow_norms" in frame["source"]
    said = capsys.readouterr()
    assert "FAILED: vibviz" in said.out and "vibrationAnnotations" in said.err
    build.load(progress=False)
    assert not list(cache_folder().glob("atlas-*")), "an incomplete atlas is not kept"


def test_the_atlas_is_built_anew_when_an_input_changes(data):
    before = build.fingerprint()
    assert before == build.fingerprint()
    (data / "vibviz").mkdir()
    middle = build.fingerprint()
    (data / "vibviz" / "x.csv").write_text("x")
    assert len({before, middle, build.fingerprint()}) == 3


def test_a_cache_that_cannot_be_written_costs_only_time(no_data, tmp_path, monkeypatch, capsys):
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    monkeypatch.setenv("EMONOTES_CACHE", str(blocked / "cache"))
    assert build.load(progress=False).height
    assert "not kept" in capsys.readouterr().err
    with pytest.raises(InputError, match="cannot be written"):
        build.build()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_cache(no_data, tmp_path, monkeypatch):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    monkeypatch.setenv("EMONOTES_CACHE", str(folder))
    assert build.load(progress=False).height


@pytest.mark.parametrize("content, words", [(b"PAR1 nonsense", "damaged"), (None, "no atlas at")])
def test_a_damaged_or_missing_atlas(tmp_path, content, words):
    path = tmp_path / "a.parquet"
    if content:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        build.load(path)


def test_no_group_is_torn_between_sources(no_data):
    frame = build.load(progress=False).filter(pl.col("source") != "emobank")
    assert frame.group_by("group").agg(pl.col("split").n_unique())["split"].max() == 1 and set(frame["split"]) == set(
        SPLITS
    )


def test_starter_tables_are_written_by_licence(no_data, tmp_path):
    written = build.write_starter(["tastants", "emobank", "warriner2013_vad"], tmp_path)
    assert [p.name for p in written] == ["tastants.csv"]


def test_thin_keeps_the_shape_whatever_the_order(no_data):
    frame = build.load(progress=False).filter(pl.col("source") == "glasgow_norms")
    small = build.thin(frame, 100)
    assert small.height == 100 and small.equals(build.thin(frame.reverse(), 100))
    assert abs(small["valence"].mean() - frame["valence"].mean()) < 0.03


def test_summary_counts_every_row(no_data):
    frame = build.load(progress=False)
    assert build.summary(frame)["rows"].sum() == frame.height
