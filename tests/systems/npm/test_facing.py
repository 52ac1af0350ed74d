"""Which way bodies face."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from recon_cli.systems.npm.facing import contenders, ways_to_face
from recon_cli.systems.npm.fit_steps import Estimate
from recon_cli.systems.npm.observed import depth_points
from recon_cli.systems.npm.postures import Postures
from recon_cli.systems.npm.skinning import rotation
from tests.systems.npm.tube_frames import UP, learned_tubes, tube_frames


def facing(angles: Sequence[float]) -> Estimate:
    """Bodies turned by these angles about the vertical [degrees]."""
    turns = torch.zeros(len(angles), 3)
    turns[:, 1] = torch.tensor(angles) * math.pi / 180
    return Estimate(torch.zeros(2), Postures(torch.zeros(len(angles), 3), rotation(turns), torch.zeros(len(angles), 3)))


def test_solutions_that_face_the_same_way_are_one() -> None:
    front, nearly, back = facing([0, 10, 20, 30]), facing([20, 10, 0, 170]), facing([180, 190, 200, 210])
    assert contenders([front, nearly, back], [1.0, 1.1, 1.2]) == [0, 2]
    assert contenders([front, nearly, back], [1.2, 1.1, 1.0]) == [2, 1]


def test_much_worse_solutions_do_not_contend() -> None:
    assert contenders([facing([0]), facing([180])], [1.0, 2.5]) == [0]
    assert contenders([facing([0]), facing([180])], [2.5, 1.0]) == [1]


def test_two_of_the_ways_are_opposite() -> None:
    _, _, guesses = learned_tubes()
    frames = tube_frames(3)
    own, one, other = ways_to_face(guesses.views, [depth_points(frames.depth(index), frames.K.float()) for index in range(3)], UP)
    assert own is None
    assert one is not None
    assert other is not None
    roots = guesses.views.roots
    assert torch.equal(one.holds(roots), ~other.holds(roots))
    assert bool(one.holds(one.reference))
