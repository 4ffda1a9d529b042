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

from emonotes.atlas.folders import write_beside
from emonotes.course.record import record

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
SEEDS = range(5)
FIELDS = ("low", "high", "n")


def how(part: str) -> str:
    """The command that measures a part."""
    return f"python tests/bench/align.py {part}"


def figure(value, part: str, **more) -> dict:
    """A figure with four digits and the command behind it."""
    plain = {name: round(float(x), 4) if isinstance(x, float | np.floating) else x for name, x in {"value": value, **more}.items()}
    return plain | {"how": how(part)}


def written(table: pl.DataFrame, part: str) -> None:
    """The whole table of a part as results/<part>.csv, which its chapter shows."""
    write_beside(RESULTS / f"{part}.csv", lambda path: table.write_csv(path, float_precision=4))


def losses() -> dict:
    """Rank-N-Contrast against the published loop, and its memory."""
    from test_losses import rnc_first_call, rnc_memory, rnc_speedup

    found, first = rnc_speedup(pairs=7), rnc_first_call(3)
    return {"rnc_speedup": figure(found["value"], "losses", low=found["low"], high=found["high"], n=1024,
                                  unit="times as fast as the published loop, forward and backward"),
            "rnc_first_speedup": figure(first["value"], "losses", low=first["low"], high=first["high"], n=1024,
                                        unit="times as fast, the first batch of a process"),
            "rnc_peak_gb": figure(rnc_memory(8192), "losses", n=8192, unit="GB, resident, forward and backward")}


def embedding() -> dict:
    """Embedding against SentenceTransformer.encode, and the second time from the store."""
    from test_embedding import embed_ratio, store_ratio

    ours, again = embed_ratio(pairs=10), store_ratio(parts=10)
    return {"embed_ratio": figure(ours["value"], "embedding", low=ours["low"], high=ours["high"], n=ours["n"],
                                  unit="times the throughput of SentenceTransformer.encode"),
            "embed_cosine_min": figure(ours["cosine_min"], "embedding", n=ours["n"]),
            "store_ratio": figure(again["value"], "embedding", low=again["low"], high=again["high"], n=again["n"],
                                  unit="times as fast the second time, from the store")}


def space() -> dict:
    """Every sense held out, five seeds: the table, coverage, the make-up and the time of the fit, the matrix of senses."""
    from emonotes.align.fit import FitConfig, fit, make_up
    from emonotes.align.heldout import coverage_table, cross_validate, held_out_table, with_ceilings
    from emonotes.align.ratings import gather
    from emonotes.atlas.build import load
    from emonotes.atlas.reliability import reliability_table
    from emonotes.atlas.use import Atlas

    data = gather(load())
    start, clock = time.perf_counter(), time.process_time()
    fitted = fit(data, FitConfig(), progress=True)
    seconds, processor = time.perf_counter() - start, time.process_time() - clock
    runs = [cross_validate(data, FitConfig(seed=seed)) for seed in SEEDS]
    covered = coverage_table(data, runs).filter(pl.col("n") >= 200)
    atlas = Atlas.load()
    table = with_ceilings(held_out_table(data, runs[0]), data, reliability_table(atlas.rows.collect(), atlas.ratings.collect(), 100))
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
    """Six small senses, by one plain feature and by all that is at hand."""
    from emonotes.studies.senses import study

    table = study(SEEDS)
    written(table, "senses")
    best = table.filter(pl.col("model") == "all features")
    return {f"{row['sense']}_{row['coordinate'][0]}": figure(row["value"], "senses", low=row["low"], high=row["high"], n=row["n"])
        for row in best.to_dicts()}


def studied(part: str, table: pl.DataFrame, model: str, column: str, names: dict[str, str], unit: str) -> dict:
    """Figures of one model of a study's table by the values of `column`; the whole table goes to results/<part>.csv."""
    written(table, part)
    rows = {row[column]: row for row in table.filter(pl.col("model") == model).to_dicts()}
    return {name: figure(rows[key]["value"], part, unit=unit, **{f: rows[key][f] for f in FIELDS}) for key, name in names.items()}


def emobank() -> dict:
    """Sentences on the official split, in valence, arousal and dominance."""
    from emonotes.studies import emobank as study

    return studied("emobank", study.study(SEEDS), f"{study.BEST}, {len(SEEDS)} seeds averaged", "scale",
                   {s: f"emobank_{s.lower()}" for s in "VAD"}, "r on the official test")


