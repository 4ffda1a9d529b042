"""Single ratings in pieces: merged pieces equal the whole, here and on Ray; the shards; what is refused."""

import os
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonotes.affect.scales import Scale
from emonotes.atlas import rows, scale, synthetic, workers
from emonotes.atlas.sources import card
from emonotes.errors import InputError

EVEN = Scale("SAM 1-9", 1, 9, kind="SAM")
UNEVEN = Scale("1-9 with neutral at 3", 1, 9, neutral=3, kind="likert")
REVERSED = Scale("ranks 1-9", 1, 9, neutral=4, direction=-1, kind="ranks")
ONE_SIDED = Scale("1-9 from none", 1, 9, one_sided=True, zero="not felt at all")
KINDS = {"even": EVEN, "uneven": UNEVEN, "reversed": REVERSED, "one_sided": ONE_SIDED}
FIGURES = [name for name, kind in scale.AGGREGATED.items() if kind == pl.Float64]


def apart(a, b):
    """Largest difference of the figures of two tables; the keys, counts and gaps must be the same."""
    for name in a.columns:
        if name not in FIGURES:
            assert a[name].equals(b[name]), name
        assert a[name].is_null().equals(b[name].is_null()), name
    return max((a[name] - b[name]).abs().max() or 0.0 for name in FIGURES)


def shards(folder, tables, source="vibviz"):
    """Write one shard per table."""
    (folder / source).mkdir(parents=True, exist_ok=True)
    for i, table in enumerate(tables):
        table.write_parquet(folder / source / f"{i}.parquet")
    return {source: folder / source}


def answers(n=400, people=30, seed=0, fraction=True):
    """Made-up answers on a scale 1..9: some by nameless people, some repeated, some missing (null or NaN)."""
    rng = np.random.default_rng(seed)
    figures = rng.uniform(1, 9, (2, n)) if fraction else rng.integers(1, 10, (2, n)).astype(float)
    figures[:, ::11] = np.nan
    rater = pl.Series([f"r{i}" for i in rng.integers(0, people, n)]).to_frame("r").select(
        pl.when(pl.int_range(n) % 7 == 0).then(None).otherwise("r"))
    table = pl.DataFrame({"stimulus": [f"s{i}" for i in rng.integers(0, 12, n)], "rater": rater.to_series(),
                          "valence_raw": figures[0], "arousal_raw": figures[1]})
    return table.with_columns(pl.when(pl.int_range(n) % 5 == 0).then(None).otherwise("arousal_raw").alias("arousal_raw"))


# The three numbers

@given(st.lists(st.lists(st.one_of(st.none(), st.floats(1, 9)), max_size=6), min_size=1, max_size=6), st.floats(0, 1e7))
def test_merged_pieces_equal_the_whole(pieces, far):
    """In any order, at any distance from zero, merged at once or two by two; also on the plane where slopes differ."""
    one = Scale("far", 1 + far, 9 + far, neutral=3 + far)
    tables = [pl.DataFrame({"stimulus": ["a"] * len(piece), "valence_raw": piece},
                           schema={"stimulus": pl.String, "valence_raw": pl.Float64}).with_columns(pl.col("valence_raw") + far)
              for piece in pieces]
    parts = [scale.partial_moments(table.lazy(), {"valence": one}).collect() for table in tables]
    at_once, by_two = scale.merge_moments(parts), parts[-1]
    for part in reversed(parts[:-1]):
        by_two = scale.merge_moments([part, by_two])
    given_ = pl.concat(tables)["valence_raw"].drop_nulls().to_numpy()
    for merged in (at_once, by_two):
        if not merged.height:
            assert not sum(map(len, pieces))
            continue
        for x, values in (("valence_raw", given_), ("valence", one.to_va(given_))):
            n, mean, m2 = (merged[f"{x}_{what}"][0] for what in ("n", "mean", "m2"))
            assert n == len(values)
            assert mean is None if not n else abs(mean - values.mean()) <= 1e-12 * (far + 10)
            assert abs(m2 - (((values - values.mean()) ** 2).sum() if n else 0)) < 1e-6


