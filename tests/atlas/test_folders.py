"""Folders: the order they are looked up in, and that nothing is read or written outside its place."""

import zipfile

import pytest

from emonotes.atlas import folders
from emonotes.errors import InputError


def test_a_named_folder_must_exist(monkeypatch):
    monkeypatch.setenv("EMONOTES_DATA", "/no/such/folder")
    with pytest.raises(InputError, match="EMONOTES_DATA.*'/no/such/folder'.*unset"):
        folders.data_folder()


def test_downloads_come_after_the_named_folder(no_data, tmp_path, monkeypatch):
    assert folders.data_folder() is None
    download = folders.cache_folder() / "data" / "vibviz"
    download.mkdir(parents=True)
    assert folders.data_folder() == download.parent
    monkeypatch.setenv("EMONOTES_DATA", str(tmp_path))
    assert folders.data_folder() == tmp_path.resolve()


def test_shipped_folders_exist():
    assert list(folders.cards_folder().glob("*.toml")) and list(folders.starter_folder().glob("*.csv"))


@pytest.mark.parametrize(
    "bad",
    ["", "..", "../x", "a/../../x", "/etc/passwd", "a\\..\\..\\x", "C:/x", "z.zip!../x", "z.zip!/x", "z.zip!a/../../x"],
)
def test_no_path_leaves_the_data_folder(data, bad):
    (data.parent / "x").write_text("secret")
    with zipfile.ZipFile(data / "z.zip", "w") as archive:
        archive.writestr("../x", "evil")
    with pytest.raises(InputError):
        folders.open_content(bad)


def test_a_link_out_of_the_folder_is_refused(data):
    (data.parent / "secret").write_text("x")
    (data / "link").symlink_to(data.parent / "secret")
    with pytest.raises(InputError, match="leaves the data folder"):
        folders.open_content("link")


def test_reads_files_and_members(data):
    (data / "a.txt").write_bytes(b"plain")
    with zipfile.ZipFile(data / "z.zip", "w") as archive:
        archive.writestr("in/b.mid", b"MThd")
    assert folders.open_content("a.txt") == b"plain" and folders.open_content("z.zip!in/b.mid") == b"MThd"
    for bad, words in {"no.txt": "not in the data folder", "z.zip!no.mid": "not in the archive"}.items():
        with pytest.raises(InputError, match=words):
            folders.open_content(bad)


def test_a_damaged_archive(data):
    (data / "z.zip").write_bytes(b"PK nonsense")
    with pytest.raises(InputError, match="damaged"):
        folders.open_content("z.zip!a")


def test_content_without_data_folder(no_data):
    with pytest.raises(InputError, match="EMONOTES_DATA"):
        folders.open_content("oasis/a.jpg")


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("old")

    def breaks(beside):
        beside.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folders.write_beside(path, breaks)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_is_one_sentence(tmp_path):
    def full(beside):
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="cannot be written .No space left on device.; free some space"):
        folders.write_beside(tmp_path / "t", full)
