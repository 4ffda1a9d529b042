"""A data folder that went bad, fault by fault: which source fails, whether the message says where, whether all else builds.

`run_cases(data_folder, work)` copies a few sources (or writes small ones where there is no data), poisons one file at a
time and builds the atlas over one that stands there already. Where a checksum would stop a fault first, the case runs
twice: as it is, and with a card whose checksum was corrected, so that the reader and the schema are alone with it. A
table that was cut off exactly at the end of a line is not among the cases: only its checksum can tell.

As a script it builds once, to be disturbed from outside: `python poison.py DATA CARDS OUT [stall FILE | meet FOLDER]`.
"""

import csv
import gzip
import io
import os
import re
import shutil
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import polars as pl
import polars.selectors as cs

from emonotes.atlas import build, folders, sources
from emonotes.atlas.readers.base import find_readers
from emonotes.atlas.rows import COLUMNS, validate
from emonotes.atlas.sources import load_cards, sha256

FOLDERS = ("vibviz", "candy_power_ranking", "torri_2013_wine_liking", "berry_clt_2021", "emopia", "arshamian_2022")
SLOW = ("crema_d",)  # copied, but built in its own cases only


# faults: each changes one file


def cut(path: Path) -> None:
    """A download that broke off."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])


def touch(path: Path) -> None:
    """One more line end: harmless, but not the file of the card."""
    path.write_bytes(path.read_bytes() + b"\n")


def empty(path: Path) -> None:
    """A file of no bytes."""
    path.write_bytes(b"")


def remove(path: Path) -> None:
    """No file."""
    path.unlink()


def page(path: Path) -> None:
    """A page of a web server in place of the file."""
    path.write_bytes(b"<!DOCTYPE html>\n<html><head><title>404</title></head>\n<body>Not found, sorry</body></html>\n")


def _edited(path: Path, change: Callable[[list[list[str]]], None]) -> None:
    """Let `change` edit the cells of a table, bytes outside ASCII kept as they are."""
    text = path.read_bytes().decode("latin-1")
    cells = list(csv.reader(io.StringIO(text, newline="")))
    change(cells)
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n" if "\r\n" in text else "\n").writerows(cells)
    path.write_bytes(out.getvalue().encode("latin-1"))


def renamed(old: str, new: str):
    """A column that is called something else."""
    def inject(path: Path) -> None:
        def change(cells):
            cells[0][cells[0].index(old)] = new
        _edited(path, change)
    return inject


def cell(column: str, value: str, line: int = 2):
    """Another value in one cell; `line` counts from 1, the header."""
    def inject(path: Path) -> None:
        def change(cells):
            cells[line - 1][cells[0].index(column)] = value
        _edited(path, change)
    return inject


def only_header(path: Path) -> None:
    """A table without lines."""
    _edited(path, lambda cells: cells.__delitem__(slice(1, None)))


def doubled(path: Path) -> None:
    """The first line of the table a second time, at its end."""
    _edited(path, lambda cells: cells.append(list(cells[1])))


def climbing(member: str):
    """An archive with a member that climbs out of its folder."""
    def inject(path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(f"../../{name}" if name.endswith(member) else name, data)
    return inject


# the cases


@dataclass(frozen=True)
class Case:
    """A fault in one file of a folder.

    `words` must stand in what the failing sources say, beside source and file. `fails` are the sources that the reader
    must refuse (default: all of the folder). `checksum`: the checksum would stop it; `reader`: the reader sees it, too.
    """

    name: str
    folder: str
    file: str
    inject: Callable[[Path], None]
    words: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()
    checksum: bool = True
    reader: bool = True


CANDY, WINE = ("candy_power_ranking", "candy-data.csv"), ("torri_2013_wine_liking", "torriconsFinal.csv")
VIB = ("vibviz", "vibrationAnnotations-July24th2016.csv")
BERRY, PIANO = ("berry_clt_2021", "clt-berry-data.csv"), ("emopia", "midis.zip")
VOICE = ("crema_d", "tabulatedVotes.csv.gz")
LABELS, FIRST = ("emopia", "label.csv"), "Q1_0vLPYiPN7qY_0.mid"

CASES = (
    Case("truncated table", *WINE, cut),
    Case("truncated table of products", *CANDY, cut),
    Case("truncated archive", *PIANO, cut),
    Case("truncated gzip", *VOICE, cut),
    Case("other bytes, same figures", *CANDY, touch, reader=False),
    Case("renamed column", *CANDY, renamed("winpercent", "win_percent"), ("winpercent",)),
    Case("renamed column of one of three sources", *BERRY, renamed("lms_overall", "lam_overall"), ("lms_overall",)),
    Case("renamed wine", *WINE, renamed("I_SYRAH", "I_SHIRAZ"), ("I_SYRAH",)),
    Case("mean outside the scale", *CANDY, cell("winpercent", "166.97"), ("166.97", "100 Grand")),
    Case("mean outside the scale, below", *VIB, cell("pleasantness", "-3.5"), ("-3.5", "v-09-09-8-11")),
    Case("single answer outside the scale", *BERRY, cell("9pt_overall", "99"), ("99", "raspberry 6"), ("berry_9pt",)),
    Case("single answer of a judge outside the scale", *WINE, cell("C_MERLOT", "10"), ("10", "C_MERLOT")),
    Case("text among the numbers", *CANDY, cell("winpercent", "two thirds"), ("two thirds",)),
    Case("infinity", *VIB, cell("arousal", "inf"), ("inf", "v-09-09-8-11")),
    Case("two ratings in one line", *BERRY, cell("us_overall", "9"), ("line 2",)),
    Case("Latin-1 byte among UTF-8", *CANDY, cell("competitorname", "Caf\xe9 Noir")),
    Case("name of a stimulus twice", *CANDY, doubled, ("100 Grand",)),
    Case("name of a stimulus twice, other modality", *VIB, doubled, ("v-09-09-8-11",)),
    Case("stimulus without a name", *VIB, cell("id", "")),
    Case("archive member leaves its folder", *PIANO, climbing(FIRST), ("../../",)),
    Case("archive without its files", *PIANO, lambda path: zipfile.ZipFile(path, "w").close()),
    Case("missing file", *CANDY, remove, checksum=False),
    Case("missing file of three sources", *BERRY, remove, checksum=False),
    Case("missing archive", *PIANO, remove, checksum=False),
    Case("empty file", *CANDY, empty),
    Case("empty archive", *PIANO, empty),
    Case("empty table of two files", *LABELS, empty),
    Case("table without lines", *CANDY, only_header),
    Case("web page in place of the file", *WINE, page),
    Case("web page in place of the archive", *PIANO, page),
)


# the healthy folder


def _table(*lines: str, end: str = "\n") -> bytes:
    return (end.join(lines) + end).encode()


def _zip(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def small_files() -> dict[tuple[str, str], bytes]:
    """Made-up tables in the formats of the studies, for a machine without them."""
    wines = ",".join(f"{place}_{grape}" for place, last in (("C", "ZINFANDEL"), ("I", "PRIMITIVO"))
                     for grape in ("MERLOT", "SYRAH", last, "REFOSCO"))
    answers = [f"{n},NA,NA NA,{n + 3},NA NA,NA,{10 * n}".split() for n in range(1, 8)]
    berries = [f"{code},{answer},{person},raspberry,{7 - n}" for code, person in ((1001, 7), (1002, 8), (1003, 9))
               for n, scales in enumerate(answers, 1) for answer in scales]
    people = [f"{i},2,3,2,22,5,4,3,8,7,2,4,{i % 9 + 1}" for i in range(1, 40)]
    votes = ['"100001",10,0,0,0,0,0,"1001_IEO_ANG_XX"', '"100002",0,0,0,5,0,5,"1001_IEO_SAD_XX"'] * 200
    votes = [line.replace("1001_IEO", f"{1001 + i}_IEO") for i, line in enumerate(votes)]
    return {
        CANDY: _table("competitorname,chocolate,winpercent", "100 Grand,1,66.97", "HersheyÕs Kisses,1,55.4",
                      "Root Beer Barrels,0,29.7"),
        WINE: _table("Judge,Wine Frequency,IT frequency,Gender,Age," + wines, *people, end="\r\n"),
        VIB: _table("id,index,energy,tempo,roughness,pleasantness,arousal", "v-09-09-8-11,1,-2,0.7,-3,3,-1.5",
                    "v-2,2,1,0.7,-3,-1,2", end="\r\n"),
        BERRY: _table("Subject Code,9pt_overall,us_overall,lms_overall,subject,berry,sample", *berries),
        LABELS: _table("ID,4Q,annotator", f"{FIRST[:-4]},1,X", "Q3_abc_1,3,X"),
        PIANO: _zip(**{f"midis/{FIRST}": b"MThd" * 50, "midis/Q3_abc_1.mid": b"MThd" * 50}),
        VOICE: gzip.compress(_table('"","A","D","F","H","N","S","fileName"', *votes)),
    }


def listed(cards: Path, folder: str, files: list[Path]) -> None:
    """Make the card list these files and no others."""
    entries = "".join(f'  {{ name = "{path.name}", url = "", sha256 = "{sha256(path)}" }},\n' for path in files)
    card_file, block = cards / f"{folder}.toml", re.compile(r"(?ms)^files = \[.*?^\]\n")
    text, count = block.subn(lambda _: f"files = [\n{entries}]\n", card_file.read_text(encoding="utf-8"))
    assert count == 1, f"{folder}.toml has no list of files"
    card_file.write_text(text, encoding="utf-8")


def corrected(cards: Path, folder: str, file: str, path: Path) -> None:
    """Make the card's checksum that of the file as it now lies there."""
    card_file = cards / f"{folder}.toml"
    pattern = rf'(name = "{re.escape(file)}", url = "[^"]*", sha256 = ")[0-9a-f]{{64}}'
    text, count = re.subn(pattern, rf"\g<1>{sha256(path)}", card_file.read_text(encoding="utf-8"))
    assert count == 1, f"{folder}.toml does not list {file} once"
    card_file.write_text(text, encoding="utf-8")


