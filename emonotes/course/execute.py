"""Run the chapters of the book: papermill, one process a chapter, and only those whose inputs changed."""

import argparse
import ast
import json
import os
import sys
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from hashlib import blake2b
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

from emonotes.atlas.folders import data_folder, encoder_folder
from emonotes.course.chapter import Result, line_of, run_chapter, stamp_of
from emonotes.errors import InputError

FOLDERS = ("EMONOTES_DATA", "EMONOTES_ENCODERS", "EMONOTES_CACHE")


def notebooks(folder: str | Path) -> list[Path]:
    """Every notebook under `folder`, sorted; folders and files that begin with `.` or `_` are left out."""
    folder = Path(folder)
    return [p for p in sorted(folder.rglob("*.ipynb")) if not any(x[0] in "._" for x in p.relative_to(folder).parts)]


def chapters(nbs: str | Path = "nbs", only: Iterable[str] | None = None) -> list[Path]:
    """The notebooks under `nbs` in reading order; `only` keeps those whose name contains one of the given parts."""
    nbs = Path(nbs)
    found = notebooks(nbs)
    if not found:
        raise InputError(f"no notebooks under '{nbs}'; run this from the root of the repository or name the folder")
    names = {chapter_name(p, nbs): p for p in found}
    wanted = [name for name in names if not only or any(part in name for part in only)]
    if not wanted:
        raise InputError(f"no chapter matches {list(only)}; there are: {', '.join(names)}")
    return [names[name] for name in wanted]


def chapter_name(path: Path, nbs: Path) -> str:
    """`04_align/01_losses` for nbs/04_align/01_losses.ipynb."""
    return path.relative_to(nbs).with_suffix("").as_posix()


def declared_parameters(notebook: dict) -> set[str]:
    """The names that the cell tagged `parameters` assigns."""
    names = set()
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and "parameters" in cell["metadata"].get("tags", []):
            tree = ast.parse("".join(cell["source"]))
            names |= {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets
                      if isinstance(target, ast.Name)}
    return names


def package_hash() -> str:
    """One hash over the package (sources and weights) and the data that it ships: what every chapter may depend on."""
    package = Path(__file__).parents[1]
    digest = blake2b(digest_size=16)
    for folder in (package, package.parent / "data"):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
                digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def describe_inputs() -> str:
    """The data and encoder folders at hand, each entry with its time of change: part of every chapter's key.

    Raises `InputError` when `$EMONOTES_DATA` or `$EMONOTES_ENCODERS` names a folder that is not there.
    """
    lines = []
    for folder in filter(None, (data_folder(), encoder_folder())):
        lines.append(str(folder.resolve()))
        lines += sorted(f"{entry.name} {entry.stat().st_mtime_ns}" for entry in os.scandir(folder))
    return "\n".join(lines)


def execute_book(nbs="nbs", out="_build/executed", tiny=True, seed=0, workers=2, timeout=600, only=None,
                 progress=True, inputs=None) -> list[Result]:
    """Execute every chapter under `nbs` into `out`, at most two at once, skipping those that nothing has changed for.

    A chapter is run again when its notebook, the package, the shipped data, its parameters or `inputs` (a text that
    says which data is at hand; by default `describe_inputs()`) differ from its last good run. `timeout` is in seconds
    a cell. A chapter that fails is reported in its `Result`, keeps its last good copy, and the others still run.
    """
    if not find_spec("papermill"):
        raise InputError("papermill, which runs the book, is not installed; run `make setup`, or pip install emonotes[dev]")
    nbs, out = Path(nbs), Path(out)
    common = package_hash() + (describe_inputs() if inputs is None else inputs)
    parameters = {"tiny": tiny, "seed": seed}
    jobs = [_job(p, nbs, out, parameters, common + _overview(p, nbs), timeout) for p in chapters(nbs, only)]
    results = {job["name"]: Result(job["name"], "kept", Path(job["target"])) for job in jobs if _is_current(job)}
    todo = [job for job in jobs if job["name"] not in results]
    with _reporter(len(todo), progress) as report:
        for result in _run_all(todo, max(1, min(workers, 2)), report):
            results[result.name] = result
    return [results[job["name"]] for job in jobs]


