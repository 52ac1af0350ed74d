"""A transform that was applied to a whole sequence is found again."""

from __future__ import annotations

import math

import pytest
import torch

from recon_cli.core.mesh import Mesh
from recon_cli.core.points import PointSet
from recon_cli.core.procrustes import Similarity
from recon_cli.metrics.alignment import evenly_spaced, sequence_motion
from recon_cli.metrics.chamfer import surface_points
from recon_cli.metrics.frame_pairs import moved
from tests.metrics.solids import box, bumpy, joined, sphere, waving


def _sequence(resolution: int) -> list[Mesh]:
    mesh = sphere(resolution)
    return [mesh.with_vertices(waving(bumpy(mesh.vertices), time)) for time in (0.0, 0.5, 1.0)]


def _heading(degrees: float, *, scale: float = 1.0, shift=(0.0, 0.0, 0.0)) -> Similarity:
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = torch.tensor([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]], dtype=torch.float64)
    return Similarity(turn, torch.tensor(shift, dtype=torch.float64), scale)


def _lost(truth: Similarity, with_scale: bool, predicted: list, reference: list) -> float:
    """How far the vertices of the first frame are from where the truth puts them after moving away and finding back."""
    away = [moved(surface, truth.inverse()) for surface in predicted]
    found = sequence_motion(list(zip(away, reference, strict=True)), with_scale=with_scale)
    return float((found(away[0].vertices) - predicted[0].vertices).norm(dim=-1).mean())


@pytest.mark.parametrize(
    ("truth", "with_scale"),
    [
        (_heading(10, shift=(0.1, 0.05, -0.2)), False),
        (_heading(75, shift=(3.0, 0, 1.0)), False),
        (_heading(-130, scale=1.3), True),
        (_heading(20, scale=1000, shift=(5.0, 0, 0)), True),
        (_heading(20, scale=0.01), True),
    ],
    ids=["small", "far", "turned", "millimetres", "small scale"],
)
def test_an_applied_motion_is_undone(truth, with_scale):
    assert _lost(truth, with_scale, _sequence(12), _sequence(12)) < 1e-3


def test_other_triangles_of_the_same_surface_are_as_good():
    # Corners on the surface leave the coarser mesh a little smaller.
    assert _lost(_heading(40, scale=1.2), True, _sequence(24), _sequence(30)) < 3e-3


def test_a_part_that_the_reference_lacks_does_not_pull():
    predicted, reference = _sequence(20), _sequence(20)
    far = box((0, 3, 0), (0.1, 3.1, 0.1))
    grown = [joined(mesh, far) for mesh in predicted]
    found = sequence_motion(list(zip(grown, reference, strict=True)), with_scale=True)
    assert float((found(predicted[0].vertices) - predicted[0].vertices).norm(dim=-1).mean()) < 1e-4


def test_without_scale_nothing_is_scaled():
    predicted = [mesh.with_vertices(1.1 * mesh.vertices) for mesh in _sequence(12)]
    assert sequence_motion(list(zip(predicted, _sequence(12), strict=True)), with_scale=False).scale == 1


def test_point_sets_are_aligned_too():
    clouds, others = ([PointSet(surface_points(mesh, samples=5000, seed=seed)) for mesh in _sequence(20)] for seed in (1, 2))
    away = [moved(cloud, _heading(15, scale=1.5).inverse()) for cloud in clouds]
    found = sequence_motion(list(zip(away, others, strict=True)), with_scale=True)
    assert float((found(away[0].points) - clouds[0].points).norm(dim=-1).mean()) < 0.01


def test_frames_are_spread_over_the_sequence():
    assert evenly_spaced([4, 5, 9]) == [4, 5, 9]
    assert evenly_spaced(range(80)) == [0, 10, 20, 30, 40, 50, 60, 70]