def test_figures_far_from_zero_keep_their_spread():
    far = Scale("far", 1e8, 1e8 + 10)
    table = pl.DataFrame({"stimulus": ["a"] * 4, "valence_raw": [1e8 + x for x in (1.0, 2.0, 3.0, 4.0)]})
    halves = [scale.partial_moments(table[i:i + 2].lazy(), {"valence": far}).collect() for i in (0, 2)]
    found = scale.means_of(scale.merge_moments(halves), {"valence": far}, "x")
    assert abs(found["valence_sd_raw"][0] - np.std([1, 2, 3, 4], ddof=1)) < 1e-9


@pytest.mark.parametrize("kind", KINDS)
def test_the_plane_is_that_of_the_scale(kind, tmp_path):
    table, one = answers(), KINDS[kind]
    found = scale.aggregate_ratings(shards(tmp_path, [table[:150], table[150:]]), {"vibviz": {"valence": one, "arousal": EVEN}})
    for row in found.rows(named=True):
        for d, chosen in (("valence", one), ("arousal", EVEN)):
            raw = table.filter(pl.col("stimulus") == row["stimulus"])[f"{d}_raw"].fill_nan(None).drop_nulls().to_numpy()
            va = chosen.to_va(raw)
            assert row[f"{d}_n"] == len(raw)
            for name, values in ((f"{d}", va), (f"{d}_raw", raw)):
                sd = values.std(ddof=1)
                names = (name, f"{d}_sd{name[len(d):]}", f"{d}_se{name[len(d):]}")
                assert np.allclose([row[n] for n in names], [values.mean(), sd, sd / np.sqrt(len(raw))], atol=1e-9)


def test_neutral_off_the_middle_is_mapped_before_it_is_averaged(tmp_path):
    table = pl.DataFrame({"stimulus": ["a", "a"], "valence_raw": [1.0, 9.0]})
    found = scale.aggregate_ratings(shards(tmp_path, [table]), {"vibviz": {"valence": UNEVEN}})
    assert found["valence"][0] == 0.0 != UNEVEN.to_va(5.0)


@pytest.mark.parametrize("repeats", [False, True])
def test_the_same_as_rows_aggregate(repeats, tmp_path):
    table = answers()
    if not repeats:
        table = table.with_columns(rater=None)
    found = scale.aggregate_ratings(shards(tmp_path, [table[:99], table[99:]]), {"vibviz": {"valence": EVEN, "arousal": UNEVEN}},
                                    repeats=repeats)
    expected = rows.aggregate(table)
    assert found["stimulus"].equals(expected["stimulus"]) and found["valence_n"].equals(expected["raters"].cast(pl.Int64))
    for name in ("valence_raw", "valence_sd_raw", "arousal_raw", "arousal_sd_raw"):
        assert np.allclose(found[name], expected[name], atol=1e-9), name
    if repeats:
        plain = scale.aggregate_ratings({"vibviz": tmp_path / "vibviz"}, {"vibviz": {"valence": EVEN}})
        assert plain["valence_n"].sum() > found["valence_n"].sum(), "repeats counted as people"


def test_a_rater_is_mapped_as_one_answer_when_repeats_are_averaged(tmp_path):
    table = pl.DataFrame({"stimulus": ["a"] * 4, "rater": ["ann", "ann", None, None], "valence_raw": [1.0, 9.0, 1.0, 9.0]})
    found = scale.aggregate_ratings(shards(tmp_path, [table[:1], table[1:3], table[3:]]), {"vibviz": {"valence": UNEVEN}}, repeats=True)
    people = np.array([5.0, 1.0, 9.0])
    assert found["valence_n"][0] == 3 and np.isclose(found["valence"][0], UNEVEN.to_va(people).mean())
    assert np.isclose(found["valence_sd"][0], UNEVEN.to_va(people).std(ddof=1))