def healthy(data_folder, work: Path) -> tuple[Path, Path]:
    """A data folder and a cards folder in `work` that fit together: a copy of real sources, or small ones made here."""
    data, cards = work / "data", work / "cards"
    shutil.copytree(folders.cards_folder(), cards)
    real = [name for name in (*FOLDERS, *SLOW) if data_folder and (Path(data_folder) / name).is_dir()]
    for name in real:
        for file in (entry["name"] for entry in load_cards()[name].files):
            (data / name / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(data_folder) / name / file, data / name / file)
    for (name, file), content in ({} if real else small_files()).items():
        (data / name).mkdir(parents=True, exist_ok=True)
        (data / name / file).write_bytes(content)
        listed(cards, name, sorted((data / name).iterdir()))
    return data, cards


@contextmanager
def standing_on(data: Path, cards: Path):
    """Within this context the atlas is made from these two folders and no other."""
    with patch.dict(os.environ, {"EMONOTES_DATA": str(data)}), patch.object(sources, "cards_folder", lambda: cards):
        yield


def built_from(data: Path) -> dict[str, tuple[str, ...]]:
    """The sources that have their folders in this data folder, and which these are."""
    cards = load_cards()
    folders_of = {name: cards[name].made_from or (name,) for name in find_readers()}
    return {name: parents for name, parents in folders_of.items() if all((data / parent).is_dir() for parent in parents)}


