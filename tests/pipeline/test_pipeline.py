"""The three verbs on shipped weights."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from emonotes import pipeline
from emonotes.errors import InputError


def test_opposite_feelings_lie_on_opposite_sides():
    joy, decay = pipeline.feel_all(["a baby laughing in the sun", "a rotting carcass"], "text")
    assert joy.valence > 0 > decay.valence
    bang, lake = pipeline.feel_all(["an explosion", "a lake at dawn"], "text")
    assert bang.arousal > lake.arousal


def test_vanillin_is_more_pleasant_than_isovaleric_acid():
    vanillin, sweat = pipeline.feel_all(["O=Cc1ccc(O)c(OC)c1", "CC(C)CC(=O)O"], "odour")
    assert vanillin.valence > sweat.valence


def test_intervals_hold_the_point_and_grow_with_coverage():
    half, most = (pipeline.feel("thunder", "word", coverage=c) for c in (0.5, 0.95))
    for low, high in (half.valence_interval, half.arousal_interval):
        assert low <= high
    assert half.valence_interval[0] <= half.valence <= half.valence_interval[1]
    assert np.diff(most.valence_interval) > np.diff(half.valence_interval)


def test_an_unasked_coordinate_has_the_whole_axis():
    assert pipeline.feel(22, "temperature").valence_interval[1] <= 1
    assert pipeline.feel("O=Cc1ccc(O)c(OC)c1", "odour").arousal_interval == (-1, 1)


@pytest.mark.parametrize("items", [[], ()])
def test_an_empty_list_is_refused(items):
    with pytest.raises(InputError, match="empty"):
        pipeline.feel_all(items)


def test_match_finds_by_both_ways():
    for by in ("embedding", "va"):
        found = pipeline.match("delight", "colour", "word", k=3, by=by)
        assert found.columns == ["content", "source", "similarity", "valence", "arousal"] and len(found) == 3


def test_compose_is_reproducible_and_audible(tmp_path):
    one = pipeline.compose(va=(0.5, 0.5), seconds=16, seed=3, out=tmp_path / "one")
    two = pipeline.compose(va=(0.5, 0.5), seconds=16, seed=3, out=tmp_path / "two")
    other = pipeline.compose(va=(0.5, 0.5), seconds=16, seed=4, out=tmp_path / "other")
    bytes_of = [(tmp_path / f"{name}.mid").read_bytes() for name in ("one", "two", "other")]
    assert bytes_of[0] == bytes_of[1] != bytes_of[2]
    assert one.seconds >= 15 and one.level > -40 and one.words == two.words != other.words


def test_compose_writes_every_format_asked_for(tmp_path):
    import soundfile
    import symusic

    clip = pipeline.compose(va=(0.5, 0.5), seconds=3, out=tmp_path / "clip.flac", formats=["wav,MIDI", ".MusicXML", "mp3", "wav"],
                            picture=True, instrument="flute")
    assert list(clip.files) == ["flac", "wav", "mid", "musicxml", "mp3", "png"]
    assert {path.name for path in tmp_path.iterdir()} == {f"clip.{name}" for name in clip.files}
    assert [track.program for track in symusic.Score(clip.files["mid"]).tracks] == [73]
    assert np.isclose(soundfile.info(clip.files["wav"]).duration, clip.seconds, atol=0.01)
    plain = pipeline.compose(va=(0.5, 0.5), seconds=3, out=tmp_path / "op.27")
    assert plain.plan == clip.plan and sorted(plain.files) == ["mid", "ogg"] and plain.files["mid"].endswith("op.27.mid")


@pytest.mark.parametrize("wanted", ["tape", "", [], ["wav", "mid;xml"], "wav,", [5]])
def test_an_unknown_format_names_the_known_ones(wanted):
    with pytest.raises(InputError, match="musicxml"):
        pipeline.formats_of(wanted)


def test_exit_code_and_json_of_the_real_command():
    bad = subprocess.run([sys.executable, "-m", "emonotes.cli", "feel", "", "--json"], capture_output=True, text=True)
    assert bad.returncode == 2 and bad.stdout == "" and len(bad.stderr.strip().splitlines()) == 1
    good = subprocess.run([sys.executable, "-m", "emonotes.cli", "atlas", "list", "--json"], capture_output=True, text=True)
    assert good.returncode == 0 and "emobank" in {card["id"] for card in json.loads(good.stdout)}


@pytest.mark.slow
def test_no_network_is_noticed_quickly(tmp_path):
    """Without network and without an offline flag the packaged text encoder is used; nothing waits for a hub."""
    import os

    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "EMONOTES_"))}
    environment |= {"HF_HOME": str(tmp_path / "hub"), "EMONOTES_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "emonotes.cli", "feel", "--json"]

    def taken(offline):
        start = time.perf_counter()
        done = subprocess.run([*command, f"rain {len(offline)}"], env=environment | offline, capture_output=True, text=True)
        assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
        return time.perf_counter() - start

    taken({"HF_HUB_OFFLINE": "1"})
    print("extra seconds without a network:", round(taken({}) - taken({"HF_HUB_OFFLINE": "1"}), 2))
