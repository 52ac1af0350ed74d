"""Random objects are what a photographed solid must be: closed, oriented, detailed, half a metre, and different."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recon_cli.core.topology import check_manifold, components, edge_faces
from recon_cli.prepare.synth.rig_cameras import frontal_cameras
from recon_cli.prepare.synth.rig_object import draw_clutter, draw_object


def volume(mesh) -> float:
    a, b, c = mesh.vertices.double()[mesh.faces].unbind(1)
    return float((torch.linalg.cross(a, b) * c).sum() / 6)


@pytest.mark.parametrize("seed", range(6))
def test_objects_are_closed_solids_of_half_a_metre(seed):
    mesh = draw_object(np.random.default_rng(seed), cells=32)
    check_manifold(mesh)
    assert not bool(edge_faces(mesh.faces).is_boundary.any())
    assert int(components(mesh.faces, len(mesh.vertices)).max()) == 0
    assert 0.004 < volume(mesh) < 0.5**3  # positive: faces run counter-clockwise from outside
    low, high = mesh.vertices.amin(dim=0), mesh.vertices.amax(dim=0)
    assert float((high - low).max()) == pytest.approx(0.5, abs=1e-5)
    torch.testing.assert_close(low + high, torch.zeros(3), atol=1e-5, rtol=0)


def test_genus_and_shape_vary_with_the_seed_alone():
    meshes = [draw_object(np.random.default_rng(seed), cells=32) for seed in range(6)]
    genera = {1 - (len(mesh.vertices) - len(mesh.faces) // 2) // 2 for mesh in meshes}
    assert len(genera) > 1
    again = draw_object(np.random.default_rng(2), cells=32)
    assert torch.equal(again.vertices, meshes[2].vertices)
    assert torch.equal(again.faces, meshes[2].faces)
    assert len({len(mesh.vertices) for mesh in meshes}) == 6


def test_triangles_are_well_shaped():
    mesh = draw_object(np.random.default_rng(0), cells=32)
    corners = mesh.vertices.double()[mesh.faces]
    sides = (corners.roll(-1, dims=1) - corners).norm(dim=-1)
    area = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).norm(dim=-1) / 2
    quality = area / sides.amax(dim=1) ** 2  # 0.43 for an equilateral one
    assert float(quality.quantile(0.01)) > 0.1


def test_clutter_hovers_between_object_and_cameras():
    mesh = draw_object(np.random.default_rng(0), cells=32)
    cameras = frontal_cameras(mesh.vertices, views=5, size=64, azimuth=0.0, generator=np.random.default_rng(0))
    clutter = draw_clutter(mesh, cameras, 3, np.random.default_rng(1))
    assert len(clutter) == 3
    eyes = cameras.world_from_camera[:, :3, 3]
    for part in clutter:
        check_manifold(part)
        middle = part.vertices.double().mean(dim=0)
        assert 0.2 < float(middle.norm()) < float(eyes.norm(dim=1).min())
        assert float(torch.cdist(eyes, part.vertices.double()).min()) > 0.05
