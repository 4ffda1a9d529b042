"""Small books to test the course tools on."""

import itertools
import json

import pytest


@pytest.fixture
def cell():
    """Make a clean cell with an id of its own."""
    numbers = itertools.count(1)

    def make(source, kind="code", tags=(), **more):
        made = {"cell_type": kind, "id": f"c{next(numbers)}", "metadata": {"tags": list(tags)} if tags else {},
                "source": source}
        return (made if kind == "markdown" else made | {"outputs": [], "execution_count": None}) | more
    return make


@pytest.fixture
def write():
    """Write a notebook of the given cells and return its path."""
    def to(path, *cells):
        kernel = {"display_name": "python3", "language": "python", "name": "python3"}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"cells": list(cells), "metadata": {"kernelspec": kernel}, "nbformat": 4,
                                    "nbformat_minor": 5}), encoding="utf-8")
        return path
    return to
