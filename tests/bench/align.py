"""Measure the emotion space and record it in results/align.json.

    python tests/bench/align.py PART [PART ...]     any of the parts below; several in a row
    python tests/bench/align.py all                 everything (hours: give it a night)

Each part writes its figures when it ends, so that a killed run keeps what it has. Figures are of this machine; nothing is
asserted. Most parts need the data folders (EMONOTES_DATA, EMONOTES_ENCODERS).
"""

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

from emonotes.course.record import record

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
SEEDS = range(5)


def how(part: str) -> str:
    """The command that measures a part."""
    return f"python tests/bench/align.py {part}"


def figure(value, part: str, **more) -> dict:
    """A figure with four digits and the command behind it."""
    plain = {name: round(float(x), 4) if isinstance(x, float | np.floating) else x for name, x in {"value": value, **more}.items()}
    return plain | {"how": how(part)}


def losses() -> dict:
    """Rank-N-Contrast against the published loop, and its memory."""
    from tests.bench.test_losses import rnc_memory, rnc_speedup

    found = rnc_speedup(pairs=3)
    return {"rnc_speedup": figure(found["value"], "losses", low=found["low"], high=found["high"], n=1024,
                                  unit="times as fast as the published loop, forward and backward"),
            "rnc_peak_gb": figure(rnc_memory(8192), "losses", n=8192, unit="GB, resident, forward and backward")}


def embedding() -> dict:
    """Embedding against SentenceTransformer.encode, and the second time from the store."""
    from tests.bench.test_embedding import embed_ratio, store_ratio

    ours, again = embed_ratio(), store_ratio()
    return {"embed_ratio": figure(ours["value"], "embedding", low=ours["low"], high=ours["high"], n=ours["n"],
                                  unit="times the throughput of SentenceTransformer.encode"),
            "embed_cosine_min": figure(ours["cosine_min"], "embedding", n=ours["n"]),
            "store_ratio": figure(again["value"], "embedding", low=again["low"], high=again["high"], n=again["n"],
                                  unit="times as fast the second time, from the store")}


def space() -> dict:
    """Every sense held out, five seeds: the table, coverage, the make-up and the time of the fit, the matrix of senses."""
    from emonotes.align.fit import FitConfig, fit, make_up
    from emonotes.align.heldout import coverage_table, cross_validate, held_out_table
    from emonotes.align.ratings import gather
    from emonotes.atlas.build import load

    data = gather(load())
    start, clock = time.perf_counter(), time.process_time()
    fitted = fit(data, FitConfig(), progress=True)
    seconds, processor = time.perf_counter() - start, time.process_time() - clock
    runs = [cross_validate(data, FitConfig(seed=seed)) for seed in SEEDS]
    covered = coverage_table(data, runs).filter(pl.col("n") >= 200)
    table = held_out_table(data, runs[0])
    return {"fit_all_s": figure(seconds, "space", unit="s, all senses from kept embeddings, 2 cores", n=len(data)),
            "fit_all_cpu_s": figure(processor, "space", unit="processor seconds"),
            "senses": figure(table.to_dicts(), "space", n=len(table), unit="Pearson r on unseen groups"),
            "coverage": figure(covered.to_dicts(), "space", n=len(covered), unit="share of held-out ratings in 90 % intervals"),
            "coverage_min": figure(covered["coverage"].min(), "space", n=len(covered)),
            "coverage_max": figure(covered["coverage"].max(), "space", n=len(covered)),
            "make_up": figure(make_up(fitted), "space", n=len(data))}


def matrix() -> dict:
    """Any sense to any sense, against chance, and contrast against regress-then-distance."""
    from emonotes.align.fit import FitConfig
    from emonotes.align.heldout import cross_validate
    from emonotes.align.match import difference, from_folds, per_query
    from emonotes.align.match import matrix as search
    from emonotes.align.ratings import gather
    from emonotes.atlas.build import load

    data = gather(load())
    first = {}
    for key in data:
        first.setdefault(key.split("@")[0], key)
    data = {key: data[key] for key in first.values() if len(data[key].x) >= 100}
    runs = [from_folds(data, cross_validate(data, FitConfig(seed=seed), folds=2)) for seed in SEEDS]
    table = search(runs[0])
    ways = [[per_query(run, by) for run in runs] for by in ("embedding", "va")]
    gap = difference(*ways)
    whole = gap.filter(pl.col("query") == "all").row(0, named=True)
    return {"matrix": figure(table.to_dicts(), "matrix", n=len(table)),
            "matrix_significant_share": figure(table["significant"].mean(), "matrix", n=len(table),
                                               unit="share of directed pairs, 10,000 permutations, Holm"),
            "contrast_gain_ndcg": figure(whole["difference"], "matrix", low=whole["low"], high=whole["high"], n=len(table),
                                         unit="NDCG@10, shared embedding minus predicted points")}


def senses() -> dict:
    """Six small senses by physical features."""
    from emonotes.studies.senses import study

    table = study(SEEDS)
    best = table.filter(pl.col("model") == "all features")
    return {"small_senses": figure(table.to_dicts(), "senses", n=len(table))} | {
        f"{row['sense']}_{row['coordinate'][0]}": figure(row["value"], "senses", low=row["low"], high=row["high"], n=row["n"])
        for row in best.to_dicts()}


def encoders() -> dict:
    """Every encoder of every sense, weighed; writes results/encoders.csv."""
    from emonotes.align.choice import choose, weigh
    from emonotes.align.ratings import thin
    from emonotes.atlas.build import load
    from emonotes.atlas.folders import write_beside
    from emonotes.atlas.sources import fitting

    atlas, tables, said = load().filter(pl.col("source").is_in(fitting())), [], {}
    for modality in sorted(atlas["modality"].unique()):
        rows = thin(atlas.filter((pl.col("modality") == modality) & pl.col("valence").is_not_null()), 800, 800)
        found = weigh(rows, seeds=SEEDS)
        tables.append(found.with_columns(sense=pl.lit(modality)))
        said[f"encoder_{modality}"] = figure(choose(found)[1], "encoders", n=len(found))
    write_beside(RESULTS / "encoders.csv", lambda path: pl.concat(tables).write_csv(path, float_precision=4))
    return said


PARTS = {part.__name__: part for part in (losses, embedding, space, matrix, senses, encoders)}


def main(*names: str) -> None:
    """Measure the parts one after another, each in a process of its own, and record each when it ends."""
    if len(names) == 1 and names[0] in PARTS:
        print(record("align", PARTS[names[0]](), RESULTS))
        print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GB")
        return
    chosen = list(PARTS) if names == ("all",) else list(names)
    unknown = set(chosen) - set(PARTS)
    if unknown or not chosen:
        sys.exit(f"{__doc__}\nparts: {', '.join(PARTS)}")
    for name in chosen:
        subprocess.run([sys.executable, __file__, name], check=True, cwd=ROOT)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main(*sys.argv[1:])