def test_what_is_missing_stays_missing(tmp_path):
    table = pl.DataFrame({"stimulus": ["one", "none", "aro"], "valence_raw": [9.0, None, float("nan")], "arousal_raw": [None, None, 2.0]})
    found = scale.aggregate_ratings(shards(tmp_path, [table]), {"vibviz": {"valence": EVEN, "arousal": EVEN}})
    assert found.columns == list(scale.AGGREGATED) and found.schema == pl.Schema(scale.AGGREGATED)
    assert found["stimulus"].to_list() == ["aro", "one"], "nobody rated 'none'"
    aro, one = found.rows(named=True)
    assert (aro["valence_n"], aro["valence"], aro["arousal_n"], aro["arousal"]) == (0, None, 1, -0.75)
    assert (one["valence"], one["valence_sd"], one["valence_se_raw"]) == (1.0, None, None), "one answer has no spread"


# Shards of many hands

def test_shards_may_differ_in_kind_and_columns(tmp_path):
    tables = [pl.DataFrame({"stimulus": [1, 2], "valence_raw": [3, 4]}),
              pl.DataFrame({"arousal_raw": [2.5], "valence_raw": [5.0], "stimulus": ["1"], "source": ["elsewhere"]})]
    found = scale.aggregate_ratings(shards(tmp_path, tables), {"vibviz": {"valence": EVEN, "arousal": EVEN}})
    assert found.select("source", "stimulus", "valence_n", "valence_raw", "arousal_n").rows() == [
        ("vibviz", "1", 2, 4.0, 1), ("vibviz", "2", 1, 4.0, 0)]


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("chunk", [1, 7, 60, 150, 1000])
def test_the_size_of_the_pieces_does_not_matter(tmp_path, chunk, repeats):
    """Pieces end inside shards and reach over several; none is larger than asked for, and no row is lost."""
    table, one = answers(), {"vibviz": {"valence": UNEVEN, "arousal": EVEN}}
    paths = shards(tmp_path, [table[:150], table[150:150], table[150:170], table[170:]])
    pieces = scale.plan_pieces("vibviz", scale.shards_of(paths)["vibviz"], chunk)
    sizes = [sum(rows for _, _, rows in piece) for piece in pieces]
    assert sum(sizes) == 400 and set(sizes[:-1]) <= {chunk} and sizes[-1] <= chunk
    expected = scale.aggregate_ratings(paths, one, repeats=repeats)
    assert apart(expected, scale.aggregate_ratings(paths, one, repeats=repeats, chunk=chunk)) < 1e-9


def test_empty_shards(tmp_path):
    found = scale.aggregate_ratings(shards(tmp_path, [answers()[:0]] * 2), {"vibviz": {"valence": EVEN}})
    assert found.schema == pl.Schema(scale.AGGREGATED) and not found.height


def test_paths_may_be_given_in_many_ways(tmp_path):
    table, one = answers(60), {"vibviz": {"valence": EVEN, "arousal": EVEN}}
    folder = shards(tmp_path, [table[:20], table[20:]])["vibviz"]
    expected = scale.aggregate_ratings({"vibviz": folder}, one, out=tmp_path / "out" / "table.parquet")
    assert pl.read_parquet(tmp_path / "out" / "table.parquet").equals(expected)
    for places in (tmp_path, str(tmp_path), {"vibviz": str(folder / "*.parquet")}, {"vibviz": [folder / "0.parquet", folder / "1.parquet"]}):
        (tmp_path / "out" / "table.parquet").unlink(missing_ok=True)
        assert apart(expected, scale.aggregate_ratings(places, one)) < 1e-12
    folder.rename(tmp_path / "source=vibviz")
    assert apart(expected, scale.aggregate_ratings(tmp_path, one)) < 1e-12


