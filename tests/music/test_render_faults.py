"""What may go wrong between a score and a file: each ends in one sentence, and nothing is left behind."""

import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
import symusic

from emonotes.errors import InputError
from emonotes.music import notation, pianoroll, plan, render, soundfont

RATE = 16_000
PITCHES = [48, 55, 60, 64, 67, 72]


def score_of(rows=((0, 480, 60, 80), (480, 480, 64, 80)), tempo=120.0, drum=False):
    score = symusic.Score(480)
    score.tempos.append(symusic.Tempo(0, tempo))
    score.tracks.append(symusic.Track("piano", is_drum=drum))
    score.tracks[0].notes.extend([symusic.Note(*row) for row in rows])
    return score


def pitch_of(wave, rate=44_100):
    part = wave[rate // 5 : rate // 5 + rate // 2] * np.hanning(rate // 2)
    match = np.fft.irfft(np.abs(np.fft.rfft(part, 2 * len(part))) ** 2)[rate // 2500 : rate // 27]
    peak = next(i for i in range(1, len(match) - 1) if match[i] > 0.9 * match.max() and match[i - 1] <= match[i] >= match[i + 1])
    return 69 + 12 * np.log2(rate / (rate // 2500 + peak) / 440)


@pytest.mark.parametrize("instrument", ["piano", "strings", "flute", "violin"])
def test_instruments_play_the_key_that_is_asked_for(instrument):
    for key in (48, 60, 72):
        wave = render.synthesize(score_of([(0, 960, key, 80)]), instrument=instrument).mean(1)
        assert abs(pitch_of(wave) - key) < 0.3


def test_velocity_is_heeded_exactly():
    levels = [render.level(render.synthesize(score_of([(0, 480, 60, v)]), rate=RATE)) for v in (63, 64, 90)]
    assert np.allclose(np.diff(levels), 40 * np.log10([64 / 63, 90 / 64]), atol=1e-3)


def test_what_was_played_before_changes_nothing():
    first = render.synthesize(score_of(), instrument="vibraphone", rate=RATE)
    for name in ("organ", "strings", "piano"):
        render.synthesize(score_of(), instrument=name, rate=RATE)
    assert np.array_equal(first, render.synthesize(score_of(), instrument="vibraphone", rate=RATE))


@pytest.mark.slow
def test_every_program_comes_back_with_finite_sound():
    player = render._synthesizer(None, RATE)
    for program in range(128):
        for key in range(0, 128, 3):
            assert np.isfinite(render._wave(player, 2.0, key, 100, program, False)).all()
    for key in range(128):
        assert np.isfinite(render._wave(player, 2.0, key, 100, 0, True)).all()


@pytest.mark.parametrize("bad", ["kazooo", "", "128", -1, "pia no!"])
def test_an_unknown_instrument_is_one_sentence(bad):
    with pytest.raises(InputError, match="instrument"):
        render.synthesize(score_of(), instrument=bad)


def test_close_names_are_offered():
    with pytest.raises(InputError, match="violin"):
        render.program_of("violn")


def damaged(kind):
    raw = bytearray(soundfont.shipped().read_bytes())
    if kind == "text":
        return b"not a SoundFont at all, only a text of some length"
    if kind == "empty":
        return b""
    if kind == "riff":
        return b"RIFF" + (100).to_bytes(4, "little") + b"WAVE" + bytes(100)
    if kind == "short":
        return bytes(raw[: len(raw) // 2])
    if kind == "no tail":
        return bytes(raw[:-50])
    if kind == "sf3":
        at = raw.find(b"ifil") + 8
        raw[at] = 3
    name = {"bag index": b"phdr", "sample index": b"igen", "generator": b"igen", "sample bounds": b"shdr"}.get(kind)
    if name:
        at, end = raw.find(name) + 8, raw.find(name) + 8 + int.from_bytes(raw[raw.find(name) + 4 :][:4], "little")
        if kind == "bag index":
            raw[at + 24 : at + 26] = b"\xff\xff"
        if kind == "sample index":
            raw[at : at + 4] = (53).to_bytes(2, "little") + b"\xff\xff"
        if kind == "generator":
            raw[at : at + 2] = b"\xff\x00"
        if kind == "sample bounds":
            for record in range(at, end - 46, 46):
                raw[record + 20 : record + 28] = b"\xff\xff\xff\x7f" * 2
    return bytes(raw)


@pytest.mark.parametrize("kind", ["text", "empty", "riff", "short", "no tail", "sf3", "bag index", "sample index", "generator", "sample bounds"])
def test_a_damaged_soundfont_never_reaches_the_synthesizer(tmp_path, kind):
    path = tmp_path / "font.sf2"
    path.write_bytes(damaged(kind))
    with pytest.raises(InputError, match="not a readable SoundFont"):
        render.synthesize(score_of(), str(path))


def test_random_damage_in_the_tables_never_kills_the_interpreter(tmp_path):
    script = """
import sys, numpy as np, symusic
from emonotes.errors import InputError
from emonotes.music import render, soundfont
score = symusic.Score(480)
score.tracks.append(symusic.Track("piano"))
score.tracks[0].notes.extend([symusic.Note(0, 480, key, 80) for key in range(24, 108, 6)])
raw = bytearray(soundfont.shipped().read_bytes())
rng, tables = np.random.default_rng(0), raw.find(b"pdta")
for trial in range(8):
    hurt = bytearray(raw)
    for at in rng.integers(tables, len(raw), 40):
        hurt[at] = rng.integers(0, 256)
    path = sys.argv[1] + f"/{trial}.sf2"
    open(path, "wb").write(hurt)
    try:
        render.synthesize(score, path, rate=16000)
    except InputError:
        pass
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=300,
                          env=os.environ | {"EMONOTES_CACHE": str(tmp_path / "cache")})
    assert done.stdout.strip() == "alive", (done.returncode, done.stderr[-500:])


@pytest.mark.parametrize("raw", [b"", b"MThd", b"MThd" + bytes(40), b"RIFF" * 30])
def test_a_corrupt_or_empty_midi_is_one_sentence(tmp_path, raw):
    (tmp_path / "seed.mid").write_bytes(raw)
    for music in (raw, tmp_path / "seed.mid"):
        with pytest.raises(InputError, match="MIDI"):
            render.save(music, tmp_path / "out.ogg")
    assert [path.name for path in tmp_path.iterdir()] == ["seed.mid"]


def test_drums_only_can_be_heard_but_not_written_down(tmp_path):
    drums = score_of([(0, 240, 36, 90), (480, 240, 38, 90)], drum=True)
    assert render.level(render.synthesize(drums, instrument="harp", rate=RATE)) > -60
    for ending in (".musicxml", ".png"):
        with pytest.raises(InputError, match="pitched"):
            render.save(drums, tmp_path / f"out{ending}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rows", [[], [(0, 0, 60, 80)], [(0, 480, 60, 0)]], ids=["none", "no length", "no velocity"])
def test_nothing_to_hear(tmp_path, rows):
    audio = render.synthesize(score_of(rows))
    assert audio.shape == (0, 2) and render.level(audio) == render.loudness(audio) == -np.inf
    for ending in (".ogg", ".mid", ".musicxml", ".png"):
        with pytest.raises(InputError, match="note"):
            render.save(score_of(rows), tmp_path / f"out{ending}")
    with pytest.raises(InputError, match="sound"):
        render.save(audio, tmp_path / "out.wav")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("score", [score_of([(0, 480 * 9, 60, 80)], 0.04), score_of([(0, 2**30, 60, 80)]),
                                   score_of([(2**30, 480, 60, 80)]), score_of([(-480, 480, 60, 80)])],
                         ids=["slow", "long", "late", "before the beginning"])
def test_lengths_that_would_fill_any_memory(score):
    with pytest.raises(InputError, match="check its tempo"):
        render.synthesize(score)


def test_a_frantic_tempo_is_only_short():
    assert len(render.synthesize(score_of(tempo=1e6), rate=RATE)) < RATE


def test_a_chord_of_ten_thousand_notes_is_finite_and_not_clipped():
    audio = render.synthesize(score_of([(0, 120, 21 + k % 88, 100) for k in range(10_000)]), rate=8_000)
    assert np.isfinite(audio).all() and 0.9 < np.abs(audio).max() <= 0.981


@pytest.mark.parametrize("ending", [".wav", ".ogg", ".flac", ".mp3", ".mid", ".musicxml", ".png", ".svg"])
def test_save_leaves_one_whole_file(tmp_path, ending):
    made = render.save(score_of(), tmp_path / f"new/out{ending}", instrument="flute", plan=plan.Plan())
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"out{ending}"] and made.stat().st_size > 60


@pytest.mark.parametrize("ending", [".wav", ".ogg", ".flac", ".mp3", ".mid", ".musicxml", ".png"])
def test_an_unwritable_place(tmp_path, ending):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        render.save(score_of(), tmp_path / "file" / f"out{ending}")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["out", "out.xyz", "out.wav.txt"])
def test_an_unknown_ending_names_the_known_ones(tmp_path, name):
    with pytest.raises(InputError, match=r"\.musicxml"):
        render.save(score_of(), tmp_path / name)


@pytest.mark.parametrize("ending", [".wav", ".ogg", ".flac", ".mp3", ".mid", ".musicxml", ".png"])
def test_a_disk_that_fills_leaves_nothing(tmp_path, ending):
    """The same limit on file size that a full disk would be: writing more than 1,000 bytes fails."""
    score = score_of([(240 * k, 240, PITCHES[k % 6], 80) for k in range(300 if ending == ".mid" else 40)])
    render.save(score, tmp_path / f"warm{ending}")
    (tmp_path / f"warm{ending}").unlink()
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
    try:
        with pytest.raises(InputError, match="cannot be written"):
            render.save(score, tmp_path / f"out{ending}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.iterdir())


def test_audio_where_a_score_is_needed(tmp_path):
    with pytest.raises(InputError, match="needs a score"):
        render.save(np.zeros((100, 2)), tmp_path / "out.mid")
    with pytest.raises(InputError, match="finite"):
        render.save(np.full((100, 2), np.nan), tmp_path / "out.wav")


def test_a_sheet_keeps_every_note_of_the_grid():
    from music21 import converter, musicxml

    rng, free, rows = np.random.default_rng(1), {}, []
    for on in range(64):
        for key in rng.integers(36, 90, 3).tolist():
            if free.get(key, 0) <= on:
                rows.append((120 * on, 120 * int(rng.integers(1, 20)), key, 80))
                free[key] = on + rows[-1][1] // 120
    text = musicxml.m21ToXml.GeneralObjectExporter(notation.sheet_of(score_of(rows))).parse().decode()
    sounding, found = {}, []
    for staff in converter.parse(text, format="musicxml").parts:
        for sound in sorted(staff.flatten().notes, key=lambda sound: sound.offset):
            for one in sound.pitches:
                if sound.tie is None or sound.tie.type == "start":
                    sounding[one.midi] = len(found)
                    found.append([round(480 * float(sound.offset)), 0, one.midi])
                found[sounding[one.midi]][1] += round(480 * float(sound.quarterLength))
    assert sorted(map(tuple, found)) == sorted(row[:3] for row in rows)


@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize("mode", ["major", "minor"])
def test_spelling_names_each_pitch_class_once(tonic, mode):
    from music21 import pitch

    fifths, names = notation.spelling(tonic, mode)
    assert [pitch.Pitch(name).pitchClass for name in names] == list(range(12)) and -6 <= fifths <= 6


def test_a_plan_per_bar_and_an_empty_one():
    ax = pianoroll.piano_roll(score_of(), plan=[plan.Plan(), plan.Plan(loudness=90)])
    assert ax.get_ylabel() == "pitch" and len(ax.figure.axes) == 2 + 8
    with pytest.raises(InputError, match="empty list"):
        pianoroll.piano_roll(score_of(), plan=[])
