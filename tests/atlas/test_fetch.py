"""Downloads: licence before the first byte, resumed, checked, whole or not there; a failure never stops the others."""

import contextlib
import hashlib
import io
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from emonotes.atlas import fetch as chapter
from emonotes.atlas.fetch import Fetched, fetch, licence_text
from emonotes.atlas.folders import cache_folder, data_folder
from emonotes.atlas.sources import card, load_cards
from emonotes.errors import InputError

FILE = bytes(range(256)) * 2000
SHA = hashlib.sha256(FILE).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves FILE; `server.ranges`: whether it knows Range; `server.most`: bytes it sends before it hangs up."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.log.append((self.path, asked))
        if self.path == "/gone":
            return self.send_error(404)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and server.ranges else 0
        if start >= len(FILE):
            return self.answer(416, b"", {"Content-Range": f"bytes */{len(FILE)}"})
        extra = {"Content-Range": f"bytes {start + server.shift}-{len(FILE) - 1}/{len(FILE)}"} if start else {}
        self.answer(206 if start else 200, FILE[start:], extra)

    def answer(self, code, body, headers):
        self.send_response(code)
        for name, value in {**headers, "Content-Length": len(body), **self.server.headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(ConnectionError):  # the other side may be killed
            for at in range(0, len(body[:self.server.most]), 1 << 14):
                self.wfile.write(body[:self.server.most][at:at + (1 << 14)])
                self.wfile.flush()
                time.sleep(self.server.pause)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch, no_data):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    one = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one.log, one.most, one.ranges, one.pause, one.shift, one.headers = [], None, True, 0, 0, {}
    one.url = f"http://127.0.0.1:{one.server_port}"
    thread = threading.Thread(target=one.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield one
    one.shutdown()
    one.server_close()


def a_card(*files, id="made_up", **facts):
    facts = {"homepage": "https://example.org/study", "made_from": (), **facts}
    return replace(card("vibviz"), id=id, files=files, **facts)


def entry(url="", name="a.bin", sha256=SHA):
    return {"name": name, "url": url, "sha256": sha256}


def in_folder(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_fresh_download_lies_where_the_data_is_looked_for(server, capsys):
    (report,) = fetch(a_card(entry(f"{server.url}/a", name="in/a.bin")), accept=True)
    assert report == Fetched("made_up", "in/a.bin", "fetched", len(FILE))
    assert data_folder() == cache_folder() / "data" and (data_folder() / "made_up/in/a.bin").read_bytes() == FILE
    assert in_folder(data_folder()) == ["made_up/in/a.bin"], "neither a part nor a lock is left"
    said = capsys.readouterr()
    assert said.out == "" and card("vibviz").licence in said.err and "seifi2015" in said.err.lower()


def test_what_is_there_is_neither_fetched_nor_asked_for(server, tmp_path):
    one = a_card(entry(f"{server.url}/a"))
    fetch(one, accept=True, folder=tmp_path / "d")
    server.log.clear()
    assert fetch(one, accept=lambda one: pytest.fail("asked"), folder=tmp_path / "d")[0].state == "there"
    assert fetch(a_card(entry("")), folder=tmp_path / "d")[0].state == "there", "brought by hand, without an address"
    assert server.log == []


@pytest.mark.parametrize("ranges, second, what", [(True, "bytes=100000-", FILE[100_000:]), (False, "bytes=100000-", FILE)])
def test_a_cut_transfer_goes_on_or_starts_anew(server, tmp_path, ranges, second, what):
    one, server.most, server.ranges = a_card(entry(f"{server.url}/a")), 100_000, ranges
    (report,) = fetch(one, accept=True, folder=tmp_path)
    assert report.state == "failed" and report.bytes == 100_000
    assert re.search("'made_up', file 'a.bin'.*broke off.*goes on", report.message)
    assert in_folder(tmp_path) == ["made_up/a.bin.part"] and (tmp_path / "made_up/a.bin.part").read_bytes() == FILE[:100_000]
    server.most = None
    assert fetch(one, accept=True, folder=tmp_path)[0].state == "fetched"
    assert server.log == [("/a", None), ("/a", second)]
    assert in_folder(tmp_path) == ["made_up/a.bin"] and (tmp_path / "made_up/a.bin").read_bytes() == FILE


def test_a_part_that_is_already_whole_costs_no_second_transfer(server, tmp_path):
    (tmp_path / "made_up").mkdir()
    (tmp_path / "made_up/a.bin.part").write_bytes(FILE)
    assert fetch(a_card(entry(f"{server.url}/a")), accept=True, folder=tmp_path)[0].state == "fetched"
    assert server.log == [("/a", f"bytes={len(FILE)}-")]


@pytest.mark.parametrize("part, shift", [(FILE + b"more", 0), (FILE[:1000], 1)])
def test_a_part_that_does_not_fit_the_answer_is_started_anew(server, tmp_path, part, shift):
    server.shift = shift
    (tmp_path / "made_up").mkdir()
    (tmp_path / "made_up/a.bin.part").write_bytes(part)
    assert fetch(a_card(entry(f"{server.url}/a")), accept=True, folder=tmp_path)[0].state == "fetched"
    assert [asked for _, asked in server.log] == [f"bytes={len(part)}-", None]


def test_without_a_checksum_nothing_is_resumed(server, tmp_path):
    (tmp_path / "made_up").mkdir()
    (tmp_path / "made_up/a.bin.part").write_bytes(b"of another file")
    one = a_card(entry(f"{server.url}/a", sha256=""))
    assert fetch(one, accept=True, folder=tmp_path)[0].state == "fetched"
    assert (tmp_path / "made_up/a.bin").read_bytes() == FILE and server.log == [("/a", None)]


def test_a_packed_file_is_not_unpacked_on_the_way(server, tmp_path):
    server.headers = {"Content-Encoding": "gzip"}
    assert fetch(a_card(entry(f"{server.url}/a.gz")), accept=True, folder=tmp_path)[0].state == "fetched"


@pytest.mark.parametrize("start", [b"", b"wrong bytes of an earlier try"])
def test_a_wrong_checksum_names_everything_and_starts_clean(server, tmp_path, start):
    good, bad = entry(f"{server.url}/a", "good.bin"), entry(f"{server.url}/a", sha256="0" * 64 if not start else SHA)
    (tmp_path / "made_up").mkdir()
    (tmp_path / "made_up/a.bin.part").write_bytes(start)
    failed, fetched = fetch(a_card(bad, good), accept=True, folder=tmp_path)
    assert fetched.state == "fetched" and failed.state == "failed" and failed.bytes == 0
    assert all(s in failed.message for s in ("'made_up'", "'a.bin'", bad["sha256"], "try again", "example.org/study"))
    assert re.search("got [0-9a-f]{64}", failed.message)
    assert in_folder(tmp_path) == ["made_up/good.bin"]


def test_a_changed_file_is_replaced_only_by_the_right_one(server, tmp_path):
    (tmp_path / "made_up").mkdir()
    place = tmp_path / "made_up/a.bin"
    place.write_bytes(b"mine")
    assert fetch(a_card(entry(f"{server.url}/gone")), accept=True, folder=tmp_path)[0].state == "failed"
    assert place.read_bytes() == b"mine"
    (report,) = fetch(a_card(entry("")), accept=True, folder=tmp_path)
    assert report.state == "no address" and "SHA-256 differs" in report.message
    assert fetch(a_card(entry(f"{server.url}/a")), accept=True, folder=tmp_path)[0].state == "fetched"
    assert place.read_bytes() == FILE


@pytest.mark.parametrize("address, words", [
    ("{url}/gone", "answers 404 Not Found; .* see https://example.org/study"),
    ("http://127.0.0.1:1/a", "'127.0.0.1:1' could not be reached .*check the network"),
    ("ftp://127.0.0.1/a", "no address to get a file from"),
    ("file:///etc/hostname", "no address to get a file from"),
    ("nonsense", "no address to get a file from"),
    ("http://[x", "Invalid IPv6 URL"),
])
def test_what_does_not_come_is_told_in_one_sentence(server, tmp_path, address, words):
    bad, good = a_card(entry(address.format(url=server.url)), id="bad"), a_card(entry(f"{server.url}/a"), id="good")
    failed, fetched = fetch([bad, good], accept=True, folder=tmp_path)
    assert failed.state == "failed" and re.search(f"'bad', file 'a.bin': .*{words}", failed.message)
    assert "\n" not in failed.message and fetched.state == "fetched"
    assert in_folder(tmp_path) == ["good/a.bin"] and not (tmp_path / "bad").exists(), "an empty folder would count as data"


def test_a_dead_host_is_asked_once(no_data, tmp_path, monkeypatch):
    asked, really = [], chapter.download
    monkeypatch.setattr(chapter, "download", lambda url, *rest: asked.append(url) or really(url, *rest))
    one = a_card(*(entry("http://127.0.0.1:1/a", f"{i}.bin") for i in range(5)))
    assert {r.state for r in fetch(one, accept=True, folder=tmp_path)} == {"failed"} and len(asked) == 1


def test_connecting_gives_up_within_seconds(no_data, tmp_path, monkeypatch):
    def get(url, timeout, **_):
        assert 2 <= timeout[0] <= 5
        raise requests.ConnectTimeout("Max retries exceeded (Caused by a very long story)")

    monkeypatch.setattr(requests, "get", get)
    (report,) = fetch(a_card(entry("http://example.org/a")), accept=True, folder=tmp_path)
    assert "'example.org' could not be reached (ConnectTimeout)" in report.message


@pytest.mark.parametrize("terminal, progress, shown", [(True, True, True), (True, False, False), (False, True, False)])
def test_a_bar_is_shown_on_a_terminal(server, tmp_path, monkeypatch, terminal, progress, shown):
    class Screen(io.StringIO):
        def isatty(self):
            return terminal

    monkeypatch.setattr(sys, "stderr", Screen())
    fetch(a_card(entry(f"{server.url}/a")), accept=True, progress=progress, folder=tmp_path)
    assert ("a.bin" in sys.stderr.getvalue()) == shown


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "C:/x", "..\\x", ""])
def test_no_name_leaves_the_folder(server, tmp_path, name):
    folder = tmp_path / "d"
    for one in (a_card(entry(f"{server.url}/a", name)), a_card(entry(f"{server.url}/a"), id=name)):
        assert fetch(one, accept=True, folder=folder)[0].state == "failed"
    assert server.log == [] and not folder.exists()


