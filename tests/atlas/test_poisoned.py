"""Bad files, no network, a full disk, two builds at once, a killed build: the atlas that stood there before survives."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest

from emonotes.atlas import build
from emonotes.errors import InputError

sys.path.insert(0, str(Path(__file__).parent))
import poison  # noqa: E402, it lies beside this file


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with everything that `run_cases` leaves behind: data, cards, healthy.parquet."""
    return tmp_path_factory.mktemp("poisoned")


@pytest.fixture(scope="module")
def outcomes(place):
    """What became of every case, by its name."""
    return {case["name"]: case for case in poison.run_cases(os.environ.get("EMONOTES_DATA"), place)}


@pytest.fixture
def old(outcomes, place, tmp_path):
    """The path of an atlas that stands there already, in a folder of its own: a copy of the healthy one."""
    new = tmp_path / "atlas" / "old.parquet"
    new.parent.mkdir()
    poison.copy_atlas(place / "healthy.parquet", new)
    return new


@pytest.fixture
def names(outcomes, place):
    """The sources of the healthy folder, which the atlas is made from within this test."""
    with poison.standing_on(place / "data", place / "cards"):
        yield [name for name, parents in poison.built_from(place / "data").items() if not set(parents) & set(poison.SLOW)]


def intact(path: Path, place: Path, beside: int = 0) -> bool:
    """Is this atlas the healthy one, readable, all tables of it, with so many half-written files beside it and no more?"""
    healthy = pl.read_parquet(place / "healthy.parquet")
    tables = {table: pl.read_parquet(file) for table, file in build.places(path).items() if file.is_file()}
    others = [p.name for p in path.parent.iterdir() if p not in build.places(path).values()]
    assert len(others) == beside and all(name.startswith(".") for name in others), others
    assert all(set(table["source"]) <= set(healthy["source"]) for table in tables.values())
    return poison._same(build.load(path), healthy)


# files


@pytest.mark.parametrize("name", [case.name for case in poison.variants()])
def test_a_fault_fails_its_source_and_no_other(outcomes, name):
    if name not in outcomes:
        pytest.skip("its source is not in the data folder")
    case = outcomes[name]
    assert case["others"], "the atlas cannot be read, or rows of another source have changed"
    assert case["found"], f"these failed: {case['failed']}"
    assert not case["lacks"], f"the message lacks {case['lacks']}: {case['message']}"
    assert case["caught"]


def test_the_cases_cover_what_can_go_wrong(outcomes):
    assert len(outcomes) > 40 and len({case.name for case in poison.variants()}) == len(poison.variants())
    assert all(case["seconds"] < 10 for case in outcomes.values())


def test_a_healthy_folder_has_no_fault(names, old, place):
    assert not build.build(names, old, progress=False).failed and intact(old, place)


# the machine


def test_without_a_network(names, old, place):
    def refused(*args, **kwargs):
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    with patch.object(socket.socket, "connect", refused), patch.object(socket, "getaddrinfo", refused):
        assert not build.build(names, old, progress=False).failed and intact(old, place)


def test_a_file_in_place_of_the_folder(names, old, place, monkeypatch):
    with pytest.raises(InputError, match=rf"{old.name}/new.*' cannot be written"):
        build.build(names, old / "new.parquet", progress=False)
    monkeypatch.setenv("EMONOTES_CACHE", str(old))
    with pytest.raises(InputError, match="cannot be written"):
        build.build(names, progress=False)
    assert intact(old, place)


def test_a_full_disk(names, old, place):
    write = Path.write_bytes

    def full(path, content):
        write(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with patch.object(Path, "write_bytes", full), pytest.raises(InputError, match="No space left"):
        build.build(names, old, progress=False)
    assert intact(old, place)


def start(place: Path, out: Path, *how: str) -> subprocess.Popen:
    """A process that builds the healthy folder to `out`, disturbed as poison.py says."""
    command = [sys.executable, poison.__file__, place / "data", place / "cards", out, *how]
    return subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE, text=True)


def test_two_builds_at_once_and_one_killed_in_the_middle(outcomes, old, place, tmp_path):
    """Three processes run side by side (they start slowly): two meet at the last step, the third is killed half-way."""
    killed, sign, meeting = tmp_path / "killed" / "old.parquet", tmp_path / "half written", tmp_path / "meeting"
    killed.parent.mkdir(), meeting.mkdir()
    poison.copy_atlas(old, killed)
    pair, victim = [start(place, old, "meet", meeting) for _ in range(2)], start(place, killed, "stall", sign)
    deadline = time.monotonic() + 60
    try:
        while not sign.is_file() and victim.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        victim.send_signal(signal.SIGKILL)
        ends = [process.communicate(timeout=60)[1] for process in pair]
    finally:
        for process in (*pair, victim):
            process.kill()
    assert victim.wait() == -signal.SIGKILL, victim.stderr.read()
    assert [process.returncode for process in pair] == [0, 0], ends
    assert len(list(meeting.iterdir())) == 2, "both were about to put their atlas there"
    assert intact(old, place)
    assert intact(killed, place, beside=1), "the half that was written lies there under another, hidden name"


def test_a_build_after_a_killed_one(names, old, place):
    half = old.with_name(f".{old.name}.1.part")
    half.write_bytes(old.read_bytes()[:100])
    assert not build.build(names, old, progress=False).failed and intact(old, place, beside=1)
