"""Train the network that taps, choose the settings of the beat search, and record in results/beats.* how often beats are right.

    python tests/bench/beats.py train      the network from its teachers, into emonotes/pretrained/beats (ten minutes on one free core);
                                           killed and called again, it goes on
    python tests/bench/beats.py settings   prices of the search and the line of the confidence, on the works kept for settings: printed,
                                           to be written into nbs/05_music/03_beats.ipynb
    python tests/bench/beats.py examine    beats and bars of works held out, beside librosa (if it is installed) and a metronome
    python tests/bench/beats.py emopia     does the found tempo tell lively clips from calm ones?

Figures are of this machine; nothing is asserted. Needs ASAP (and the other teachers, and EMOPIA) in EMONOTES_DATA.
"""

import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import mir_eval
import numpy as np
import polars as pl

from emonotes.atlas.folders import cache_folder, data_folder, write_beside
from emonotes.course.record import record
from emonotes.errors import InputError
from emonotes.music.beats import Pulse, beats_of_notes, best_row, estimate_tempo, margin_of
from emonotes.music.marked import f_measure, from_asap, metronome, save_ear, teachers, train
from emonotes.music.tapping import hints, listen, notes_in_seconds
from emonotes.music.tokens import read_score

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
GRID = {"beat": [1, 2], "eager": [0.5, 1.5], "length": [0, 0.2, 0.4], "usual": [0, 0.2, 0.4], "change": [3, 8], "silent": [0.4, 1.2],
        "jump": [8, 18]}


def school() -> None:
    """Train and ship."""
    network = train(teachers(), cache_folder() / "beats")
    print(save_ear(network, ROOT / "emonotes/pretrained/beats/beats.safetensors"))


def cut(performance, seconds: float = 120.0):
    """The first two minutes from the first marked beat on."""
    end = performance.beats[0] + seconds
    kept = performance.beats < end
    notes = performance.notes[performance.notes[:, 0] < end]
    return replace(performance, notes=notes, beats=performance.beats[kept], down=performance.down[kept])


def right(marked, found) -> float:
    """F-measure within 70 ms, from the fifth second on, as is the custom."""
    marked, found = (mir_eval.beat.trim_beats(beats) for beats in (marked, found))
    return mir_eval.beat.f_measure(marked, found) if len(marked) else np.nan


def by_work(performances, figures) -> np.ndarray:
    """The mean over the works of each work's mean figure."""
    return pl.DataFrame({"work": [p.work for p in performances], "f": figures}).group_by("work", maintain_order=True).agg(
        pl.col("f").drop_nans().mean())["f"].drop_nulls().to_numpy()


def settings() -> None:
    """One price after another, changed where the mean F-measure over works gains more than two standard errors (the works are few, and
    the best of many tries flatters itself); then the line from margin to F-measure."""
    pupils = [cut(p) for p in from_asap(data_folder() / "asap_piano", range(60, 70), 3)]
    heard = [(times, *listen(table)) for times, table in (hints(p.notes) for p in pupils)]
    works = [p.work for p in pupils]
    firsts = [k for k, work in enumerate(works) if work not in works[:k]]

    def row(k, pulse):
        times, odds, _, lengths = heard[k]
        return best_row(times, odds, lengths, pulse)

    def scores(pulse):
        return np.array([f_measure(pupils[k].beats, row(k, pulse)) for k in firsts])

    pulse = Pulse()
    top = scores(pulse)
    print(f"{len(firsts)} works, {len(pupils)} performances; as it stands {top.mean():.4f}", flush=True)
    for name, value in ((name, value) for name, values in GRID.items() for value in values):
        tried = replace(pulse, **{name: value})
        gain = (now := scores(tried)) - top
        error = gain.std(ddof=1) / len(gain)**0.5
        print(f"{name} {value}: {gain.mean():+.4f} (standard error {error:.4f})", flush=True)
        if gain.mean() > 2 * error:
            pulse, top = tried, now
    print(pulse)
    rows = [row(k, pulse) for k in range(len(pupils))]
    f = np.array([f_measure(p.beats, found) for p, found in zip(pupils, rows, strict=True)])
    margin = np.array([margin_of(times, odds, found) for (times, odds, *_), found in zip(heard, rows, strict=True)])
    slope, level = np.polyfit(margin, f, 1, w=[works.count(work)**-0.5 for work in works])
    print(f"TRUST = ({level:.2f}, {slope:.2f}); r {np.corrcoef(margin, f)[0, 1]:.2f}")


def librosa(notes) -> np.ndarray:
    """Ellis's search on an envelope of 100 frames a second: loud, long and low onsets count more, smoothed over 70 ms."""
    from librosa.beat import beat_track

    envelope = np.zeros(int(notes[-1, 0] * 100) + 100)
    weight = notes[:, 3] / 64 * np.minimum(notes[:, 1], 1)**0.5 * (1 + (notes[:, 2] < 52))
    np.add.at(envelope, np.rint(notes[:, 0] * 100).astype(int), weight)
    envelope = np.convolve(envelope, np.hanning(7), "same")
    return beat_track(onset_envelope=envelope, sr=51_200, hop_length=512, start_bpm=110, trim=False)[1] / 100


