"""The built atlas in use: lazy tables, SQL that cannot change a thing, exports that cite exactly what they hold."""

import builtins
import os
import re
from dataclasses import replace

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from emonotes.atlas import use
from emonotes.atlas.build import build
from emonotes.atlas.datasheet import datasheet
from emonotes.atlas.rows import COLUMNS, DERIVED, SINGLES, TRACES
from emonotes.atlas.sources import card, load_cards
from emonotes.atlas.use import Atlas
from emonotes.errors import InputError

# source, stimulus, valence, arousal, raters
ROWS = [("food_words_warriner", "bread", 0.5, -0.25, 20), ("glasgow_norms", "love", 0.9, 0.1, 30),
        ("glasgow_norms", "vomit", -0.7, None, 30), ("vibviz", "buzz", 0.25, 0.75, None),
        ("warriner2013_vad", "love", 0.7, 0.2, 21)]
RATINGS = [("glasgow_norms", "love", "p1", 1.0, 0.2), ("glasgow_norms", "love", "p2", 0.8, None),
           ("warriner2013_vad", "love", None, 0.7, 0.2)]
PARENTS = ["flavorgraph"]


def tables():
    rows = pl.DataFrame([{**dict.fromkeys([*COLUMNS, *DERIVED]), "source": source, "stimulus": stimulus, "content": stimulus,
                          "valence": valence, "arousal": arousal, "raters": raters, "modality": card(source).modality,
                          "basis": card(source).basis, "licence": card(source).licence, "split": "train",
                          "group": f"g/{stimulus}"} for source, stimulus, valence, arousal, raters in ROWS],
                        schema={**COLUMNS, **DERIVED})
    singles = [dict(zip(("source", "stimulus", "rater", "valence", "arousal"), line, strict=True)) for line in RATINGS]
    ratings = pl.DataFrame([{**dict.fromkeys(SINGLES), **one} for one in singles], schema=SINGLES)
    point = {**dict.fromkeys(TRACES), "source": "vibviz", "stimulus": "buzz", "valence": 0.1}
    return {"rows": rows, "ratings": ratings,
            "traces": pl.DataFrame([{**point, "seconds": at} for at in (0.0, 0.5)], schema=TRACES)}


@pytest.fixture
def place(tmp_path):
    """A tiny atlas beside something else; the folder's name would break a careless SQL string or glob."""
    folder = tmp_path / "it's [here] *"
    folder.mkdir()
    for name, frame in tables().items():
        frame.write_parquet(folder / f"atlas{'' if name == 'rows' else '.' + name}.parquet")
    return folder


@pytest.fixture
def atlas(place):
    return Atlas.load(place)


def test_the_tables_are_lazy_and_whole(atlas):
    for name, frame in tables().items():
        assert isinstance(getattr(atlas, name), pl.LazyFrame)
        assert_frame_equal(getattr(atlas, name).collect(), frame)
    assert atlas.sources() == sorted({line[0] for line in ROWS})


# --- where it lies


def test_a_file_a_folder_and_the_newest_of_several(place, tmp_path):
    assert Atlas.load(place / "atlas.parquet").paths == Atlas.load(str(place)).paths
    assert Atlas.load(place).paths["ratings"].name == "atlas.ratings.parquet"
    newer = place / "atlas-0123.parquet"
    tables()["rows"].head(1).write_parquet(newer)
    later = (place / "atlas.parquet").stat().st_mtime + 5
    os.utime(newer, (later, later))
    os.utime(place / "atlas.ratings.parquet", (later + 5, later + 5))
    assert Atlas.load(place).paths == {"rows": newer, "ratings": None, "traces": None}


def test_without_ratings_and_traces_there_are_none(place):
    atlas = Atlas(place / "atlas.parquet")
    assert atlas.ratings.collect().height == 0 and atlas.traces.collect_schema() == pl.Schema(TRACES)
    assert atlas.stats().ratings == 0 and atlas.sql("select count(*) as n from traces")["n"][0] == 0
    assert atlas.sql("select rater from ratings").schema == {"rater": pl.String}


