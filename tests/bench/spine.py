"""Measure the whole path and record it in results/spine.json.

    python tests/bench/spine.py quick       import time, warm composition, control of the music, and the held-out table
                                            of the last `emonotes run`
    python tests/bench/spine.py whole       a fresh clone: `make run` twice and `make test`, time and peak memory

Figures are of this machine; nothing is asserted.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import psutil

from emonotes.course.record import record

ROOT = Path(__file__).parents[2]


def figure(value, how, **more):
    return {"value": round(float(value), 4) if isinstance(value, (int, float, np.floating)) else value, "how": how, **more}


def import_seconds(times: int = 7) -> dict:
    """Median seconds of `import emonotes` in a fresh interpreter, the bare interpreter's start taken off."""
    def once(code):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    taken = [once("import emonotes, emonotes.pipeline") - once("pass") for _ in range(times)]
    return {"import_s": figure(statistics.median(taken), "python tests/bench/spine.py quick", n=times, unit="s")}


def compose_seconds(times: int = 5) -> dict:
    """Median seconds to compose and render 20 s of music once everything is loaded."""
    from emonotes.pipeline import compose

    taken = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(times + 1):
            start = time.perf_counter()
            compose(va=[(0.5, 0.5), (-0.5, -0.5), (0.5, -0.5)][i % 3], seconds=20, seed=i, out=folder)
            taken.append(time.perf_counter() - start)
    return {"compose_20s_s": figure(statistics.median(taken[1:]), "python tests/bench/spine.py quick", n=times, unit="s")}


def modalities(table: Path) -> dict:
    """The held-out table of the last full run, one entry per sense, encoder and coordinate."""
    rows = pl.read_csv(table).to_dicts()
    return {"modalities": figure(rows, "emonotes run", n=len(rows), unit="Pearson r on unseen groups")}


def controls(clips: int = 32) -> dict:
    """What 32 clips per quadrant centre sound like: means with 95 % bootstrap intervals, high against low."""
    from emonotes.affect.space import QUADRANT_CENTRES
    from emonotes.align.metrics import resamples
    from emonotes.music.composing import write
    from emonotes.music.decoder import load_decoder

    decoder, wanted = load_decoder(), np.repeat(list(QUADRANT_CENTRES.values()), clips, axis=0)
    pieces = [piece for start in range(0, len(wanted), 8) for piece in
              write([decoder.plans([va] * 8, seed=start + k) for k, va in enumerate(wanted[start:start + 8])], list(range(start, start + 8)))]
    heard = [{name: float(np.mean([getattr(plan, name) for plan in piece.heard])) for name in ("tempo", "density", "loudness", "majorness")}
             for piece in pieces]
    made = pl.DataFrame(heard).with_columns(valence=pl.Series(wanted[:, 0]), arousal=pl.Series(wanted[:, 1]),
                                            obeyed=pl.Series([(row["majorness"] >= 0) == (piece.plan.mode == "major")
                                                              for row, piece in zip(heard, pieces, strict=True)]))
    out, how = {}, "python tests/bench/spine.py quick"
    out["control_mode_obeyed"] = figure(made["obeyed"].mean(), how, n=len(made))
    for name, axis, unit in [("tempo", "arousal", "bpm, as the plan sets it"), ("density", "arousal", "onsets per second"),
                             ("loudness", "arousal", "MIDI velocity"), ("majorness", "valence", "best major fit less best minor fit")]:
        high, low = (made.filter(pl.col(axis) * sign > 0)[name].to_numpy() for sign in (1, -1))
        draws = [high[a].mean() - low[b].mean() for a, b in
                 zip(resamples(range(len(high)), 2000, 1), resamples(range(len(low)), 2000, 2), strict=True)]
        for part, values in (("high", high), ("low", low)):
            out[f"control_{name}_{part}_{axis}"] = figure(values.mean(), how, n=len(values), unit=unit)
        out[f"control_{name}_gain"] = figure(high.mean() - low.mean(), how, n=len(made), unit=unit,
                                             low=round(float(np.quantile(draws, 0.025)), 4), high=round(float(np.quantile(draws, 0.975)), 4))
    return out


def _peak(process: psutil.Process, seen: list) -> None:
    """Follow the proportional memory of a process and its children."""
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        total = 0
        for one in [process, *process.children(recursive=True)]:
            try:
                total += one.memory_full_info().pss
            except psutil.Error:
                continue
        seen.append(total)
        time.sleep(1)


def _timed(command, folder) -> tuple[float, float]:
    """Seconds and peak GB of a command."""
    start, seen = time.perf_counter(), [0]
    (ROOT / "_build").mkdir(exist_ok=True)
    with (ROOT / "_build" / "bench.log").open("a") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        watcher = threading.Thread(target=_peak, args=(psutil.Process(process.pid), seen), daemon=True)
        watcher.start()
        if process.wait():
            sys.exit(f"{command} failed; see _build/bench.log")
    return time.perf_counter() - start, max(seen) / 1e9


def whole() -> dict:
    """A fresh clone with an empty cache: `make run`, `make run` again, `make test`. With data folders set, the figures
    carry the ending `_data`."""
    how, ending = "python tests/bench/spine.py whole", "_data" if os.environ.get("EMONOTES_DATA") else ""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "emonotes"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        os.environ["EMONOTES_CACHE"] = str(Path(folder) / "cache")
        cold, peak = _timed(["make", "run"], clone)
        warm, _ = _timed(["make", "run"], clone)
        test, test_peak = _timed(["make", "test"], clone)
        shutil.copytree(clone / "_build" / "clips", ROOT / "_build" / f"bench_clips{ending}", dirs_exist_ok=True)
    memory = "GB, proportional set size of all processes"
    return {f"run_cold{ending}_s": figure(cold, how, unit="s"), f"run_warm{ending}_s": figure(warm, how, unit="s"),
            f"run_peak{ending}_gb": figure(peak, how, unit=memory), f"test{ending}_s": figure(test, how, unit="s"),
            f"test_peak{ending}_gb": figure(test_peak, how, unit=memory)}


def main(what: str = "quick") -> None:
    """Measure and record."""
    if what == "whole":
        figures = whole()
    else:
        table = ROOT / "_build" / "results" / "held_out.csv"
        figures = import_seconds() | compose_seconds() | controls() | (modalities(table) if table.exists() else {})
    print(record("spine", figures, ROOT / "results"))


if __name__ == "__main__":
    main(*sys.argv[1:])
