"""Surfaces in other places and units."""

from __future__ import annotations

import math

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.points import PointSet
from recon_cli.core.procrustes import Similarity
from recon_cli.metrics.frame_pairs import FramePair, frame_pairs, in_units_of, longest_side, moved
from tests.metrics.solids import box


def test_only_the_prediction_is_aligned_but_both_are_scaled():
    pair = FramePair(3, box(), box(), "a.ply", "b.ply")
    motion = Similarity(torch.eye(3, dtype=torch.float64), torch.tensor([1.0, 0, 0], dtype=torch.float64), 2.0)
    found = pair.aligned(motion).in_units_of(4.0)
    torch.testing.assert_close(found.predicted.vertices, (2 * box().vertices + torch.tensor([1.0, 0, 0])) / 4)
    torch.testing.assert_close(found.reference.vertices, box().vertices / 4)
    assert (found.number, found.predicted_name, found.reference_name) == (3, "a.ply", "b.ply")


def test_a_unit_of_one_changes_nothing():
    mesh = box()
    assert in_units_of(1.0, mesh) is mesh


def test_points_move_as_meshes_do():
    points = PointSet(torch.rand(5, 3), normals=torch.rand(5, 3), colors=torch.rand(5, 3))
    found = moved(points, Similarity(torch.eye(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)))
    torch.testing.assert_close(found.points, points.points.double() + 1)
    assert found.normals is None
    assert found.colors is points.colors


def test_the_longest_side():
    assert longest_side(box((0, -1, 0), (1, 1, 0.5))) == 2
    assert longest_side(PointSet(box((0, -1, 0), (1, 1, 0.5)).vertices)) == 2
    for points in (torch.ones(3, 3), torch.zeros(0, 3), torch.tensor([[0.0, 0, 0], [math.nan, 1, 1]])):
        with pytest.raises(InputError, match="expected a positive length"):
            longest_side(PointSet(points))


def test_frames_are_numbered():
    mesh = box()
    pairs = frame_pairs(mesh.vertices.expand(2, -1, -1), mesh.faces, mesh.vertices.expand(2, -1, -1), mesh.faces)
    assert [(pair.number, pair.predicted_name) for pair in pairs] == [(0, "frame 0 of the prediction"), (1, "frame 1 of the prediction")]
    with pytest.raises(InputError, match="0 frames against 0"):
        frame_pairs(torch.zeros(0, 8, 3), mesh.faces, torch.zeros(0, 8, 3), mesh.faces)
