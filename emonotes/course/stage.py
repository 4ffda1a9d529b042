"""From an executed notebook to a page for readers: no hidden cells, no directives, no links that lead nowhere."""

import copy
import json
import re
from pathlib import Path, PurePosixPath

DIRECTIVE = re.compile(r"^#\s*\|.*$")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")


def load(path: str | Path) -> dict:
    """A notebook as a dict whose cell sources are single strings."""
    notebook = json.loads(Path(path).read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return notebook


def directives(source: str) -> set[str]:
    """The `#| ...` lines of a cell, without their mark."""
    return {line.split("|", 1)[1].strip() for line in source.splitlines() if DIRECTIVE.match(line)}


def without_directives(source: str) -> str:
    """The cell without its `#| ...` lines and the blank lines that they leave at the top."""
    return "\n".join(line for line in source.splitlines() if not DIRECTIVE.match(line)).strip("\n")


def staged(notebook: dict, link=None) -> dict:
    """A copy as a reader should see it; `link(target)` returns where a relative link leads now, or None to drop it."""
    page = copy.deepcopy(notebook)
    values = next((c["source"] for c in page["cells"] if "injected-parameters" in _tags(c)), "")
    page["cells"] = [cell for cell in map(_staged_cell, page["cells"]) if cell]
    for cell in page["cells"]:
        cell.pop("papermill", None)
        if "parameters" in _tags(cell):
            cell["source"] = _with_values(cell["source"], values)
        if link:
            _relink_cell(cell, link)
    page["metadata"] = {k: v for k, v in page["metadata"].items() if k in ("kernelspec", "language_info")}
    return page


def _relink_cell(cell: dict, link) -> None:
    """Lead the links anew in prose and in what a cell displayed as Markdown."""
    if cell["cell_type"] == "markdown":
        cell["source"] = relink(cell["source"], link)
    for output in cell.get("outputs", []):
        if "text/markdown" in output.get("data", {}):
            output["data"]["text/markdown"] = relink("".join(output["data"]["text/markdown"]), link)


def _tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def _staged_cell(cell: dict) -> dict | None:
    """One cell without directives; None for a cell that readers should not see."""
    tags, marks = _tags(cell), set()
    if cell["cell_type"] == "code":
        marks = directives(cell["source"])
        cell["source"] = without_directives(cell["source"])
    if "hide" in marks or "injected-parameters" in tags or not (cell["source"] or cell.get("outputs")):
        return None
    if marks & {"hide_input", "echo: false"}:
        tags = [*tags, "remove-input"]
    cell["metadata"] = {"tags": tags} if tags else {}
    return cell


def _with_values(source: str, injected: str) -> str:
    """The parameters cell as it was run: the injected value on the line of its name."""
    for name, value in re.findall(r"^(\w+) = (.+)$", injected, re.M):
        source = re.sub(rf"^{name}\s*=\s*[^#\n]*?(\s*(?:#.*)?)$", lambda m, n=name, v=value: f"{n} = {v}{m[1]}", source,
                        flags=re.M)
    return source


def relink(text: str, link) -> str:
    """Markdown with each relative link led anew; a link that leads nowhere stays as its plain words."""
    def replace(match):
        words, target = match.groups()
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        now = link(target)
        return f"[{words}]({now})" if now else words
    return LINK.sub(replace, text)


def resolve(folder: str, target: str) -> str | None:
    """`target` seen from `folder` as a path from the root (`..` resolved), or None when it leaves the root."""
    parts = []
    for part in PurePosixPath(folder, target.split("#")[0]).parts:
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
