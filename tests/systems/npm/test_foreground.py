import numpy as np
import pytest

from recon_cli.systems.npm.backdrop import connected, has_background, learn_backdrop
from recon_cli.systems.npm.foreground import find_body
from tests.systems.npm.room import STATURE, Camera, Room, figure_depth, overlap

FRAMES = 10


def recorded(room: Room, *, camera: Camera | None = None, **place: float) -> tuple[Camera, list[np.ndarray], list[np.ndarray]]:
    """What a camera sees in ten frames, and where the figure is in them."""
    camera = camera or Camera()
    generator, eye = np.random.default_rng(1), np.array([0, camera.height, 0])
    bodies = [figure_depth(camera, 0.13 * frame, **place) for frame in range(FRAMES)]
    depths = [room.around(body, camera.rays(), eye, generator) for body in bodies]
    return camera, depths, [(body > 0) & (depth > 0) & (np.abs(depth - body) < 0.3) for body, depth in zip(bodies, depths, strict=True)]


def overlaps(camera: Camera, depths: list[np.ndarray], truth: list[np.ndarray]) -> list[float]:
    backdrop = learn_backdrop(depths, camera.K, length=STATURE)
    before, found = None, []
    for depth, where in zip(depths, truth, strict=True):
        inside, thing = find_body(depth, backdrop, before)
        before = thing or before
        found.append(overlap(inside, where))
    return found


@pytest.mark.parametrize("room", [Room(), Room(wall=3.5), Room(wall=None, box=None), Room(noise=0.004, missing=0.2)])
def test_the_body_is_told_from_the_room(room):
    found = overlaps(*recorded(room))
    assert np.median(found) > 0.97
    assert min(found) > 0.93


def test_a_body_that_walks_through_the_room_is_followed_past_the_box():
    camera = Camera()
    generator, eye = np.random.default_rng(1), np.array([0, camera.height, 0])
    bodies = [figure_depth(camera, 0.1 * frame, side=-0.7 + 0.14 * frame) for frame in range(FRAMES)]
    depths = [Room(box=(0.9, -2.4, 0.2)).around(body, camera.rays(), eye, generator) for body in bodies]
    truth = [(body > 0) & (depth > 0) & (np.abs(depth - body) < 0.3) for body, depth in zip(bodies, depths, strict=True)]
    assert np.median(overlaps(camera, depths, truth)) > 0.97


def test_one_frame_is_enough():
    camera, depths, truth = recorded(Room())
    assert overlaps(camera, depths[:1], truth[:1])[0] > 0.95


def test_a_frame_without_the_body_has_none():
    camera, depths, _ = recorded(Room())
    eye = np.array([0, camera.height, 0])
    empty = Room().around(np.zeros_like(depths[0]), camera.rays(), eye, np.random.default_rng(2))
    backdrop = learn_backdrop([*depths, empty], camera.K, length=STATURE)
    _, thing = find_body(depths[0], backdrop, None)
    inside, nothing = find_body(empty, backdrop, thing)
    assert nothing is None
    assert not inside.any()


def test_a_body_alone_has_no_background():
    camera, depths, _ = recorded(Room())
    assert has_background(depths[0])
    assert not has_background(figure_depth(camera, 0.0))


def test_neighbours_of_very_different_depth_are_apart():
    depth = np.ones((4, 12))
    depth[:, 6:] = 1.5
    depth[:, 9:] = 1.55
    labels, count = connected(depth > 0, depth, np.full(depth.shape, 0.1))
    assert count == 2
    assert len(np.unique(labels[:, :6])) == len(np.unique(labels[:, 6:])) == 1
    assert connected(np.zeros((4, 4), dtype=bool), np.zeros((4, 4)), np.ones((4, 4)))[1] == 0


def test_a_leg_behind_the_trunk_belongs_to_the_body_and_a_chair_apart_from_it_does_not():
    camera = Camera(height=2.0, down=0.0)
    scene = np.full((camera.tall, camera.width), 8.0)
    frames = [scene.copy() for _ in range(3)]
    for number, frame in enumerate(frames):
        frame[40:80, 50 + number : 62 + number] = 2.0  # the trunk, which moves
        frame[80:100, 52 + number : 58 + number] = 2.6  # a leg that it hides the upper end of
        frame[90:110, 90:100] = 2.6  # the chair
    backdrop = learn_backdrop(frames, camera.K, length=STATURE)
    inside, _ = find_body(frames[1], backdrop, None)
    assert inside[40:80, 51:63].all()
    assert inside[80:100, 53:59].all()
    assert not inside[90:110, 90:100].any()


def test_the_noise_of_the_sensor_is_measured():
    camera, depths, _ = recorded(Room(noise=0.003, missing=0.0))
    assert learn_backdrop(depths, camera.K, length=STATURE).noise == pytest.approx(0.003, rel=0.25)
    assert learn_backdrop(depths[:1], camera.K, length=STATURE).noise == 0.0