def test_what_is_at_hand_is_built_once(no_data):
    atlas = Atlas.load()
    assert "glasgow_norms" in atlas.sources() and atlas.paths["rows"].name.startswith("atlas-")
    before = atlas.paths["rows"].stat().st_mtime_ns
    assert Atlas.load().paths["rows"].stat().st_mtime_ns == before


def test_a_build_can_be_loaded(no_data, tmp_path):
    built = build(["vibviz", "tastants"], tmp_path / "mine.parquet", progress=False)
    assert Atlas.load(built.path).sources() == ["tastants", "vibviz"] == Atlas.load(built).sources()


@pytest.mark.parametrize("what, words", [
    ("nothing", "no atlas at '.*nothing'; build one"), ("empty", "no atlas at '.*empty/atlas.parquet'; build"),
    ("text.parquet", "text.parquet' cannot be read"), ("atlas.ratings.parquet", "not the table 'rows'.*lacks.*'modality'"),
])
def test_what_is_no_atlas(place, what, words):
    (place / "empty").mkdir()
    (place / "text.parquet").write_text("PAR1 no")
    with pytest.raises(InputError, match=words) as caught:
        Atlas.load(place / what)
    assert "\n" not in str(caught.value)


# --- SQL


def test_sql_joins_the_tables(atlas):
    found = atlas.sql("""select r.source, sum(r.raters) as asked, count(*) as judged, avg(t.valence) as valence
                         from rows r join ratings t using (source, stimulus) group by 1 order by 1;""")
    assert found.rows() == [("glasgow_norms", 60, 2, pytest.approx(0.9)), ("warriner2013_vad", 21, 1, pytest.approx(0.7))]
    assert found.schema["asked"] == pl.Int64


@pytest.mark.parametrize("query", [
    "create table x (a int)", "insert into rows select * from rows", "drop view rows", "delete from rows", "set threads = 1",
    "attach 'x.db'", "copy rows to '{place}/out.csv'", "copy rows to '{place}/atlas.parquet'", "install httpfs",
    "select 1; drop view rows", "select 1; select 2", "", ";", "-- nothing",
])
def test_sql_changes_nothing(atlas, place, query):
    before = {p.name: p.read_bytes() for p in place.iterdir()}
    with pytest.raises(InputError, match="one SELECT at a time|cannot|query failed"):
        atlas.sql(query.format(place=str(place).replace("'", "''")))
    assert {p.name: p.read_bytes() for p in place.iterdir()} == before


@pytest.mark.parametrize("query", ["select * from read_csv('{0}')", "select * from '{0}'", "select * from read_text('{0}')",
                                   "select * from frame", "select * from secret"])
def test_sql_sees_only_the_three_tables(atlas, tmp_path, query):
    secret = tmp_path / "secret.csv"
    secret.write_text("a\nb\n")
    frame = pl.DataFrame({"a": [1]})
    with pytest.raises(InputError, match="query failed"):
        atlas.sql(query.format(secret))
    assert frame.height


@pytest.mark.parametrize("query", ["selec 1", "select valense from rows", "select * from moons", "select 1 as a, 2 as a",
                                   "select 'a'::int", "select\n\nvalence from\nrows where"])
def test_a_mistake_in_sql_is_one_line_with_the_columns(atlas, query):
    with pytest.raises(InputError) as caught:
        atlas.sql(query)
    said = str(caught.value)
    assert "\n" not in said and "LINE 1" not in said and all(f"{name} (" in said for name in ("rows", "ratings", "traces"))
    assert all(column in said for column in (*COLUMNS, *DERIVED, "rater", "seconds"))


# --- statistics


def test_statistics_by_hand(atlas):
    stats = atlas.stats()
    assert (stats.sources, stats.modalities, stats.stimuli, stats.ratings) == (4, 3, 5, 3)
    lines = {line["source"]: line for line in stats.table.to_dicts()}
    glasgow = lines["glasgow_norms"]
    assert glasgow["modality"] == "word" and glasgow["stimuli"] == 2 and glasgow["ratings"] == 2 and glasgow["traced"] == 0
    assert glasgow["has arousal"] == 0.5 and glasgow["arousal mean"] == 0.1 and glasgow["arousal SD"] is None
    assert glasgow["valence mean"] == pytest.approx(0.1) and glasgow["valence SD"] == pytest.approx(0.8 * 2**0.5)
    assert lines["vibviz"]["traced"] == 1 and lines["vibviz"]["ratings"] == 0
    assert stats.table.select("modality", "source").rows() == sorted(stats.table.select("modality", "source").rows())


