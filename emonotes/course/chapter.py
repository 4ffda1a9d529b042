"""One chapter, run by papermill in a process of its own; written beside its place, then renamed."""

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONWARNINGS": "ignore:IProgress not found",
    "TQDM_DISABLE": "1",
    "JUPYTER_PREFER_ENV_PATH": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}


@dataclass(frozen=True)
class Result:
    """What became of one chapter: `status` is "ran", "kept" (nothing had changed) or "failed"."""

    name: str
    status: str
    path: Path
    seconds: float = 0.0
    cell: int | None = None
    error: str | None = None


def write_text(path: Path, text: str) -> None:
    """Write beside, then rename, so that a reader never meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def stamp_of(target: str) -> Path:
    """Where the key of the last good run stands, beside its executed copy."""
    return Path(target).with_suffix(".stamp")


def line_of(result: Result) -> str:
    """One line about a chapter, for people."""
    if result.status != "failed":
        return f"  {result.status:<6} {result.name}  {result.seconds:.1f} s"
    where = f", cell {result.cell}" if result.cell else ""
    return f"  failed {result.name}{where}: {result.error} (stopped copy: {result.path})"


def run_chapter(job: dict) -> Result:
    """In a process of its own: run one notebook beside its target, then rename."""
    os.environ.update(QUIET | job["environment"])
    import warnings

    warnings.filterwarnings("ignore")
    import papermill

    source, target, began = Path(job["source"]), Path(job["target"]), time.perf_counter()
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.stem}.{os.getpid()}.ipynb")
    try:
        _execute(papermill, source, beside, job)
        os.replace(beside, target)
    except Exception as error:
        return _failure(job, beside, error, time.perf_counter() - began)
    finally:
        beside.unlink(missing_ok=True)
    write_text(stamp_of(target), job["key"])
    Path(job["failed"]).unlink(missing_ok=True)
    return Result(job["name"], "ran", target, time.perf_counter() - began)


def _execute(papermill, source: Path, beside: Path, job: dict, tries: int = 3) -> None:
    """Execute one notebook; again if its kernel did not start, which happens when another program takes its port first."""
    for attempt in range(tries):
        try:
            papermill.execute_notebook(str(source), str(beside), parameters=job["parameters"], cwd=str(source.parent),
                                       kernel_name="python3", language="python", progress_bar=False, start_timeout=120,
                                       execution_timeout=job["timeout"], extra_arguments=["--log-level=CRITICAL"])
            return
        except RuntimeError as error:
            if "before replying to kernel_info" not in str(error) or attempt == tries - 1:
                raise


def _failure(job: dict, beside: Path, error: Exception, seconds: float) -> Result:
    """The failed copy is kept apart for a look; the result names the cell (counted from 1) and what it said last."""
    cell, failed = None, Path(job["failed"])
    if beside.exists():
        cell = _stopped_at(json.loads(beside.read_text(encoding="utf-8")))
        failed.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(beside, failed)
    return Result(job["name"], "failed", failed, seconds, cell, _said(error))


def _said(error: Exception) -> str:
    """A chapter's own error by its last line; an error of the machinery (a time-out, a dead kernel) by its first."""
    own = hasattr(error, "evalue")
    lines = [line.strip() for line in str(error.evalue if own else error).splitlines() if line.strip()] or [""]
    name = error.ename if own else type(error).__name__
    return f"{name}: {lines[-1] if own else lines[0]}".rstrip(": ")


def _stopped_at(notebook: dict) -> int | None:
    """The last cell that was begun, counted from 1 as in the source (papermill adds cells of its own)."""
    own = [cell for cell in notebook["cells"] if not {"papermill-error-cell-tag", "injected-parameters"}
           & set(cell["metadata"].get("tags", []))]
    begun = [n for n, cell in enumerate(own, 1) if cell["metadata"].get("papermill", {}).get("start_time")]
    return begun[-1] if begun else None
