"""A student of the guided composer: what it reads, and its loss at both ends."""

import numpy as np
import pytest
import torch

from emonotes.errors import InputError
from emonotes.music import corpora, distilling, lm, sentences
from emonotes.music.plan import Plan

SMALL = lm.LMConfig(width=64, layers=1, heads=1, context=64, dropout=0.0)


def test_people_and_own_pieces_weigh_the_same():
    few, many = ([corpora.Piece(str(n), np.arange(n), np.zeros((1, 10)), True)] for n in (10, 50))
    words = {piece.name: 0 for piece in few + many}
    for piece in distilling.evenly(many, few):
        words[piece.name] += len(piece.ids)
    assert words["10"] == words["50"]
    with pytest.raises(InputError, match="give pieces of both"):
        distilling.evenly(many, [])


def test_a_student_like_its_teacher_has_nothing_to_learn():
    model = SMALL.build().eval()
    heads = sentences.heads(np.array([Plan().row]), sentences.left_words(1))[0]
    batch = np.tile(np.r_[1, heads, 300, 310, 320, 2], (2, 1))
    with torch.no_grad():
        assert abs(float(distilling.Guided(model, 1.0)(model, batch))) < 1e-3
        assert float(distilling.Guided(model, 4.0)(model, batch)) > 1e-6