# --- export


def exported(folder, form):
    read = {"parquet": lambda name: pl.read_parquet(folder / f"{name}.parquet"),
            "csv": lambda name: pl.read_csv(folder / f"{name}.csv", schema=tables()[name].schema),
            "datasets": lambda name: from_disk(folder / name)}[form]
    return {name: read(name) for name in use.TABLES}


def from_disk(path):
    datasets = pytest.importorskip("datasets")
    return pl.from_arrow(datasets.load_from_disk(str(path)).data.table)


@pytest.mark.parametrize("form", use.FORMS)
def test_an_export_holds_what_was_asked(atlas, tmp_path, form, capfd):
    if form == "datasets":
        pytest.importorskip("datasets")
    folder = atlas.export(tmp_path / "a" / "out", form, sources=["glasgow_norms", "vibviz"])
    for name, frame in exported(folder, form).items():
        expected = tables()[name].filter(pl.col("source").is_in(["glasgow_norms", "vibviz"]))
        assert_frame_equal(frame.cast(expected.schema), expected)
    assert capfd.readouterr().err == ""
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["out"]


def cited(folder):
    return re.findall(r"(?m)^% (\S+):", (folder / "CITATIONS.bib").read_text(encoding="utf-8"))


@pytest.mark.parametrize("wanted, sources, parents", [
    ({}, ["food_words_warriner", "glasgow_norms", "vibviz", "warriner2013_vad"], ["flavorgraph"]),
    ({"sources": "vibviz"}, ["vibviz"], []),
    ({"modality": "word"}, ["glasgow_norms", "warriner2013_vad"], []),
    ({"modality": ["word", "touch"], "redistributable": True}, ["glasgow_norms", "vibviz"], []),
    ({"redistributable": False}, ["food_words_warriner", "warriner2013_vad"], ["flavorgraph", "glasgow_norms"]),
    ({"sources": ["food_words_warriner"]}, ["food_words_warriner"], ["flavorgraph", "glasgow_norms", "warriner2013_vad"]),
])
def test_an_export_cites_exactly_its_sources_and_their_parents(atlas, tmp_path, wanted, sources, parents):
    folder = atlas.export(tmp_path / "out", **wanted)
    assert exported(folder, "parquet")["rows"]["source"].unique().sort().to_list() == sources
    assert cited(folder) == sorted(sources + parents)
    table = (folder / "LICENCES.md").read_text(encoding="utf-8").splitlines()[2:]
    assert [line.split(" | ")[0].lstrip("| ").split(" (")[0] for line in table] == sorted(sources + parents)
    for line in table:
        one = card(re.match(r"\| (\w+)", line)[1])
        assert f"| {'yes' if one.redistribute else 'no'} |" in line and ("(files only)" in line) == (one.id in parents)
        assert " ".join(one.licence.replace("|", "\\|").split()) in line


def test_every_card_can_be_cited_in_one_file():
    text = use.citations(load_cards().values())
    keys = re.findall(r"(?m)^@\w+\{([^,\s]+),", text)
    assert len(keys) == len(set(keys)) and text.count("{") == text.count("}")
    named = re.findall(r"(?m)^% (\S+): (.*)$", text)
    assert [source for source, _ in named] == list(load_cards())
    assert {key for _, found in named for key in found.split(", ")} == set(keys)


def test_keys_of_two_cards():
    one = replace(card("vibviz"), citation="@article{art,\n  title = {A}\n}\n@misc{own, title = {O}}")
    same, other = (replace(one, id=id, citation=text) for id, text in
                   (("same", "@article{art,   title = {A} }"), ("other", "@article{art,\n  title = {B}\n}")))
    text = use.citations([one, same, other])
    assert text.startswith("% vibviz: art, own\n% same: art\n% other: art_other\n")
    assert text.count("@article{art,") == 1 and "@article{art_other,\n  title = {B}" in text