def test_sources_are_sorted_and_kept_apart(tmp_path):
    """The same stimulus in two sources stays two rows, in whatever order the sources are given."""
    table = answers(80)
    paths = {name: shards(tmp_path, [table], name)[name] for name in ("b", "a", "C")}
    found = scale.aggregate_ratings(paths, {name: {"valence": EVEN} for name in paths})
    assert found.select("source", "stimulus").rows() == sorted(found.select("source", "stimulus").rows())
    assert found["source"].unique(maintain_order=True).to_list() == ["C", "a", "b"] and found["valence_n"].sum() == 3 * 72


def test_scales_come_from_the_cards(tmp_path):
    paths = shards(tmp_path, [pl.DataFrame({"stimulus": ["a"], "valence_raw": [1.5]})])
    assert scale.aggregate_ratings(paths)["valence"][0] == card("vibviz").scales["valence"].to_va(1.5)


# What is refused

@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("column, bad", [("valence", 0.5), ("valence", 9.1), ("arousal", 11.0), ("valence", float("inf"))])
def test_a_figure_outside_its_scale_is_named(tmp_path, column, bad, repeats):
    """Also where an average over the rater's answers would hide it."""
    table = pl.DataFrame({"stimulus": ["a", "b", "b"], "rater": ["x", "y", "y"], "valence_raw": 5.0, "arousal_raw": 5.0})
    spoiled = table.with_columns(pl.when(pl.int_range(3) == 2).then(bad).otherwise(f"{column}_raw").alias(f"{column}_raw"))
    with pytest.raises(InputError, match=rf"{column} {bad:g} of stimulus 'b' is outside the scale 1..9 of 'vibviz'"):
        scale.aggregate_ratings(shards(tmp_path, [table, spoiled]), {"vibviz": {"valence": EVEN, "arousal": EVEN}}, repeats=repeats)


@pytest.mark.parametrize("spoil, words", [
    (lambda f: f.drop("stimulus"), "'0.parquet' of source 'vibviz'.*needs stimulus"),
    (lambda f: f.drop("valence_raw", "arousal_raw"), "needs stimulus and valence_raw"),
    (lambda f: f.with_columns(stimulus=None), "without a stimulus"),
    (lambda f: f.with_columns(valence_raw=pl.lit("pleasant")), "'vibviz' could not be read")])
def test_spoiled_shards(spoil, words, tmp_path):
    with pytest.raises(InputError, match=words):
        scale.aggregate_ratings(shards(tmp_path, [spoil(answers(20))]), {"vibviz": {"valence": EVEN}})


