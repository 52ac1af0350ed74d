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


def tilted(cameras: Cameras, degrees: float) -> Cameras:
    """The same cameras looking down on the object from above."""
    tilt = math.radians(degrees)
    down = torch.eye(4, dtype=torch.float64)
    down[1, 1] = down[2, 2] = math.cos(tilt)
    down[1, 2], down[2, 1] = -math.sin(tilt), math.sin(tilt)
    poses = cameras.camera_from_world.clone()
    poses[:, :3, 3] = 0
    poses = down @ poses
    poses[:, 2, 3] = 4.0
    return Cameras(cameras.K, poses, cameras.size)


@pytest.mark.parametrize(("cameras", "height"), [(ring(), 0.5), (arc(7, step=12), 0.5), (arc(3, step=0.01), 0.0)])
def test_up_is_where_level_cameras_have_it_and_the_stand_is_not_too_steep(cameras, height):
    stand = stand_before(ball(12).vertices, tilted(cameras, 40))
    level = torch.tensor([0.0, -1, 0], dtype=torch.float64)
    if height:  # rows of pictures in several directions tell it; otherwise the pictures' own up is all there is
        assert torch.allclose(stand.up, level, atol=1e-6)
    assert float(stand.back @ stand.up) == pytest.approx(height, abs=0.02)
    seen = stand.camera(0.7, side=100).camera_from_world[0, :3, :3]
    assert torch.allclose(seen @ seen.T, torch.eye(3, dtype=torch.float64), atol=1e-9)
    assert float(torch.linalg.det(seen)) == pytest.approx(1.0)
    assert float((seen @ stand.up)[0]) == pytest.approx(0.0, abs=1e-9)  # upright pictures


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
