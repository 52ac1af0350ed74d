"""The plane sweep on slanted walls whose depth is known."""

from __future__ import annotations

import pytest
import torch

from benchmarks.plane_sweep import _box_means, _mean_of_best, plane_sweep
from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthIntervals
from recon_cli.core.scene import Scene

WIDTH, HEIGHT, FOCAL, OFFSET = 72, 56, 80.0, 10.0
SHIFTS = (-1.0, -0.5, 0.0, 0.6, 1.1)


def _cameras(focal: float = FOCAL, last_scale: int = 1) -> Cameras:
    one = Cameras.pinhole(width=WIDTH, height=HEIGHT, fx=focal, fy=focal, cx=WIDTH / 2, cy=HEIGHT / 2)
    count = len(SHIFTS)
    poses = one.camera_from_world.repeat(count, 1, 1)
    poses[:, 0, 3] = -torch.tensor(SHIFTS, dtype=torch.float64)
    K, size = one.K.repeat(count, 1, 1), one.size.repeat(count, 1)
    K[-1, :2], size[-1] = K[-1, :2] * last_scale, size[-1] * last_scale
    return Cameras(K, poses, size)


def _depth(camera: Cameras, slope: float) -> torch.Tensor:
    """The plane z = OFFSET + slope x."""
    column = (torch.arange(camera.width, dtype=torch.float64) + 0.5 - camera.K[0, 0, 2]) / camera.K[0, 0, 0]
    shift = -float(camera.camera_from_world[0, 0, 3])
    return ((OFFSET + slope * shift) / (1 - slope * column)).expand(camera.height, camera.width)


def _picture(camera: Cameras, slope: float) -> torch.Tensor:
    depth = _depth(camera, slope)
    y, x = torch.meshgrid(torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij")
    x = -camera.camera_from_world[0, 0, 3] + depth * (x - camera.K[0, 0, 2]) / camera.K[0, 0, 0]
    y = depth * (y - camera.K[0, 1, 2]) / camera.K[0, 0, 0]
    waves = sum(torch.sin(f * x + g * y + p) for f, g, p in ((6.1, 1.3, 0), (2.3, 5.9, 1), (-4.7, 4.1, 2), (9.1, -3.7, 3)))
    return (128 + 28 * waves).clamp(0, 255).round().to(torch.uint8)[..., None].expand(-1, -1, 3)


def _scene(slope: float, last_scale: int = 1) -> tuple[Scene, DepthIntervals, list[torch.Tensor]]:
    cameras = _cameras(last_scale=last_scale)
    truth = [_depth(cameras[i], slope).float() for i in range(len(cameras))]
    near, far = (tuple(torch.full_like(depth, value) for depth in truth) for value in (7.0, 15.0))
    scene = Scene(cameras, tuple(_picture(cameras[i], slope) for i in range(len(cameras))))
    return scene, DepthIntervals(cameras, near, far), truth


@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_a_wall_is_found_to_a_fraction_of_a_plane(slope):
    scene, intervals, truth = _scene(slope)
    found = plane_sweep(scene, intervals, neighbours=4)
    inner = (slice(8, -8), slice(16, -16))
    for depth, true in zip(found.depth, truth, strict=True):
        assert float((depth > 0)[inner].float().mean()) > 0.98
        footprint = true / FOCAL
        # One pixel of disparity to the farthest neighbour is about 0.6 of depth here, four or five footprints.
        assert float(((depth - true).abs() / footprint)[inner].median()) < 0.35
    assert found.confidence is not None
    assert float(found.confidence[2][inner].median()) > 0.95


def test_the_parabola_finds_what_lies_between_coarse_planes():
    scene, intervals, truth = _scene(0.0)
    found = plane_sweep(scene, intervals, planes=14, neighbours=4).depth[2]
    inverse = torch.linspace(1 / 15, 1 / 7, 14)
    best_plane = float((1 / inverse - OFFSET).abs().min())
    assert float((found - truth[2]).abs()[8:-8, 16:-16].median()) < 0.25 * best_plane


def test_only_depths_of_the_interval_on_the_object_are_given():
    scene, intervals, _ = _scene(0.0)
    near = tuple(torch.full_like(depth, 12.0) for depth in intervals.near)
    far = tuple(torch.cat([torch.zeros(20, WIDTH), depth[20:]]) for depth in intervals.far)
    found = plane_sweep(scene, DepthIntervals(intervals.cameras, tuple(n * (f > 0) for n, f in zip(near, far, strict=True)), far), planes=8)
    for depth in found.depth:
        assert float(depth[:18].max()) == 0
        assert bool(((depth == 0) | ((depth >= 12 - 1e-4) & (depth <= 15 + 1e-4))).all())
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    mask[30:40, 30:40] = True
    masked = plane_sweep(Scene(scene.cameras, scene.images, (mask,) * len(scene)), intervals, planes=8)
    assert not bool((masked.depth[1] > 0)[~mask].any())
    empty = DepthIntervals(intervals.cameras, tuple(n * (i > 0) for i, n in enumerate(near)), (0 * far[0], *intervals.far[1:]))
    assert float(plane_sweep(scene, empty, planes=8).depth[0].max()) == 0


def test_a_picture_of_twice_the_size_is_compared_at_the_same_footprint():
    scene, intervals, truth = _scene(0.0, last_scale=2)
    found = plane_sweep(scene, intervals, neighbours=1, planes=64)
    assert float((found.depth[3] - truth[3]).abs()[10:-10, 20:-20].median()) < 0.05


def test_the_same_bytes_again():
    scene, intervals, _ = _scene(0.3)
    first, second = (plane_sweep(scene, intervals, planes=12, neighbours=3) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.depth, second.depth, strict=True))


def test_the_fast_sums_are_the_slow_ones():
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(7, 5, 6, generator=generator)
    for count in (1, 4, 7):
        assert torch.allclose(_mean_of_best(scores, count), scores.topk(count, dim=0).values.mean(dim=0))
    padded = torch.nn.functional.pad(scores[None], (2, 2, 2, 2), mode="replicate")
    assert torch.allclose(_box_means(scores, 5), torch.nn.functional.avg_pool2d(padded, 5, stride=1)[0], atol=1e-6)
