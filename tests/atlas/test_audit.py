"""The leakage audit: it finds leaks that were put there, and none where there is none."""

import os

import polars as pl
import pytest

from emonotes.atlas.audit import audit_split, collisions, prevented, published_splits
from emonotes.errors import InputError


def items(sides):
    return pl.DataFrame({"item": [f"i{n}" for n in range(len(sides))], "group": [f"g{n // 2}" for n in range(len(sides))], "side": sides})


def test_a_torn_group_is_found_and_counted():
    found = audit_split(items(["train", "test", "test", "test", "train", "train", "val", "test"]))
    assert (found["torn_groups"], found["test"], found["leaked"], found["example"]) == (2, 4, 2, "g0") and found["share"] == 0.5


def test_a_clean_split_is_clean():
    assert audit_split(items(["train", "train", "test", "test"]))["share"] == 0


@pytest.mark.parametrize("bad", [pl.DataFrame({"item": ["a"]}), items(["train"]).clear()])
def test_an_audit_says_what_it_needs(bad):
    with pytest.raises(InputError, match="item, group and side"):
        audit_split(bad)


def rows():
    return pl.DataFrame({"source": ["a"] * 400 + ["b"] * 400, "modality": "word",
                         "group": [f"word/{n // 2}" for n in range(400)] + [f"word/{n}" for n in range(400)], "split": "train"})


def test_what_a_split_by_lot_would_leak():
    found = {line["source"]: line for line in prevented(rows()).to_dicts()}
    assert found["a"]["within"] > 0.7 and found["a"]["across"] >= found["a"]["within"]
    assert found["b"]["within"] == 0 and found["b"]["across"] > 0.3 and found["b"]["sharing"] == 200
    table = collisions(rows())
    assert table.height == 200 and table["rows"].to_list() == [3] * 200 and table["names"][0] == "a, b"


@pytest.mark.skipif(not os.environ.get("EMONOTES_DATA"), reason="needs EMONOTES_DATA")
def test_the_published_leaks():
    found = {line["set"]: line for line in published_splits().to_dicts()}
    if "imemnet_pairs" in found:
        assert found["imemnet_pairs"]["torn_groups"] == 4110
    if "emopia" in found:
        assert found["emopia"]["leaked"] == 0


def test_without_a_data_folder_nothing_is_audited(no_data):
    assert published_splits().is_empty()
