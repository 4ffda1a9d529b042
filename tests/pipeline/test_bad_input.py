"""Every mistake of a user on the command line: one sentence, exit code 2, no traceback, nothing half-written."""

import json
import os
import resource
import subprocess
import sys

import pytest


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


@pytest.mark.parametrize("point", ["1.5,0", "0,-1.01", "nan,0", "inf,0", "0.5", "0.1,0.2,0.3", "", "a,b"])
def test_no_point_of_the_plane(call, tmp_path, point):
    refused(call("compose", f"--va={point}", "-o", "clip"), point.split(",")[0])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seconds", ["0", "0.99", "-5", "nan", "inf", "1800.1", "1e300"])
def test_no_length(call, tmp_path, seconds):
    refused(call("compose", "--va=0,0", "--seconds", seconds, "-o", "clip"), "seconds", "1 to 1800")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name,bad,legal", [
    ("--format", "tape", "musicxml"), ("--instrument", "kazooo", "General MIDI"), ("--instrument", "128", "0..127"), ("--instrument", "", "piano"),
    ("--soundfont", "gone.sf2", "a .sf2 file"), ("--soundfont", ".", "a .sf2 file"), ("--music-model", "gone", "train-music")])
def test_an_option_that_names_nothing(call, tmp_path, name, bad, legal):
    refused(call("compose", "--va=0,0", name, bad, "-o", "clip"), f"'{bad}'", legal)
    assert not list(tmp_path.iterdir())


def test_a_soundfont_that_is_none(call, tmp_path):
    (tmp_path / "font.sf2").write_bytes(b"RIFF, and no more")
    refused(call("compose", "--va=0,0", "--soundfont", "font.sf2", "-o", "clip"), "font.sf2", "not a readable SoundFont")
    assert [path.name for path in tmp_path.iterdir()] == ["font.sf2"]


def midi(drums: bool, notes: int = 1) -> bytes:
    import symusic

    score = symusic.Score(480)
    score.tracks.append(symusic.Track("part", is_drum=drums))
    score.tracks[0].notes.extend([symusic.Note(480 * k, 480, 38, 80) for k in range(notes)])
    return score.dumps_midi()


@pytest.mark.parametrize("raw,said", [(b"", "'seed.mid' does not begin like a MIDI file"), (b"MThd", "'seed.mid' is corrupt"),
                                      (b"MThd" + bytes(40), "'seed.mid' is corrupt"), (midi(False)[:-9], "'seed.mid' is corrupt"),
                                      (midi(False, 0), "no notes")], ids=["empty", "head", "zeros", "cut", "no notes"])
def test_a_midi_that_is_nothing_to_start_from(call, tmp_path, raw, said):
    (tmp_path / "seed.mid").write_bytes(raw)
    refused(call("compose", "seed.mid", "-o", "clip"), said)
    assert [path.name for path in tmp_path.iterdir()] == ["seed.mid"]


def test_drums_alone_are_felt_by_their_rhythm(call, tmp_path):
    (tmp_path / "seed.mid").write_bytes(midi(True, 16))
    code, out, err = call("feel", "seed.mid", "--json")
    assert code == 0 and json.loads(out)[0]["modality"] == "music", err


def test_the_tune_that_is_played_keeps_its_file(call, tmp_path):
    (tmp_path / "seed.mid").write_bytes(midi(False, 16))
    code, _, err = call("compose", "seed.mid", "--seconds", "1", "-f", "mid", "-o", ".")
    assert code == 0 and (tmp_path / "seed.mid").read_bytes() == midi(False, 16) and (tmp_path / "seed.mid.mid").exists(), err


@pytest.mark.parametrize("place", ["file/clip", "file/deep/clip.wav", "/proc/clip"])
def test_a_place_that_takes_no_file_is_noticed_before_composing(call, tmp_path, monkeypatch, place):
    from emonotes.music import composing

    monkeypatch.setattr(composing, "write", None)
    (tmp_path / "file").write_text("in the way")
    refused(call("compose", "--va=0,0", "--seconds", "2", "-o", place), place.removesuffix(".wav"), "cannot be written")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_disk_that_fills_halfway_leaves_no_file_of_the_clip(call, tmp_path):
    """The limit on file size lets the small .mid be written, and then fails as a full disk would."""
    import signal

    (tmp_path / "old.txt").write_text("stays")
    call("compose", "--va=0.5,0.5", "--seconds", "2", "-f", "mid,musicxml", "--picture", "-o", "warm/clip")
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, before[1]))
    try:
        done = call("compose", "--va=0.5,0.5", "--seconds", "2", "-f", "mid,musicxml,wav", "--picture", "-o", "clip")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    refused(done, "clip.musicxml", "cannot be written")
    assert {path.name for path in tmp_path.iterdir()} == {"old.txt", "warm"} and len(list((tmp_path / "warm").iterdir())) == 3


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