def test_a_link_out_of_the_folder_is_refused(server, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "d/made_up").mkdir(parents=True)
    (tmp_path / "d/made_up/in").symlink_to(tmp_path / "out")
    (report,) = fetch(a_card(entry(f"{server.url}/a", "in/a.bin")), accept=True, folder=tmp_path / "d")
    assert report.state == "failed" and "link" in report.message and in_folder(tmp_path / "out") == [] == server.log


# --- the licence


@pytest.mark.parametrize("accept", [lambda one: False, lambda one: None])
def test_a_refused_licence_makes_no_request(server, tmp_path, accept):
    (report,) = fetch(a_card(entry(f"{server.url}/a")), accept=accept, folder=tmp_path / "d")
    assert report.state == "failed" and "licence was not accepted" in report.message
    assert server.log == [] and not (tmp_path / "d").exists()


def test_without_a_terminal_the_answer_has_to_be_given(server, tmp_path, monkeypatch):
    for stdin in (io.StringIO("y\n"), None):
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(InputError, match="'made_up' is not accepted.*--yes"):
            fetch(a_card(entry(f"{server.url}/a")), folder=tmp_path)
    assert server.log == []


@pytest.mark.parametrize("answer, state", [("y", "fetched"), ("Yes", "fetched"), ("n", "failed"), ("", "failed")])
def test_on_a_terminal_one_is_asked_after_the_licence_and_before_the_transfer(server, tmp_path, monkeypatch, capsys, answer, state):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

        def readline(self):
            said = capsys.readouterr().err
            assert card("vibviz").licence in said and said.endswith("[y/N] ") and server.log == []
            return super().readline()

    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert fetch(a_card(entry(f"{server.url}/a")), folder=tmp_path, progress=False)[0].state == state
    assert len(server.log) == (state == "fetched")


