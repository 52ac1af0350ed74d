"""Winding numbers of boxes, whose inside is written down, and of balls."""

from __future__ import annotations

import math

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.winding import Winding
from tests.metrics.solids import box, joined, sphere


def _points(low, high, count=200_000):
    draws = torch.rand(count, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.tensor(low, dtype=torch.float64) + draws * (torch.tensor(high) - torch.tensor(low)).double()


def _in_box(points, low, high):
    return ((points >= torch.tensor(low)) & (points <= torch.tensor(high))).all(dim=1).long()


@pytest.mark.parametrize("thickness", [1.0, 1e-3, 1e-6])
def test_a_slab_has_an_inside_however_thin(thickness):
    low, high = (-1.0, -1.0, -0.5 * thickness), (1.0, 1.0, 0.5 * thickness)
    points = _points((-1.2, -1.2, -thickness), (1.2, 1.2, thickness))
    wrong = Winding(box(low, high))(points) != _in_box(points, low, high)
    assert int(wrong.sum()) <= 1


@pytest.mark.parametrize(
    "second",
    [((1.0, 0, 0), (2.0, 1, 1)), ((0.5, 0.2, 0.2), (2.0, 0.8, 1.5)), ((0.0, 0, 0), (1.0, 1, 1)), ((0.25, 0.25, 1), (0.75, 0.75, 2))],
    ids=["touching", "overlapping", "doubled", "stacked"],
)
def test_pieces_add_up(second):
    points = _points((-0.5, -0.5, -0.5), (2.5, 1.5, 2.5))
    expected = _in_box(points, (0.0, 0, 0), (1.0, 1, 1)) + _in_box(points, *second)
    wrong = Winding(joined(box(), box(*second)))(points) != expected
    assert int(wrong.sum()) <= 1


def test_a_cavity_is_outside():
    hollow = box((0.2, 0.2, 0.2), (0.8, 0.8, 0.8))
    mesh = joined(box(), Mesh(hollow.vertices, hollow.faces.flip(1)))
    points = _points((0.0, 0, 0), (1.0, 1, 1))
    wrong = Winding(mesh)(points) != 1 - _in_box(points, (0.2, 0.2, 0.2), (0.8, 0.8, 0.8))
    assert int(wrong.sum()) <= 1


def test_a_ball_far_away_keeps_its_volume():
    points = _points((999.0, -1, -1), (1001.0, 1, 1))
    inside = Winding(sphere(80, centre=(1000.0, 0, 0)))(points)
    assert set(inside.unique().tolist()) == {0, 1}
    share = math.pi / 6
    assert float(inside.double().mean()) == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / len(points)) + 1e-3)


def test_points_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match="1 of 1 points"):
        Winding(box())(torch.tensor([[0.0, math.nan, 0]]))
