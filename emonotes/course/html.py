"""The HTML book from the executed chapters: one folder that opens from disk, with no outside link in what it loads."""

import argparse
import json
import shutil
import subprocess
import sys
from contextlib import nullcontext
from hashlib import blake2b
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from emonotes import __version__
from emonotes.course.chapter import write_text
from emonotes.course.execute import notebooks
from emonotes.course.stage import load, resolve, staged
from emonotes.errors import InputError

CONF = '''
project = "emonotes"
author = "the emonotes authors"
copyright = "2026 onwards, the emonotes authors"
version = release = {version!r}
extensions = ["myst_nb", "sphinx-mathjax-offline"]
html_theme = "sphinx_book_theme"
html_title = "emonotes"
html_static_path = ["_static"]
html_css_files = ["emonotes.css"]
html_show_sphinx = False
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {{
    "use_repository_button": False, "use_issues_button": False, "use_edit_page_button": False,
    "use_download_button": False, "navbar_persistent": [],
    "home_page_in_toc": True, "show_navbar_depth": 1, "show_toc_level": 2,
    "article_footer_items": [], "content_footer_items": [],
}}
nb_execution_mode = "off"
nb_merge_streams = True
nb_render_markdown_format = "myst"
nb_ipywidgets_js = {{}}
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]
'''
CSS = """.bd-page-width { max-width: 110rem; }
.bd-main .bd-content .bd-article-container { max-width: 68rem; }
@media (min-width: 1200px) {
  .bd-sidebar-primary { flex: 0 0 15rem; }
  .bd-sidebar-secondary { flex: 0 0 13rem; max-width: 13rem; }
}
.bd-article div.highlight pre, div.cell_output pre { font-size: .74rem; }
div.cell_output pre { white-space: pre-wrap; }
div.cell_output audio { width: 100%; max-width: 28rem; }
div.cell_output img { background: white; }
"""


def build_html(executed="_build/executed", out="_build/html", progress=True) -> Path:
    """Build the book from the notebooks under `executed` into `out` and return its first page.

    Nothing is done when the executed notebooks are those of the last good build. Raises `InputError` when there is no
    executed chapter, `RuntimeError` with Sphinx's own words when the book has a fault (warnings count as faults), or
    with the list of places when a page would load something from outside.
    """
    executed, out = Path(executed), Path(out)
    pages = stage_pages(executed)
    first, stamp = out / "index.html", out / ".stamp"
    key = blake2b(json.dumps([pages, CONF, CSS, __version__]).encode(), digest_size=16).hexdigest()
    if first.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == key:
        return first
    stamp.unlink(missing_ok=True)
    source = out.with_name(out.name + "-source")
    _write_source(source, pages)
    _sphinx(source, out, out.with_name(out.name + "-doctrees"), len(pages), progress)
    _remove_stale(out, pages)
    if outside := outside_loads(out):
        raise RuntimeError("the book would load from outside or miss a file: " + "; ".join(outside[:5]))
    write_text(stamp, key)
    return first


def stage_pages(executed: Path) -> dict[str, str]:
    """Every page of the book's source by its path: the staged chapters and the index with its tables of contents."""
    paths = notebooks(executed)
    if not paths:
        raise InputError(f"no executed chapters under '{executed}'; run `emonotes run` or `make book` first")
    names = [p.relative_to(executed).as_posix() for p in paths]
    pages = {}
    for name, path in zip(names, paths, strict=True):
        folder = name.rpartition("/")[0]
        page = staged(load(path), lambda to, folder=folder: to if resolve(folder, to) in names else None)
        pages[name] = page
    index = pages.setdefault("index.ipynb", {"cells": [_markdown("# emonotes")], "metadata": {}, "nbformat": 4,
                                             "nbformat_minor": 5})
    index["cells"].append(_markdown(contents(names)))
    return {name: json.dumps(page, ensure_ascii=False) for name, page in pages.items()}


def _markdown(text: str) -> dict:
    return {"cell_type": "markdown", "id": "contents", "metadata": {}, "source": text}


