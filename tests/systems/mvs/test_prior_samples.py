"""Points that the photo-consistency network learns from, against the exact depth they are drawn about."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.systems.mvs.prior_config import SamplingConfig
from recon_cli.systems.mvs.prior_samples import (
    TrainingScene,
    disparity_rate,
    draw_samples,
    draw_sources,
    inverse_slopes,
    nearest_cameras,
    samples_of_view,
)
from tests.systems.mvs.prior_scenes import small_scene

CONFIG = SamplingConfig(pixels=600, slope_noise=0.0)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_every_pixel_gives_one_point_on_the_surface_and_one_off_it():
    item = small_scene()
    samples = draw_samples(item, CONFIG, generator())
    column, row = samples.pixels.long().T
    assert torch.equal(samples.depth[:, 0], item.depths.depth[samples.view][row, column])
    assert bool((samples.depth > 0).all())
    assert bool(((samples.depth[:, 1] > samples.depth[:, 0]) == (samples.offset > 0)).all())
    assert 0.35 < float((samples.offset > 0).float().mean()) < 0.65
    size = samples.offset.abs()
    assert float(size.min()) >= 0.5
    assert float(size.max()) <= 60.0
    assert float((size < 3).float().mean()) > 0.4  # 37 % log-uniformly, and the near ones
    assert float((size > 20).float().mean()) > 0.1


def test_offsets_are_pixels_of_disparity():
    item = small_scene()
    cameras = item.scene.cameras
    samples = samples_of_view(item, 3, [1], CONFIG, generator())
    places = []
    for s in range(2):
        world = cameras[3].unproject((samples.pixels + 0.5)[None].double(), samples.depth[None, :, s].double())[0]
        places.append(cameras[1].project(world)[0][0])
    moved = (places[1] - places[0]).norm(dim=-1)
    small = samples.offset.abs() < 2  # the rate is that at the surface
    torch.testing.assert_close(moved[small].float(), samples.offset[small].abs(), rtol=0.03, atol=0)


def test_rate_is_the_derivative_of_the_middle_source():
    item = small_scene()
    cameras = item.scene.cameras
    pixels, depth = torch.tensor([[56, 56]], dtype=torch.int32), torch.tensor([1.0])
    moves = []
    for source in (1, 4, 6):
        ends = [
            cameras[0].unproject((pixels + 0.5)[None].double(), torch.tensor([[1 / (1 + e)]], dtype=torch.float64))[0]
            for e in (-1e-5, 1e-5)
        ]
        first, second = (cameras[source].project(end)[0][0, 0] for end in ends)
        moves.append(float((second - first).norm()) / 2e-5)
    assert float(disparity_rate(cameras, 0, [1, 4, 6], pixels, depth)) == pytest.approx(sorted(moves)[1], rel=1e-4)


def test_sources_are_some_of_the_nearest_and_never_the_view_itself():
    cameras = small_scene().scene.cameras
    config = SamplingConfig(fewest_cameras=2, most_cameras=2, nearest=15)
    seen = set()
    for seed in range(30):
        (source,) = draw_sources(cameras, 2, config, generator(seed))
        seen.add(source)
    assert seen == set(nearest_cameras(cameras, 2)[:4])
    centres = cameras.world_from_camera[:, :3, 3]
    distances = [float((centres[other] - centres[2]).norm()) for other in nearest_cameras(cameras, 2)]
    assert distances == sorted(distances)
    assert len(distances) == len(cameras) - 1


def test_some_sources_do_not_see_the_surface():
    item = small_scene()
    cameras, hidden = item.scene.cameras, 0
    samples = draw_samples(item, CONFIG, generator(4))
    world = cameras[samples.view].unproject((samples.pixels + 0.5)[None].double(), samples.depth[None, :, 0].double())[0]
    for source in samples.sources:
        place, z = (values[0] for values in cameras[source].project(world))
        column, row = place.floor().long().clamp(0, 111).T
        seen = item.depths.depth[source][row, column]
        hidden += int(((seen > 0) & (seen < 0.97 * z)).sum())
    assert hidden > 20


def test_slopes_are_those_of_a_plane_and_none_across_a_break():
    rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(16.0), indexing="ij")
    inverse = 0.5 + 0.002 * columns - 0.003 * rows
    inverse[:, 10:] += 0.4
    depth = 1 / inverse
    depth[0, 0] = 0
    slopes = inverse_slopes(depth)
    torch.testing.assert_close(slopes[4, 4], torch.tensor([0.002, -0.003]), atol=1e-6, rtol=0)
    assert slopes[4, 9, 0] == 0
    assert slopes[4, 10, 0] == 0
    assert slopes[4, 9, 1] != 0
    assert slopes[0, 1, 0] == 0
    assert bool(torch.isfinite(slopes).all())


def test_same_seed_same_points():
    first, second, other = (draw_samples(small_scene(), CONFIG, generator(seed)) for seed in (5, 5, 6))
    assert torch.equal(first.depth, second.depth)
    assert torch.equal(first.slopes, second.slopes)
    assert not torch.equal(first.depth, other.depth)


def test_a_far_point_stays_in_front_of_infinity():
    item = small_scene()
    # 60 px of disparity is more than there is between the surface and infinity: such points go to the front.
    far = dataclasses.replace(item, depths=DepthMaps(item.depths.cameras, tuple(50 * depth for depth in item.depths.depth)))
    samples = samples_of_view(far, 0, [1, 2], CONFIG, generator())
    assert bool((samples.depth > 0).all())
    assert bool(samples.depth.isfinite().all())


def test_scenes_without_depth_or_second_camera_are_refused():
    item = small_scene()
    blank = DepthMaps(item.depths.cameras, tuple(torch.zeros_like(depth) for depth in item.depths.depth))
    with pytest.raises(InputError, match="0 of them with depth"):
        draw_samples(TrainingScene(item.scene, blank), CONFIG, generator())
    with pytest.raises(InputError, match="1 cameras"):
        draw_samples(TrainingScene(item.scene.chosen([0]), item.depths.chosen([0])), CONFIG, generator())
