"""The scores that come with music21: whose they are, their bars, their notes, and that no tune stands on both sides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from music21 import dynamics, meter, note, stream, tempo, tie

from emonotes.errors import InputError
from emonotes.music import scores
from emonotes.music.corpora import CORPORA, FREE, held_out, read_corpus
from emonotes.music.lm import training_facts
from emonotes.music.sentences import Piece, piece_of, say
from emonotes.music.tokens import notes_of_score


def sheet_of(*parts, sign="4/4"):
    """A music21 score with one part per list of measures; a measure is a list of things in time order."""
    sheet = stream.Score()
    for measures in parts:
        part = stream.Part()
        for number, things in enumerate(measures):
            measure = stream.Measure(number=number)
            if number == 0:
                measure.append(meter.TimeSignature(sign))
            measure.append(things)
            part.append(measure)
        sheet.insert(0, part)
    return sheet


def beats(pitch, *lengths):
    return [note.Note(pitch, quarterLength=length) for length in lengths]


@pytest.mark.parametrize("notice, free", [
    ("", True), ("Public Domain (Encoding by MSAC: CC0)", True), ("released under the CC BY-SA 4.0 license", True),
    ("PDF © 2004 Margaret Greentree", True), ("©", False), ("All Rights Reserved", False), ("CC BY-NC-SA 4.0", False),
    ("http://musescore.com/score/117279", False), ("Copyright 1994, CCARH | Rights to all derivative formats reserved.", False)])
def test_what_may_teach(notice, free):
    assert scores.may_teach(notice) == free


def test_files_that_keep_their_rights_stay_on_the_shelf():
    taken = {path.relative_to(scores.shelf()).as_posix() for path in scores.free_scores()}
    assert "bach/bwv66.6.mxl" in taken and "beethoven/opus18no1/movement1.krn" in taken
    assert not taken & {"bach/bwv366.krn", "schubert/Lindenbaum.xml", "joplin/maple_leaf_rag.mxl", "beethoven/opus18no1/movement1.mxl"}
    assert not any(name.startswith(("essenFolksong", "palestrina")) for name in taken)


@given(st.lists(st.sampled_from([1, 2, 3, 4, 4, 4]), min_size=1, max_size=30))
def test_every_full_bar_begins_on_a_bar_line_and_none_overlap(lengths):
    starts = scores.laid_out(lengths, [4] * len(lengths), [4] * len(lengths))
    assert all(start % 4 == 0 for start, length in zip(starts, lengths, strict=True) if length == 4)
    assert (np.diff(starts) >= np.array(lengths[:-1])).all()
    assert all(start // 4 == (start + length - 1) // 4 for start, length in zip(starts, lengths, strict=True))


def test_upbeat_tie_ornament_and_marks():
    ornament, held, on = note.Note("A5").getGrace(), note.Note("G4", quarterLength=4), note.Note("G4", quarterLength=2)
    held.tie, on.tie = tie.Tie("start"), tie.Tie("stop")
    tune = [[dynamics.Dynamic("f"), tempo.MetronomeMark(number=90), *beats("D4", 1)], [ornament, held], [on, *beats("C4", 2)]]
    score, silent_on = scores.score_of_sheet(sheet_of(tune))
    loud = scores.LOUD["f"]
    assert notes_of_score(score).tolist() == [[3, 1, 62, loud], [4, 6, 67, loud], [10, 2, 60, loud]]
    assert silent_on == () and round(score.tempos[0].qpm) == 90


def test_silence_on_tempo_and_loudness_is_said():
    words = [tempo.MetronomeMark("Allegro"), *beats("C4", 4)]
    score, silent_on = scores.score_of_sheet(sheet_of([words] + [beats("C4", 1, 1, 1, 1)] * 1))
    assert silent_on == ("tempo", "loudness")
    assert {"tempo_any", "loudness_any"} <= set(say(piece_of(score, "quiet", silent_on).ids))
    late = [beats("C4", 4) for _ in range(8)]
    late[7].insert(0, dynamics.Dynamic("ff"))
    assert "loudness" in scores.score_of_sheet(sheet_of(late))[1]


def test_parts_vote_on_the_length_of_a_measure():
    wrong = [beats("C3", 4), [*beats("C3", 4), note.Rest(quarterLength=1)], beats("C3", 4)]
    sheet = sheet_of(wrong, *[[beats(pitch, 4), beats(pitch, 4), beats(pitch, 4)] for pitch in ("E4", "G4")])
    assert scores.measures_of(sheet)[0] == [4, 4, 4]
    assert sorted(set(notes_of_score(scores.score_of_sheet(sheet)[0])[:, 0])) == [0, 4, 8]


def test_scores_without_true_bars_are_refused():
    with pytest.raises(InputError, match="share no bar lines"):
        scores.measures_of(sheet_of([beats("C4", 4)], [beats("C4", 4), beats("C4", 4)]))
    with pytest.raises(InputError, match="9/8"):
        scores.measures_of(sheet_of([beats("C4", 4.5)], sign="9/8"))
    assert scores.measures_of(sheet_of([beats("C4", 3)], sign="6/8"))[2] == [3]
    with pytest.raises(InputError, match="cannot be read"):
        scores.sheet_at(scores.shelf() / "license.txt")


def test_a_song_under_two_names_and_the_movements_of_a_work_are_one_group():
    twice = [piece_of(scores.score_of_sheet(scores.sheet_at(scores.shelf() / f"{name}"))[0], name.split(".")[0])
             for name in ("schumann_robert/dichterliebe_no2.xml", "schumann_robert/opus48no2.mxl", "bach/bwv66.6.mxl")]
    first, second, other = scores.groups_of(twice)
    assert first == second != other
    pieces = [Piece(f"music21/mozart/k458#mozart/k458/movement{k}", np.zeros(0), np.zeros((0, 10))) for k in range(1, 5)]
    assert len({held_out(piece) for piece in pieces}) == 1


def test_reading_is_kept_piece_by_piece(tmp_path, monkeypatch):
    monkeypatch.setenv("EMONOTES_CACHE", str(tmp_path))
    first = read_corpus(None, "music21", 4)
    kept = {path: path.stat().st_mtime_ns for path in sorted((tmp_path / "scores").iterdir())}
    lost = next(iter(kept))
    lost.unlink()
    again = read_corpus(None, "music21", 4)
    assert len(first) == len(kept) and all(path.stat().st_mtime_ns == when for path, when in kept.items() if path != lost) and lost.exists()
    assert [piece.name for piece in first] == [piece.name for piece in again]
    assert all(np.array_equal(a.ids, b.ids) and a.open == b.open for a, b in zip(first, again, strict=True))


def test_the_shipped_weights_learnt_from_free_sets_only():
    assert set(training_facts()["corpora"]) <= set(FREE) == {name for name, corpus in CORPORA.items() if "NC" not in corpus.licence}
    with pytest.raises(InputError, match="music21"):
        read_corpus(None, "pop909")