def contents(names: list[str]) -> str:
    """One hidden table of contents a part, titled by its folder: `04_align` becomes `Align`."""
    parts: dict[str, list[str]] = {}
    for name in names:
        if name != "index.ipynb":
            parts.setdefault(name.rpartition("/")[0], []).append(name.removesuffix(".ipynb"))
    return "\n\n".join(
        f"```{{toctree}}\n:hidden:\n:caption: {part_title(part)}\n\n" + "\n".join(chapters) + "\n```"
        for part, chapters in parts.items())


def part_title(folder: str) -> str:
    """`Align` for 04_align."""
    words = folder.rpartition("/")[2].lstrip("0123456789_") or folder or "more"
    return words.replace("_", " ").capitalize()


def _write_source(folder: Path, pages: dict[str, str]) -> None:
    """Write what changed, remove what is gone, so that Sphinx reads only changed pages."""
    files = pages | {"conf.py": CONF.format(version=__version__).lstrip(), "_static/emonotes.css": CSS}
    for path in list(folder.rglob("*")):
        if path.is_file() and path.relative_to(folder).as_posix() not in files:
            path.unlink()
    for name, text in files.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)


def _sphinx(source: Path, out: Path, doctrees: Path, pages: int, progress: bool) -> None:
    """Run Sphinx with warnings as faults; after a fault its cache goes, so that the fault is told again."""
    from rich.console import Console

    command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", "-d", doctrees, source, out]
    with Console().status(f"building the book, {pages} pages") if progress else nullcontext():
        ended = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if ended.returncode:
        shutil.rmtree(doctrees, ignore_errors=True)
        raise RuntimeError("the book has faults:\n" + (ended.stderr or ended.stdout).strip())


def _remove_stale(out: Path, pages: dict[str, str]) -> None:
    """Sphinx leaves the pages of chapters that are gone; a reader should not find them."""
    wanted = {Path(name).with_suffix(".html") for name in pages} | {Path("search.html"), Path("genindex.html")}
    for page in set(out.rglob("*.html")) - set(out.glob("_static/**/*.html")):
        if page.relative_to(out) not in wanted:
            page.unlink()


class _Loads(HTMLParser):
    """Collects what a page loads by itself (not what a reader may click)."""

    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("src", "srcset", "poster", "data") and tag != "option" or (tag == "link" and name == "href"):
                self.found.append(value or "")


def outside_loads(folder: Path) -> list[str]:
    """`page: address` for everything that the pages or style sheets load from outside, or that is not in the folder."""
    faults = []
    for page in sorted(set(folder.rglob("*.html")) - set(folder.glob("_static/**/*.html"))):
        reader = _Loads()
        reader.feed(page.read_text(encoding="utf-8"))
        faults += [f"{page.relative_to(folder)}: {to[:80]}" for to in reader.found if not _is_inside(to, page, folder)]
    for sheet in sorted(folder.rglob("*.css")):
        text = sheet.read_text(encoding="utf-8", errors="ignore").replace('"', "").replace("'", "").replace(" ", "")
        if "url(http" in text or "url(//" in text or "@importhttp" in text:
            faults.append(f"{sheet.relative_to(folder)}: a style from outside")
    return faults


def _is_inside(address: str, page: Path, folder: Path) -> bool:
    parts = urlsplit(address)
    if parts.scheme == "data" or not (parts.scheme or parts.netloc or parts.path):
        return True
    if parts.scheme or parts.netloc:
        return False
    target = (page.parent / unquote(parts.path)).resolve()
    return target.is_relative_to(folder.resolve()) and target.exists()


def main(arguments: list[str] | None = None) -> int:
    """`python -m emonotes.course.html`: build the book from what is executed and print its first page."""
    parser = argparse.ArgumentParser(prog="python -m emonotes.course.html", description=__doc__)
    parser.add_argument("--executed", default="_build/executed")
    parser.add_argument("--out", default="_build/html")
    options = parser.parse_args(arguments)
    try:
        print(f"  book   {build_html(options.executed, options.out).resolve()}")
    except (InputError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
