"""Image energies of a textured sheet through the real renderer."""

import math
from dataclasses import dataclass

import pytest
import torch

from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.render.protocol import get_renderer
from recon_cli.systems.sft.image_energy import ImageEnergy, gaussian_filter
from recon_cli.systems.sft.shooting_config import EnergyConfig


@dataclass
class Pictures:
    images: list

    @property
    def height(self):
        return self.images[0].shape[0]

    @property
    def width(self):
        return self.images[0].shape[1]

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index]


CAMERA = Cameras.pinhole(width=96, height=72, fx=120, fy=120, cx=48, cy=36)


@pytest.fixture
def sheet(make_sheet):
    mesh = make_sheet(5, 5)
    placed = mesh.vertices - mesh.vertices.mean(dim=0) + torch.tensor([0.0, 0.0, 0.9], dtype=torch.float64)
    coarse = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    texture = torch.nn.functional.interpolate(coarse, size=(48, 48), mode="bilinear", align_corners=True)[0].movedim(0, -1)
    return Mesh(placed, mesh.faces, uvs=(mesh.vertices[:, :2] / 0.4).float(), face_uvs=mesh.faces, texture=texture)


def filmed(sheet, motions):
    renderer = get_renderer("builtin")
    drawn = [renderer.render(sheet.with_vertices(sheet.vertices + motion), CAMERA) for motion in motions]
    frames = Pictures([(d.color[0].clamp(0, 1) * 255).round().to(torch.uint8) for d in drawn])
    return frames, Pictures([(d.silhouette[0] > 0.5).to(torch.uint8) * 255 for d in drawn])


def energy_of(sheet, motions, **changes):
    config = EnergyConfig(**{"blur": 2.0, "image_size": 96, **changes})
    return ImageEnergy(*filmed(sheet, motions), sheet, CAMERA, get_renderer("builtin"), config)


def test_truth_has_far_less_energy_than_another_place(sheet):
    motions = [torch.zeros(3), torch.tensor([0.03, 0.0, 0.0]), torch.tensor([0.0, 0.03, 0.02])]
    energy = energy_of(sheet, motions)
    truth = torch.stack([sheet.vertices + motion for motion in motions])
    still = sheet.vertices.repeat(3, 1, 1)
    right, _ = energy.energies_and_gradient(truth)
    wrong, _ = energy.energies_and_gradient(still)
    assert float(right[0]) == 0.0
    assert bool((right[1:] < 0.25 * wrong[1:]).all())


def test_gradient_points_towards_the_truth(sheet):
    motion = torch.tensor([0.012, -0.008, 0.0], dtype=torch.float64)
    energy = energy_of(sheet, [torch.zeros(3), motion])
    _, gradient = energy.energies_and_gradient(sheet.vertices.repeat(2, 1, 1))
    total = -gradient[1].sum(dim=0)[:2]
    assert float(total @ motion[:2] / total.norm() / motion[:2].norm()) > 0.8
    assert float(gradient[0].abs().max()) == 0.0


def test_weight_of_the_silhouette_counts(sheet):
    motions = [torch.zeros(3), torch.tensor([0.03, 0.0, 0.0])]
    still = sheet.vertices.repeat(2, 1, 1)
    values = [float(energy_of(sheet, motions, silhouette_weight=w).energies_and_gradient(still)[0][1]) for w in (0.0, 0.5, 1.0)]
    assert values[0] < values[1] < values[2]
    assert values[2] - values[1] == pytest.approx(values[1] - values[0], rel=1e-5)


def test_smaller_images_shrink_frames_masks_camera_texture_and_blur_together(sheet):
    motions = [torch.zeros(3), torch.zeros(3)]
    full, half = energy_of(sheet, motions), energy_of(sheet, motions, image_size=48)
    assert half.target(1).color.shape == (36, 48, 3)
    assert half.target(1).mask.mean() == pytest.approx(float(full.target(1).mask.mean()), rel=0.01)
    still = sheet.vertices.repeat(2, 1, 1)
    # At its own place the energy stays small at any size: nothing shifted by half a pixel.
    assert float(half.energies_and_gradient(still)[0][1]) < 0.05


def test_colours_outside_the_mask_do_not_count(sheet):
    frames, masks = filmed(sheet, [torch.zeros(3), torch.zeros(3)])
    bright = Pictures(
        [torch.where(mask[..., None] > 0, frame, torch.full_like(frame, 255)) for frame, mask in zip(frames.images, masks.images)]
    )
    config = EnergyConfig(blur=2.0, image_size=96)
    dark, lit = (ImageEnergy(f, masks, sheet, CAMERA, get_renderer("builtin"), config) for f in (frames, bright))
    torch.testing.assert_close(dark.target(1).color, lit.target(1).color, rtol=0, atol=0.02)


def test_gaussian_filter_keeps_mass_and_has_its_deviation():
    impulse = torch.zeros(61, 61)
    impulse[30, 30] = 1.0
    blurred = gaussian_filter(4.0)(impulse)
    offsets = torch.arange(-30, 31.0)
    assert float(blurred.sum()) == pytest.approx(1.0, abs=1e-5)
    assert math.sqrt(float((blurred.sum(0) * offsets**2).sum())) == pytest.approx(4.0, rel=0.01)
    torch.testing.assert_close(blurred, blurred.T)
    assert torch.equal(gaussian_filter(0.0)(impulse), impulse)