def test_a_damaged_shard_a_missing_folder_a_missing_scale_and_an_unknown_engine(tmp_path):
    paths, one = shards(tmp_path / "here", [answers(2000)]), {"vibviz": {"valence": EVEN}}
    for where, scales, engine, words in (
            (tmp_path / "nowhere", one, "local", "no subfolder with Parquet files"),
            ({"vibviz": tmp_path / "nowhere"}, one, "local", "source 'vibviz' has no Parquet files"),
            (paths, {"other": {"valence": EVEN}}, "local", "source 'vibviz' has no scale; the scales are those of other"),
            (paths, one, "spark", "no engine 'spark'; the engines are local, ray")):
        with pytest.raises(InputError, match=words):
            scale.aggregate_ratings(where, scales, engine=engine)
    file = tmp_path / "here" / "vibviz" / "0.parquet"
    whole = file.read_bytes()
    for broken in (whole[:-100], whole[:200] + bytes(len(whole) // 2) + whole[200 + len(whole) // 2:], b""):
        file.write_bytes(broken)
        with pytest.raises(InputError, match="ratings of 'vibviz' could not be read"):
            scale.aggregate_ratings(paths, one)


# Synthetic ratings

def test_synthetic_ratings_are_as_asked_for(tmp_path):
    paths, scales = synthetic.synthetic_ratings(tmp_path / "a", ratings=20_003, sources=6, seed=3, chunk=1_500)
    tables = {p: pl.read_parquet(p) for p in sorted((tmp_path / "a").rglob("*.parquet"))}
    assert sum(t.height for t in tables.values()) == 20_003 and max(t.height for t in tables.values()) <= 1_500
    assert len({scales[s]["valence"].name for s in scales}) == 5 and any(scales[s]["valence"].direction < 0 for s in scales)
    for source, folder in paths.items():
        whole = pl.concat(tables[p] for p in tables if p.parent == folder)
        assert whole.select("stimulus", "rater").is_unique().all(), source
        assert 0.01 < whole["valence_raw"].null_count() / whole.height < 0.05
        lowest, highest = whole["valence_raw"].min(), whole["valence_raw"].max()
        assert (lowest, highest) == (scales[source]["valence"].low, scales[source]["valence"].high), "people use the whole scale"
        first, second = (tables[folder / f"part-0000{i}.parquet"]["valence_raw"].is_null() for i in (0, 1))
        assert not first.equals(second), "each shard has a chance of its own"
    synthetic.synthetic_ratings(tmp_path / "b", ratings=20_003, sources=6, seed=3, chunk=1_500)
    for path, table in tables.items():
        assert table.equals(pl.read_parquet(tmp_path / "b" / path.relative_to(tmp_path / "a")))
    synthetic.synthetic_ratings(tmp_path / "c", ratings=20_003, sources=6, seed=4, chunk=1_500)
    path = next(iter(tables))
    assert not tables[path].equals(pl.read_parquet(tmp_path / "c" / path.relative_to(tmp_path / "a")))


def test_people_agree_on_the_same_stimulus(tmp_path):
    """The truth behind a stimulus is the same in all shards of its source: more variance between stimuli than within."""
    table = scale.aggregate_ratings(*synthetic.synthetic_ratings(tmp_path, ratings=20_000, sources=5, chunk=1_000))
    assert table["valence"].std() > 1.2 * table["valence_sd"].mean() > 0.2 and table["valence_n"].min() > 80


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    """Killed outright, not asked to stop: finished shards are kept, none is half written, and the end is the same."""
    arguments = dict(ratings=600_000, sources=3, seed=1, chunk=10_000)
    code = f"import sys; from emonotes.atlas.synthetic import synthetic_ratings; synthetic_ratings(sys.argv[1], **{arguments})"
    running, place = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "a")]), tmp_path / "a"
    while len(list(place.rglob("*.parquet"))) < 3 and running.poll() is None:
        time.sleep(0.002)
    running.kill()
    running.wait()
    kept = {p: p.stat().st_mtime_ns for p in place.rglob("*.parquet")}
    assert 3 <= len(kept) < 60, "killed too late for this test to say anything"
    synthetic.synthetic_ratings(place, **arguments)
    synthetic.synthetic_ratings(tmp_path / "b", **arguments)
    assert all(p.stat().st_mtime_ns == t for p, t in kept.items())
    made = {p.relative_to(place): p.read_bytes() for p in place.rglob("*.parquet")}
    assert len(made) == 60 and all((tmp_path / "b" / name).read_bytes() == data for name, data in made.items())


