"""Cards: complete, honest about licences, and strict about mistakes."""

import re

import pytest

from emonotes.affect.scales import KINDS
from emonotes.atlas import folders, sources
from emonotes.atlas.rows import MODALITIES
from emonotes.errors import InputError

CARDS = sources.load_cards()


@pytest.mark.parametrize("one", CARDS.values(), ids=list(CARDS))
def test_every_card_keeps_the_promises(one):
    assert one.modality in MODALITIES and one.traps and one.title and one.what and one.licence
    assert (one.basis == "none") == (not one.scales), "without a scale there is no basis, and the other way round"
    assert set(one.scales) <= {"valence", "arousal"} and all(scale.kind in KINDS for scale in one.scales.values())
    assert re.match(r"@\w+\{\w+,", one.citation.strip()) and one.citation.count("{") == one.citation.count("}")
    assert not one.starter or one.redistribute, "a card that may not be passed on ships no starter table"
    assert not one.homepage or one.homepage.startswith("http")
    for entry in one.files:
        assert set(entry) == {"name", "url", "sha256"} and re.fullmatch("[0-9a-f]{64}", entry["sha256"])
        folders.safe_path(entry["name"])
    for parent in one.made_from:
        assert parent in CARDS


def test_no_starter_table_against_the_licence():
    for path in folders.starter_folder().glob("*.csv"):
        one = sources.card(path.stem)
        assert one.redistribute and one.starter, f"{path.name} must not ship"


def test_an_unknown_source_lists_the_legal_ones():
    with pytest.raises(InputError, match="'moon_smells'.*emobank.*vibviz"):
        sources.card("moon_smells")


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda t: t.replace('title = "VibViz: 120 vibrations"\n', ""), "missing or unknown fields.*title"),
        (lambda t: t + 'colour = "red"\n', "missing or unknown fields.*colour"),
        (lambda t: t.replace("low = -3", "lowest = -3"), "scale 'valence'.*legal are kind, name"),
        (lambda t: t + "= broken", "cannot be read"),
    ],
)
def test_a_spoiled_card_is_named(tmp_path, spoil, words):
    text = (folders.cards_folder() / "vibviz.toml").read_text()
    (tmp_path / "vibviz.toml").write_text(spoil(text))
    with pytest.raises(InputError, match=words):
        sources.read_card(tmp_path / "vibviz.toml")


def test_changed_and_missing_files_are_named(tmp_path):
    one = CARDS["vibviz"]
    with pytest.raises(InputError, match="'vibviz' lacks its file 'vibrationAnnotations"):
        sources.check_files(one, tmp_path)
    (tmp_path / one.files[0]["name"]).write_text("half")
    with pytest.raises(InputError, match="'vibviz': file 'vibrationAnnotations.*corrupt or was changed"):
        sources.check_files(one, tmp_path)
