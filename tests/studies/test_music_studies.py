"""The studies of EMOPIA and VGMIDI: their measures on hand-made answers, their splits, and their words when data is missing."""

import numpy as np
import pytest

from emonotes.atlas.folders import data_folder
from emonotes.errors import InputError
from emonotes.studies import emopia, vgmidi

RNG = np.random.default_rng(0)
QUADRANT = np.repeat([1, 2, 3, 4], 30)
GROUP = np.tile(np.arange(30), 4)
SIGNAL = np.stack([np.isin(QUADRANT, (1, 4)), np.isin(QUADRANT, (1, 2))], 1) * 2.0 - 1


def perfect():
    return np.eye(4)[QUADRANT - 1]


def test_measures_of_perfect_and_of_opposite_answers():
    right, opposite = perfect(), np.eye(4)[(QUADRANT + 1) % 4]
    for measure in emopia.MEASURES.values():
        assert measure(right, QUADRANT) == 1 and measure(opposite, QUADRANT) == 0


def test_right_arousal_with_wrong_valence_counts_for_arousal_alone():
    mirrored = np.eye(4)[np.array([1, 0, 3, 2])[QUADRANT - 1]]
    assert [m(mirrored, QUADRANT) for m in emopia.MEASURES.values()] == [0, 1, 0]


@pytest.mark.parametrize("model", [emopia.logistic, emopia.trees, emopia.kernel, emopia.apart])
def test_models_give_probabilities_and_learn_a_clear_signal(model):
    x = np.hstack([SIGNAL, RNG.normal(size=(120, 3))])
    said = model(x[::2], QUADRANT[::2], x[1::2], 0)
    assert said.shape == (60, 4) and np.allclose(said.sum(1), 1) and (said >= 0).all()
    assert emopia.quadrant_accuracy(said, QUADRANT[1::2]) > 0.9


@pytest.mark.parametrize("model", [emopia.logistic, emopia.kernel])
def test_a_quadrant_missing_from_training_is_not_said(model):
    x, some = np.hstack([SIGNAL, RNG.normal(size=(120, 3))]), QUADRANT != 3
    assert model(x[some], QUADRANT[some], x, 0)[:, 2].max() < 1e-3


def test_song_wise_follows_the_song_and_keeps_a_lonely_clip():
    said = np.array([[0.6, 0.4, 0, 0], [0.1, 0.9, 0, 0], [0.1, 0.9, 0, 0], [0.7, 0.3, 0, 0]])
    joint = emopia.song_wise(said, np.array([0, 0, 0, 1]))
    assert joint.argmax(1).tolist() == [1, 1, 1, 0] and np.allclose(joint.sum(1), 1)


def test_song_identity_does_not_help():
    """A view that knows nothing but the song must stay at chance: its song is never in the training rows."""
    labels = RNG.integers(1, 5, 30)[GROUP]
    views = {"features": np.eye(30)[GROUP], "dense": np.eye(30)[GROUP], "bags": np.eye(30)[GROUP]}
    runs = emopia.predicted(views, labels, GROUP, [0], ["hand-made + logistic", "three measurements + logistic"])
    assert emopia.quadrant_accuracy(runs["hand-made + logistic"][0], labels) < 0.5


def test_vgmidi_models_read_a_signal_and_share_it_across_collections():
    x = np.hstack([SIGNAL, RNG.normal(size=(120, 4))])
    va = 0.3 * SIGNAL + RNG.normal(0, 0.1, (120, 2)) + 0.1
    extra = (x * 5 + 3, SIGNAL)
    views = {"features": x, "dense": x}
    runs = vgmidi.predicted(views, va, GROUP, [0], extra, ["hand-made + ridge", "three measurements + memory"])
    table = vgmidi.judged(runs, va, GROUP, {"valence": 0.95, "arousal": 0.95}, 50)
    assert set(table["model"]) == {"hand-made + ridge", "three measurements + memory", vgmidi.BOTH, vgmidi.ZERO, vgmidi.AVERAGE}
    assert (table["value"] > 0.8).all() and np.allclose(table["share"] * 0.95, table["value"])


def test_without_a_rated_piece_only_the_clips_teach():
    x, va = np.hstack([SIGNAL, RNG.normal(size=(120, 4))]), 0.3 * SIGNAL
    wrong = vgmidi.with_clips((x, -SIGNAL), 1.0, own=0.0)(x, va, x, 0, GROUP)
    assert np.corrcoef(wrong[:, 0], va[:, 0])[0, 1] < -0.8


@pytest.mark.skipif(data_folder() is not None, reason="speaks of a machine without data")
@pytest.mark.parametrize("ask", [emopia.clips, vgmidi.pieces])
def test_missing_data_is_one_sentence(ask):
    with pytest.raises(InputError, match="EMONOTES_DATA"):
        ask()


@pytest.mark.skipif(not (data_folder() and (data_folder() / "emopia").is_dir()), reason="EMOPIA is not at hand")
def test_a_song_with_two_quadrants_is_one_group():
    table = emopia.clips()
    assert table.filter(table["stimulus"].str.contains("1fdxsFbnsX4"))["group"].n_unique() == 1
    assert table["quadrant"].is_in([1, 2, 3, 4]).all()
