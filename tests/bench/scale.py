"""Aggregate synthetic single ratings: seconds and memory, beside a pandas program, and on Ray.

    python tests/bench/scale.py                               10 million ratings, and ours against pandas on as many
    python tests/bench/scale.py --ratings 100000000 --record  the whole measurement, recorded in results/atlas.json

Each run is a fresh process; its seconds are those from the shards on disk to the finished table, imports left out. Figures are of
this machine; nothing is asserted but that the two programs agree.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIGURES = [f"{d}{what}" for d in ("valence", "arousal") for what in ("", "_sd", "_se", "_raw", "_sd_raw", "_se_raw")]


def made(folder, ratings: int):
    """Paths and scales of a synthetic set, made if it is not there yet."""
    from emonotes.atlas.synthetic import synthetic_ratings

    return synthetic_ratings(folder, ratings)


def ours(folder, ratings: int, engine: str = "local"):
    """Seconds and table of `aggregate_ratings`."""
    from emonotes.atlas.scale import aggregate_ratings

    paths, scales = made(folder, ratings)
    start = time.perf_counter()
    table = aggregate_ratings(paths, scales, engine)
    return time.perf_counter() - start, table


def with_pandas(folder, ratings: int):
    """Seconds and table of the pandas program: strings are kept by Arrow (the default of pandas 3), sources are categories, figures
    are mapped whole columns at a time, and the raw means, as all scales are straight lines, come back from the few rows at the end."""
    import pandas as pd
    import polars as pl

    _, scales = made(folder, ratings)
    scale = {source: both["valence"] for source, both in scales.items()}
    start = time.perf_counter()
    table = pd.read_parquet(folder, columns=["source", "stimulus", "valence_raw", "arousal_raw"])
    centre = table["source"].map({source: one.centre for source, one in scale.items()}).astype(float)
    slope = table["source"].map({source: one.direction * 2 / (one.high - one.low) for source, one in scale.items()}).astype(float)
    for d in ("valence", "arousal"):
        table[d] = (table[f"{d}_raw"] - centre) * slope
        if (table[d].abs() > 1 + 1e-9).any():
            raise ValueError("a figure is outside its scale")
    groups = table.groupby(["source", "stimulus"], sort=False, observed=True)[["valence", "arousal"]].agg(["count", "mean", "std"])
    rows = groups.index.to_frame(index=False).astype(str)
    centre, slope = (rows["source"].map({s: f(one) for s, one in scale.items()}).to_numpy() for f in (
        lambda one: one.centre, lambda one: one.direction * 2 / (one.high - one.low)))
    for d in ("valence", "arousal"):
        n, mean, sd = (groups[d][what].to_numpy() for what in ("count", "mean", "std"))
        for name, values in {"_n": n, "": mean, "_sd": sd, "_se": sd / n**0.5, "_raw": mean / slope + centre, "_sd_raw": sd / abs(slope),
                             "_se_raw": sd / abs(slope) / n**0.5}.items():
            rows[d + name] = values
    rows = rows.sort_values(["source", "stimulus"])
    taken = time.perf_counter() - start
    return taken, pl.DataFrame({name: rows[name].to_list() for name in rows}, strict=False).with_columns(pl.col(FIGURES).fill_nan(None))


WAYS = {"ours": ours, "pandas": with_pandas, "ray": lambda folder, ratings: ours(folder, ratings, "ray")}


def child(way: str, folder: str, ratings: str, out: str) -> None:
    """One measurement, in this process: a line of JSON, and the table in `out`."""
    import pandas  # noqa: F401  so that no way's seconds hold an import
    import polars as pl

    seconds, table = WAYS[way](folder, int(ratings))
    from emonotes.atlas.scale import peak_gb

    peak = peak_gb()
    table.select("source", "stimulus", pl.col("valence_n", "arousal_n").cast(pl.Int64), *FIGURES).write_parquet(out)
    print(json.dumps({"seconds": seconds, "peak_gb": peak, "rows": table.height}))


def fresh(way: str, folder: Path, ratings: int) -> dict:
    """One measurement in a fresh process, printed."""
    command = [sys.executable, __file__, "--child", way, str(folder), str(ratings), str(folder.parent / f"{way}.parquet")]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"{way} failed: {ended.stderr[-2000:]}")
    found = json.loads(ended.stdout.splitlines()[-1])
    print(f"{ratings:>12,} ratings, {way:6} {found['seconds']:7.2f} s {found['peak_gb']:6.2f} GB, {found['rows']:,} stimuli", flush=True)
    return found


def apart(place: Path, one: str, other: str) -> float:
    """Largest difference between the figures of two ways; keys and counts must be the same."""
    import polars as pl

    a, b = (pl.read_parquet(place / f"{way}.parquet") for way in (one, other))
    keys = ["source", "stimulus", "valence_n", "arousal_n"]
    if not a.select(keys).equals(b.select(keys)) or not all(a[n].is_null().equals(b[n].is_null()) for n in FIGURES):
        sys.exit(f"{one} and {other} do not count the same")
    return max((a[name] - b[name]).abs().max() for name in FIGURES)


def whole(place: Path, ratings: int, how: str) -> dict:
    """Seconds and peak memory of the largest set."""
    start = time.perf_counter()
    subprocess.run([sys.executable, __file__, "--make", str(place / "whole"), str(ratings)], check=True)
    print(f"{ratings:>12,} ratings, made in {time.perf_counter() - start:.0f} s", flush=True)
    found, size = fresh("ours", place / "whole", ratings), f"synthetic_{ratings // 1_000_000}m"
    return {f"{size}_s": {"value": round(found["seconds"], 2), "how": how, "n": ratings, "unit": "s"},
            f"{size}_peak_gb": {"value": round(found["peak_gb"], 2), "how": how, "n": ratings, "unit": "GB, resident"}}


def against_pandas(place: Path, ratings: int, how: str, times: int = 3) -> dict:
    """Ratio of medians of the two programs, taken in turn."""
    made(place / "pandas", ratings)
    taken = {"pandas": [], "ours": []}
    for _ in range(times):
        for way, seconds in taken.items():
            seconds.append(fresh(way, place / "pandas", ratings)["seconds"])
    print(f"largest difference between the two: {apart(place, 'ours', 'pandas'):.1e}")
    pairs = [a / b for a, b in zip(*taken.values(), strict=True)]
    ratio = statistics.median(taken["pandas"]) / statistics.median(taken["ours"])
    return {"pandas_ratio": {"value": round(ratio, 2), "low": round(min(pairs), 2), "high": round(max(pairs), 2), "n": times, "how": how,
                             "unit": f"times as fast as pandas on {ratings:,} ratings, medians; low and high of the pairs"}}


def on_ray(place: Path, ratings: int, how: str) -> dict:
    """Largest difference between Ray on two local workers and this process."""
    made(place / "ray", ratings)
    for way in ("ours", "ray"):
        fresh(way, place / "ray", ratings)
    return {"ray_max_difference": {"value": float(f"{apart(place, 'ours', 'ray'):.2g}"), "how": how, "n": ratings,
                                   "unit": "largest difference of any figure"}}


def main() -> None:
    """Measure, print, and with --record keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratings", type=int, default=10_000_000, help="of the largest set")
    parser.add_argument("--against", type=int, default=10_000_000, help="ratings of the race against pandas; 0 for none")
    parser.add_argument("--ray", type=int, default=2_000_000, help="ratings of the comparison with Ray; 0 for none")
    parser.add_argument("--folder", default=None, help="where the shards are made for the while (default: the temporary folder)")
    parser.add_argument("--record", action="store_true", help="keep the figures in results/atlas.json")
    options = parser.parse_args()
    how, figures = f"python tests/bench/scale.py --ratings {options.ratings} --against {options.against} --ray {options.ray} --record", {}
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        figures |= whole(Path(place), options.ratings, how) if options.ratings else {}
        figures |= against_pandas(Path(place), options.against, how) if options.against else {}
        figures |= on_ray(Path(place), options.ray, how) if options.ray else {}
    for name, figure in figures.items():
        print(f"{name:28} {figure['value']:g}")
    if options.record:
        from emonotes.course.record import record

        print(record("atlas", figures, ROOT / "results"))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    elif sys.argv[1:2] == ["--make"]:
        made(sys.argv[2], int(sys.argv[3]))
    else:
        main()
