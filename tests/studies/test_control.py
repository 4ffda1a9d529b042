"""The control study's figures, and the checks of a whole piece, on points and pieces whose answer is known."""

import numpy as np
import pytest

from emonotes.errors import InputError
from emonotes.music.composing import Written, plans_for, write
from emonotes.music.decoder import load_decoder
from emonotes.music.plan import FIELDS, Plan
from emonotes.music.sampling import Style, asked_again
from emonotes.studies import control, thousand


def test_the_figures_of_a_turned_plane():
    wanted = control.grid(9)
    turned = wanted @ np.array([[0, 1], [-1, 0]])  # a quarter turn
    found = {row["measure"]: row["value"] for row in control.evaluate(wanted, turned, draws=20).to_dicts()}
    assert found["angle"] == pytest.approx(90) and abs(found["r_v"]) < 1e-9
    assert control.quad_accuracy(wanted[(wanted != 0).all(1)], turned[(wanted != 0).all(1)]) == 0


def test_intensity_is_read_within_its_quadrant():
    wanted = control.grid(9)
    reversed_ = np.where(wanted[:, :1] > 0, np.sign(wanted) * 1.0 - wanted, wanted)
    assert control.intensity(wanted, reversed_, 1) < -0.5 and control.intensity(wanted, reversed_, 2) == pytest.approx(1)


@pytest.mark.parametrize("read", [np.zeros((2, 2)), np.full((9, 2), 1.5), np.full((9, 2), np.nan), np.zeros((9, 3))])
def test_points_that_do_not_pair_up_are_refused(read):
    with pytest.raises(InputError):
        control.validate(control.grid(3), read)


@pytest.mark.parametrize("way", ["best", "nearest clip"])
def test_a_way_that_is_none_is_refused(way):
    with pytest.raises(InputError, match="choose from"):
        control.plans_of(way, (0.5, 0.5), 10, 0)


def test_a_piece_is_whole_and_a_piece_without_its_end_is_not():
    piece = write([plans_for((-0.4, 0.2), 8, 1)], [1], progress=False)[0]
    assert thousand.whole(piece)["ends"] and thousand.whole(piece)["parses"] and thousand.whole(piece)["bars_off"] == 0
    assert not thousand.whole(Written(piece.plans, piece.ids[:-1]))["ends"]


def test_what_was_met_is_not_asked_again():
    piece = write([plans_for((0.3, 0.3), 20, 2)], [2], style=Style(mending=0), progress=False)[0]
    from emonotes.music.plan import plan_rows
    from emonotes.music.tokens import bars_of_tokens, notes_of_tokens

    got = plan_rows(notes_of_tokens(piece.ids), bars_of_tokens(piece.ids), piece.tempi)
    assert np.allclose(asked_again(got[-1], got, piece.ids, 1.0), got[-1])
    more = got.copy()
    more[:, FIELDS.index("density")] *= 2
    assert asked_again(got[-1], more, piece.ids, 1.0)[FIELDS.index("density")] == pytest.approx(min(2 * got[-1, FIELDS.index("density")], 30))


def test_aiming_lower_makes_sadder_plans():
    from dataclasses import replace

    one = load_decoder()
    sadder = replace(one, aim=one.aim - [[0.2, 0, 0, 0], [0, 0, 0, 0]])
    assert sadder.plan((0, 0)).majorness < one.plan((0, 0)).majorness
    assert isinstance(one.plan((0, 0)), Plan)
