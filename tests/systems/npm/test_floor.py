import math

import numpy as np
import pytest

from recon_cli.systems.npm.backdrop import pixel_rays
from recon_cli.systems.npm.floor import find_floor, find_walls
from tests.systems.npm.room import STATURE, Camera, Room, figure_depth


def scene_points(camera: Camera, room: Room, *, seed: int = 0) -> np.ndarray:
    """All points that a camera sees of a figure in a room, in the camera's axes."""
    eye = np.array([0, camera.height, 0])
    depth = room.around(figure_depth(camera, 0.2), camera.rays(), eye, np.random.default_rng(seed))
    points = pixel_rays(camera.K, depth.shape) * depth[..., None]
    return points[depth > 0]


def angle(first: np.ndarray, second: np.ndarray) -> float:
    return math.degrees(math.acos(min(1.0, float(first @ second))))


@pytest.mark.parametrize(("height", "down"), [(0.8, 0.0), (1.3, 12.0), (2.2, 35.0)])
def test_the_floor_is_where_it_was_put(height, down):
    camera = Camera(height, down)
    floor = find_floor(scene_points(camera, Room()), length=STATURE, generator=np.random.default_rng(0))
    assert floor is not None
    assert angle(floor.normal, camera.camera_from_world[:3, 1]) < 1.0
    assert floor.height == pytest.approx(height, abs=0.02)


def test_the_wall_is_found_upright_and_at_its_distance():
    camera = Camera()
    points = scene_points(camera, Room(box=None))
    floor = find_floor(points, length=STATURE, generator=np.random.default_rng(0))
    assert floor is not None
    walls = find_walls(points[floor.is_above(points)], length=STATURE, floor=floor, generator=np.random.default_rng(0))
    assert len(walls) == 1
    assert walls[0].height == pytest.approx(4.2, abs=0.03)
    assert angle(walls[0].normal, camera.camera_from_world[:3, 2]) < 1.0


def test_a_table_with_floor_below_it_is_no_floor():
    rng = np.random.default_rng(0)
    table = np.stack([rng.uniform(-1, 1, 3000), np.full(3000, 0.5), rng.uniform(2, 4, 3000)], axis=1)
    below = np.stack([rng.uniform(-2, 2, 1500), np.full(1500, 1.3), rng.uniform(2, 5, 1500)], axis=1)
    floor = find_floor(np.concatenate([table, below]), length=STATURE, generator=np.random.default_rng(0))
    assert floor is not None
    assert floor.height == pytest.approx(1.3, abs=0.01)


def test_a_body_alone_has_neither_floor_nor_walls():
    camera = Camera()
    depth = figure_depth(camera, 0.2)
    points = (pixel_rays(camera.K, depth.shape) * depth[..., None])[depth > 0]
    assert find_floor(points, length=STATURE, generator=np.random.default_rng(0)) is None
    assert find_walls(points, length=STATURE, generator=np.random.default_rng(0)) == ()


def test_a_camera_on_its_side_finds_the_floor_where_up_is_given():
    camera = Camera(1.3, 12.0)
    points = scene_points(camera, Room(box=None))
    turned = points[:, [1, 0, 2]] * np.array([1.0, -1.0, 1.0])  # the camera turned by a quarter about its axis
    up = camera.camera_from_world[:3, 1][[1, 0, 2]] * np.array([1.0, -1.0, 1.0])
    generator = np.random.default_rng(0)
    unaided = find_floor(turned, length=STATURE, generator=generator)
    assert unaided is None or angle(unaided.normal, up) > 45
    aided = find_floor(turned, length=STATURE, up=up, generator=generator)
    assert aided is not None
    assert angle(aided.normal, up) < 1.0
