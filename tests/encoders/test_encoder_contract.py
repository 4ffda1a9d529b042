"""One test holds every registered encoder to the same promises; a new encoder is found and tested by itself."""
import subprocess
import sys

import numpy as np
import pytest
from symusic import Note, Score, Track

from emonotes.encoders import base
from emonotes.errors import InputError


def score(pitches, step=240):
    made = Score(480)
    track = Track("piano", 0, False)
    for i, pitch in enumerate(pitches):
        track.notes.append(Note(i * step, step, int(pitch), 60 + i % 40))
    made.tracks.append(track)
    return made.dumps_midi()


RNG = np.random.default_rng(0)
SECOND = np.arange(16_000) / 16_000
ITEMS = {
    "text": ["a lake at dawn", "torture", "tiramisu, again and again " * 30, "hm", "ä ö 日本 🙂"],
    "image": [np.zeros((1, 1), np.uint8), RNG.integers(0, 255, (40, 60, 3)).astype(np.uint8), "skimage:coffee",
              np.full((30, 20), 200, np.uint8), RNG.random((9, 9))],
    "molecule": ["CC(=O)OCCC(C)C", "COc1cc(C=O)ccc1O", "O", "[Na+].[Cl-]", "CCCCCCCCCCCCCCCC(=O)O"],
    "score": [score([60]), score([60, 64, 67, 72] * 5), score(RNG.integers(30, 90, 200)), score([60, 60]),
              score([21, 108])],
    "sound": [(np.sin(2 * np.pi * 440 * SECOND), 16_000), (np.zeros(8_000), 8_000), (np.ones(3), 44_100),
              (RNG.normal(0, 0.1, 30_000), 22_050), (np.sign(np.sin(900 * SECOND)) * 5, 16_000)],
    "touch": ["[0, 0, 0]", [1, -2, 3], np.array([-3.0, 3, 0.5]), (1, 1, 1), "[0.1, 0.2, 0.3]"],
    "colour": ["#000000", "#ffffff", "#ff8800", "#abc", "#0000FF"],
    "temperature": [0, "23.5", -40.0, "45 C", np.float32(24)],
    "taste": ["sweet", [0.5, 0.6, 0.1, 0, 0], {"bitter": 0.8}, "[0, 0, 0, 0.5, 0.7]", [0, 0, 0, 0, 0]],
    "food": ["strawberry", "roasted beef", "lemon juice", "coffee", "nothing of the kind"],
    "word": ["dog", "justice", "running", "thunder", "snow"],
}
NAMES = [name for name in base.names() if not name.endswith(":")]
READS = sorted({kind for factory in base.entries().values() for kind in factory.entry.reads})


@pytest.fixture(scope="module", params=NAMES)
def encoder(request):
    if not base.entries()[request.param].entry.at_hand():
        pytest.skip("its weights are not at hand")
    return base.get(request.param)


@pytest.fixture(scope="module")
def vectors(encoder):
    return encoder.encode(ITEMS[encoder.modality])


def test_shape_type_and_finiteness(encoder, vectors):
    assert vectors.shape == (len(ITEMS[encoder.modality]), encoder.dim)
    assert vectors.dtype == np.float32 and np.isfinite(vectors).all() and np.abs(vectors).max() < 1e4


def test_declares_itself(encoder):
    assert isinstance(encoder, base.Encoder)
    assert encoder.name.split("/")[0] == encoder.modality and encoder.version and encoder.dim > 0


def test_deterministic(encoder, vectors):
    again = base.get(encoder.name).encode(ITEMS[encoder.modality])
    assert np.array_equal(vectors, again)


def test_same_whatever_the_batch(encoder, vectors):
    items = ITEMS[encoder.modality]
    one_by_one = np.concatenate([encoder.encode([item]) for item in items])
    backwards = encoder.encode(items[::-1])[::-1]
    assert np.allclose(vectors, one_by_one, atol=1e-5, rtol=1e-5)
    assert np.allclose(vectors, backwards, atol=1e-5, rtol=1e-5)


def test_different_items_differ(vectors):
    assert np.linalg.norm(vectors[0] - vectors[2]) > 1e-3


def test_content_tells_items_apart(encoder):
    contents = [encoder.content(item) for item in ITEMS[encoder.modality]]
    assert len(set(contents)) == len(contents)
    assert contents == [encoder.content(item) for item in ITEMS[encoder.modality]]


@pytest.mark.parametrize("mistake", [[], "one bare text", b"bytes", 7])
def test_not_a_list(encoder, mistake):
    with pytest.raises(InputError):
        encoder.encode(mistake)


@pytest.mark.parametrize("mistake", [None, float("nan"), "", {}, object(), "no such thing at all/x.y", b"\x00\x01"])
def test_bad_item_is_one_sentence(encoder, mistake):
    if encoder.modality in ("text", "word", "food") and isinstance(mistake, str) and mistake:
        pytest.skip("a text may be anything")
    with pytest.raises(InputError) as error:
        encoder.encode([ITEMS[encoder.modality][1], mistake])
    message = str(error.value)
    assert message.startswith("item 1: ") and "\n" not in message and len(message) < 400


@pytest.mark.parametrize("kind", READS)
def test_every_modality_has_a_default(kind):
    assert base.entries()[base.default_for(kind)].entry.at_hand()


def test_defaults_without_weights(monkeypatch):
    monkeypatch.delenv("EMONOTES_ENCODERS", raising=False)
    monkeypatch.setenv("EMONOTES_CACHE", "/nonexistent")
    wanted = {"word": "text/minilm", "image": "image/affective", "odour": "molecule/morgan", "taste": "molecule/morgan",
              "music": "score/features", "sound": "sound/spectral", "touch": "touch/vibration", "food": "text/minilm",
              "colour": "colour/cielab", "temperature": "temperature/celsius", "speech": "sound/spectral"}
    assert {kind: base.default_for(kind) for kind in wanted} == wanted


def test_unknown_names_list_the_legal_ones():
    for call in (lambda: base.get("text/minilmm"), lambda: base.get("text/hf:")):
        with pytest.raises(InputError, match="text/minilm.*touch/vibration"):
            call()
    with pytest.raises(InputError, match="temperature"):
        base.default_for("telepathy")


def test_registration_needs_modality_and_name():
    with pytest.raises(InputError, match="modality/name"):
        base.encoder("minilm")


def test_modules_stay_light():
    heavy = ("torch", "transformers", "rdkit", "skimage", "matplotlib", "sklearn")
    code = ("import sys; from emonotes.encoders import base; base.names(); "
            f"print([m for m in {heavy} if m in sys.modules])")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert out.stdout.strip() == "[]", out.stderr
