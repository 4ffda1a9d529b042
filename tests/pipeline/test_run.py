"""The main job: the same tables twice, only what changed, four audible clips."""

import json
from pathlib import Path

import pytest

from emonotes.course import run
from emonotes.course.record import record
from emonotes.errors import InputError


@pytest.mark.slow
def test_a_tiny_fit_twice_gives_identical_tables(tmp_path):
    tables = [run.fit_table(tmp_path / name, tiny=True, seed=0, say=lambda *_: None) for name in ("one", "two")]
    first = tables[0].read_bytes()
    assert first == tables[1].read_bytes() and first.count(b"\n") > 8
    changed = tables[0].stat().st_mtime_ns
    assert run.fit_table(tmp_path / "one", tiny=True, seed=0).stat().st_mtime_ns == changed


@pytest.mark.slow
def test_four_clips_that_can_be_heard_and_are_kept(tmp_path):
    clips = run.make_clips(tmp_path, "Rain again.", seed=0, seconds=16)
    assert len(clips) == 4
    for clip in clips:
        assert clip["seconds"] >= 15 and clip["level"] > -40
        assert Path(clip["files"]["ogg"]).stat().st_size > 10_000 and Path(clip["files"]["mid"]).stat().st_size > 100
        assert "bpm" in run.told(clip) and "90 % interval" in run.told(clip)
    assert run.make_clips(tmp_path, "Rain again.", seed=0, seconds=16) == json.loads(json.dumps(clips))


def test_a_recorded_figure_says_how_it_came(tmp_path):
    path = record("part", {"a": {"value": 1, "how": "make bench"}}, tmp_path)
    record("part", {"b": {"value": 2, "low": 1, "high": 3, "how": "make bench"}}, tmp_path)
    assert set(json.loads(path.read_text())["figures"]) == {"a", "b"}
    with pytest.raises(InputError, match="how"):
        record("part", {"c": {"value": 1}}, tmp_path)
