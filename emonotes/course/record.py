"""Recorded figures: results/<part>.json and tables beside them, written by code alone and read by README, book and ledger."""

import json
from pathlib import Path

from emonotes.course.chapter import write_text
from emonotes.errors import InputError


def record(part: str, figures: dict[str, dict], folder: str | Path = "results") -> Path:
    """Merge figures into `<folder>/<part>.json`; each needs `value` and `how` (the command), and may have low, high, n,
    unit. Raises `InputError` for a figure without them."""
    for name, figure in figures.items():
        if not {"value", "how"} <= set(figure) or set(figure) - {"value", "low", "high", "n", "unit", "how"}:
            raise InputError(f"figure '{name}' has the fields {sorted(figure)}; it needs value and how, "
                             "and may have low, high, n, unit")
    path = Path(folder) / f"{part}.json"
    held = json.loads(path.read_text(encoding="utf-8"))["figures"] if path.exists() else {}
    write_text(path, json.dumps({"figures": dict(sorted((held | figures).items()))}, indent=1, ensure_ascii=False) + "\n")
    return path


def show_recorded(part: str, columns: list[str] | None = None, folder: str | Path = "../../results") -> None:
    """Print the table that the last full run left in `<folder>/<part>.csv`, or its given columns; a sentence where there is none."""
    import polars as pl

    path = Path(folder) / f"{part}.csv"
    if not path.is_file():
        print(f"no full run has written {path.name} yet; a command of tests/bench does")
        return
    with pl.Config(tbl_rows=100, tbl_cols=16, tbl_width_chars=200, fmt_str_lengths=60, float_precision=3, tbl_hide_column_data_types=True):
        table = pl.read_csv(path)
        print(table.select(columns) if columns else table)
