"""Measure the judges of music and what they read in ours; results/judges.* and results/music.json with its tables.

    python tests/bench/music.py judges [NAME ...]   fit each judge (or those named) on its half, examine it on the makers' half, and
                                                    write it to emonotes/pretrained/judges (a quarter of an hour on one core)
    python tests/bench/music.py trap [NAME ...]     what sharing songs does to a judge's figures (half an hour on one core)
    python tests/bench/music.py agree               do the shipped judges agree, and do they err alike?
    python tests/bench/music.py ear                 fit the composer's ear on the makers' half and write it to emonotes/pretrained/ear
    python tests/bench/music.py rehearse            guidance, mending and articulation, one at a time, as the composer's ear hears them
    python tests/bench/music.py distil FOLDER       ship the weights of `emonotes train-music FOLDER`, guidance learnt (half an hour)
    python tests/bench/music.py aim                 fit the shipped middle decoder; where it aims, its ear chooses (a quarter of an hour)
    python tests/bench/music.py control             the grid and the quadrants' centres, ours and baselines, as the judges read them (an hour)
    python tests/bench/music.py thousand            the same pieces: whole, new, varied, like music (needs the free corpora too)
    python tests/bench/music.py speed               music per second of computing
    python tests/bench/music.py gpu                 training and writing on a GPU

What was written is kept in the cache: killed and called again, each goes on. Figures are of this machine; nothing is asserted. Needs EMOPIA
and VGMIDI in EMONOTES_DATA.
"""

import hashlib
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from scipy.optimize import differential_evolution

from emonotes.affect.space import QUADRANT_CENTRES
from emonotes.align.ear import EAR, hear, load_ear
from emonotes.align.judge_trials import OTHER, agreement, circular, examine, fit_judge, meet, twins, weights_of
from emonotes.align.judges import (
    PRETRAINED,
    halves,
    judges,
    labelled_songs,
    load_judges,
    save_judge,
    score_of,
    share_of,
    tiles,
    varied,
    written_all,
)
from emonotes.align.metrics import pearson
from emonotes.atlas.folders import cache_folder, data_folder, write_beside
from emonotes.course.record import record
from emonotes.music.composing import DRAFTS, plans_for
from emonotes.music.corpora import batch_of
from emonotes.music.decoder import PLAYED_SHARE, fit_decoder, labelled, load_decoder, save_decoder
from emonotes.music.distilling import Guided, evenly, own_pieces
from emonotes.music.likeness import distances, polyphony
from emonotes.music.lm import LMConfig, load_lm, read_corpora, save_lm, surprise, train, training_facts
from emonotes.music.sampling import Style
from emonotes.studies import thousand as study
from emonotes.studies.control import (
    AT_CENTRES,
    MEASURES,
    WAYS,
    both,
    figures,
    grid,
    music,
    pieces_for,
    readings,
)

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
DECODER, LM = (ROOT / "emonotes" / "pretrained" / name for name in ("middle_decoder", "music_lm"))
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


def table(name: str, rows: pl.DataFrame) -> None:
    """A table as results/<name>.csv."""
    write_beside(RESULTS / f"{name}.csv", lambda beside: rows.write_csv(beside, float_precision=4))


def ear(_) -> None:
    """Fit the composer's ear on the makers' half, and ship it."""
    rows = halves(labelled_songs())["maker"]
    pieces = written_all(rows["content"])
    for kind in judges().values():
        save_judge(kind.fit(pieces, share_of(rows), weights_of(rows), 0), EAR)