def test_a_shard_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    """Stopped in the middle of writing: the half is not taken for a shard, neither by the next run nor by a reader."""
    import pyarrow.parquet as pq

    arguments, write, begun = dict(ratings=1000, sources=1, chunk=250), pq.write_table, []

    def stopped_at_the_third(table, place, **settings):
        begun.append(place)
        if len(begun) == 3:
            place.write_bytes(b"PAR1 half a shard")
            raise KeyboardInterrupt
        write(table, place, **settings)

    monkeypatch.setattr(pq, "write_table", stopped_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        synthetic.synthetic_ratings(tmp_path, **arguments)
    paths = {"x": tmp_path / "source=synthetic_00"}
    assert [pl.read_parquet(p).height for p in scale.shards_of(paths)["x"]] == [250, 250]
    synthetic.synthetic_ratings(tmp_path, **arguments)
    assert len(begun) == 5 and [pl.read_parquet(p).height for p in scale.shards_of(paths)["x"]] == [250] * 4


@pytest.mark.parametrize("other", [{"seed": 2}, {"ratings": 2000}, {"chunk": 50}, {"sources": 3}])
def test_a_folder_holds_one_set_only(tmp_path, other):
    first = dict(ratings=1000, sources=2, seed=1, chunk=400)
    synthetic.synthetic_ratings(tmp_path, **first)
    with pytest.raises(InputError, match="other settings"):
        synthetic.synthetic_ratings(tmp_path, **first | other)


@pytest.mark.parametrize("bad", [{"ratings": 3}, {"sources": 0}, {"chunk": 0}, {"seed": -1}])
def test_settings_that_make_no_ratings(tmp_path, bad):
    with pytest.raises(InputError, match="makes no ratings"):
        synthetic.synthetic_ratings(tmp_path, **dict(ratings=100, sources=5) | bad)
    assert not list(tmp_path.iterdir())


# Elsewhere

def test_map_sources_keeps_the_order_and_the_error():
    assert workers.map_sources(str.upper, ["b", "a"]) == ["B", "A"]
    with pytest.raises(InputError, match="no engine 'dask'"):
        workers.map_sources(str.upper, ["b"], engine="dask")
    with pytest.raises(ZeroDivisionError):
        workers.map_sources(lambda source: 1 / 0, ["a"])


def test_without_ray_one_is_told_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r'pip install "ray\[data\]"'):
        scale.aggregate_ratings(shards(tmp_path, [answers(20)]), {"vibviz": {"valence": EVEN}}, engine="ray")


def refuse(source):
    raise InputError(f"source '{source}' is refused")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_ray_gives_the_same(tmp_path, monkeypatch):
    """One start of Ray for all: tables, repeats, small tasks, a bad figure, a damaged file, map_sources; nothing stays behind."""
    pytest.importorskip("ray.data")
    psutil = pytest.importorskip("psutil")
    paths, scales = synthetic.synthetic_ratings(tmp_path / "synthetic", ratings=50_000, sources=3, chunk=6_000)
    table = answers()
    paths |= shards(tmp_path / "real", [table[:150], table[150:]])
    scales["vibviz"] = {"valence": UNEVEN, "arousal": EVEN}
    paths |= shards(tmp_path / "real", [table.drop("arousal_raw")], "half")
    scales["half"] = {"valence": EVEN}
    before = set(psutil.Process().children(recursive=True))
    with workers.ray_session() as ray:
        for repeats in (False, True):
            here, there = (scale.aggregate_ratings(paths, scales, engine, repeats=repeats) for engine in workers.ENGINES)
            assert apart(here, there) < 1e-6
        assert apart(scale.aggregate_ratings(paths, scales), scale.aggregate_ratings(paths, scales, "ray", chunk=3_000)) < 1e-6
        with pytest.raises(InputError, match="outside the scale 1..5 of 'half'"):
            scale.aggregate_ratings(paths, scales | {"half": {"valence": Scale("1-5", 1, 5)}}, engine="ray")
        file = tmp_path / "real" / "half" / "0.parquet"
        whole = file.read_bytes()
        file.write_bytes(whole[:200] + bytes(len(whole) // 2) + whole[200 + len(whole) // 2:])
        with pytest.raises(InputError, match="ratings of 'half' could not be read"):
            scale.aggregate_ratings(paths, scales, engine="ray")
        monkeypatch.setenv("EMONOTES_CACHE", "changed, after the workers started")
        assert workers.map_sources(lambda s: s + os.environ["EMONOTES_CACHE"][:7], ["b", "a"], "ray") == ["bchanged", "achanged"]
        with pytest.raises(InputError, match="source 'a' is refused"):
            workers.map_sources(refuse, ["a"], "ray")
        assert ray.is_initialized(), "a session inside a session leaves the outer one alone"
    assert not ray.is_initialized()
    psutil.wait_procs(left := set(psutil.Process().children(recursive=True)) - before, timeout=20)
    assert not [p for p in left if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
