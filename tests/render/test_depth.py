"""Depth maps of a mesh against the plane's equation."""

from __future__ import annotations

import math

import pytest
import torch

from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.render.depth import mesh_depths

SLOPE, OFFSET = 0.3, 600.0


def _slanted(reach: float = 900.0) -> Mesh:
    """The plane z = OFFSET + SLOPE x."""
    corners = [(-reach, -reach), (reach, -reach), (reach, reach), (-reach, reach)]
    vertices = torch.tensor([[x, y, OFFSET + SLOPE * x] for x, y in corners])
    return Mesh(vertices, torch.tensor([[0, 1, 2], [0, 2, 3]]))


def _pair() -> Cameras:
    first = Cameras.pinhole(width=32, height=24, fx=40, fy=44, cx=15.2, cy=12.7, name="a")
    second = Cameras.pinhole(width=20, height=28, fx=35, fy=35, cx=10, cy=14, name="b")
    return Cameras(torch.cat([first.K, second.K]), torch.cat([first.camera_from_world] * 2), torch.tensor([[32, 24], [20, 28]]), ("a", "b"))


def test_a_slanted_plane_is_met_at_every_pixels_centre():
    cameras = _pair()
    maps = mesh_depths(_slanted(), cameras)
    for K, (width, height), depth in zip(cameras.K, cameras.size.tolist(), maps.depth, strict=True):
        column = (torch.arange(width, dtype=torch.float64) + 0.5 - K[0, 2]) / K[0, 0]
        expected = (OFFSET / (1 - SLOPE * column)).expand(height, width)
        assert depth.shape == (height, width)
        assert depth.dtype == torch.float32
        assert float((depth / expected - 1).abs().max()) < 1e-6


def test_what_is_not_met_is_zero_and_both_sides_are_seen():
    mesh = _slanted(reach=100.0)
    turned = Mesh(mesh.vertices, mesh.faces.flip(1))
    camera = _pair()[0]
    depth, other = mesh_depths(mesh, camera).depth[0], mesh_depths(turned, camera).depth[0]
    assert torch.equal(depth, other)
    assert 0.05 < float((depth > 0).float().mean()) < 0.9
    assert float(depth[0, 0]) == 0.0


def test_the_pose_counts():
    camera = _pair()[0]
    turn = math.pi
    pose = torch.tensor([[math.cos(turn), 0, math.sin(turn), 0], [0, 1, 0, 0], [-math.sin(turn), 0, math.cos(turn), 0], [0, 0, 0, 1]])
    away = Cameras(camera.K, pose.double()[None], camera.size)
    assert float(mesh_depths(_slanted(), away).depth[0].max()) == 0.0
    back = pose.double().clone()
    back[:3, 3] = torch.tensor([0.0, 0, 1000])
    seen = mesh_depths(_slanted(), Cameras(camera.K, back[None], camera.size)).depth[0]
    assert float(seen[12, 15]) == pytest.approx(1000 - OFFSET, abs=3)