def copy_atlas(one: Path, other: Path) -> None:
    """Copy an atlas, all tables of it."""
    for table, place in build.places(one).items():
        shutil.copyfile(place, build.places(other)[table])


# one case


def _same(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Two atlases with the same rows, figures equal to 1e-9 (what is linked to a source that failed is another figure)."""
    one, other = one.select(*COLUMNS), other.select(*COLUMNS)
    figures = [frame.select(cs.float()).fill_null(9).to_numpy() for frame in (one, other)]
    return one.select(~cs.float()).equals(other.select(~cs.float())) and np.allclose(*figures, rtol=0, atol=1e-9)


def _outcome(expected: list[str], words: tuple[str, ...], names: list[str], out: Path) -> dict:
    """Build over the atlas that stands at `out`, and compare what came with what had to come."""
    before = pl.read_parquet(out).filter(~pl.col("source").is_in(expected))
    try:
        reports = build.build(names, out, progress=False).failed
        failed, said = [report.source for report in reports], [report.message for report in reports]
    except Exception as error:  # a crash is an outcome, too: a fault that nobody caught
        failed, said = ["all"], [f"{type(error).__name__}: {error}"]
    after = validate(pl.read_parquet(out)).filter(~pl.col("source").is_in(expected))
    lacks = sorted({word for word in words if not said or any(word not in line for line in said)})
    return {"failed": failed, "found": sorted(failed) == sorted(expected), "message": "\n".join(said), "lacks": lacks,
            "others": before.height > 0 and _same(before, after)}


def run_case(case: Case, data: Path, cards: Path, names: list[str], expected: list[str], work: Path) -> dict:
    """The outcome of one fault; everything lies as before afterwards. Without `checksum`, the card's is corrected first."""
    path, card_file, out = data / case.folder / case.file, cards / f"{case.folder}.toml", work / "atlas.parquet"
    kept, kept_card, started = path.read_bytes(), card_file.read_bytes(), time.perf_counter()
    copy_atlas(work / "healthy.parquet", out)
    try:
        case.inject(path)
        if not case.checksum and path.is_file():
            corrected(cards, case.folder, case.file, path)
        outcome = _outcome(expected, (case.folder.split("_")[0], case.file, *case.words), names, out)
    finally:
        path.write_bytes(kept)
        card_file.write_bytes(kept_card)
    caught = outcome["found"] and outcome["others"] and not outcome["lacks"]
    return {"name": case.name, "source": case.folder, "file": case.file, "caught": caught, **outcome,
            "seconds": round(time.perf_counter() - started, 2)}


def variants() -> list[Case]:
    """Every case as it is (a checksum's message cannot know a row), and those the reader can see with a corrected checksum."""
    plain = [replace(case, words=(), fails=()) if case.checksum else case for case in CASES]
    alone = [replace(case, name=f"{case.name}, checksum corrected", checksum=False) for case in CASES if case.checksum and case.reader]
    return plain + alone


def run_cases(data_folder, work) -> list[dict]:
    """Every case on a copy of a few sources of `data_folder` (None: small made-up ones) inside the empty folder `work`.

    Each dictionary has `name, source, file, caught`: exactly the right sources failed, their messages name source and file (and row
    or value, where the checksum was corrected), all others are unchanged, and the atlas can be read. For a closer look there are
    `failed, found, message, lacks, others, seconds`.
    """
    work = Path(work)
    data, cards = healthy(data_folder, work)
    with standing_on(data, cards):
        folders_of, done = built_from(data), []
        for folder in (*SLOW, None):
            names = [name for name, parents in folders_of.items() if not set(parents) & set(SLOW) - {folder}]
            build.build(names, work / "healthy.parquet", progress=False)
            for case in variants():
                if (data / case.folder).is_dir() and (case.folder if case.folder in SLOW else None) == folder:
                    expected = [name for name in case.fails or names if case.folder in folders_of[name]]
                    done.append(run_case(case, data, cards, names, expected, work))
    return done


# a build that is disturbed from outside


def _stalled(place: Path):
    """A `write_bytes` that writes half of the rows, says so by the file `place`, and waits to be killed."""
    write = Path.write_bytes

    def half(path: Path, content: bytes) -> None:
        if any(name in path.name for name in (".ratings.", ".traces.")):
            write(path, content)
            return
        write(path, content[: len(content) // 2])
        place.touch()
        time.sleep(120)
    return patch.object(Path, "write_bytes", half)


def _meeting(place: Path):
    """An `os.replace` that waits until two processes are about to call it."""
    rename = os.replace

    def together(old, new) -> None:
        (place / str(os.getpid())).touch()
        deadline = time.monotonic() + 60
        while len(list(place.iterdir())) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        rename(old, new)
    return patch("os.replace", together)


def main(data: str, cards: str, out: str, how: str = "", place: str = "") -> int:
    """Build once, disturbed as asked; 1 if a source failed."""
    disturbed = {"stall": _stalled, "meet": _meeting}[how](Path(place)) if how else nullcontext()
    with standing_on(Path(data), Path(cards)), disturbed:
        names = [name for name, parents in built_from(Path(data)).items() if not set(parents) & set(SLOW)]
        return 1 if build.build(names, out, progress=False).failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
