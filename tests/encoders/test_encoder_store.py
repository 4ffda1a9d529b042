"""The store must never be the reason for a failure, and never give a wrong vector."""
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest

from emonotes.encoders.base import BaseEncoder
from emonotes.encoders.store import Store, key_of
from emonotes.errors import InputError


class Length(BaseEncoder):
    name, dim, batch = "text/length", 3, 16

    def __init__(self, version="1"):
        self.version, self.calls = version, 0

    def check(self, item):
        if not isinstance(item, str):
            raise InputError(f"{item!r} is not a text; give a str")
        return item

    def embed(self, ready):
        self.calls += len(ready)
        return np.array([[len(t), t.count("1"), ord(t[0])] for t in ready], np.float32)


TEXTS = [f"text {i}" for i in range(600)]


@pytest.fixture
def filled(tmp_path):
    store, encoder = Store(tmp_path), Length()
    expected = store.encode(encoder, TEXTS)
    encoder.calls = 0
    return store, encoder, expected


def test_second_time_nothing_is_computed(filled):
    store, encoder, expected = filled
    assert np.array_equal(store.encode(encoder, TEXTS[::-1]), expected[::-1]) and encoder.calls == 0
    assert expected.dtype == np.float32 and np.array_equal(expected, Length().encode(TEXTS))


def test_only_new_and_each_once(filled):
    store, encoder, _ = filled
    store.encode(encoder, TEXTS[:3] + ["new", "new", "newer"])
    assert encoder.calls == 2


def test_version_name_and_dim_are_part_of_the_key():
    one, two = Length("1"), Length("2")
    assert key_of(one, "a") == key_of(Length("1"), "a") != key_of(two, "a")
    assert key_of(one, "a") != key_of(one, b"a")