def test_every_licence_is_settled_before_the_first_request(server, tmp_path):
    asked = []

    def accept(one):
        assert server.log == []
        asked.append(one.id)
        return one.id != "b"

    reports = fetch([a_card(entry(f"{server.url}/{i}"), id=i) for i in "abc"], accept=accept, folder=tmp_path)
    assert asked == ["a", "b", "c"] and [r.state for r in reports] == ["fetched", "failed", "fetched"]
    assert [path for path, _ in server.log] == ["/a", "/c"]


@pytest.mark.parametrize("redistribute, words", [(True, "passed on:  yes"), (False, "passed on:  no")])
def test_the_licence_text(redistribute, words):
    text = licence_text(a_card(redistribute=redistribute, citation="@misc{x,\n  title = {T}\n}", licence="CC BY 9"))
    assert words in text and "CC BY 9" in text and "title = {T}" in text and "example.org/study" in text


# --- cards


def test_parents_come_too_and_both_licences_are_asked(server, tmp_path, monkeypatch):
    parent, asked = a_card(entry(f"{server.url}/a"), id="parent"), []
    monkeypatch.setattr(chapter, "card", {"parent": parent}.__getitem__)
    child = a_card(id="child", made_from=("parent",))
    refused = fetch(child, accept=lambda one: one.id == "parent", folder=tmp_path)
    assert [r.state for r in refused] == ["failed"] and server.log == [], "the child's licence counts as well"
    reports = fetch([child, replace(child, id="twin")], accept=lambda one: asked.append(one.id) or True, folder=tmp_path)
    assert reports == (Fetched("parent", "a.bin", "fetched", len(FILE)),) and asked == ["child", "parent", "twin"]
    assert in_folder(tmp_path) == ["parent/a.bin"]


def test_no_address_is_told_plainly_and_nobody_is_asked(no_data):
    reports = fetch(["crema_d", "tastants"], accept=lambda one: pytest.fail("asked"))
    assert [r.state for r in reports] == ["no address", "there"]
    for words in ("no official direct address is stated", card("crema_d").homepage, str(cache_folder() / "data" / "crema_d")):
        assert words in reports[0].message
    assert "lists no files" in reports[1].message and not (cache_folder() / "data").exists()