def _overview(path: Path, nbs: Path) -> str:
    """One hash over what a chapter shows beyond package and data: recorded results if it reads them, and for the front
    page, which lists the chapters, all notebooks; else nothing."""
    read = sorted((nbs.parent / "results").glob("*.json")) if b"results/" in path.read_bytes() else []
    read += notebooks(nbs) if path == nbs / "index.ipynb" else []
    return blake2b(b"".join(p.read_bytes() for p in read), digest_size=16).hexdigest() if read else ""


def _job(path: Path, nbs: Path, out: Path, parameters: dict, common: str, timeout: int) -> dict:
    """Everything a worker needs to run one chapter, as plain values."""
    source = path.read_bytes()
    declared = declared_parameters(json.loads(source))
    parameters = {name: value for name, value in parameters.items() if name in declared}
    key = blake2b(source + json.dumps([parameters, common]).encode(), digest_size=16).hexdigest()
    name = chapter_name(path, nbs)
    return {"name": name, "source": str(path.resolve()), "target": str((out / f"{name}.ipynb").resolve()),
            "failed": str((out / ".failed" / f"{name}.ipynb").resolve()), "parameters": parameters, "key": key,
            "timeout": timeout, "environment": {v: str(Path(os.environ[v]).resolve()) for v in FOLDERS
                                                if os.environ.get(v)}}


def _is_current(job: dict) -> bool:
    stamp = stamp_of(job["target"])
    return Path(job["target"]).exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == job["key"]


def _run_all(jobs: list[dict], workers: int, report) -> Iterable[Result]:
    """Hand out the jobs so that at most `workers` are under way, and yield each result as it comes."""
    waiting, running = list(jobs), {}
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn")) if jobs else None
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                job = waiting.pop(0)
                running[pool.submit(run_chapter, job)] = job
            report(running=[job["name"] for job in running.values()])
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    result = Result(job["name"], "failed", Path(job["target"]), error="its process was ended from "
                                    "outside, most often for want of memory; close other programs and run again")
                    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
                report(result=result)
                yield result
    finally:
        if pool:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _reporter(total: int, progress: bool):
    """A bar that names the chapters in progress, on a terminal; one line a finished chapter, anywhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(highlight=False, soft_wrap=True)
    columns = (TextColumn("chapters"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TextColumn("{task.fields[now]}"))
    shown = progress and total > 0 and console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task("chapters", total=total, now="")

        def report(running=None, result=None):
            if running is not None:
                bar.update(task, now=", ".join(running))
            if result is not None:
                bar.advance(task)
                if progress or result.status == "failed":
                    bar.console.print(line_of(result), markup=False)
        yield report


def main(arguments: list[str] | None = None) -> int:
    """`python -m emonotes.course.execute [--tiny] [NAME...]`; exit code 1 when a chapter failed, 2 on a bad request."""
    parser = argparse.ArgumentParser(prog="python -m emonotes.course.execute", description=__doc__)
    parser.add_argument("only", nargs="*", help="run only chapters whose name contains one of these")
    parser.add_argument("--tiny", action="store_true", help="small parameters: seconds a chapter")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--nbs", default="nbs")
    parser.add_argument("--out", default="_build/executed")
    parser.add_argument("--timeout", type=int, default=600, help="seconds a cell may take")
    options = parser.parse_args(arguments)
    try:
        results = execute_book(options.nbs, options.out, options.tiny, options.seed, timeout=options.timeout,
                               only=options.only or None)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; chapters that were finished are kept, run again to go on", file=sys.stderr)
        return 130
    counts = {status: sum(r.status == status for r in results) for status in ("ran", "kept", "failed")}
    print("  chapters: " + ", ".join(f"{n} {status}" for status, n in counts.items() if n))
    return int(counts["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main())
