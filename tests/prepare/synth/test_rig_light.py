"""Light on a rig."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recon_cli.core.mesh import Mesh
from recon_cli.prepare.synth.rig_light import Light, draw_light, reflected, sky_openness

UP = torch.tensor([[0.0, 1.0, 0.0]])
LAMP = Light(torch.tensor([0.0, 1.0, 0.0]), directional=0.8, ambient=0.4)
WHITE, OPEN = torch.ones(1, 3), torch.ones(1)


def test_a_white_floor_sends_back_lamp_and_sky():
    color = reflected(WHITE, UP, UP, OPEN, light=LAMP, specular=0.0, shininess=30.0)
    torch.testing.assert_close(color, torch.full((1, 3), 1.2))
    below = reflected(WHITE, -UP, -UP, OPEN, light=LAMP, specular=0.0, shininess=30.0)
    torch.testing.assert_close(below, torch.full((1, 3), 0.2))


def test_only_a_glossy_surface_depends_on_the_eye():
    eyes = torch.nn.functional.normalize(torch.tensor([[0.0, 1.0, 0.0], [0.5, 1.0, 0.0], [1.0, 1.0, 0.0]]), dim=1)
    normals = UP.expand(3, 3)
    dull = reflected(WHITE.expand(3, 3), normals, eyes, OPEN.expand(3), light=LAMP, specular=0.0, shininess=30.0)
    glossy = reflected(WHITE.expand(3, 3), normals, eyes, OPEN.expand(3), light=LAMP, specular=0.5, shininess=30.0)
    assert torch.equal(dull[0], dull[2])
    highlight = (glossy - dull)[:, 0]
    assert float(highlight[0]) == pytest.approx(0.5)
    half = np.cos(0.5 * np.arctan(0.5))  # Blinn: the cosine of half the angle between eye and lamp
    assert float(highlight[1]) == pytest.approx(0.5 * half**30, rel=1e-4)


def test_the_lamp_hangs_above_the_viewed_side():
    for seed in range(5):
        light = draw_light(90.0, np.random.default_rng(seed))
        assert float(light.direction.norm()) == pytest.approx(1.0, abs=1e-6)
        assert float(light.direction[1]) > 0.3
        assert float(light.direction[0]) > 0.2


def test_a_groove_sees_less_of_the_sky_than_its_rim():
    # Two slopes of 45 degrees that meet in a valley along z.
    x, z = torch.tensor([-1.0, 0.0, 1.0]), torch.tensor([-3.0, 0.0, 3.0])
    vertices = torch.stack([x.repeat(3), x.abs().repeat(3), z.repeat_interleave(3)], dim=1)
    first = torch.tensor([0, 1, 3, 4])
    faces = torch.cat([torch.stack([first, first + 3, first + 1], 1), torch.stack([first + 1, first + 3, first + 4], 1)])
    openness = sky_openness(Mesh(vertices, faces), rays=256, generator=np.random.default_rng(0))
    # A right-angled valley shows its bottom the directions within 45 degrees of straight up, sideways: sin 45° of the sky.
    assert float(openness[4]) == pytest.approx(np.sin(np.pi / 4), abs=0.1)
    # From the rim, whose normal leans by 45 degrees, the other slope hides what lies more than 45 degrees to one side of the normal.
    assert float(openness[3]) == pytest.approx(0.5 + 0.5 * np.sin(np.pi / 4), abs=0.05)