def rehearse(_) -> None:
    """Strengths of guidance and mending, and the pianists' share in the level of articulation, one at a time, on a coarse grid and on the quadrants'
    centres, read by the composer's ear alone, one draft each; and how many notes sound together on the grid."""
    readers, clips, shipped, rows = load_ear(), labelled(labelled_songs()), load_decoder(), []
    usual = PLAYED_SHARE["articulation"]
    for guidance, mending, share in ((1, 1, usual), (1.75, 1, usual), (1, 0, usual), (1, 1, 0), (1, 1, 0.5), (1, 1, 1)):
        decoder, style, at = replace(shipped, lines=fit_decoder(clips, {"articulation": share}).lines), Style(guidance=guidance, mending=mending), {}
        for measures, points, seeds in ((AT_CENTRES, list(QUADRANT_CENTRES.values()), 25), (MEASURES, grid(9), 2)):
            wanted = np.repeat(np.asarray(points, float), seeds, axis=0)
            pieces = music([plans_for(va, 30, 500 + k, decoder) for k, va in enumerate(wanted)], [[500 + k, 0] for k in range(len(wanted))], style)
            for name, reader in readers.items():
                read = both(readings(pieces, wanted, {name: reader}))
                at.setdefault(name, {}).update({key: measure(*read) for key, measure in measures.items()})
        sounding = float(np.median([polyphony(cut, study.BARS) for cut, _ in study.first_bars(pieces)]))
        setting = {"guidance": float(guidance), "mending": float(mending), "articulation": float(share), "polyphony": sounding}
        rows += [{**setting, "reader": name, **found} for name, found in at.items()]
        table("rehearsal", pl.DataFrame(rows))
        print(rows[-2:], flush=True)


REACH = np.array([2.2, 1.6])  # how far out music is aimed in valence and arousal; the typical plan of a label is aimed at with 1 or less


def aims(decoder, half: int = 400) -> tuple[list, list, np.ndarray]:
    """Plans and seeds of pieces aimed evenly up to `REACH`, and the points aimed at."""
    wide = replace(decoder, aim=np.column_stack([np.zeros(2), np.diag(REACH), np.zeros(2)]), bend=np.ones(2))
    points = np.vstack([np.random.default_rng([5, part]).uniform(-1, 1, (half, 2)) for part in (0, 1)])
    seeds = [*range(half), *range(10_000, 10_000 + half)]
    return [plans_for(point, 24, seed, wide) for seed, point in zip(seeds, points, strict=True)], seeds, points * REACH


def responses(decoder) -> tuple[np.ndarray, dict, np.ndarray]:
    """What is aimed at all over the plane, `float64[n, 2]`, what each reader of the ear reads in the music for it, and where they hear its
    opening, `float64[readers, n, 2]`."""
    plans, seeds, aimed = aims(decoder)
    pieces = music(plans, seeds)
    read = {name: np.asarray(reader.read([piece.score for piece in pieces])) for name, reader in load_ear().items()}
    return aimed, read, hear([piece.opening.score for piece in pieces])


def response_table(aimed, read: dict) -> pl.DataFrame:
    """Mean readings, their spread in valence and the number of pieces, by reader and by the middle of a cell of aims."""
    cell, many = np.floor((aimed + REACH) / (2 * REACH) * [8, 6]), pl.col("read_valence", "read_arousal").mean()
    middle = (cell + 0.5) / [4, 3] * REACH - REACH
    rows = [pl.DataFrame({"reader": name, "valence": middle[:, 0].round(3), "arousal": middle[:, 1].round(3), "read_valence": one[:, 0],
                          "read_arousal": one[:, 1]}) for name, one in read.items()]
    spread = pl.col("read_valence").std().alias("spread")
    return pl.concat(rows).group_by("reader", "valence", "arousal").agg(many, spread, pl.len().alias("n")).sort("reader", "valence", "arousal")


def foretold(aimed, read: dict, opening, near: int = 12) -> pl.DataFrame:
    """How well what a reader hears in an opening foretells what it hears in the whole piece, what was aimed at aside (the mean of the `near` other
    pieces with the nearest aims is taken off both): `reader, axis, r, n`."""
    from scipy.spatial import cKDTree

    others, rows = cKDTree(aimed).query(aimed, near + 1)[1][:, 1:], []
    for (name, whole), first in zip(read.items(), opening, strict=True):
        own = [one - one[others].mean(1) for one in (first, whole)]
        rows += [{"reader": name, "axis": axis, "r": pearson(own[0][:, k], own[1][:, k]), "n": len(aimed)}
                 for k, axis in enumerate(("valence", "arousal"))]
    return pl.DataFrame(rows)


