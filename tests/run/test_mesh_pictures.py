import base64
import math

import numpy as np
import pytest
import torch

from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.run.mesh_pictures import decimated, packed_view, stand_before, three_sides
from recon_cli.run.pictures import BACKDROP
from tests.run.stereo import arc, ball


def ring(count: int = 8) -> Cameras:
    """Cameras all around the y axis."""
    return arc(count, step=360 / count)


def test_cameras_on_one_side_and_all_around_are_told_apart():
    vertices = ball(12).vertices
    front, around = stand_before(vertices, arc(5)), stand_before(vertices, ring())
    assert (front.is_frontal, around.is_frontal) == (True, False)
    assert torch.allclose(front.back, torch.tensor([0.0, 0, -1], dtype=torch.float64), atol=1e-6)
    for stand in (front, around):
        assert torch.allclose(stand.up, torch.tensor([0.0, -1, 0], dtype=torch.float64), atol=1e-6)
        assert float(stand.target.norm()) < 0.05
        assert stand.radius == pytest.approx(1.0, abs=0.05)


def test_far_specks_do_not_move_the_stand():
    vertices = torch.cat([ball(12).vertices, torch.tensor([[500.0, 0, 0]], dtype=torch.float64)])
    assert stand_before(vertices, arc(5)).radius < 1.5


def test_cameras_that_look_down_stand_level():
    """A turntable seen from above: the front is level with it, not over it."""
    tilt = math.radians(40)
    down = torch.tensor(
        [[1, 0, 0, 0], [0, math.cos(tilt), -math.sin(tilt), 0], [0, math.sin(tilt), math.cos(tilt), 0], [0, 0, 0, 1]], dtype=torch.float64
    )
    cameras = ring()
    shift = cameras.camera_from_world.clone()
    shift[:, :3, 3] = 0
    poses = down @ shift
    poses[:, 2, 3] = 4.0
    stand = stand_before(ball(12).vertices, Cameras(cameras.K, poses, cameras.size))
    assert abs(float(stand.up[1])) > 0.99
    assert abs(float(stand.back[1])) < 0.1


@pytest.mark.parametrize("cameras", [arc(5), ring()])
def test_a_stand_camera_sees_the_whole_object(cameras):
    mesh = ball(12)
    stand = stand_before(mesh.vertices, cameras)
    for yaw in (-1.0, 0.0, 2.0):
        pixels, depth = stand.camera(yaw, side=100).project(mesh.vertices)
        assert bool((depth > 0).all())
        assert 2 < float(pixels.min()) < 20
        assert 80 < float(pixels.max()) < 98


def test_three_sides_show_the_mesh_and_its_colours():
    mesh = ball(12)
    sides = three_sides(mesh, stand_before(mesh.vertices, ring()), side=80)
    assert len(sides) == 3
    for clay, colored in sides:
        assert colored is not None
        for picture in (clay, colored):
            assert picture.shape == (80, 80, 3)
            inside = (picture != np.array(BACKDROP)).any(axis=-1).mean()
            assert 0.5 < inside < 0.8
        assert clay[40, 40].mean() > clay[40, 8].mean()  # facing the camera, and grazing
    plain = Mesh(mesh.vertices, mesh.faces)
    assert three_sides(plain, stand_before(plain.vertices, arc(5)), side=40)[0][1] is None


def test_a_large_mesh_is_thinned_and_keeps_shape_and_colours():
    mesh = ball(30)
    small = decimated(mesh, 600)
    assert len(small.faces) <= 600 < len(mesh.faces)
    assert float((small.vertices.norm(dim=1) - 1).abs().max()) < 0.08
    assert small.colors is not None
    assert small.colors.shape == small.vertices.shape
    assert decimated(mesh, 10**6) is mesh


def test_the_packed_view_has_colours_and_looks_from_the_cameras_side():
    mesh = ball(12)
    record = packed_view(mesh, stand_before(mesh.vertices, arc(5)), faces=200)
    assert record["frames"] == 1
    assert len(base64.b64decode(record["triangles"])) <= 200 * 12
    assert len(base64.b64decode(record["colors"])) == 3 * record["vertices"]
    assert record["eye"][2] < -2