def interval(values) -> dict:
    """Mean with a 95 % bootstrap interval over works."""
    draws = np.random.default_rng(0).choice(values, (2000, len(values))).mean(1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return {"value": round(float(values.mean()), 4), "low": round(float(low), 4), "high": round(float(high), 4), "n": len(values)}


def examine() -> None:
    """Held-out works, up to two performances of each."""
    pupils = [cut(p) for p in from_asap(data_folder() / "asap_piano", range(70, 100), 2)]
    answers = [beats_of_notes(p.notes) for p in pupils]
    rows = {"found beats": [a.times for a in answers], "metronome": [metronome(p.notes) for p in pupils]}
    try:
        rows["librosa"] = [librosa(p.notes) for p in pupils]
    except ImportError:
        print("librosa is not installed and was left out; pip install librosa==0.11.0")
    f = {name: np.array([right(p.beats, row) for p, row in zip(pupils, found, strict=True)]) for name, found in rows.items()}
    figures = {f"{name}, F of beats": interval(by_work(pupils, values)) for name, values in f.items()}
    for name in set(f) - {"found beats"}:
        figures[f"found beats less {name}, F of beats"] = interval(by_work(pupils, f["found beats"] - f[name]))
    bars = [right(p.beats[p.down], a.times[a.downbeat]) for p, a in zip(pupils, answers, strict=True)]
    figures["found beats, F of downbeats"] = interval(by_work(pupils, bars))
    octave = np.array([np.log2(a.tempo * np.median(np.diff(p.beats)) / 60) for p, a in zip(pupils, answers, strict=True)])
    figures["share of tempos within 10 %"] = interval(by_work(pupils, (np.abs(octave) < np.log2(1.1)).astype(float)))
    any_level = np.abs(octave - np.clip(np.rint(octave), -1, 1)) < np.log2(1.1)
    figures["share of tempos within 10 %, or of half or twice"] = interval(by_work(pupils, any_level.astype(float)))
    trust = np.array([a.confidence for a in answers])
    for bound in (0.6, 0.7, 0.8, 0.9):
        sure = trust >= bound
        mean = float(np.nanmean(f["found beats"][sure]))
        figures[f"F of beats where confidence is at least {bound}"] = {"value": round(mean, 4), "n": int(sure.sum())}
    table = pl.DataFrame({"performance": [p.name for p in pupils], "work": [p.work for p in pupils], "confidence": trust,
                          "octaves": octave, "downbeats": bars, **f}).sort("performance")
    write_beside(RESULTS / "beats.csv", lambda beside: table.write_csv(beside, float_precision=4))
    noted(figures, "examine")


def noted(figures: dict, part: str) -> None:
    """Print and record."""
    for name, figure in figures.items():
        print(f"{name}: {figure}")
    record("beats", {name: {**figure, "how": f"python tests/bench/beats.py {part}"} for name, figure in figures.items()}, RESULTS)


def emopia() -> None:
    """Area under the curve of lively (quadrants 1 and 2) against calm clips; intervals over songs."""
    from sklearn.metrics import roc_auc_score

    found = []
    with zipfile.ZipFile(data_folder() / "emopia" / "midis.zip") as archive:
        for name in sorted(n for n in archive.namelist() if n.endswith(".mid")):
            try:
                notes = notes_in_seconds(read_score(archive.read(name)))
            except InputError:
                continue
            beats, clip = beats_of_notes(notes), name.split("/")[-1]
            found.append((clip[3:].rsplit("_", 1)[0], clip[1] in "12", beats.tempo, estimate_tempo(notes[:, 0]),
                          len(notes) / notes[-1, 0], beats.confidence))
    songs, lively, *columns, trust = map(np.array, zip(*found, strict=True))
    names, which = np.unique(songs, return_inverse=True)
    members, rng = [np.flatnonzero(which == k) for k in range(len(names))], np.random.default_rng(0)
    draws = [np.concatenate([members[k] for k in rng.integers(0, len(names), len(names))]) for _ in range(500)]
    figures = {}
    for name, column in zip(("found tempo", "tempo by autocorrelation", "notes per second"), columns, strict=True):
        low, high = np.percentile([roc_auc_score(lively[i], column[i]) for i in draws], [2.5, 97.5])
        figures[f"EMOPIA, area under the curve of lively against calm, {name}"] = {
            "value": round(float(roc_auc_score(lively, column)), 4), "low": round(float(low), 4), "high": round(float(high), 4), "n": len(lively)}
    figures["EMOPIA, median confidence"] = {"value": round(float(np.median(trust)), 4), "n": len(trust)}
    noted(figures, "emopia")


if __name__ == "__main__":
    parts = {"train": school, "settings": settings, "examine": examine, "emopia": emopia}
    if len(sys.argv) != 2 or sys.argv[1] not in parts:
        sys.exit(__doc__)
    parts[sys.argv[1]]()
