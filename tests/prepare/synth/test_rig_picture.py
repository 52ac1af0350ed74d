"""One view: depth against closed forms, pictures against the pattern that they show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.kernels.solid_texture import solid_texture
from recon_cli.prepare.synth.photograph import decode
from recon_cli.prepare.synth.rig_light import Light
from recon_cli.prepare.synth.rig_picture import Backdrop, Stage, Surface, exact_depth, linear_picture, sensed
from recon_cli.prepare.synth.rig_texture import draw_texture

CAMERA = Cameras.pinhole(width=96, height=72, fx=110.0, fy=110.0, cx=47.0, cy=37.5)
NORMAL = np.array([0.35, -0.25, -1.0]) / np.linalg.norm([0.35, -0.25, -1.0])
DISTANCE = 2.0
"""The slanted plane is where NORMAL · x = -DISTANCE; it faces the camera."""
LIGHT = Light(torch.tensor([0.0, 0.0, -1.0]), directional=0.0, ambient=1.0)


def plane(half: float = 2.5) -> Mesh:
    """Two large triangles in the slanted plane."""
    side = np.cross(NORMAL, [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side)
    up = np.cross(side, NORMAL)
    corners = [-DISTANCE * NORMAL + half * (a * side + b * up) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    return Mesh(torch.tensor(np.array(corners)), torch.tensor([[0, 1, 2], [0, 2, 3]]))


def centres(camera: Cameras, samples: int = 1) -> torch.Tensor:  # [H s, W s, 3] rays with z = 1
    x = (torch.arange(samples * camera.width, dtype=torch.float64) + 0.5) / samples
    y = (torch.arange(samples * camera.height, dtype=torch.float64) + 0.5) / samples
    v, u = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([u, v, torch.ones_like(u)], dim=-1) @ torch.linalg.inv(camera.K[0]).T


def plane_points(samples: int, shift: tuple[float, float] = (0.0, 0.0)) -> torch.Tensor:  # [H s, W s, 3]
    K = CAMERA.K.clone()
    K[0, :2, 2] += torch.tensor(shift)
    rays = centres(replace(CAMERA, K=K), samples)
    return rays * (-DISTANCE / (rays @ torch.tensor(NORMAL)))[..., None]


def stage(mesh: Mesh, *, detail: float = 3.0, seed: int = 5) -> Stage:
    texture = draw_texture("strong", detail, np.random.default_rng(seed))
    surface = Surface(0, len(mesh.faces), torch.zeros(3, dtype=torch.float64), texture)
    normals = torch.tensor([0.0, 1.0, 0.0]).expand(len(mesh.vertices), 3)  # up: ambient light shows the albedo itself
    return Stage(mesh, normals, torch.ones(len(mesh.vertices)), (surface,), None, LIGHT, 0.0, 30.0)


def sphere(rings: int = 160) -> Mesh:
    """A globe of radius 0.5 two units ahead."""
    latitude = torch.linspace(-np.pi / 2, np.pi / 2, rings + 1, dtype=torch.float64)
    longitude = torch.arange(2 * rings, dtype=torch.float64) * (np.pi / rings)
    b, a = torch.meshgrid(latitude, longitude, indexing="ij")
    points = 0.5 * torch.stack([b.cos() * a.cos(), b.sin(), b.cos() * a.sin()], dim=-1).reshape(-1, 3)
    first = (torch.arange(rings)[:, None] * 2 * rings + torch.arange(2 * rings)).reshape(-1)
    beside = (torch.arange(rings)[:, None] * 2 * rings + torch.arange(1, 2 * rings + 1) % (2 * rings)).reshape(-1)
    faces = torch.cat([torch.stack([first, first + 2 * rings, beside], 1), torch.stack([beside, first + 2 * rings, beside + 2 * rings], 1)])
    return Mesh(points + torch.tensor([0.0, 0.0, 2.0]), faces)


def test_the_depth_of_a_plane_is_exact():
    depth, normals = exact_depth(plane(), CAMERA)
    torch.testing.assert_close(depth, plane_points(1)[..., 2].float(), rtol=2e-7, atol=0)
    torch.testing.assert_close(normals, torch.tensor(NORMAL).float().expand_as(normals), rtol=0, atol=1e-6)


def test_normals_look_at_the_camera_from_either_side():
    mesh = plane()
    _, normals = exact_depth(Mesh(mesh.vertices, mesh.faces.flip(1)), CAMERA)
    assert float((normals @ torch.tensor(NORMAL).float()).min()) > 0.999


def test_the_depth_of_a_sphere_is_the_analytic_one():
    rings = 160
    depth, normals = exact_depth(sphere(rings), CAMERA)
    rays = centres(CAMERA)
    a, b, c = (rays * rays).sum(-1), rays[..., 2] * -2.0, 4 - 0.25
    root = b * b - a * c
    expected = torch.where(root > 0, (-b - root.clamp(min=0).sqrt()) / a, torch.zeros(()).double())
    # Away from the outline, where the sphere's facets (the chord is 5e-5 under the arc) and grazing rays decide.
    inner = root > 0.05
    assert int(inner.sum()) > 800
    sagitta = 0.5 * (1 - np.cos(np.pi / rings / 2)) * 2
    assert float((depth - expected)[inner].abs().max()) < 4 * sagitta
    assert bool((depth[root < -0.05] == 0).all())
    outward = torch.nn.functional.normalize(expected[..., None] * rays - torch.tensor([0.0, 0.0, 2.0]), dim=-1)
    assert float((normals.double() * outward).sum(-1)[inner].min()) > 0.999


def test_a_pixel_shows_the_pattern_behind_its_own_area():
    """The picture of a slanted plane is where the geometry says, within 0.02 px."""
    mesh = plane()
    samples = 4
    shown = linear_picture(stage(mesh), CAMERA, samples).double()
    texture = stage(mesh).surfaces[0].texture

    def expected(shift: tuple[float, float]) -> torch.Tensor:
        albedo = solid_texture(plane_points(samples, shift).reshape(-1, 3).float(), texture).double()
        return albedo.reshape(CAMERA.height, samples, CAMERA.width, samples, 3).mean(dim=(1, 3))

    step = 0.05
    along_x = (expected((step, 0)) - expected((-step, 0))) / (2 * step)
    along_y = (expected((0, step)) - expected((0, -step))) / (2 * step)
    slopes = torch.stack([along_x.reshape(-1), along_y.reshape(-1)], dim=1)
    difference = (shown - expected((0, 0))).reshape(-1, 1)
    displacement = torch.linalg.lstsq(slopes, difference).solution
    assert float(slopes.abs().mean()) > 0.005
    assert float(displacement.abs().max()) < 0.02
    assert float(difference.abs().mean()) < 1e-4


def test_patterns_belong_to_their_faces():
    mesh = plane()
    one = stage(mesh)
    plain = replace(one.surfaces[0].texture, cell_contrast=0.0, tone_contrast=0.0)
    red, blue = (replace(plain, palette=torch.tensor([ink])) for ink in ([0.5, 0.0, 0.0], [0.0, 0.0, 0.5]))
    origin = torch.zeros(3, dtype=torch.float64)
    picture = linear_picture(replace(one, surfaces=(Surface(0, 1, origin, red), Surface(1, 2, origin, blue))), CAMERA, 2)
    torch.testing.assert_close(picture[..., 0] + picture[..., 2], torch.full((72, 96), 0.5))
    assert float((picture[..., 0] > 0.4).float().mean()) > 0.01
    assert float((picture[..., 2] > 0.4).float().mean()) > 0.01


def test_the_outline_is_a_mean_over_the_pixel():
    mesh = sphere(40)
    white = replace(stage(mesh).surfaces[0].texture, cell_contrast=0.0, tone_contrast=0.0, palette=torch.ones(1, 3))
    picture = linear_picture(replace(stage(mesh), surfaces=(replace(stage(mesh).surfaces[0], texture=white),)), CAMERA, 4)
    levels = (picture[..., 0] * 16).round()
    torch.testing.assert_close(picture[..., 0] * 16, levels, atol=1e-4, rtol=0)
    assert len(levels.unique()) > 8


def test_the_backdrop_is_far_and_fixed_in_the_world():
    texture = draw_texture("strong", 1.0, np.random.default_rng(2))
    behind = replace(stage(sphere(20)), background=Backdrop(torch.zeros(3, dtype=torch.float64), 1e4, texture))
    here = linear_picture(behind, CAMERA, 2)
    assert float(here[:5].std()) > 0.02
    moved = torch.eye(4, dtype=torch.float64)[None].clone()
    moved[0, 0, 3] = 0.05
    there = linear_picture(behind, replace(CAMERA, camera_from_world=moved), 2)
    assert float((here - there)[:5].abs().max()) < 0.02  # no parallax
    turned = replace(CAMERA, K=CAMERA.K + torch.tensor([[0, 0, 1.0], [0, 0, 0], [0, 0, 0]]))
    torch.testing.assert_close(linear_picture(behind, turned, 2)[:5, 1:], here[:5, :-1], atol=2e-3, rtol=0)


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_a_sensor_quantises_and_adds_its_noise(noise):
    linear = torch.full((100, 100, 3), float(decode(np.array(128 / 255))))
    picture = sensed(linear, noise, np.random.default_rng(0)).double()
    assert float(picture.mean()) == pytest.approx(128, abs=0.1)
    assert float(picture.std()) == pytest.approx(noise, abs=0.1)
