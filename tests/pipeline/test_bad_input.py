"""Every mistake of a user on the command line: one sentence, exit code 2, no traceback, nothing half-written."""

import json
import os
import resource
import subprocess
import sys

import pytest

from emonotes import cli


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Run the command line in this process, in an empty folder; returns exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["emonotes", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return run


def refused(result, *words):
    """Exit code 2, one line that holds the words, no traceback."""
    code, _, err = result
    said = [line for line in err.strip().splitlines() if line.startswith("emonotes: ")]
    assert code == 2 and len(said) == 1, result
    assert "Traceback" not in err
    for word in words:
        assert word in said[0], said[0]


def test_a_word_where_a_smiles_is_expected(call):
    refused(call("feel", "banana", "-m", "odour"), "banana", "SMILES")


def test_an_invalid_smiles(call):
    refused(call("feel", "C1CC", "-m", "odour"), "C1CC")


def test_a_corrupt_image(call, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 not a picture")
    refused(call("feel", "broken.jpg"), "broken.jpg")


def test_a_corrupt_midi(call, tmp_path):
    (tmp_path / "broken.mid").write_bytes(b"MThd nothing")
    refused(call("feel", "broken.mid"), "broken.mid", "corrupt")


def test_a_corrupt_sound(call, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF nothing")
    refused(call("feel", "broken.wav"), "broken.wav")


def test_a_file_that_is_not_there(call):
    refused(call("feel", "nowhere.png"), "nowhere.png")


def test_an_empty_item(call):
    refused(call("feel", "  "), "empty")


def test_nan(call):
    refused(call("feel", "nan", "-m", "temperature"), "nan")
    refused(call("compose", "--va=nan,0.2"), "nan")


def test_a_point_outside_the_plane(call):
    refused(call("compose", "--va=1.5,0"), "1.5")
    refused(call("compose", "--va=here"), "here", "valence,arousal")


def test_neither_item_nor_point(call):
    refused(call("compose"), "either")


def test_an_unknown_sense_lists_the_legal_ones(call):
    refused(call("feel", "north", "-m", "magnetism"), "magnetism", "colour", "odour")
    refused(call("match", "joy", "-t", "magnetism", "-m", "word"), "magnetism")


def test_an_unknown_way_to_match(call):
    refused(call("match", "joy", "-t", "colour", "-m", "word", "--by", "magic"), "magic", "embedding")


def test_an_unknown_source_lists_the_legal_ones(call):
    refused(call("atlas", "show", "atlantis"), "atlantis", "emobank")
    refused(call("atlas", "build", "atlantis"), "atlantis", "emobank")


def test_a_missing_data_folder(call, monkeypatch, tmp_path):
    monkeypatch.setenv("EMONOTES_DATA", str(tmp_path / "gone"))
    refused(call("atlas", "build"), "gone", "EMONOTES_DATA")


def test_impossible_lengths_and_coverages(call):
    refused(call("compose", "--va=0,0", "--seconds", "0"), "0.0 seconds")
    refused(call("compose", "--va=0,0", "--seconds", "1e9"), "seconds")
    refused(call("feel", "joy", "--coverage", "1.5"), "1.5")


def test_an_unwritable_place(call, tmp_path):
    (tmp_path / "file").write_text("in the way")
    refused(call("compose", "--va=0,0", "--seconds", "2", "--out", "file/clip"), "file/clip")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_cache_that_cannot_be_written_is_done_without(call, monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("a file where the cache should be")
    monkeypatch.setenv("EMONOTES_CACHE", str(tmp_path / "cache"))
    code, out, err = call("feel", "an unwritable afternoon", "--json")
    assert code == 0 and json.loads(out)[0]["modality"] == "text" and "Traceback" not in err


@pytest.mark.slow
def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    """The limit on file size makes the second half of the clip fail as a full disk would; the SoundFont was tuned before."""
    from emonotes.music.soundfont import tuned

    monkeypatch.setenv("EMONOTES_CACHE", str(tmp_path / "cache"))
    tuned()
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000))  # noqa: E731
    environment = os.environ | {"EMONOTES_CACHE": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-m", "emonotes.cli", "compose", "--va=0.5,0.5", "--seconds", "4", "-o", "clip"],
                          cwd=tmp_path, env=environment, preexec_fn=limit, capture_output=True, text=True)
    assert done.returncode == 2 and "clip.ogg" in done.stderr and "Traceback" not in done.stderr, done
    assert not [p for p in tmp_path.iterdir() if "ogg" in p.name]
