"""Recorded figures: results/<part>.json, written by code alone and read by README, book and ledger."""

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
