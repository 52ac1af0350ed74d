"""Layouts: how far apart cameras are, what they see, and that they are what the paper's captures had."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recon_cli.prepare.synth.rig_cameras import frontal_cameras, hemisphere_cameras


def box(width: float, height: float, depth: float) -> torch.Tensor:  # [8, 3]
    signs = torch.cartesian_prod(*[torch.tensor([-0.5, 0.5], dtype=torch.float64)] * 3)
    return signs * torch.tensor([width, height, depth], dtype=torch.float64) + torch.tensor([3.0, -1.0, 7.0])


def angles_between(cameras) -> torch.Tensor:  # [C, C] degrees, 180 on the diagonal
    axes = cameras.camera_from_world[:, 2, :3]
    angles = torch.rad2deg(torch.acos((axes @ axes.T).clamp(-1, 1)))
    return angles + 180 * torch.eye(len(cameras))


def test_frontal_neighbours_are_about_ten_degrees_apart():
    cameras = frontal_cameras(box(1, 1, 1), views=19, size=512, azimuth=0.0, generator=np.random.default_rng(3))
    nearest = angles_between(cameras).amin(dim=1)
    assert float(nearest.min()) > 7.5
    assert float(nearest.max()) < 12.0
    assert len(cameras) == 19
    assert (cameras.width, cameras.height) == (512, 512)
    # Mostly the front: nothing is seen from further than 40 degrees aside.
    assert float(torch.rad2deg(torch.acos(-cameras.camera_from_world[:, 2, 2])).max()) < 40.0


def test_the_hemisphere_mixes_four_sizes_and_four_focal_lengths():
    cameras = hemisphere_cameras(box(1, 1, 1), views=65, size=400, azimuth=0.0, generator=np.random.default_rng(3))
    assert len(cameras) == 65
    assert len(cameras.size.unique(dim=0)) == 4
    assert len(cameras.K[:, 0, 0].unique()) == 4
    assert int(cameras.size.max()) == 400
    elevation = -cameras.camera_from_world[:, 2, 1]
    assert float(elevation.max()) > 0.97
    assert -0.2 < float(elevation.min()) < 0.0
    assert float(angles_between(cameras).amin(dim=1).max()) < 25.0


@pytest.mark.parametrize("layout", [frontal_cameras, hemisphere_cameras])
@pytest.mark.parametrize("shape", [(1.0, 1.0, 1.0), (0.2, 1.8, 0.3), (4.0, 0.5, 9.0)])
def test_every_camera_sees_the_whole_object_and_little_else(layout, shape):
    vertices = box(*shape)
    cameras = layout(vertices, views=13, size=300, azimuth=35.0, generator=np.random.default_rng(1))
    pixels, depth = cameras.project(vertices)
    assert float(depth.min()) > 0
    low, high = pixels.amin(dim=1), pixels.amax(dim=1)
    assert bool((low > 0).all())
    assert bool((high < cameras.size).all())
    # Along the tighter side the outline spans about nine tenths of the picture.
    share = ((high - low) / cameras.size).amax(dim=1)
    assert float(share.min()) > 0.7
    assert float(share.max()) < 0.93


@pytest.mark.parametrize("layout", [frontal_cameras, hemisphere_cameras])
def test_poses_are_rotations_with_the_picture_upright(layout):
    cameras = layout(box(1, 1, 1), views=9, size=64, azimuth=120.0, generator=np.random.default_rng(0))
    rotation = cameras.camera_from_world[:, :3, :3]
    torch.testing.assert_close(rotation @ rotation.transpose(1, 2), torch.eye(3, dtype=torch.float64).expand(9, 3, 3))
    assert float(torch.linalg.det(rotation).min()) > 0.999
    assert float(rotation[:, 1, 1].max()) < 0  # the y axis of the world points up, that of the picture down
    torch.testing.assert_close(cameras.K[:, 0, 2] * 2, cameras.size[:, 0].double())


def test_the_azimuth_turns_the_middle_of_the_frontal_layout():
    for azimuth, axis in ((0.0, (0, 0, 1)), (90.0, (1, 0, 0))):
        cameras = frontal_cameras(box(1, 1, 1), views=7, size=64, azimuth=azimuth, generator=np.random.default_rng(0))
        outward = -cameras.camera_from_world[:, 2, :3].mean(dim=0)
        assert float(outward @ torch.tensor(axis, dtype=torch.float64)) > 0.95
