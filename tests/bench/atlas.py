"""Measure the atlas on the data folder and record it in results/atlas.json.

    python tests/bench/atlas.py            build, linking, reliability, poisoned folder (EMONOTES_DATA must be set)
    python tests/bench/scale.py --record   100 million synthetic ratings, the pandas ratio, Ray

Figures are of this machine; nothing is asserted.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from emonotes.atlas.folders import data_folder
from emonotes.atlas.linking import linking_table
from emonotes.atlas.reliability import reliability_table
from emonotes.atlas.sources import load_cards
from emonotes.atlas.use import Atlas
from emonotes.course.record import record

HOW = "python tests/bench/atlas.py"
BUILD = """
import json, resource, sys, time
start = time.perf_counter()
from emonotes.atlas.build import build
built = build(out=sys.argv[1], progress=False)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(json.dumps({"seconds": time.perf_counter() - start, "peak": peak, "failed": [r.source for r in built.failed]}))
"""


def figure(value, unit=None, how=HOW, **more):
    rounded = round(value, 4) if isinstance(value, float) else value
    return {"value": rounded, "how": how, **({"unit": unit} if unit else {}), **more}


def timed_build(out: Path, **environment) -> dict:
    """Seconds, peak resident GB and failed sources of a build in a fresh process."""
    ended = subprocess.run([sys.executable, "-c", BUILD, str(out)], capture_output=True, text=True, check=True,
                           env={**{k: v for k, v in os.environ.items() if k != "EMONOTES_DATA"}, **environment})
    return json.loads(ended.stdout.splitlines()[-1])


def builds(work: Path) -> dict:
    """Three builds of the whole atlas and three of the starter atlas: medians."""
    whole = [timed_build(work / "atlas.parquet", EMONOTES_DATA=str(data_folder())) for _ in range(3)]
    starter = [timed_build(work / "starter.parquet", EMONOTES_CACHE=str(work / "none")) for _ in range(3)]
    assert not whole[0]["failed"], whole[0]["failed"]
    return {"build_s": figure(statistics.median(b["seconds"] for b in whole), "s", n=3),
            "build_peak_gb": figure(max(b["peak"] for b in whole), "GB", n=3),
            "starter_build_s": figure(statistics.median(b["seconds"] for b in starter), "s", n=3)}


def counts(atlas: Atlas) -> dict:
    """How many cards, sources, modalities, rated stimuli (rows) and single ratings."""
    rows = atlas.rows.collect()
    judged = atlas.ratings.select(pl.col("valence", "arousal").count()).collect().sum_horizontal().item()
    by_basis = {f"stimuli_{basis}": figure(n) for basis, n in rows.group_by("basis").len().rows()}
    return {"cards": figure(len(load_cards())), "sources": figure(rows["source"].n_unique()),
            "modalities": figure(rows["modality"].n_unique()), "stimuli": figure(rows.height), "ratings": figure(judged),
            "trace_points": figure(atlas.traces.select(pl.len()).collect().item()), **by_basis}


def linking(atlas: Atlas) -> dict:
    """Median fall of the RMSE between sources on held-out stimuli, and the change of rank correlation."""
    pairs = linking_table(atlas.rows.collect())
    pairs = pairs.with_columns(rank=pl.col("rank_linked") - pl.col("rank_plain"))
    pairs = pairs.filter(pl.col("rmse_plain") > 0)
    out = {"linking_rmse_drop": figure(pairs["fall"].median(), "share of the plain RMSE, median over pairs", n=pairs.height),
           "linking_rank_gain": figure(pairs["rank"].median(), "Spearman r, median over pairs", n=pairs.height)}
    for name in ("fall_unit_free", "fall_bound"):
        out[f"linking_{name}"] = figure(pairs[name].median(), "share of the plain RMSE, median over pairs", n=pairs.height)
    for dimension in ("valence", "arousal"):
        part = pairs.filter(pl.col("dimension") == dimension)
        out[f"linking_{dimension}_holds"] = figure(part["holds"].mean(), "share of pairs that correlate at .7 or more", n=part.height)
        for name in ("fall", "rank", "fall_offset", "fall_line", "fall_unit_free", "fall_bound"):
            out[f"linking_{dimension}_{name}"] = figure(part[name].median(), n=part.height)
    pairs.with_columns(pl.col(pl.Float64).round(4)).write_csv(Path("results") / "linking.csv")
    return out


def reliability(atlas: Atlas) -> dict:
    """The table of reliabilities as a figure."""
    table = reliability_table(atlas.rows.collect(), atlas.ratings.collect(), splits=100)
    return {"reliability": figure(table.with_columns(pl.col(pl.Float64).round(4)).to_dicts(), n=table.height)}


def poisoned(work: Path) -> dict:
    """Faults injected into a copy of the data folder, and how many ended as they should."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "atlas"))
    from poison import run_cases

    cases = run_cases(data_folder(), work)
    for case in cases:
        if not case["caught"]:
            print("NOT CAUGHT:", case)
    return {"poisoned_cases": figure(len(cases)), "poisoned_caught": figure(sum(case["caught"] for case in cases))}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        work, start = Path(folder), time.perf_counter()
        found = builds(work)
        atlas = Atlas.load(work / "atlas.parquet")
        for part in (counts, linking, reliability):
            found |= part(atlas)
        found |= poisoned(work / "poisoned")
    record("atlas", found)
    for name, one in found.items():
        if name != "reliability":
            print(f"{name:28s}{one['value']}")
    print(f"measured in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
