import math

import pytest
import torch

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import UsageError
from recon_cli.run.sft_render import lights_named, orbit

BALL = (torch.tensor([0.3, -0.2, 1.5], dtype=torch.float64), 0.4)
BASE = Cameras.pinhole(width=64, height=48, fx=60, fy=60, cx=32, cy=24)


@pytest.mark.parametrize("size", [(120, 90), (60, 120)])
def test_every_view_of_an_orbit_holds_the_whole_ball_and_looks_at_its_centre(size):
    center, radius = BALL
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(200, 3, generator=generator, dtype=torch.float64)
    rim = center + radius * directions / directions.norm(dim=1, keepdim=True)
    cameras = orbit(BALL, BASE, degrees=300, count=7, size=size)
    pixels, depth = cameras.project(rim)
    assert bool((depth > 0).all())
    assert float(pixels.min()) >= 0
    assert bool((pixels <= torch.tensor(size)).all())
    assert torch.allclose(cameras.project(center[None])[0], torch.tensor(size, dtype=torch.float64) / 2, atol=1e-9)


def test_an_orbit_begins_on_the_side_of_its_base_and_turns_by_what_was_asked():
    cameras = orbit(BALL, BASE, degrees=90, count=4, size=(100, 100))
    eyes = cameras.world_from_camera[:, :3, 3] - BALL[0]
    toward = -BALL[0] * torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)  # the base, seen from the ball, on its level
    assert float(torch.nn.functional.cosine_similarity(eyes[0], toward, dim=0)) == pytest.approx(1.0)
    turned = math.degrees(math.acos(float(torch.nn.functional.cosine_similarity(eyes[0], eyes[-1], dim=0))))
    assert turned == pytest.approx(90.0)
    assert float(eyes[:, 1].abs().max()) < 1e-9
    rotation = cameras.camera_from_world[:, :3, :3]
    assert torch.allclose(rotation @ rotation.mT, torch.eye(3, dtype=torch.float64).expand(4, 3, 3), atol=1e-12)
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(4, dtype=torch.float64))


def test_a_full_circle_does_not_repeat_its_first_view():
    eyes = orbit(BALL, None, degrees=360, count=4, size=(100, 100)).world_from_camera[:, :3, 3] - BALL[0]
    assert float((eyes[0] + eyes[2]).norm()) < 1e-9
    assert float((eyes[0] - eyes[3]).norm()) > 0.5


def test_a_lamp_at_the_camera_lights_what_faces_it():
    camera = orbit(BALL, BASE, degrees=90, count=2, size=(100, 100))[1]
    lights = lights_named("head", camera)
    facing = camera.world_from_camera[0, :3, 3] - BALL[0]
    assert float(torch.nn.functional.cosine_similarity(lights.directions[0].double(), facing, dim=0)) == pytest.approx(1.0, abs=1e-6)
    assert float((lights.ambient + lights.colors[0]).max()) == pytest.approx(1.0)
    assert len(lights_named("flat", camera).directions) == 0
    assert lights_named("0,-1,0", camera).directions.tolist() == [[0.0, -1.0, 0.0]]


@pytest.mark.parametrize("text", ["sun", "1,2", "0,0,0", "a,b,c", "nan,0,1"])
def test_a_lamp_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="--light"):
        lights_named(text, BASE)
