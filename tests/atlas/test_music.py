"""VGMIDI's listeners: each trap of their series on small files, and counts on the real data."""

import gzip
import json
import os
import zipfile

import polars as pl
import pytest

from emonotes.atlas.readers import music
from emonotes.atlas.readers.base import at_hand, find_readers, read_raw, read_singles, read_traces
from emonotes.atlas.rows import harmonise_singles, harmonise_traces
from emonotes.atlas.sources import card

PIECE = {"name": "n", "audio": "a.wav", "duration": 12, "measures": 3}
MAP, GONE = "Mario_SNES_World_Map", "Other_PC_Game_Gone"


def vgmidi_files(folder, answers, again=()):
    """A folder as published: `answers` (key, valence, arousal) in round 1, `again` in round 2."""
    (folder / "annotations").mkdir()
    for part, given in enumerate((answers, again), 1):
        pieces = {"piece0": PIECE | {"midi": f"{MAP}.mid"}, "piece1": PIECE | {"midi": f"{GONE}.mid"}}
        facts = {
            "annotations": {key: {"valence": v, "arousal": a, "age": "21-25"} for key, v, a in given},
            "pieces": pieces,
        }
        (folder / f"annotations/vgmidi_raw_{part}.json.gz").write_bytes(gzip.compress(json.dumps(facts).encode()))
    with zipfile.ZipFile(folder / "labelled_midi.zip", "w") as archive:
        archive.writestr(f"midi/{MAP}.mid", b"MThd")


def series(folder):
    return harmonise_traces(music.vgmidi_traces(folder, None), card("vgmidi")).sort("rater", "seconds")


def test_bars_become_equal_parts_of_the_duration(tmp_path):
    vgmidi_files(
        tmp_path, [("piece0_1", [1, 0.5, -0.5], [0, 0.2, 0.4])], again=[("piece0_1", [0.1, 0.1, 0.1], [1, 1, 1])]
    )
    traces = series(tmp_path)
    assert traces.filter(pl.col("rater") == "1/piece0_1").select(
        "stimulus", "seconds", "valence", "arousal"
    ).rows() == [(MAP, 0, 1, 0), (MAP, 4, 0.5, 0.2), (MAP, 8, -0.5, 0.4)]
    assert traces["rater"].n_unique() == 2, "round 2 counts its answers anew"


def test_an_untouched_bar_is_missing_and_not_neutral(tmp_path):
    vgmidi_files(tmp_path, [("piece0_1", [0.5, 0.5, 0], [0, 0.2, 0]), ("piece0_2", [0, 0, 0], [0, 0, 0])])
    singles = harmonise_singles(music.vgmidi_singles(tmp_path, None), card("vgmidi"))
    assert singles.select("stimulus", "rater", "valence", "arousal").rows() == [(MAP, "1/piece0_1", 0.5, 0.1)]
    assert series(tmp_path)["seconds"].to_list() == [0, 4]


def test_a_series_unlike_the_usual_length_is_dropped(tmp_path):
    usual = [(f"piece0_{i}", [0.1] * 3, [0.1] * 3) for i in (1, 2)]
    vgmidi_files(
        tmp_path,
        [
            *usual,
            ("piece0_3", [0.9] * 4, [0.9] * 4),
            ("piece0_4", [0.9] * 3, [0.9] * 2),
            ("piece0_5", [0.9] * 4, [0.9] * 3),
        ],
    )
    assert series(tmp_path)["rater"].unique().sort().to_list() == ["1/piece0_1", "1/piece0_2"]


def test_pieces_without_entry_or_score_are_dropped(tmp_path):
    vgmidi_files(tmp_path, [(key, [0.1] * 3, [0.1] * 3) for key in ("piece0_1", "piece1_1", "piece81_1")])
    assert series(tmp_path)["stimulus"].unique().to_list() == [MAP]


@pytest.mark.skipif(not os.environ.get("EMONOTES_DATA"), reason="needs EMONOTES_DATA")
def test_real_vgmidi_listeners():
    read = find_readers()["vgmidi"]
    if at_hand(read) != "data folder":
        pytest.skip("vgmidi is not in the data folder")
    rows, singles, traces = read_raw(read), read_singles(read), read_traces(read)
    assert rows.height == 158 and set(singles["stimulus"]) == set(traces["stimulus"]) == set(rows["stimulus"])
    people = singles.group_by("stimulus").agg(pl.col("valence", "arousal").mean(), n=pl.len())
    assert people["n"].min() == 28 and people["n"].max() == 32
    both = rows.join(people, on="stimulus", suffix="_own")
    assert (both["valence"] - both["valence_own"]).abs().max() < 0.01 and (
        both["arousal"] - both["arousal_own"]
    ).abs().max() < 0.01
    assert (
        traces["seconds"].min() == 0 and traces.filter((pl.col("valence") == 0) & (pl.col("arousal") == 0)).height == 0
    )