def test_bad_item_writes_nothing(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(InputError, match="item 1"):
        store.encode(Length(), ["fine", 3.5])
    with pytest.raises(InputError):
        store.encode(Length(), [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("keep", [0, 10, 100, 5000, -1])
def test_cut_file_is_rebuilt(filled, keep, capsys):
    store, encoder, expected = filled
    path = store.path(encoder)
    path.write_bytes(path.read_bytes()[:keep])
    assert np.array_equal(Store(store.folder).encode(encoder, TEXTS), expected)
    assert "Traceback" not in capsys.readouterr().err
    encoder.calls = 0
    assert np.array_equal(Store(store.folder).encode(encoder, TEXTS), expected) and encoder.calls == 0


def test_nonsense_file_is_put_aside_with_one_line(filled, capsys):
    store, encoder, expected = filled
    store.path(encoder).write_bytes(b"not a database at all " * 500)
    assert np.array_equal(store.encode(encoder, TEXTS), expected)
    assert capsys.readouterr().err.count("damaged") == 1 and store.path(encoder).with_suffix(".damaged").exists()


def test_flipped_bytes_never_give_a_wrong_vector(filled):
    store, encoder, expected = filled
    path = store.path(encoder)
    raw = bytearray(path.read_bytes())
    for place in np.random.default_rng(0).integers(100, len(raw), 200):
        raw[place] ^= 0xFF
    path.write_bytes(raw)
    assert np.array_equal(Store(store.folder).encode(encoder, TEXTS), expected)


def test_altered_vector_is_noticed(filled):
    store, encoder, expected = filled
    connection = sqlite3.connect(store.path(encoder))
    with connection:
        connection.execute("UPDATE embeddings SET vector = zeroblob(12)")
    connection.close()
    assert np.array_equal(store.encode(encoder, TEXTS), expected) and encoder.calls == len(TEXTS)


def test_folder_that_cannot_be_made(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    store, encoder = Store(tmp_path / "file" / "cache"), Length()
    for _ in range(2):
        assert store.encode(encoder, TEXTS).shape == (600, 3)
    err = capsys.readouterr().err
    assert err.count("going on without it") == 1 and "EMONOTES_CACHE" in err and encoder.calls == 1200


def test_full_disk(filled, monkeypatch, capsys):
    import emonotes.encoders.store as module

    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(module, "_write", full)
    store, encoder, _ = filled
    assert store.encode(encoder, ["quite new"]).shape == (1, 3)
    assert "disk is full" in capsys.readouterr().err


def test_read_only_file_is_still_read(filled, monkeypatch):
    import emonotes.encoders.store as module

    store, encoder, expected = filled
    connect = module._connect

    def read_only(path, write=True):
        if write:
            raise sqlite3.OperationalError("attempt to write a readonly database")
        return connect(path, write)

    monkeypatch.setattr(module, "_connect", read_only)
    assert np.array_equal(store.encode(encoder, TEXTS), expected) and encoder.calls == 0
    assert store.encode(encoder, ["quite new"]).shape == (1, 3)


def test_file_is_mapped_for_reading(filled):
    import emonotes.encoders.store as module

    store, encoder, _ = filled
    connection = module._connect(store.path(encoder), write=False)
    assert connection.execute("PRAGMA mmap_size").fetchone()[0] > 2e9
    assert connection.execute("PRAGMA page_size").fetchone()[0] == 16_384
    connection.close()


def test_bad_item_is_named_by_its_place_in_the_whole_list(filled):
    store, encoder, _ = filled

    class Picky(Length):
        def check(self, item):
            if item == "bad":
                raise InputError("'bad' is bad; give another")
            return item

    with pytest.raises(InputError, match="^item 702: 'bad' is bad"):
        store.encode(Picky(), [*TEXTS, *(f"new {i}" for i in range(102)), "bad", "fine"])
    assert sum(n for n, in sqlite3.connect(store.path(encoder)).execute("SELECT count(*) FROM embeddings")) == 600
    with pytest.raises(InputError, match="^'bad' is bad"):
        store.encode(Picky(), ["bad"])


def test_unknown_engine_and_missing_ray(filled, monkeypatch):
    store, encoder, expected = filled
    with pytest.raises(InputError, match="no engine 'spark'.*local, ray"):
        store.encode(encoder, ["a"], engine="spark")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r'pip install "ray\[data\]"'):
        store.encode(encoder, ["quite new"], engine="ray")
    assert np.array_equal(store.encode(encoder, TEXTS, engine="ray"), expected), "what is kept needs no Ray"


@pytest.mark.slow
def test_ray_gives_the_same(tmp_path, monkeypatch):
    pytest.importorskip("ray.data")
    from emonotes.atlas.workers import ray_session
    from emonotes.encoders.base import get

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    store, colours, minilm = Store(tmp_path, quiet=True), get("colour/cielab"), get("text/minilm")
    shades, texts = [f"#{i * 997:06x}" for i in range(2500)], [f"text {i} about a lake " * (i % 7 + 1) for i in range(1200)]
    with ray_session() as ray:
        assert np.array_equal(store.encode(colours, shades, engine="ray"), colours.encode(shades))
        assert np.abs(store.encode(minilm, texts, engine="ray") - minilm.encode(texts)).max() < 1e-5
        with pytest.raises(InputError, match="^item 2501: .*reddish"):
            store.encode(colours, [*shades, "#123", "reddish"], engine="ray")
        monkeypatch.setattr(type(colours), "version", "of next year")
        with pytest.raises(InputError, match="same weights"):
            store.encode(colours, shades, engine="ray")
        with pytest.raises(InputError, match="unknown; legal names"):
            store.encode(Length(), ["new"], engine="ray")
        assert ray.is_initialized()
    monkeypatch.undo()
    monkeypatch.setattr(type(minilm), "embed", lambda *_: pytest.fail("it was computed again"))
    store.encode(minilm, texts)


PROGRAM = """
import sys, numpy as np
from emonotes.encoders.base import BaseEncoder
from emonotes.encoders.store import Store
class Sum(BaseEncoder):
    name, dim, batch = "text/sum", 4, 8
    def embed(self, ready):
        return np.array([[len(t), sum(map(ord, t)) % 97, 0, 1] for t in ready], np.float32)
texts = [f"text {i}" for i in range(1500)][:: int(sys.argv[2])]
print(Store(sys.argv[1], quiet=True).encode(Sum(), texts).sum(0).tolist() == Sum().encode(texts).sum(0).tolist())
"""


def test_two_processes_at_once(tmp_path):
    both = [subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path), order], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True) for order in ("1", "-1", "1")]
    for process in both:
        out, err = process.communicate(timeout=60)
        assert out.strip() == "True" and not err, (out, err)
    [path] = tmp_path.glob("*.sqlite")
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM embeddings").fetchone() == (1500,)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_killed_while_writing_leaves_a_usable_file(tmp_path):
    long = PROGRAM.replace("range(1500)", "range(200000)")
    process = subprocess.Popen([sys.executable, "-c", long, str(tmp_path), "1"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    for _ in range(200):
        time.sleep(0.02)
        if list(tmp_path.glob("*.sqlite")) or process.poll() is not None:
            break
    process.kill()
    process.communicate()
    again = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path), "1"], capture_output=True, text=True,
                           timeout=60)
    assert again.stdout.strip() == "True" and "Traceback" not in again.stderr


def test_killed_within_a_transaction_is_undone_by_the_next_reader(filled, capsys):
    """The file is then half rewritten, and a journal beside it says how to go back."""
    store, encoder, expected = filled
    program = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE embeddings SET vector = zeroblob(12), checksum = 1")
for i in range(500):
    connection.execute("INSERT INTO embeddings VALUES (?, ?, ?)", (os.urandom(16), bytes(5000), i))
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", program, str(store.path(encoder))], timeout=60)
    assert list(store.folder.glob("*-journal"))
    assert np.array_equal(store.encode(encoder, TEXTS), expected) and encoder.calls == 0
    assert not list(store.folder.glob("*-journal")) and capsys.readouterr().err == ""


def test_file_names_are_safe(tmp_path):
    class Odd(Length):
        name = "text/hf:../../etc/passwd"

    path = Store(tmp_path).path(Odd())
    assert path.parent == tmp_path and "/" not in path.name.replace(str(tmp_path), "")