def words() -> dict:
    """Words that no training source names, in any language."""
    from emonotes.studies import words as study

    return studied("words", study.study(SEEDS, adapted_seeds=[0]), study.BEST, "dimension", {"valence": "words_v", "arousal": "words_a"},
                   "r, families of words kept whole")


def oasis() -> dict:
    """Photographs, themes kept whole, and what is left of it on silhouettes."""
    from emonotes.studies import oasis as study

    found = studied("oasis", study.study(SEEDS), study.ELECTED, "coordinate", {"valence": "oasis_v", "arousal": "oasis_a"},
                    "r, themes kept whole")
    return found | {"oasis_across": figure(study.across().to_dicts(), "oasis", n=2, unit="r on silhouettes, trained on photographs")}


def keller() -> dict:
    """Pleasantness of molecules, laboratories left out, and the DREAM test set."""
    from emonotes.studies import keller as study

    table = study.study(SEEDS).with_columns(coordinate=pl.lit("valence"))
    return studied("keller", table, study.CHOSEN, "coordinate", {"valence": "keller_v"}, "r, molecules kept whole") | {
        "keller_laboratories": figure(study.laboratories(SEEDS).to_dicts(), "keller", unit="r, one laboratory left out"),
        "keller_dream": figure(study.dream(SEEDS).to_dicts(), "keller", unit="r on the 69 test molecules of the challenge")}


def emopia() -> dict:
    """Quadrant, arousal half and valence half of piano clips, songs kept whole."""
    from emonotes.studies import emopia as study

    return studied("emopia", study.study(SEEDS, heard=False), study.AVERAGE, "measure", {m: f"emopia_{m}" for m in study.MEASURES},
                   "accuracy, songs kept whole")


def emopia_heard() -> dict:
    """The same clips rendered and heard by musicnn, and read by the language model, beside their controls (an hour more)."""
    from emonotes.studies import emopia as study

    return studied("emopia_heard", study.study(SEEDS), "musicnn + logistic", "measure", {m: f"emopia_heard_{m}" for m in study.MEASURES},
                   "accuracy, songs kept whole, musicnn on the rendered clips")


def vgmidi() -> dict:
    """Valence and arousal of game tunes, games kept whole."""
    from emonotes.studies import vgmidi as study

    return studied("vgmidi", study.study(SEEDS), study.AVERAGE, "dimension", {"valence": "vgmidi_v", "arousal": "vgmidi_a"},
                   "r, games kept whole")


def tastants() -> dict:
    """Tastes of molecules, on the published split and by scaffold."""
    from emonotes.studies import tastants as study

    table, found = study.study(SEEDS), {}
    for split, ending in (("scaffold", "_scaffold"), ("published", "")):
        found |= studied("tastants", table.filter(pl.col("split") == split), "Morgan + forest", "taste",
                         {taste: f"taste_{taste}{ending}" for taste in ("sweet", "bitter", "sour")}, f"AUROC, {split} split")
    written(table, "tastants")
    return found


def fusion() -> dict:
    """Early, middle and late fusion on stimuli of two or more senses."""
    from emonotes.align.fusion_trials import study
    from emonotes.atlas.build import load

    return {f"fusion_{name}": figure(table.to_dicts(), "fusion", n=len(table)) for name, table in study(load()).items()}


def adapter() -> dict:
    """The shipped LoRA on texts and words it has not seen."""
    from emonotes.studies.text_adapter import study

    table = study()
    written(table, "adapter")
    return {"text_adapter": figure(table.to_dicts(), "adapter", unit="r on val and test rows")}


def encoders() -> dict:
    """Every encoder of every sense, weighed by a ridge on its embeddings; writes results/encoders.csv."""
    from emonotes.align.choice import choose, weigh
    from emonotes.align.ratings import thin
    from emonotes.atlas.build import load
    from emonotes.atlas.sources import fitting

    atlas, tables, said = load().filter(pl.col("source").is_in(fitting())), [], {}
    for modality in sorted(atlas["modality"].unique()):
        rows = thin(atlas.filter((pl.col("modality") == modality) & pl.col("valence").is_not_null()), 800, 800)
        found = weigh(rows, seeds=SEEDS, kinds=("line",))
        tables.append(found.with_columns(sense=pl.lit(modality)))
        said[f"encoder_{modality}"] = figure(choose(found)[1], "encoders", n=len(found))
        written(pl.concat(tables), "encoders")
    return said


PARTS = {part.__name__: part for part in (losses, embedding, emobank, words, oasis, keller, emopia, emopia_heard, vgmidi, tastants, senses, fusion,
                                          adapter, space, matrix, encoders)}


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
