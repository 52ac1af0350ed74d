"""End-point errors that are known beforehand."""

from __future__ import annotations

import math

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.metrics.end_point import end_point_error, end_point_errors
from recon_cli.metrics.frame_pairs import FramePair
from tests.metrics.solids import box, bumpy, sphere, waving

TIMES = [0.0, 0.3, 0.7, 1.0]
SHIFT = torch.tensor([0.03, -0.04, 0.0], dtype=torch.float64)


def _moving(mesh: Mesh) -> torch.Tensor:  # [T, V, 3]
    return torch.stack([waving(mesh.vertices, time) for time in TIMES])


def _grid(count: int) -> Mesh:
    line = torch.linspace(0, 1, count, dtype=torch.float64)
    y, x = torch.meshgrid(line, line, indexing="ij")
    first = (torch.arange(count - 1)[:, None] * count + torch.arange(count - 1)).reshape(-1)
    faces = torch.stack([first, first + 1, first + count, first + 1, first + count + 1, first + count], dim=-1).reshape(-1, 3)
    return Mesh(torch.stack([x, y, 0 * x], dim=-1).reshape(-1, 3), faces)


def test_a_mesh_is_at_zero_from_itself_in_all_frames():
    mesh = sphere(12)
    found = end_point_error(_moving(mesh), mesh.faces, _moving(mesh), mesh.faces, samples=2000)
    assert [one.frame for one in found] == [0, 1, 2, 3]
    assert max(one.epe for one in found) < 1e-12


def test_a_prediction_that_is_left_behind_is_wrong_by_the_shift():
    mesh = sphere(12)
    steps = torch.arange(4)[:, None, None] * SHIFT
    found = end_point_error(mesh.vertices + 0 * steps, mesh.faces, mesh.vertices + steps, mesh.faces, samples=2000)
    assert [one.epe for one in found] == pytest.approx([0, 0.05, 0.1, 0.15], abs=1e-12)


def test_a_square_beside_itself_is_paired_with_its_nearest_points():
    mesh, above = _grid(2), torch.tensor([0.0, 0.0, 0.2], dtype=torch.float64)
    still = mesh.vertices.expand(2, -1, -1)
    turned = torch.stack([mesh.vertices + above, (mesh.vertices + above) * torch.tensor([-1.0, -1, 1])])
    found = end_point_error(turned, mesh.faces, still, mesh.faces, samples=20_000)
    # After the half turn about the z axis a point is 2 r from where it was: the mean of sqrt(4 r^2 + h^2) over the square.
    line = torch.linspace(0, 1, 2001, dtype=torch.float64)[:-1] + 1 / 4000
    expected = float((4 * (line[:, None] ** 2 + line**2) + 0.04).sqrt().mean())
    assert found[0].epe == pytest.approx(0.2, abs=1e-12)
    assert found[1].epe == pytest.approx(expected, rel=0.01)


def test_other_triangles_of_the_same_moving_surface_stay_near():
    found = end_point_error(*(part for mesh in (_grid(40), _grid(33)) for part in (_moving(mesh), mesh.faces)), samples=5000)
    # Where the surface bends by 0.2 y² a triangle of side 1/32 is at most 0.2 / 32² / 4 inside it.
    assert found[0].epe < 1e-12
    assert max(one.epe for one in found) < 2 * 0.25 * 0.3 / 32**2


def test_a_keyframe_forgets_what_was_lost_before():
    mesh = _grid(9)
    along = torch.tensor([0.01, 0.0, 0.0], dtype=torch.float64)
    steps = torch.arange(6)[:, None, None] * along
    still = mesh.vertices.expand(6, -1, -1)
    sides = (still + steps, mesh.faces, still, mesh.faces)
    once, anew = (end_point_error(*sides, samples=3000, keyframe_every=every) for every in (50, 3))
    assert [one.epe for one in once] == pytest.approx([0.01 * t for t in range(6)], abs=1e-12)
    assert [one.keyframe for one in anew] == [0, 0, 0, 3, 3, 3]
    # At frame 3 only points within the overhang of 0.03 have no partner at zero: their mean distance is 0.03² / 2.
    assert anew[3].epe == pytest.approx(0.03**2 / 2, rel=0.3)
    assert anew[5].epe == pytest.approx(0.02, abs=1e-3)
    every = end_point_error(*sides, samples=3000, keyframe_every=1)
    assert max(one.epe for one in every) < 0.05**2


def test_lengths_scale_and_a_seed_repeats():
    first, second = (Mesh(bumpy(sphere(r).vertices), sphere(r).faces) for r in (12, 15))
    sides = _moving(first), first.faces, 1.1 * _moving(second), second.faces
    found = end_point_error(*sides, samples=2000, seed=3)
    assert end_point_error(*sides, samples=2000, seed=3) == found
    assert end_point_error(*sides, samples=2000, seed=4) != found
    larger = end_point_error(4 * sides[0], sides[1], 4 * sides[2], sides[3], samples=2000, seed=3)
    assert [one.epe for one in larger] == pytest.approx([4 * one.epe for one in found], rel=1e-6)


def test_faces_may_change_at_a_keyframe_only():
    coarse, fine = _grid(5), _grid(7)

    def pairs(meshes):
        return [FramePair(t, mesh, fine, f"{t}.ply", f"true/{t}.ply") for t, mesh in enumerate(meshes)]

    found = list(end_point_errors(pairs([coarse, coarse, fine, fine]), samples=500, keyframe_every=2))
    assert max(one.epe for one in found) < 1e-12
    with pytest.raises(InputError, match=r"2\.ply: has 49 vertices and 72 faces, expected the faces of the keyframe 0\.ply \(25 vert"):
        list(end_point_errors(pairs([coarse, coarse, fine, fine]), samples=500))
    swapped = Mesh(coarse.vertices, coarse.faces.flip(0))
    with pytest.raises(InputError, match=r"1\.ply: has the same numbers of vertices and faces but other faces"):
        list(end_point_errors(pairs([coarse, swapped]), samples=500))


def test_broken_meshes_are_named():
    mesh = box()
    still = mesh.vertices.expand(2, -1, -1)
    broken = still.clone()
    broken[1, 2, 2] = math.inf
    with pytest.raises(InputError, match="frame 1 of the reference: 1 vertices are NaN or infinite, the first is vertex 2"):
        end_point_error(still, mesh.faces, broken, mesh.faces, samples=100)
    with pytest.raises(InputError, match="frame 0 of the reference: cannot sample"):
        end_point_error(still, mesh.faces, 0 * still, mesh.faces, samples=100)
    with pytest.raises(InputError, match="frame 0 of the prediction: the mesh has no faces"):
        end_point_error(still, mesh.faces[:0], still, mesh.faces, samples=100)
    with pytest.raises(InputError, match="2 frames against 1"):
        end_point_error(still, mesh.faces, still[:1], mesh.faces)
