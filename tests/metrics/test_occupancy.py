"""Intersection over union of balls and boxes, whose overlap is written down."""

from __future__ import annotations

import math

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.metrics.occupancy import iou, volume_overlap
from tests.metrics.solids import box, joined, sphere


@pytest.mark.parametrize("distance", [0.1, 0.7, 1.6])
def test_two_balls_overlap_in_a_lens(distance):
    found = volume_overlap(sphere(80), sphere(80, centre=(0.0, distance, 0.0)), samples=300_000)
    ball, lens = 4 / 3 * math.pi, math.pi * (4 + distance) * (2 - distance) ** 2 / 12
    # Corners on the sphere leave the ball of triangles a thousandth too small.
    assert found.iou == pytest.approx(lens / (2 * ball - lens), abs=4 * found.standard_error + 1e-3)
    assert found.volume_predicted == pytest.approx(ball, rel=0.01)
    assert found.volume_reference == pytest.approx(ball, rel=0.01)


@pytest.mark.parametrize("thickness", [1.0, 1e-3, 1e-6])
def test_boxes_that_share_a_half_have_a_third(thickness):
    found = volume_overlap(box((0, 0, 0), (1, 1, thickness)), box((0, 0, thickness / 2), (1, 1, 1.5 * thickness)), samples=200_000)
    assert found.iou == pytest.approx(1 / 3, abs=4 * found.standard_error)
    assert found.standard_error == pytest.approx(math.sqrt(2 / 9 / 200_000), rel=0.01)
    assert found.volume_reference == pytest.approx(thickness, rel=0.01)


def test_a_mesh_is_all_of_itself_however_it_is_cut_into_triangles():
    halves = joined(box((0, 0, 0), (0.5, 1, 1)), box((0.5, 0, 0), (1, 1, 1)))
    for other in (box(), halves, joined(box(), box((0.2, 0.2, 0.2), (0.7, 0.7, 0.7)))):
        found = volume_overlap(box(), other, samples=50_000)
        assert (found.iou, found.standard_error) == (1.0, 0.0)


def test_swapped_sides_are_the_same_and_a_seed_repeats():
    first, second = sphere(20), sphere(15, centre=(0.3, 0.1, 0.0))
    there, back = (volume_overlap(*sides, samples=300_000, seed=4) for sides in ((first, second), (second, first)))
    assert there.iou == back.iou
    assert there.volume_predicted == back.volume_reference
    assert volume_overlap(first, second, samples=300_000, seed=4) == there
    assert volume_overlap(first, second, samples=300_000, seed=5).iou != there.iou


def test_unit_and_place_change_nothing():
    first, second = sphere(20), sphere(15, centre=(0.3, 0.1, 0.0))
    far = [mesh.with_vertices(256 * mesh.vertices + 4096) for mesh in (first, second)]
    near, there = volume_overlap(first, second, samples=100_000), volume_overlap(*far, samples=100_000)
    assert there.iou == pytest.approx(near.iou, abs=1e-4)


def test_solids_apart_share_nothing():
    assert volume_overlap(box(), box((2, 0, 0), (3, 1, 1)), samples=1000).iou == 0
    with pytest.raises(InputError, match="none of 1000 points of frame 7"):
        volume_overlap(box(), box((1e4, 1e4, 1e4), (1e4 + 1, 1e4 + 1, 1e4 + 1)), samples=1000, frame=7)


def test_frames_are_measured_one_by_one():
    mesh = box()
    shifts = torch.tensor([0.0, 0.5])[:, None, None] * torch.tensor([1.0, 0, 0])
    found = iou(mesh.vertices + shifts, mesh.faces, mesh.vertices.expand(2, -1, -1), mesh.faces, samples=100_000)
    assert [one.frame for one in found] == [0, 1]
    assert found[0].iou == 1
    assert found[1].iou == pytest.approx(1 / 3, abs=4 * found[1].standard_error)


def test_what_has_no_inside_is_refused_with_its_frame():
    mesh = box()
    still = mesh.vertices.expand(2, -1, -1)
    with pytest.raises(InputError, match="frame 0 of the reference: has 3 open edges of 18"):
        iou(still, mesh.faces, still, mesh.faces[1:], samples=1000)
    broken = still.clone()
    broken[1, 3, 0] = math.nan
    with pytest.raises(InputError, match="frame 1 of the prediction: 1 vertices are NaN"):
        iou(broken, mesh.faces, still, mesh.faces, samples=1000)
    with pytest.raises(InputError, match="2 frames against 1"):
        iou(still, mesh.faces, still[:1], mesh.faces)
    with pytest.raises(InputError, match="no faces"):
        iou(still, Mesh(mesh.vertices, mesh.faces[:0]).faces, still, mesh.faces)