def foreseen(decoder, aimed, read: dict, opening, near: int = 12, drafts: int = DRAFTS, seed: int = 0) -> dict:
    """The figures of `control`, the worst listener's of each, that a decoder would have if the drafts of each piece were read like some, by lot, of
    the `near` pieces whose aims are nearest to its own, and the draft with the best opening were kept. The listeners are the two readers and two
    strangers, each as far beyond one of them as their mean is from it. Points by lot around the quadrants' centres stand for them."""
    from scipy.spatial import cKDTree

    rng, tree, worst = np.random.default_rng(seed), cKDTree(aimed), {}
    first, second = read.values()
    listeners = [np.clip((first + second) / 2 + far * (first - second), -1, 1) for far in (-1, -0.5, 0.5, 1)]
    centres = np.repeat(list(QUADRANT_CENTRES.values()), 100, axis=0)
    for measures, points in ((MEASURES, np.repeat(grid(), 3, axis=0)), (AT_CENTRES, centres + rng.uniform(-0.15, 0.15, centres.shape))):
        points = np.asarray(points, float)
        others = tree.query(np.clip(decoder.aimed(points), -REACH, REACH), near)[1]
        others = np.take_along_axis(others, rng.permuted(np.tile(np.arange(near), (len(points), 1)), axis=1)[:, :drafts], axis=1)
        best = np.linalg.norm(opening[:, others] - points[:, None], axis=-1).mean(0).argmin(1)
        kept = others[np.arange(len(points)), best]
        for name, measure in measures.items():
            values = [measure(points, one[kept]) for one in listeners]
            worst[name] = max(values) if name in ("l1", "angle") else min(values)
    return worst


def worth(found: dict) -> float:
    """Figures as one number: each counts up to what is enough, and the directions that stay wrong count against it."""
    enough = {"4Q": (0.8, 0.16, 3), "r_v": (0.65, 0.2, 2), "r_a": (0.8, 0.12, 1), "intensity": (0.5, 0.2, 3)}
    least = {**found, "intensity": min(found[f"intensity_q{number}"] for number in QUADRANT_CENTRES)}
    return sum(weight * min(least[name] - low, most) for name, (low, most, weight) in enough.items()) - found["l1"] / 2 - found["angle"] / 60


def aim(_) -> None:
    """Fit the shipped middle decoder, and choose where it aims by what its ear hears of music aimed all over: results/response.csv, and what it
    hears of openings: results/opening.csv. One draft counts as much as the best one, for others hear only a part of what the ear prefers."""
    held = fit_decoder(labelled(labelled_songs()))
    heard = responses(held)
    table("response", response_table(*heard[:2]))
    table("opening", foretold(*heard))

    def aiming(numbers):
        return replace(held, bend=numbers[:2].round(2), aim=numbers[2:].reshape(2, 4).round(2))

    def loss(numbers):
        return -np.mean([worth(foreseen(aiming(numbers), *heard, drafts=drafts, seed=seed)) for seed in range(2) for drafts in (1, DRAFTS)])

    bounds = [(1, 2), (1, 2), (-0.8, 0.2), (1, 2.6), (0, 0.6), (-1, 0.5), (-0.2, 0.4), (-0.3, 0.4), (0.8, 2), (-1.3, 0.5)]
    best = aiming(differential_evolution(loss, bounds, maxiter=40, popsize=8, rng=1, polish=False, init="sobol").x)
    print(best.bend, best.aim, *({name: round(value, 3) for name, value in foreseen(best, *heard, drafts=drafts, seed=9).items()}
                                 for drafts in (1, DRAFTS)), sep="\n")
    facts = json.loads((DECODER / "decoder.json").read_text(encoding="utf-8"))
    save_decoder(best, DECODER, **{name: value for name, value in facts.items() if name not in ("fields", *vars(held))})


