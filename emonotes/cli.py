"""The command line: feel, match, compose, training the composer, listening tests, atlas, run. A user's mistake is one sentence and exit code 2."""

import errno
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from emonotes.errors import InputError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Emotion as the common tongue of the senses: read valence and arousal from anything, and play it.")
atlas_app = typer.Typer(no_args_is_help=True, help="The atlas: scattered affect studies in one table.")
app.add_typer(atlas_app, name="atlas")

Modality = Annotated[str | None, typer.Option("--modality", "-m", help="text, word, food, image, odour, taste, music, "
                                              "sound, touch, colour, temperature; guessed from the item if left out")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON value, for machines")]
Seed = Annotated[int, typer.Option(help="the same seed gives the same result")]
FORMATS_HELP = ("ogg, wav, flac, mp3 (sound), mid (MIDI), musicxml (a sheet), png, svg, pdf (a piano roll); several with commas, or again; "
                "ogg,mid if left out")
INSTRUMENT_HELP = "piano, harp, flute, strings, choir ..., any General MIDI name, or its number 0..127; piano if left out"


def _print_json(value) -> None:
    print(json.dumps(value, ensure_ascii=False, default=str))


def _table(frame, title: str | None = None) -> None:
    """A polars frame as a table on the terminal."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(*map(str, frame.columns), title=title)
    for row in frame.iter_rows():
        shown.add_row(*(f"{cell:+.2f}" if isinstance(cell, float) else str("" if cell is None else cell) for cell in row))
    Console().print(shown)


@app.command()
def feel(items: Annotated[list[str], typer.Argument(help="sentences, words, files, SMILES, colours or temperatures")],
         modality: Modality = None,
         coverage: Annotated[float, typer.Option(help="coverage of the interval, between 0 and 1")] = 0.9,
         as_json: Json = False):
    """Where does it lie on the plane, and how sure is that?"""
    from emonotes.pipeline import feel_all

    felt = feel_all(items, modality, coverage)
    if as_json:
        _print_json([asdict(f) for f in felt])
    for f in [] if as_json else felt:
        typer.echo(f"{f.item}\n  {f}  ({f.modality}, read by {f.encoder})")


@app.command()
def match(item: Annotated[str, typer.Argument(help="what to start from")],
          to: Annotated[str, typer.Option("--to", "-t", help="the sense to search in")],
          modality: Modality = None,
          k: Annotated[int, typer.Option("-k", help="how many")] = 5,
          by: Annotated[str, typer.Option(help="embedding or va")] = "embedding",
          as_json: Json = False):
    """What feels the same in another sense?"""
    from emonotes.pipeline import match as match_one

    found = match_one(item, to, modality, k, by)
    _print_json(found.to_dicts()) if as_json else _table(found, f"{item} in '{to}'")


def _point(text: str):
    """`0.5,-0.2` as two numbers."""
    try:
        valence, arousal = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"'{text}' is not a point; write valence,arousal such as 0.5,-0.2") from None
    return valence, arousal


@app.command()
def compose(items: Annotated[list[str] | None, typer.Argument(help="what to play: one thing, or several that the piece follows in order")] = None,
            modality: Modality = None,
            va: Annotated[list[str] | None, typer.Option(help="a point instead of an item: valence,arousal (--va=-0.5,0.3); "
                                                         "several make a path")] = None,
            story: Annotated[Path | None, typer.Option(help="a text file whose paragraphs the piece follows")] = None,
            seconds: Annotated[float, typer.Option(help="length, 1 to 1800")] = 20.0,
            seed: Seed = 0,
            out: Annotated[Path | None, typer.Option("--out", "-o", help="folder, or path; its ending is a format too (-o tune.wav)")] = None,
            formats: Annotated[list[str] | None, typer.Option("--format", "-f", metavar="NAME", help=FORMATS_HELP)] = None,
            picture: Annotated[bool, typer.Option("--picture", help="also a piano roll (.png) with the plan under it")] = False,
            instrument: Annotated[str | None, typer.Option("--instrument", "-i", metavar="NAME", help=INSTRUMENT_HELP)] = None,
            soundfont: Annotated[Path | None, typer.Option(help="a .sf2 file to play it with; one is included")] = None,
            music_model: Annotated[Path | None, typer.Option(help="a folder that `emonotes train-music` wrote, to compose with")] = None,
            as_json: Json = False):
    """What does it sound like? Writes an .ogg and a .mid, or the formats you name.

    \b
    Examples:
    emonotes compose "a rotting carcass"
    emonotes compose tiramisu -m food --instrument harp -o tiramisu.mp3
    emonotes compose --va=-0.6,-0.6 --va=0.7,0.5 --seconds 60 -f ogg,midi,musicxml --picture -o sunrise
    """
    from emonotes.pipeline import compose as compose_one

    items = [*(items or []), *(_paragraphs(story) if story else [])]
    modality = "text" if story and modality is None else modality
    clip = compose_one(items[0] if len(items) == 1 else items or None, modality, [_point(text) for text in va] if va else None, seconds, seed, out,
                       formats or None, picture, instrument, soundfont, music_model)
    if as_json:
        return _print_json(asdict(clip))
    typer.echo("\n".join([*map(str, clip.feelings), clip.words, f"{clip.seconds:.0f} s: {'  '.join(clip.files.values())}"]))


def _paragraphs(path: Path) -> list[str]:
    """The paragraphs of a text file."""
    try:
        found = [part.strip() for part in path.read_text(encoding="utf-8").split("\n\n") if part.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"'{path}' cannot be read as a text ({type(error).__name__}); give a plain text file in UTF-8") from error
    if not found:
        raise InputError(f"'{path}' holds no paragraph; write at least one sentence")
    return found


Sources = Annotated[list[str] | None, typer.Argument(help="source ids (see `emonotes atlas list`); all if left out")]


@atlas_app.command("list")
def atlas_list(modality: Annotated[str | None, typer.Option("--modality", "-m", help="only this sense")] = None,
               as_json: Json = False):
    """Every source there is a card for, and what it would be read from here."""
    import polars as pl

    from emonotes.atlas.readers.base import at_hand, find_readers
    from emonotes.atlas.sources import load_cards

    readers = find_readers()
    cards = [{"id": c.id, "modality": c.modality, "basis": c.basis, "title": c.title,
              "here": at_hand(readers[c.id]) if c.id in readers else "no reader", "licence": c.licence}
             for c in load_cards().values() if modality in (None, c.modality)]
    _print_json(cards) if as_json else _table(pl.DataFrame(cards))


@atlas_app.command("show")
def atlas_show(source: str, as_json: Json = False):
    """One source: what it is, its licence, scale and traps."""
    from emonotes.atlas.sources import card

    facts = asdict(card(source))
    if as_json:
        return _print_json(facts)
    for name, value in facts.items():
        typer.echo(f"{name}: {value}")


@atlas_app.command("fetch")
def atlas_fetch(sources: Annotated[list[str], typer.Argument(help="source ids (see `emonotes atlas list`)")],
                yes: Annotated[bool, typer.Option("--yes", "-y", help="I have read the licences and accept them")] = False,
                as_json: Json = False):
    """Download from the official addresses: licence first, resumable, checked. Exit code 2 if a file did not come."""
    import polars as pl

    from emonotes.atlas.fetch import fetch

    found = [asdict(f) for f in fetch(sources, accept=yes, progress=not as_json)]
    _print_json(found) if as_json else _table(pl.DataFrame(found))
    if any(f["state"] == "failed" for f in found):
        raise typer.Exit(2)


@atlas_app.command("build")
def atlas_build(sources: Sources = None,
                out: Annotated[Path | None, typer.Option("--out", "-o", help="a .parquet file; default: the cache")] = None,
                engine: Annotated[str, typer.Option(help="local, or ray for the workers of a Ray cluster")] = "local",
                as_json: Json = False):
    """Build the atlas from what is at hand. Exit code 2 if a source failed; the others are still built."""
    import polars as pl

    from emonotes.atlas.build import build, summary

    built = build(sources or None, out, progress=not as_json, engine=engine)
    table = summary(pl.read_parquet(built.path))
    if as_json:
        _print_json({"path": built.path, "sources": table.to_dicts(), "failed": [asdict(r) for r in built.failed]})
    else:
        _table(table, str(built.path))
    if built.failed:
        raise typer.Exit(2)


@atlas_app.command("validate")
def atlas_validate(sources: Sources = None, as_json: Json = False):
    """Are files and scales as the cards say, and is the built atlas whole? Exit code 2 if not."""
    from emonotes.atlas.build import load, problems

    found = problems(sources or None)
    rows = load(progress=False).height
    if as_json:
        _print_json({"rows": rows, "problems": found.to_dicts()})
    else:
        _table(found, f"{found.height} problems") if found.height else typer.echo(f"no problem; the atlas has {rows:,} rows")
    if found.height:
        raise typer.Exit(2)


@atlas_app.command("stats")
def atlas_stats(as_json: Json = False):
    """How much of what: stimuli, single ratings, share with arousal, means, per sense and source."""
    from emonotes.atlas.use import Atlas

    stats = Atlas.load().stats()
    if as_json:
        return _print_json(asdict(stats) | {"table": stats.table.to_dicts()})
    _table(stats.table, f"{stats.stimuli:,} stimuli and {stats.ratings:,} single judgements of {stats.sources} sources in "
                        f"{stats.modalities} senses")


@atlas_app.command("sheet")
def atlas_sheet(out: Annotated[Path | None, typer.Option("--out", "-o", help="a .md file; default: the terminal")] = None):
    """The datasheet of the atlas at hand: what it holds, where it comes from, what it may be used for."""
    from emonotes.atlas.datasheet import datasheet
    from emonotes.atlas.folders import write_beside
    from emonotes.atlas.use import Atlas

    text = datasheet(Atlas.load())
    typer.echo(write_beside(out, lambda path: path.write_text(text, encoding="utf-8")) if out else text)


@atlas_app.command("audit")
def atlas_audit(out: Annotated[Path | None, typer.Option("--out", "-o", help="a .csv file for every collision prevented")] = None,
                as_json: Json = False):
    """Leakage: what a split by lot would have torn, and what published splits leak."""
    from emonotes.atlas.audit import collisions, prevented, published_splits
    from emonotes.atlas.build import load
    from emonotes.atlas.folders import write_beside

    rows = load(progress=not as_json)
    found, kept, published = prevented(rows), collisions(rows), published_splits()
    if out:
        write_beside(out, lambda path: kept.write_csv(path))
    if as_json:
        return _print_json({"prevented": found.to_dicts(), "collisions": kept.height, "published": published.to_dicts()})
    _table(found, "rows, rows that share their group, and test rows of a split by lot with a twin in training")
    if published.height:
        _table(published, "published splits")
    typer.echo(f"{kept.height:,} groups with {kept['rows'].sum():,} rows are kept on one side" + (f"; listed in {out}" if out else ""))


@atlas_app.command("export")
def atlas_export(folder: Annotated[Path, typer.Argument(help="a new or empty folder")],
                 form: Annotated[str, typer.Option(help="parquet, csv or datasets (Hugging Face)")] = "parquet",
                 source: Annotated[list[str] | None, typer.Option("--source", "-s", help="only these sources")] = None,
                 modality: Annotated[str | None, typer.Option("--modality", "-m", help="only this sense")] = None,
                 redistributable: Annotated[bool, typer.Option(help="only what may be passed on")] = False,
                 as_json: Json = False):
    """Write the atlas with the citations and licences of exactly the sources used."""
    from emonotes.atlas.use import Atlas

    written = Atlas.load().export(folder, form, source or None, modality, redistributable or None)
    _print_json({"folder": written}) if as_json else typer.echo(written)


@app.command("train-music")
def train_music(folder: Annotated[Path, typer.Argument(help="where the weights go, and what is needed to resume")],
                data: Annotated[Path | None, typer.Option(help="the folder that holds the corpora; EMONOTES_DATA if left out")] = None,
                source: Annotated[list[str] | None, typer.Option("--source", "-s", help="only these corpora; the free ones if left out")] = None,
                steps: Annotated[int | None, typer.Option(help="batches to learn from; 4000 if left out, 200 if tiny")] = None,
                batch: Annotated[int | None, typer.Option(help="sentences in a batch; 64 on a GPU, else 8, if left out")] = None,
                workers: Annotated[int, typer.Option(help="workers of Ray that share each batch; they show no bar")] = 1,
                tiny: Annotated[bool, typer.Option("--tiny", help="a toy of a model, to see that all works")] = False,
                seed: Seed = 0, as_json: Json = False):
    """Train the language model on piano music that nobody labelled. Killed and called again, it resumes.

    \b
    Examples:
    emonotes train-music mine                       # minutes on a large GPU, hours on a processor
    emonotes train-music toy -s js_fakes --tiny     # minutes
    emonotes train-music toy -s music21 --tiny      # needs no data folder
    emonotes compose "rain again" --music-model toy
    """
    from emonotes.atlas.folders import data_folder, writable
    from emonotes.music import lm
    from emonotes.music.corpora import CORPORA, FREE, SCORES
    from emonotes.music.lm_workers import train_with_workers

    steps = (200 if tiny else 4_000) if steps is None else steps
    batch = lm.fitting_batch() if batch is None else batch
    if steps < 1 or batch < 1:
        raise InputError(f"{steps} steps of {batch} sentences teach nothing; ask for at least 1")
    data, sources = data or data_folder(), tuple(dict.fromkeys(source or FREE))
    if data is None and sources != (SCORES,):
        raise InputError(f"there is no data folder to read {', '.join(sources)} from; name one with --data or EMONOTES_DATA, or learn from "
                         f"the scores that come with music21: -s {SCORES}")
    checkpoint = writable(folder / "training" / "checkpoint.safetensors")
    (corpus, unseen), done = lm.read_corpora(data, sources), len(lm.facts_of(checkpoint).get("losses", []))
    config = lm.LMConfig(width=64, layers=2, heads=2, context=160) if tiny else lm.LMConfig()
    if not as_json:
        for name in sources:
            own = [len(piece.ids) for piece in corpus if piece.name.startswith(f"{name}/")]
            typer.echo(f"{name}: {len(own)} pieces, {sum(own):,} words ({CORPORA[name].licence})")
        seconds = lm.step_seconds(corpus, config, batch)
        typer.echo(f"kept aside to measure on: {len(unseen)} pieces\nstep {done} of {steps}, about {seconds:.3g} s a step on one worker: "
                   f"{max(steps - done, 0) * seconds / 3600:.2g} h")
    settings = {"fit": train_with_workers, "workers": workers} if workers != 1 else {"progress": not as_json}
    held = lm.pretrain(data, folder, sources, steps, seed, config=config, batch=batch, save_every=20 if tiny else 100, **settings)
    if as_json:
        return _print_json({"folder": folder, **lm.training_facts(folder)})
    typer.echo(f"{folder}: the pieces kept aside surprise it by {held:.3f} nats a word")


def _composed(per_quadrant: int, seconds: float, seed: int):
    """Clips of the composer at the centre of each quadrant, and one at the middle of the plane for practice."""
    from tqdm import tqdm

    from emonotes.affect.space import QUADRANT_CENTRES
    from emonotes.align.ear import hear
    from emonotes.music.composing import plans_for, write
    from emonotes.music.listening import Clip
    from emonotes.music.render import synthesize

    wanted = [va for va in QUADRANT_CENTRES.values() for _ in range(per_quadrant)] + [(0.0, 0.0)]
    seeds = [seed * 1000 + number for number in range(len(wanted))]
    plans, pieces = [plans_for(va, seconds, own) for va, own in zip(wanted, seeds, strict=True)], []
    for start in tqdm(range(0, len(plans), 8), desc="clips, eight together", disable=None):
        some = slice(start, start + 8)
        pieces += write(plans[some], seeds[some], progress=False, wanted=wanted[some], hear=hear)
    clips = [Clip(synthesize(piece.score), va, "emonotes", f"v{va[0]:+.1f} a{va[1]:+.1f} seed {own}")
             for piece, va, own in zip(pieces, wanted, seeds, strict=True)]
    return clips[:-1], clips[-1]


def _clips_of(table: Path | None):
    """Clips that a .csv lists: file (from the table's folder), valence, arousal, system."""
    import polars as pl

    from emonotes.music.listening import Clip

    if table is None:
        return []
    try:
        rows = pl.read_csv(table)
        return [Clip(table.parent / file, (float(valence), float(arousal)), str(system))
                for file, valence, arousal, system in rows.select("file", "valence", "arousal", "system").iter_rows()]
    except (OSError, TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise InputError(f"'{table}' is not a table of clips ({str(error).splitlines()[0]}); give a .csv with the columns file, "
                         "valence, arousal (-1..1) and system") from None


@app.command("listening-test")
def listening_test(out: Annotated[Path, typer.Option("--out", "-o", help="a folder for listening.html, key.json and README.txt")],
                   clips_per_quadrant: Annotated[int, typer.Option(help="clips to compose for each quadrant, 1 to 20")] = 4,
                   listeners: Annotated[int, typer.Option(help="how many may take part; numbers begin at 1")] = 24,
                   seconds: Annotated[float, typer.Option(help="length of a clip, 6 to 60; longer ones are cut")] = 20.0,
                   also: Annotated[Path | None, typer.Option(help="a .csv of other clips (file, valence, arousal, system), "
                                                             "such as music by people for comparison")] = None,
                   title: Annotated[str, typer.Option(help="what the page is called; do not name what is wanted")] = "Listening test",
                   seed: Seed = 0, as_json: Json = False):
    """Do people hear what was meant? Composes clips and writes a page for listeners and a key for the teacher.

    The page is one file that needs no network. Every listener opens it, takes a number of their own, and hands in the file
    that it saves at the end; `emonotes listening-analyse` reads these. Keep key.json to yourself.
    """
    from emonotes.music import listening

    if not 1 <= clips_per_quadrant <= 20:
        raise InputError(f"{clips_per_quadrant} clips for each quadrant are not between 1 and 20; 4 make a test of ten minutes")
    if not 6 <= seconds <= 60:
        raise InputError(f"clips of {seconds:g} seconds are not between 6 and 60; listeners need some time, and have little")
    others = _clips_of(also)
    clips, practice = _composed(clips_per_quadrant, seconds, seed)
    test = listening.listening_test(clips + others, listeners, seed, title, practice, longest=seconds)
    written = test.write(out)
    if as_json:
        return _print_json(written | {"test": test.shown["test"], "clips": len(test.key["clips"])})
    typer.echo(f"test {test.shown['test']}: {len(test.key['clips'])} clips, {test.shown['minutes']} minutes for each of "
               f"{listeners} listeners, a page of {written['listening.html'].stat().st_size / 1e6:.1f} MB")
    typer.echo("\n".join(map(str, written.values())))


@app.command("listening-analyse")
def listening_analyse(answers: Annotated[list[Path], typer.Argument(help="files that listeners saved, or folders of them")],
                      key: Annotated[Path, typer.Option("--key", "-k", help="the key.json of the test")],
                      seed: Seed = 0, as_json: Json = False):
    """How well was it heard? Accuracy, confusion, sliders, agreement and a mixed model, with 95 % intervals."""
    from emonotes.music.listening_analysis import analyse
    from emonotes.music.listening_answers import read_answers, read_key

    held = read_key(key)
    report = analyse(read_answers(answers, held), held, seed)
    if as_json:
        return _print_json({name: table.fill_nan(None).to_dicts() for name, table in report.items()})
    for name, table in report.items():
        _table(table, name)


@app.command()
def run(tiny: Annotated[bool, typer.Option("--tiny", help="few stimuli, few steps: seconds instead of minutes")] = False,
        seed: Seed = 0,
        sentence: Annotated[str | None, typer.Option(help="the sentence to play")] = None,
        out: Annotated[Path, typer.Option("--out", "-o", help="where everything goes")] = Path("_build")):
    """The main job: atlas, fit and held-out table, the book, four clips. Again, it does only what changed."""
    from emonotes.course.run import SENTENCE
    from emonotes.course.run import run as run_all

    run_all(out, tiny, seed, sentence or SENTENCE)


def main() -> None:
    """The command `emonotes`: errors of the user in one sentence on stderr, exit code 2."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        app()
    except InputError as error:
        sys.exit(_told(error))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT):
            raise
        sys.exit(_told(f"{error.strerror}: '{error.filename}'; free some room or choose another place with --out"))
    except KeyboardInterrupt:
        sys.exit(130)


def _told(error) -> int:
    print(f"emonotes: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