def test_unknown_sources_list_the_legal_ones(no_data):
    with pytest.raises(InputError, match="no source 'moon_smells'.*vibviz"):
        fetch(["vibviz", "moon_smells"], accept=True)


def test_downloads_beside_a_named_folder_are_told(server, data, capsys):
    assert fetch(a_card(entry(f"{server.url}/a")), accept=True)[0].state == "fetched"
    assert "EMONOTES_DATA is set" in capsys.readouterr().err and not list(data.iterdir())


def test_every_address_on_our_cards_is_one_of_a_file():
    for one in load_cards().values():
        for file in one.files:
            assert not file.get("url") or re.fullmatch(r"https?://\S+", file["url"]), one.id
            assert not file.get("url") or re.fullmatch("[0-9a-f]{64}", file["sha256"]), f"{one.id} cannot be checked"
            assert not file.get("url") or file["url"].rstrip("/") != one.homepage.rstrip("/"), f"{one.id}: a landing page"


# --- the disk and other processes


@pytest.mark.parametrize("where", ["in the way", "locked"])
def test_a_folder_that_cannot_be_written(server, tmp_path, where):
    place = tmp_path / where
    if where == "locked":
        place.mkdir()
        place.chmod(stat.S_IRUSR | stat.S_IXUSR)
        if os.access(place, os.W_OK):
            pytest.skip("root may write anywhere")
    else:
        place.write_text("a file")
    (report,) = fetch(a_card(entry(f"{server.url}/a")), accept=True, folder=place)
    assert report.state == "failed" and "cannot be written" in report.message and server.log == []


def test_a_full_disk_keeps_the_part(server, tmp_path, monkeypatch):
    class Full(io.FileIO):
        def write(self, chunk):
            if self.tell() > 200_000:
                raise OSError(28, "No space left on device")
            return super().write(chunk)

    def opened(path, mode):
        return Full(path, mode)

    monkeypatch.setattr(chapter, "open", opened, raising=False)
    (report,) = fetch(a_card(entry(f"{server.url}/a")), accept=True, folder=tmp_path)
    assert report.state == "failed" and re.search("No space left.*free some space", report.message) and report.bytes > 200_000
    monkeypatch.undo()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert fetch(a_card(entry(f"{server.url}/a")), accept=True, folder=tmp_path)[0].state == "fetched"
    assert server.log[1][1] == f"bytes={report.bytes}-"


CHILD = """
import sys, json
from dataclasses import replace
from emonotes.atlas.fetch import fetch
from emonotes.atlas.sources import card
one = replace(card("vibviz"), id="made_up", made_from=(), files=({"name": "a.bin", "url": sys.argv[1], "sha256": sys.argv[2]},))
print("ready", flush=True)
print(fetch(one, accept=True, folder=sys.argv[3])[0].state, flush=True)
"""


def started(url, folder):
    child = subprocess.Popen([sys.executable, "-c", CHILD, url, SHA, str(folder)], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout.readline() == "ready\n"
    return child


def waited(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def test_two_processes_fetch_a_file_once(server, tmp_path):
    server.pause = 0.02
    children = [started(f"{server.url}/a", tmp_path) for _ in range(2)]
    said = [child.communicate(timeout=60) for child in children]
    assert sorted(out.strip() for out, _ in said) == ["fetched", "there"], said
    assert server.log == [("/a", None)], "the second one waited"
    assert in_folder(tmp_path) == ["made_up/a.bin"] and (tmp_path / "made_up/a.bin").read_bytes() == FILE


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_process_leaves_a_part_and_no_lock(server, tmp_path, with_signal):
    server.pause, part = 0.05, tmp_path / "made_up/a.bin.part"
    child = started(f"{server.url}/a", tmp_path)
    waited(lambda: part.is_file() and part.stat().st_size > 60_000)
    child.send_signal(with_signal)
    _, said = child.communicate(timeout=60)
    assert child.returncode != 0 and part.is_file() and not (tmp_path / "made_up/a.bin").exists()
    if with_signal == signal.SIGINT:
        assert "interrupted; " in said and "goes on" in said and in_folder(tmp_path) == ["made_up/a.bin.part"]
    size, server.pause = part.stat().st_size, 0
    assert fetch(a_card(entry(f"{server.url}/a")), accept=True, folder=tmp_path)[0].state == "fetched"
    assert server.log[-1] == ("/a", f"bytes={size}-") and in_folder(tmp_path) == ["made_up/a.bin"]


def test_a_report_is_plain_data():
    assert asdict(Fetched("a", "b", "there")) == {"source": "a", "file": "b", "state": "there", "bytes": 0, "message": ""}
