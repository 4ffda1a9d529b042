"""What it costs to import the package and to ask an unchanged book for nothing new. Prints; asserts only ratios."""

import json
import subprocess
import sys
import time

from emonotes.course.execute import execute_book


def seconds(*command):
    """Wall-clock seconds of a command, best of three."""
    def once():
        began = time.perf_counter()
        subprocess.run(command, check=True)
        return time.perf_counter() - began
    return min(once() for _ in range(3))


def test_import():
    bare = seconds(sys.executable, "-c", "pass")
    ours = seconds(sys.executable, "-c", "import emonotes")
    numpy = seconds(sys.executable, "-c", "import numpy")
    print(f"\nimport emonotes {ours - bare:.3f} s (import numpy {numpy - bare:.3f} s)")
    assert ours - bare < 5 * max(numpy - bare, 0.01)


def test_unchanged_book_costs_nothing(tmp_path):
    cells = [{"cell_type": "code", "id": "a", "metadata": {}, "source": "x = 1", "outputs": [],
              "execution_count": None}]
    kernel = {"kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}}
    book = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "nbs").mkdir()
    (tmp_path / "nbs/a.ipynb").write_text(json.dumps(book))
    times = []
    for _ in range(2):
        began = time.perf_counter()
        execute_book(tmp_path / "nbs", tmp_path / "out", progress=False)
        times.append(time.perf_counter() - began)
    print(f"\none empty chapter {times[0]:.2f} s, kept {times[1]:.2f} s")
    assert times[1] < times[0] / 2
