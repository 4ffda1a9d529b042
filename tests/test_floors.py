"""The house: imports go down or along a floor, never up and never in a circle; importing the package is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "emonotes"
FLOORS = {"errors": 1, "affect": 1, "atlas": 2, "music": 2, "encoders": 3, "align": 4, "pipeline": 5, "studies": 6,
          "explain": 6, "cli": 7, "explorer": 7, "course": 7}
HEAVY = ("torch", "transformers", "rdkit", "sklearn", "skimage", "matplotlib.pyplot")


def module_of(path, package=PACKAGE):
    """Dotted name of a module file of the package."""
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources(package=PACKAGE):
    """Every module of the package by its dotted name, without nbdev's own index."""
    return {module_of(p, package): p for p in sorted(package.rglob("*.py")) if p.name != "_modidx.py"}


def imports_of(name, path, known):
    """Modules of the package that a module imports, at its top or inside a function."""
    base = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            stem = base[:len(base) - node.level + 1] if node.level else []
            source = ".".join([*stem, *([node.module] if node.module else [])])
            found |= {f"{source}.{alias.name}" if f"{source}.{alias.name}" in known else source for alias in node.names}
    return {other for other in found if other in known} - {name}


def graph(package=PACKAGE):
    """Who imports whom."""
    known = sources(package)
    return {name: imports_of(name, path, known) for name, path in known.items()}


def floor(name):
    """Floor of a module; None for the package's own `__init__`."""
    parts = name.split(".")
    return FLOORS[parts[1]] if len(parts) > 1 else None


def upward(edges):
    """Imports that climb."""
    return [f"{a} (floor {floor(a)}) imports {b} (floor {floor(b)})" for a, to in edges.items() for b in to
            if floor(a) and floor(b) and floor(b) > floor(a)]


def circle(edges):
    """One circle of imports, or an empty list."""
    done, path = set(), []

    def visit(node):
        if node in path:
            return [*path[path.index(node):], node]
        if node in done:
            return []
        path.append(node)
        found = next((c for c in map(visit, sorted(edges[node])) if c), [])
        path.pop()
        done.add(node)
        return found

    return next((c for c in map(visit, edges) if c), [])


def test_every_module_stands_on_a_floor():
    homeless = [name for name in sources() if "." in name and name.split(".")[1] not in FLOORS]
    assert not homeless, f"name their floor in FLOORS: {homeless}"


def test_imports_never_go_up():
    assert upward(graph()) == []


def test_imports_never_go_in_a_circle():
    assert circle(graph()) == []


def test_a_climb_and_a_circle_would_be_found(tmp_path):
    package = tmp_path / "emonotes"
    for name, text in {"__init__": "", "affect/__init__": "", "affect/space": "def f():\n    from ..atlas import rows",
                       "atlas/__init__": "", "atlas/rows": "from ..affect.space import f"}.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / f"{name}.py").write_text(text)
    edges = graph(package)
    assert upward(edges) == ["emonotes.affect.space (floor 1) imports emonotes.atlas.rows (floor 2)"]
    assert set(circle(edges)) == {"emonotes.affect.space", "emonotes.atlas.rows"}


@pytest.mark.parametrize("module", ["emonotes", "emonotes.affect.space", "emonotes.affect.scales", "emonotes.pipeline",
                                    "emonotes.cli", "emonotes.course.execute", "emonotes.course.html"])
def test_importing_loads_nothing_heavy(module):
    if module not in sources():
        pytest.skip(f"{module} is not there yet")
    code = f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert (ended.stdout.strip(), ended.returncode) == ("[]", 0), ended.stderr
