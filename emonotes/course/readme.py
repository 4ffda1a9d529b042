"""README.md from nbs/index.ipynb: executed, hidden cells dropped, converted by nbconvert."""

import argparse
import json
import os
import sys
from pathlib import Path

from emonotes.course.chapter import line_of, write_text
from emonotes.course.execute import execute_book
from emonotes.course.stage import load, resolve, staged

FIGURES = "README_files"


def render(root: str | Path = ".") -> tuple[str, dict[str, bytes]]:
    """The text of README.md and its figures by path, from the index notebook under `root`/nbs.

    Raises `RuntimeError` when the index does not run.
    """
    import nbformat
    from nbconvert import MarkdownExporter
    from traitlets.config import Config

    root = Path(root)
    (result,) = execute_book(root / "nbs", root / "_build/executed", only=["index"], progress=False)
    if result.status == "failed":
        raise RuntimeError(line_of(result))
    page = staged(load(result.path), lambda target: _from_root(root, target))
    config = Config({"TagRemovePreprocessor": {"enabled": True, "remove_input_tags": {"remove-input"}}})
    resources = {"output_files_dir": FIGURES, "unique_key": "figure"}
    notebook = nbformat.reads(json.dumps(page), as_version=4)
    text, resources = MarkdownExporter(config=config).from_notebook_node(notebook, resources=resources)
    lines = [line.rstrip() for line in text.strip().splitlines()]
    return _single_blanks(lines), resources["outputs"]


def _from_root(root: Path, target: str) -> str | None:
    """A link of nbs/index.ipynb as it must read in README.md; None when nothing is there."""
    found = resolve("nbs", target)
    return found if found and (root / found).exists() else None


def _single_blanks(lines: list[str]) -> str:
    kept = [line for i, line in enumerate(lines) if line or (i and lines[i - 1])]
    return "\n".join(kept) + "\n"


def write_readme(root: str | Path = ".") -> Path:
    """Write README.md and the figures that it shows."""
    root = Path(root)
    text, figures = render(root)
    for name, content in figures.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}")
        beside.write_bytes(content)
        os.replace(beside, path)
    write_text(root / "README.md", text)
    return root / "README.md"


def main(arguments: list[str] | None = None) -> int:
    """`python -m emonotes.course.readme`: write README.md and its figures."""
    argparse.ArgumentParser(prog="python -m emonotes.course.readme", description=__doc__).parse_args(arguments)
    print(f"  wrote  {write_readme()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
