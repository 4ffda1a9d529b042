"""`emonotes train-music` on a small corpus of our own: killed, resumed, and played from."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
import symusic

from emonotes.errors import InputError
from emonotes.music import lm
from emonotes.music.corpora import CORPORA, held_out
from emonotes.music.sentences import Piece


def tune(k: int) -> bytes:
    """Twenty bars of a walk on the white keys over a bass."""
    rng, score = np.random.default_rng(k), symusic.Score(480)
    score.tracks.append(symusic.Track("piano"))
    steps = np.cumsum(rng.choice([-1, 1], 160)) % 14
    rows = [(240 * i, 240, 60 + 12 * int(step // 7) + [0, 2, 4, 5, 7, 9, 11][step % 7], 80) for i, step in enumerate(steps)]
    score.tracks[0].notes.extend([symusic.Note(*row) for row in [*rows, *((1920 * bar, 1920, 36, 70) for bar in range(20))]])
    return score.dumps_midi()


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data folder whose pop909 is ours: eight pieces to learn from, and one that the hash of its name keeps aside."""
    monkeypatch.setenv("EMONOTES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    aside = [held_out(Piece(f"pop909/{k}.mid", None, None)) for k in range(200)]
    names = [*itertools.islice((k for k in range(200) if not aside[k]), 8), aside.index(True)]
    folder = tmp_path / "data" / "pop909"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / CORPORA["pop909"].archive, "w") as archive:
        for k in names:
            archive.writestr(f"{k}.mid", tune(k))
    return folder.parent


def test_trained_resumed_and_played_from(call, data, tmp_path):
    code, out, _ = call("train-music", "mine", "--data", data, "-s", "pop909", "--tiny", "--steps", 3)
    assert code == 0 and "pop909: 8 pieces" in out and "MIT" in out and "kept aside to measure on: 1 pieces" in out
    assert "s a step" in out and "nats a word" in out
    code, out, _ = call("train-music", "mine", "--data", data, "-s", "pop909", "--tiny", "--steps", 5, "--json")
    facts = json.loads(out)
    assert code == 0 and facts["steps"] == 5 and facts["pieces"] == 8 and 0 < facts["held_out_loss"] < 8
    code, out, err = call("compose", "--va=0.5,0.5", "--seconds", 1, "-f", "mid", "--music-model", "mine", "-o", "clip")
    assert code == 0 and (tmp_path / "clip.mid").stat().st_size > 60, err


def refused(result, *words):
    """Exit code 2 and one line that holds the words."""
    code, _, err = result
    said = [line for line in err.splitlines() if line.startswith("emonotes: ")]
    assert code == 2 and len(said) == 1 and "Traceback" not in err, result
    assert all(word in said[0] for word in words), said[0]


def test_what_cannot_be_read_is_one_sentence(call, data, tmp_path, monkeypatch):
    refused(call("train-music", "mine", "--data", "gone"), "gone", "pop909")
    refused(call("train-music", "mine", "--data", data, "-s", "atlantis"), "atlantis", "js_fakes")
    refused(call("train-music", "mine", "--data", data, "--steps", 0), "0 steps")
    monkeypatch.setenv("EMONOTES_DATA", str(tmp_path / "nowhere"))
    refused(call("train-music", "mine"), "nowhere", "EMONOTES_DATA")
    monkeypatch.delenv("EMONOTES_DATA")
    refused(call("train-music", "mine"), "--data")
    (tmp_path / "file").write_text("in the way")
    refused(call("train-music", "file/mine", "--data", data, "-s", "pop909"), "file/mine", "cannot be written")
    archive = data / "pop909" / CORPORA["pop909"].archive
    archive.write_bytes(archive.read_bytes()[:100])
    refused(call("train-music", "mine", "--data", data, "-s", "pop909"), "pop909", "zip")
    with zipfile.ZipFile(archive, "w") as empty:
        empty.writestr("0.mid", b"MThd")
    refused(call("train-music", "mine", "--data", data, "-s", "pop909"), "pop909")


def test_a_folder_of_another_training_is_refused(call, data, tmp_path):
    tiny = ("train-music", "mine", "--data", data, "-s", "pop909", "--tiny", "--steps", 1)
    assert call(*tiny)[0] == 0
    refused(call(*tiny, "--seed", 1), "mine", "empty folder")
    checkpoint = tmp_path / "mine" / "training" / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:50])
    refused(call(*tiny), "checkpoint.safetensors", "remove it")


def test_weights_of_another_shape_are_refused(tmp_path):
    small = lm.LMConfig(32, 1, 1, 64)
    lm.save_lm(small.build(), tmp_path, small)
    assert lm.load_lm(str(tmp_path)).num_parameters() == small.build().num_parameters()
    lm.load_lm.cache_clear()
    (tmp_path / "config.json").write_text(json.dumps({"config": {"width": 64, "layers": 1, "heads": 1, "context": 64}}))
    with pytest.raises(InputError, match="train-music"):
        lm.load_lm(str(tmp_path))


@pytest.mark.slow
def test_killed_and_called_again_it_learns_the_same(data, tmp_path):
    command = [sys.executable, "-m", "emonotes.cli", "train-music", "--data", data, "-s", "pop909", "--tiny", "--steps", "50", "--json"]
    process = subprocess.Popen([*command, tmp_path / "killed"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / "killed" / "training" / "checkpoint.safetensors").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    facts = [json.loads(subprocess.run([*command, tmp_path / name], capture_output=True, text=True, check=True, env=os.environ).stdout)
             for name in ("killed", "whole")]
    assert process.returncode == -signal.SIGKILL and facts[0]["curve"] == facts[1]["curve"]
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("killed", "whole")]
    assert weights[0] == weights[1]
