"""The studies of sentences and words: nothing of the test side is learnt from, and what is missing is said in one sentence."""

import numpy as np
import polars as pl
import pytest

from emonotes.atlas.rows import COLUMNS, split_of
from emonotes.encoders.chargrams import Chargrams, grams
from emonotes.encoders.sensorimotor import SENSES, Sensorimotor, base_forms
from emonotes.errors import InputError
from emonotes.studies import emobank, text_adapter, words


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data folder and a cache that are empty."""
    monkeypatch.setenv("EMONOTES_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("EMONOTES_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data" / "emobank").mkdir(parents=True)
    emobank.sentences.cache_clear()
    yield tmp_path / "data"
    emobank.sentences.cache_clear()


def write_emobank(folder, lines):
    """A small EmoBank of `(split, text)`."""
    rng = np.random.default_rng(0)
    ids = [f"s{i}" for i in range(len(lines))]
    figures = {scale: rng.uniform(2, 4, len(lines)).round(2) for scale in "VAD"}
    pl.DataFrame({"id": ids, "split": [s for s, _ in lines], **figures, "text": [t for _, t in lines]}).write_csv(folder / "emobank.csv")
    spread = {f"std{scale}": np.full(len(lines), 0.5) for scale in "VAD"}
    for view in ("reader", "writer"):
        pl.DataFrame({"id": ids, **figures, **spread, "N": [5] * len(lines)}).write_csv(folder / f"{view}.csv")


def word_rows(lines):
    """Atlas rows of `(source, content, group, valence, arousal)`."""
    rows = [{"stimulus": c, "source": s, "modality": "word", "content": c, "valence": v, "arousal": a, "basis": "rated", "group": g,
             "split": split_of(g), "licence": "test", "raters": 20, "valence_sd": 0.3, "arousal_sd": 0.3} for s, c, g, v, a in lines]
    return pl.DataFrame(rows, schema_overrides=COLUMNS)


def test_emobank_that_is_absent_is_one_sentence(data):
    with pytest.raises(InputError, match="EmoBank is not at hand"):
        emobank.study(tiny=True)


def test_a_sentence_on_two_sides_is_learnt_from_on_neither(data):
    write_emobank(data / "emobank", [("train", "The end."), ("test", "the end"), ("train", "A start."), ("dev", "A START!"), ("train", "Tea"),
                                     ("train", " "), ("test", "Rain")])
    table = emobank.sentences()
    assert dict(table.select("text", "split").iter_rows()) == {"the end": "test", "A START!": "dev", "Tea": "train", "Rain": "test"}
    assert table["V_reader"].is_not_null().all()


def test_emobank_is_studied_from_the_cache_the_second_time(data, monkeypatch):
    nouns = "rain tea war kiss bread grave song tax moon knife".split()
    lines = [(side, f"{a} and {b}") for side, part in (("train", nouns), ("test", nouns[::-1])) for a, b in zip(part, part[1:], strict=False)]
    write_emobank(data / "emobank", lines)
    names = ["the mean", "MiniLM + ridge"]
    first = emobank.study(seeds=[0], names=names)
    monkeypatch.setitem(emobank.CANDIDATES, "MiniLM + ridge", None)
    assert emobank.study(seeds=[0], names=names).equals(first)
    assert set(first["scale"]) == {"V", "A", "D"} and (first["share"] * first["ceiling"] - first["value"]).abs().max() < 1e-9


def test_a_family_is_never_learnt_from_in_any_language():
    table = words.lexicon(word_rows([
        ("warriner2013_vad", "stop", "word/stop", 0.1, 0.2), ("warriner2013_vad", "dog", "word/dog", 0.5, 0.1),
        ("warriner2013_vad", "tea", "word/tea", 0.4, -0.3), ("glasgow_norms", "stopped", "word/stopped", -0.1, 0.0),
        ("soares_2012", "parar", "word/stop", 0.0, 0.1), ("soares_2012", "chá", "word/tea", 0.3, -0.2),
        ("glasgow_norms", "hot dog", "word/hot dog", 0.4, 0.2), ("glasgow_norms", "lamp", "word/lamp", 0.1, 0.0),
        ("riegel_2015", "bez klucza", "word:pl/bez klucza", 0.1, 0.0)]), "warriner2013_vad", least=1)
    assert "word:pl/bez klucza" not in set(table["key"]) and len(table) == 6
    for asked, left in (("stop", {"dog", "tea", "hot dog", "lamp"}), ("dog", {"stop", "stopped", "tea", "lamp"})):
        assert set(words.allowed(table, table.filter(pl.col("key") == asked))["key"]) == left


def test_families_are_the_same_in_any_order():
    named = dict(zip(forward := ["walks", "walk", "walking", "talk", "bus"], words.families(forward), strict=True))
    assert named == dict(zip(forward[::-1], words.families(forward[::-1]), strict=True))
    assert len({named[w] for w in ("walk", "walks", "walking")}) == 1 and named["talk"] != named["walk"]


def test_the_adapter_learns_from_no_held_out_row():
    lines = [("warriner2013_vad", f"w{i}", f"word/w{i}", (i % 9) / 9, (i % 7) / 7) for i in range(400)]
    atlas = word_rows(lines)
    material = text_adapter.word_material(atlas)
    assert set(material["group"]) == set(atlas.filter(pl.col("split") == "train")["group"])
    texts = pl.DataFrame([{"stimulus": str(i), "source": "emobank", "modality": "text", "content": t, "valence": v, "arousal": v, "basis": "rated",
                           "group": t, "split": s, "licence": "test"} for i, (t, s, v) in enumerate(
        [("Good day.", "train", 0.1), ("good day", "test", 0.2), ("Rain", "train", 0.3), ("Tea", "train", 0.0)])], schema_overrides=COLUMNS)
    assert set(text_adapter.text_material(texts)["text"]) == {"Rain", "Tea"}


def test_ridge_chooses_its_penalty_without_the_test_rows():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(400, 30)).astype(np.float32), rng.normal(size=(30, 2))
    y = x @ w + rng.normal(size=(400, 2))
    said = words.ridge(x[:300], y[:300], np.arange(300), x[300:])
    assert all(np.corrcoef(said[:, k], y[300:, k])[0, 1] > 0.9 for k in range(2))


def test_letters_are_read_the_same_way_everywhere():
    assert grams("Ab") == ["<ab", "ab>", "<ab>"] and grams("!?") == ["<!?", "!?>", "<!?>"]
    vectors = Chargrams().encode(["Émile", "e" * 100_000, "🙂🙂", "мир"])
    assert np.isfinite(vectors).all() and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_sensorimotor_tells_unknown_from_unfelt(monkeypatch, tmp_path):
    reader = Sensorimotor({"void": np.zeros(len(SENSES), np.float32)})
    known, unknown = reader.encode(["void", "qwrtz"])
    assert known[-1] == 1 and unknown[-1] == 0 and (known[:-1] == 0).all()
    monkeypatch.setenv("EMONOTES_DATA", str(tmp_path))
    with pytest.raises(InputError, match="Lancaster"):
        from emonotes.encoders.sensorimotor import norms

        norms.cache_clear()
        norms()


@pytest.mark.parametrize("form, base", [("stopped", "stop"), ("cities", "city"), ("boxes", "box"), ("loved", "love"), ("happiest", "happy")])
def test_regular_forms_lead_back(form, base):
    assert base in base_forms(form)
