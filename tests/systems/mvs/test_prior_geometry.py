"""Taps in other views against plain projection."""

from __future__ import annotations

import torch

from recon_cli.systems.mvs.prior_geometry import project_taps, sources_from_reference, tap_offsets
from tests.systems.mvs.prior_scenes import small_scene


def test_taps_lie_on_the_plane_through_the_point():
    cameras = small_scene().scene.cameras
    pixels = torch.tensor([[50, 60], [30, 71]], dtype=torch.int32)
    depth = torch.tensor([[1.0, 1.1, 1.3], [0.9, 1.0, 1.2]], dtype=torch.float64)
    slopes = torch.tensor([[2e-3, -1e-3], [0.0, 3e-3]], dtype=torch.float64)
    maps = sources_from_reference(cameras, 2, [5])
    places, _ = project_taps(maps[0], (112, 112), pixels, depth, slopes)
    for p in range(2):
        for s in range(3):
            for t, offset in enumerate(tap_offsets().double()):
                z = 1 / (1 / depth[p, s] + slopes[p] @ offset)
                world = cameras[2].unproject((pixels[p] + 0.5 + offset)[None, None], z[None, None])[0]
                expected = cameras[5].project(world)[0][0, 0]
                torch.testing.assert_close(places[p, s, t], expected, atol=1e-9, rtol=0)


def test_a_point_is_seen_where_it_projects_into_the_picture():
    cameras = small_scene().scene.cameras
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(112, (200, 2), generator=generator).int()
    depth = 0.2 + 3 * torch.rand(200, 2, generator=generator, dtype=torch.float64)
    _, is_seen = project_taps(sources_from_reference(cameras, 0, [6])[0], (112, 112), pixels, depth, torch.zeros(200, 2).double())
    for s in range(2):
        world = cameras[0].unproject((pixels + 0.5)[None].double(), depth[None, :, s])[0]
        place, z = cameras[6].project(world)
        expected = (z[0] > 0) & ((place[0] >= 0) & (place[0] < 112)).all(dim=-1)
        assert torch.equal(is_seen[:, s], expected)
    assert 0 < int(is_seen.sum()) < is_seen.numel()


def test_taps_are_in_rows_about_the_pixel():
    assert tap_offsets().tolist() == [[x, y] for y in (-2, 0, 2) for x in (-2, 0, 2)]
