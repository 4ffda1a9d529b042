"""Measure the judges of music and record them in results/judges.csv and results/judges.json.

    python tests/bench/music.py judges [NAME ...]   fit each judge (or those named) on its half, examine it on the makers' half, and
                                                    write it to emonotes/pretrained/judges (a quarter of an hour on one core)
    python tests/bench/music.py trap [NAME ...]     what sharing songs does to a judge's figures (half an hour on one core)
    python tests/bench/music.py agree               do the shipped judges agree, and do they err alike?

Figures are of this machine; nothing is asserted. Needs EMOPIA and VGMIDI in EMONOTES_DATA.
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl

from emonotes.align.judge_trials import OTHER, agreement, circular, examine, fit_judge, meet, twins
from emonotes.align.judges import (
    PRETRAINED,
    halves,
    judges,
    labelled_songs,
    load_judges,
    save_judge,
    tiles,
    varied,
    written_all,
)
from emonotes.atlas.folders import write_beside
from emonotes.course.record import record

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
FOLDS = {"picture": 2}


def written_table(table: pl.DataFrame) -> None:
    """Put rows into results/judges.csv; rows of the same judge and `heard` are replaced."""
    path = RESULTS / "judges.csv"
    if path.exists():
        held = pl.read_csv(path, schema=table.schema).join(table, on=["judge", "heard"], how="anti")
        table = pl.concat([held, table]).sort("judge", "heard", "source", maintain_order=True)
    write_beside(path, lambda beside: table.write_csv(beside, float_precision=4))


def noted(table: pl.DataFrame, part: str) -> None:
    """The rows as a table and as figures."""
    written_table(table)
    figures = {" ".join((row["judge"], row["source"], row["measure"], "on", row["heard"])):
               {**{name: round(row[name], 4) for name in ("value", "low", "high")}, "n": row["n"], "how": f"python tests/bench/music.py {part}"}
               for row in table.to_dicts()}
    print(record("judges", figures, RESULTS), flush=True)


def of(name: str, card: pl.DataFrame) -> pl.DataFrame:
    """A card whose rows say whose it is."""
    return card.select(pl.lit(name).alias("judge"), pl.all())


def material() -> tuple[dict, dict]:
    """Rows and written notes by half; the judges' half without songs whose tune stands in the makers' half under another name."""
    rows = halves(labelled_songs())
    pieces = {half: written_all(part["content"]) for half, part in rows.items()}
    alike = twins(pieces, rows)
    keep = ~rows["judge"]["group"].is_in(list(alike))
    print(f"left out as twins: {', '.join(sorted(alike))}", flush=True)
    kept = [notes for notes, stays in zip(pieces["judge"], keep, strict=True) if stays]
    return {**rows, "judge": rows["judge"].filter(keep)}, {**pieces, "judge": kept}


def fit(names) -> None:
    """Fit, examine and ship; then examine on variations, and on music whose notes are all equally loud."""
    rows, pieces = material()
    maker = pieces["maker"]
    changed = {f"{OTHER}, first 16 seconds": [tiles(notes, 16)[0] for notes in maker],
               f"{OTHER}, varied": [varied(notes, 1) for notes in maker],
               f"{OTHER}, all notes equally loud": [np.c_[notes[:, :3], np.full(len(notes), 64.0)] for notes in maker]}
    for name in names:
        one = meet(fit_judge(name, rows["judge"], pieces["judge"], FOLDS.get(name, 5)), rows["maker"], maker)
        save_judge(one, PRETRAINED)
        print(one, flush=True)
        more = [examine(one.points([one.weigh(notes) for notes in some]), rows["maker"], heard) for heard, some in changed.items()]
        noted(of(name, pl.concat([one.card, *more])), "judges")


def trap(names) -> None:
    """The same judge taught on more and more of what it judges."""
    rows, pieces = material()
    for name in names:
        found = circular(judges()[name], pieces, rows, FOLDS.get(name, 5))
        noted(of(name, found.with_columns(heard=pl.lit("taught on ") + pl.col("heard"))), "trap")


def agree(_) -> None:
    """Agreement of the shipped judges on the human songs of the makers' half."""
    rows = halves(labelled_songs())["maker"]
    said = {name: one.read(rows["content"].to_list()) for name, one in load_judges().items()}
    table = agreement(said, rows.select("valence", "arousal").to_numpy())
    print(table)
    record("judges", {f"{row['judge']} and {row['other']}, r of {what}, {row['axis']}":
                      {"value": round(row[what], 4), "n": len(rows), "how": "python tests/bench/music.py agree"}
                      for row in table.to_dicts() for what in ("readings", "errors")}, RESULTS)
    both = np.mean(list(said.values()), 0)
    noted(of("mean of all", examine(both, rows, OTHER)), "agree")


if __name__ == "__main__":
    parts = {"judges": fit, "trap": trap, "agree": agree}
    if len(sys.argv) < 2 or sys.argv[1] not in parts:
        sys.exit(__doc__)
    parts[sys.argv[1]](sys.argv[2:] or list(judges()))
