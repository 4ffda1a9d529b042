"""A page for readers: hidden cells and directives gone, parameters as they were run, no dead links."""

import pytest

from emonotes.course.stage import directives, resolve, staged, without_directives


def page(*cells):
    return {"cells": list(cells), "metadata": {"kernelspec": {}, "papermill": {"duration": 1}}}


def test_directives_are_read_and_dropped():
    source = "#| export\n#|echo: false\nx = 1  # | not one\n"
    assert directives(source) == {"export", "echo: false"}
    assert without_directives(source) == "x = 1  # | not one"


def test_hidden_and_empty_cells_are_dropped(cell):
    kept = staged(page(cell("#| default_exp a.b"), cell("#| hide\nsecret()"), cell("#| export\nx = 1"),
                       cell("words", "markdown")))
    assert [c["source"] for c in kept["cells"]] == ["x = 1", "words"]
    assert kept["metadata"] == {"kernelspec": {}}


def test_output_only_cells_lose_their_input(cell):
    kept = staged(page(cell("#| echo: false\nplot()")))["cells"][0]
    assert kept["metadata"]["tags"] == ["remove-input"]


def test_parameters_show_the_values_of_the_run(cell):
    declared = cell("tiny = True  # small and quick\nseed = 0\nsize = 3", tags=["parameters"])
    injected = cell("# Parameters\ntiny = False\nseed = 7\n", tags=["injected-parameters"])
    kept = staged(page(declared, injected))["cells"]
    assert [c["source"] for c in kept] == ["tiny = False  # small and quick\nseed = 7\nsize = 3"]
    assert declared["source"].startswith("tiny = True"), "the notebook given is left as it was"


def test_links_that_lead_nowhere_become_words(cell):
    text = "[a](b.ipynb) [c](../gone.md) [d](https://example.org) [e](#here) ![f](x.png)"
    shown = [{"output_type": "display_data", "metadata": {}, "data": {"text/markdown": ["[c](../gone.md)"]}}]
    cells = page(cell(text, "markdown"), cell("x", outputs=shown))
    kept = staged(cells, lambda to: to if to == "b.ipynb" else None)["cells"]
    assert kept[0]["source"] == text.replace("[c](../gone.md)", "c")
    assert kept[1]["outputs"][0]["data"]["text/markdown"] == "c"


@pytest.mark.parametrize("folder, target, found", [
    ("01_a", "02.ipynb", "01_a/02.ipynb"), ("01_a", "../02_b/x.ipynb#part", "02_b/x.ipynb"), ("", "../LICENSE", None)])
def test_resolving(folder, target, found):
    assert resolve(folder, target) == found
