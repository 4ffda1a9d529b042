"""The main job: the atlas, the fit with its held-out table, the book, and four clips; again, only what changed."""

import json
import os
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path

from emonotes.course.chapter import write_text
from emonotes.course.execute import describe_inputs, execute_book, package_hash
from emonotes.errors import InputError

SENTENCE = "Sunlight on fresh snow, and nowhere to be."
CLIPS = (("tiramisu", "food", "tiramisu", "the dish 'tiramisu'"),
         ("CC(=O)OCCC(C)C", "odour", "banana", "isoamyl acetate, the smell of banana"),
         ("skimage:coffee", "image", "photograph", "a photograph of a cup of coffee"))


def _unchanged(stamp: Path, said: str, made: list[Path]) -> bool:
    """True when the stamp holds these inputs and everything that was made from them is still there."""
    return stamp.is_file() and stamp.read_text() == said and all(path.exists() for path in made)


def fit_table(out: Path, tiny: bool, seed: int, say=print) -> Path:
    """Fit on what is at hand, write the held-out table (`held_out.csv`) and the space; skipped when nothing changed."""
    table, stamp = out / "results" / "held_out.csv", out / "results" / ".held_out"
    inputs = blake2b(f"{package_hash()} {describe_inputs()} {tiny} {seed}".encode()).hexdigest()
    if _unchanged(stamp, inputs, [table, out / "space" / "space.json"]):
        return table
    from emonotes.align.fit import FitConfig, fit
    from emonotes.align.heldout import calibrate, cross_validate, held_out_table
    from emonotes.align.ratings import gather
    from emonotes.atlas.build import load

    config = FitConfig(steps=60, seed=seed) if tiny else FitConfig(seed=seed)
    say("reading the atlas and embedding its stimuli")
    data = gather(load(), *([150] if tiny else []))
    say("five folds, no shared group")
    predicted = cross_validate(data, config, folds=3 if tiny else 5)
    rows = held_out_table(data, predicted, draws=100 if tiny else 500, seed=seed)
    space = fit(data, config, progress=True, checkpoint=out / "space" / "fit.safetensors")
    calibrate(space, data, predicted).save(out / "space")
    (out / "space" / "fit.safetensors").unlink(missing_ok=True)
    write_text(table, rows.write_csv(float_precision=6))
    write_text(stamp, inputs)
    return table


def make_clips(out: Path, sentence: str, seed: int, seconds: float = 20.0) -> list[dict]:
    """The four clips of the main job, each with its point, plan and files; kept when nothing they depend on changed."""
    from emonotes.pipeline import compose

    record, stamp = out / "clips" / "clips.json", out / "clips" / ".clips"
    wanted = [*CLIPS, (sentence, "text", "sentence", f"the sentence \"{sentence}\"")]
    inputs = blake2b(f"{package_hash()} {os.environ.get('EMONOTES_ENCODERS', '')} {wanted} {seed} {seconds}".encode()).hexdigest()
    if _unchanged(stamp, inputs, [record]):
        clips = json.loads(record.read_text())
        if all(Path(path).exists() for clip in clips for path in clip["files"].values()):
            return clips
    (out / "clips").mkdir(parents=True, exist_ok=True)
    clips = [asdict(compose(item, modality, seconds=seconds, seed=seed + i, out=out / "clips" / name)) | {"title": title}
             for i, (item, modality, name, title) in enumerate(wanted)]
    write_text(record, json.dumps(clips, indent=1) + "\n")
    write_text(stamp, inputs)
    return clips


def told(clip: dict) -> str:
    """One clip in four lines."""
    felt = clip["feelings"][0]
    spans = [f"{name} {felt[name]:+.2f} [{felt[f'{name}_interval'][0]:+.2f}, {felt[f'{name}_interval'][1]:+.2f}]"
             for name in ("valence", "arousal")]
    return (f"{clip['title']}\n  {'  '.join(spans)}  (90 % interval; read by {felt['encoder']})\n"
            f"  {clip['words']}\n  {clip['seconds']:.0f} s, {clip['level']:.0f} dBFS: {'  '.join(clip['files'].values())}")


def run(out: str | Path = "_build", tiny: bool = False, seed: int = 0, sentence: str = SENTENCE, nbs: str | Path = "nbs",
        say=print) -> dict:
    """Everything `make run` promises; returns where the table, the book and the clips are.

    The book needs the notebooks (`nbs`); without them (an installed package) it is left out and that is said.
    Raises `InputError` when a chapter fails, after everything else was done.
    """
    out = Path(out)
    table = fit_table(out, tiny, seed, say)
    book, failed = None, []
    if Path(nbs).is_dir():
        from emonotes.course.html import build_html

        results = execute_book(nbs, out / "executed", tiny=True, seed=seed)
        failed = [result for result in results if result.status == "failed"]
        book = build_html(out / "executed", out / "html")
    else:
        say(f"there is no folder '{nbs}' here, so the book is left out; run this from the repository for the book")
    clips = make_clips(out, sentence, seed)
    say("\n".join(["", *map(told, clips), "", f"held-out figures: {table}", *([f"the book: {book}"] if book else [])]))
    if failed:
        raise InputError(f"{len(failed)} of {len(results)} chapters failed ({', '.join(r.name for r in failed)}); "
                         "see the lines above, mend them and run again")
    return {"table": str(table), "book": str(book) if book else None, "clips": clips}