def distil(names) -> None:
    """Ship the weights that `emonotes train-music` wrote to a folder, and teach them to answer as they do with guidance, by people's pieces and
    by their own: results/distilled.csv."""
    shutil.copytree(names[0], LM, dirs_exist_ok=True)
    load_lm.cache_clear()
    loss, config, (corpus, unseen) = Guided(load_lm()), LMConfig(dropout=0.0), read_corpora(data_folder())
    plans, seeds, _ = aims(fit_decoder(labelled(labelled_songs())))
    own = own_pieces(music(plans, seeds, Style(guidance=loss.guidance)))
    place = cache_folder() / "distilling" / hashlib.sha256((LM / "model.safetensors").read_bytes()).hexdigest()[:12]
    student, losses = train(evenly(corpus, own), place, config, 400, rate=4e-4, save_every=20, start=loss.teacher, loss=loss)
    facts, curve = training_facts(), [round(float(np.mean(part)), 4) for part in np.array_split(losses, 40)]
    guidance = {"learnt": loss.guidance, "steps": len(losses), "curve": curve}
    save_lm(student, LM, LMConfig(), **{name: value for name, value in facts.items() if name != "config"}, guidance=guidance)
    table("distilled", distances_of(loss, student, {"people's, kept aside": unseen, "its own, learnt from": own}))


def distances_of(loss, student, pieces: dict) -> pl.DataFrame:
    """How far a model is from its guided teacher and how surprised it is, in nats a word, before and after it learnt from it."""
    rows = []
    for whose, some in pieces.items():
        for when, model in (("before", loss.teacher), ("after", student)):
            with torch.inference_mode():
                far = np.mean([float(loss(model, batch_of(some, step, 4, 1024, 9))) for step in range(8)])
            rows.append({"pieces": whose, "weights": when, "from the guided teacher": far, "surprise": surprise(model, some)})
    return pl.DataFrame(rows)


def control(_) -> None:
    """The whole grid and a hundred pieces for each quadrant's centre, ours and both baselines, as both judges read them."""
    clips, judged, found, points = labelled(labelled_songs()), load_judges(), [], []
    for way in WAYS:
        for measures, where, seeds in ((AT_CENTRES, list(QUADRANT_CENTRES.values()), 102), (MEASURES, grid(), 3 if way == "ours" else 1)):
            read = readings(*pieces_for(way, where, seeds, clips=clips), judged, way)
            found.append(figures(read, measures))
            print(found[-1], flush=True)
        points.append(read.group_by("way", "judge", "valence", "arousal", maintain_order=True).agg(pl.col("read_valence", "read_arousal").mean()))
    found = pl.concat(found)
    table("control", found)
    table("control_points", pl.concat(points))
    best = found.filter(pl.col("way") == "ours")
    names = {"control_r_v": "r_v", "control_r_a": "r_a", "quad_accuracy": "4Q", "angle_error_deg": "angle", "control_l1": "l1"}
    kept = {name: worse(best.filter(pl.col("measure") == measure)) for name, measure in names.items()}
    kept["intensity_rho_min"] = worse(best.filter(pl.col("measure").str.starts_with("intensity")))
    print(record("music", kept, RESULTS))