@pytest.mark.parametrize("wanted, words", [
    ({"form": "xls"}, "no form 'xls'; legal are parquet, csv, datasets"),
    ({"sources": ["vibviz", "oasis"]}, r"no source \['oasis'\] in this atlas; there are food_words_warriner, glasgow"),
    ({"modality": "odour"}, r"no modality \['odour'\].*there are food, touch, word"),
    ({"modality": "touch", "redistributable": False}, "no source is left"), ({"sources": []}, "no source is left"),
])
def test_an_export_of_nothing_lists_what_there_is(atlas, tmp_path, wanted, words):
    with pytest.raises(InputError, match=words):
        atlas.export(tmp_path / "out", **wanted)
    assert not (tmp_path / "out").exists()


def test_an_export_leaves_other_files_alone(atlas, tmp_path):
    (tmp_path / "empty").mkdir()
    assert atlas.export(tmp_path / "empty").name == "empty"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for place in (tmp_path / "full", tmp_path / "full" / "mine.txt", "/"):
        with pytest.raises(InputError, match="there already and not empty"):
            atlas.export(place)
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), pl.exceptions.ComputeError("No space left on device")])
def test_a_full_disk_leaves_nothing(atlas, tmp_path, monkeypatch, error):
    def full(cards, sources):
        raise error

    monkeypatch.setattr(use, "licences", full)
    with pytest.raises(InputError, match="cannot be written .No space left on device.; free some space"):
        atlas.export(tmp_path / "sub" / "out")
    assert list((tmp_path / "sub").iterdir()) == []


def test_datasets_are_needed_only_for_their_form(atlas, tmp_path, monkeypatch):
    really = builtins.__import__

    def without(name, *rest):
        if name.split(".")[0] == "datasets":
            raise ImportError("No module named 'datasets'")
        return really(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    atlas.export(tmp_path / "csv", "csv")
    with pytest.raises(InputError, match="pip install datasets.*parquet, csv"):
        atlas.export(tmp_path / "out", "datasets")
    assert [p.name for p in tmp_path.iterdir() if p.name in ("csv", "out")] == ["csv"]


def test_an_export_is_an_atlas_again(atlas, tmp_path):
    again = Atlas.load(atlas.export(tmp_path / "out"))
    for name, frame in tables().items():
        assert_frame_equal(getattr(again, name).collect(), frame)


# --- the data sheet


def test_the_data_sheet_says_what_is_there(atlas):
    sheet = datasheet(atlas)
    assert re.findall(r"(?m)^## (.*)$", sheet) == ["Motivation", "Composition", "Collection process", "Preprocessing", "Uses",
                                                  "Distribution", "Maintenance"]
    assert "There are 5 instances from 4 sources in 3 modalities, and\n3 single judgements" in sheet
    assert "arousal in 1, raters in 1 of 5 instances" in sheet and "2 of 4 sources may be passed on" in sheet
    assert "4 groups of related stimuli,\n  0 of them" in sheet and "rated 4" in sheet and "proxy 1" in sheet
    for source in (*atlas.sources(), *PARENTS):
        assert f"| {source}" in sheet
    for source in atlas.sources():
        one = card(source)
        assert all(part in sheet for part in (one.licence, one.population, one.raters, *one.traps)), source
    absent = set(load_cards()) - set(atlas.sources()) - {p for s in atlas.sources() for p in card(s).made_from}
    assert not [name for name in absent if f"| {name} |" in sheet]


def test_the_tables_of_the_sheet_are_whole(atlas):
    blocks = re.findall(r"(?m)(?:^\|.*\|$\n?)+", datasheet(atlas))
    assert len(blocks) == 5
    for block in blocks:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1


def test_a_cell_stays_one_cell():
    assert use.markdown(["a"], [["x | y\nz"]]) == "| a |\n| --- |\n| x \\| y z |"


def test_a_torn_group_is_told(place):
    rows = tables()["rows"].with_columns(split=pl.when(pl.col("source") == "glasgow_norms").then(pl.lit("test")).otherwise("split"))
    rows.write_parquet(place / "atlas.parquet")
    assert "4 groups of related stimuli,\n  1 of them" in datasheet(Atlas.load(place))