def thousand(_) -> None:
    """The pieces of `control`: whole, new, varied, like music; and their Fréchet distance from unseen human pieces beside that of both baselines."""
    train, unseen = study.trained_and_unseen(data_folder())
    groups, middle, tempi = study.human_clips(unseen)
    corners, _ = pieces_for("ours", list(QUADRANT_CENTRES.values()), 102)
    pieces, _ = pieces_for("ours", grid(), 3)
    near = (pl.col("bars_off").abs() <= 1) & (pl.col("over").abs() <= 1)
    checked = pl.DataFrame([study.whole(piece) for piece in pieces + corners]).with_columns(near=near)
    table("whole", checked.group_by("parses", "ends", "bars_off").agg(pieces=pl.len(), shortest=pl.col("over").min(), longest=pl.col("over").max()))
    rates = {"parse_rate": (checked["parses"] & checked["ends"]).mean(), "length_within_bar": checked["near"].mean()}
    print(record("music", {name: {"value": value, "n": len(checked), "unit": "share of pieces", "how": "python tests/bench/music.py thousand"}
                           for name, value in rates.items()}, RESULTS), rates, flush=True)
    table("varied", study.varied(pieces, 3, groups))
    table("likeness", study.like_music(pieces, middle, tempi))
    clips = labelled(labelled_songs())
    sets = {"ours": pieces[::3], **{way: pieces_for(way, grid(), 1, clips=clips)[0] for way in WAYS[2:]}}
    human = [[(cut, tempo) for cut in cuts[::max(1, len(cuts) // 6)][:6]] for cuts, tempo in zip(groups, tempi, strict=True)]
    table("frechet", apart({name: study.first_bars(some) for name, some in sets.items()}, human))
    table("copied", study.copied([piece.notes for piece in (pieces + corners)[:1000]], train, unseen))


def apart(sets: dict, human: list, most: int = 200) -> pl.DataFrame:
    """Fréchet distances of rendered clips `[(notes, tempo), ...]` by name from those of half of the `human` pieces, some clips of each; those of the
    other half say how near one can come."""
    from emonotes.encoders.musicnn import Heard, Musicnn

    ear, order = Heard(Musicnn()), np.random.default_rng(0).permutation(len(human))
    half, others = ([clip for i in some for clip in human[i]] for some in (order[::2], order[1::2]))
    sets = {"reference": half, "other people's pieces": others, **sets}
    even = {name: np.linspace(0, len(some) - 1, min(most, len(some))).astype(int) for name, some in sets.items()}
    heard = {name: ear.encode([played(*some[i]) for i in even[name]]) for name, some in sets.items()}
    found = distances(heard.pop("reference"), heard)
    return pl.DataFrame([{"set": name, **one} for name, one in found.items()])


def played(notes, tempo: float):
    """A clip of notes in beats as a score in seconds."""
    return score_of(notes * [60 / tempo, 60 / tempo, 1, 1]).to("tick")


def worse(rows: pl.DataFrame) -> dict:
    """The row of the judge that reads the music worse (angle and L1: greater, all others: smaller), as a figure."""
    row = rows.sort("value", descending=rows["measure"][0] in ("angle", "l1")).row(0, named=True)
    return {**{name: round(row[name], 4) for name in ("value", "low", "high")}, "n": row["n"], "unit": f"{row['measure']} by judge '{row['judge']}'",
            "how": "python tests/bench/music.py control"}


def speed(_) -> None:
    """Music per second of computing, alone and with eight together, and against `generate`."""
    from test_music_speed import generate_ratio, real_time

    units = {"rtf": "times real time", "rtf_batch8": "times real time, eight together", "rtf_one_draft": "times real time, without the ear",
             "rtf_batch8_one_draft": "times real time, eight together, without the ear",
             "generate_ratio": "times as fast as generate, the same words"}
    found = {"rtf": real_time(1, runs=8), "rtf_batch8": real_time(8, runs=4), "rtf_one_draft": real_time(1, runs=8, ear=False),
             "rtf_batch8_one_draft": real_time(8, runs=4, ear=False), "generate_ratio": generate_ratio(10)}
    print(record("music", {name: {**{k: round(v, 3) for k, v in one.items()}, "unit": units[name], "how": "python tests/bench/music.py speed"}
                           for name, one in found.items()}, RESULTS), found)


def gpu(_) -> None:
    """Training and writing on a GPU."""
    import torch
    from test_music_speed import on_gpu

    from emonotes.music.corpora import SCORES, read_corpus

    units = {"gpu_training": "words per second, batches of 64, no dropout",
             "gpu_training_share": "share of the rate of a large bfloat16 matrix product",
             "gpu_writing": "words per second by generate of transformers, 256 pieces together"}
    found, card = on_gpu(read_corpus(None, SCORES)), torch.cuda.get_device_name()
    print(record("music", {name: {**{k: round(v, 4) for k, v in one.items()}, "unit": f"{units[name]}, on one {card}",
                                  "how": "python tests/bench/music.py gpu"} for name, one in found.items()}, RESULTS), found)


if __name__ == "__main__":
    parts = {"judges": fit, "trap": trap, "agree": agree, "rehearse": rehearse, "distil": distil, "aim": aim, "ear": ear, "control": control,
             "thousand": thousand, "speed": speed, "gpu": gpu}
    if len(sys.argv) < 2 or sys.argv[1] not in parts:
        sys.exit(__doc__)
    parts[sys.argv[1]](sys.argv[2:] or list(judges()))
