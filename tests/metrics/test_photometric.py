"""Warped pictures of a slanted plane whose texture and depth are known exactly."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.core.scene import Scene
from recon_cli.metrics.photometric import WarpSettings, held_out_agreement, local_ncc, warp_picture

WIDTH, HEIGHT, FOCAL = 64, 48, 60.0
OFFSET, SLOPE = 10.0, 0.4


def _cameras(*shifts: float) -> Cameras:
    one = Cameras.pinhole(width=WIDTH, height=HEIGHT, fx=FOCAL, fy=FOCAL, cx=WIDTH / 2, cy=HEIGHT / 2)
    poses = one.camera_from_world.repeat(len(shifts), 1, 1)
    poses[:, 0, 3] = -torch.tensor(shifts, dtype=torch.float64)
    names = tuple(f"v{i}" for i in range(len(shifts)))
    return Cameras(one.K.repeat(len(shifts), 1, 1), poses, one.size.repeat(len(shifts), 1), names)


def _depth(shift: float) -> torch.Tensor:
    """The plane z = OFFSET + SLOPE x, seen from (shift, 0, 0)."""
    column = (torch.arange(WIDTH, dtype=torch.float64) + 0.5 - WIDTH / 2) / FOCAL
    return ((OFFSET + SLOPE * shift) / (1 - SLOPE * column)).expand(HEIGHT, WIDTH).float()


def _picture(shift: float) -> torch.Tensor:
    """A smooth texture of world x and y, about eight pixels a wave."""
    depth = _depth(shift).double()
    x = shift + depth * (torch.arange(WIDTH) + 0.5 - WIDTH / 2) / FOCAL
    y = depth * ((torch.arange(HEIGHT) + 0.5 - HEIGHT / 2) / FOCAL)[:, None]
    level = 128 + 60 * torch.sin(4.1 * x + 0.7 * y) + 50 * torch.cos(3.7 * y - 1.1 * x)
    return level.round().to(torch.uint8)[..., None].expand(-1, -1, 3)


def _scene(*shifts: float, error: float = 0.0) -> tuple[Scene, DepthMaps]:
    cameras = _cameras(*shifts)
    scene = Scene(cameras, tuple(_picture(shift) for shift in shifts))
    return scene, DepthMaps(cameras, tuple(_depth(shift) * (1 + error) for shift in shifts))


def test_the_true_surface_explains_the_view():
    scene, surface = _scene(0.0, -0.6, 0.6, 1.5)
    (found,) = held_out_agreement(scene, surface, [0], settings=WarpSettings(neighbours=2))
    assert found.ncc > 0.995
    assert found.covered > 0.9
    assert sorted(found.neighbours) == ["v1", "v2"]
    assert found.score == found.ncc * found.covered


def test_a_wrong_depth_explains_less():
    scores = []
    for error in (0.0, 0.1, 0.5):
        scene, surface = _scene(0.0, -1.2, 1.2, error=error)
        scores.append(held_out_agreement(scene, surface, [0])[0].ncc)
    assert scores[0] > scores[1] + 0.02
    assert scores[1] > scores[2] + 0.2


def test_holes_do_not_pay():
    scene, surface = _scene(0.0, -0.6, 0.6)
    depth = surface.depth[0].clone()
    depth[: HEIGHT // 2] = 0
    holed = replace(surface, depth=(depth, *surface.depth[1:]))
    (whole,), (half,) = (held_out_agreement(scene, maps, [0]) for maps in (surface, holed))
    assert half.covered == pytest.approx(0.5 * whole.covered, rel=0.03)
    assert half.score < 0.55 * whole.score
    (nothing,) = held_out_agreement(scene, replace(surface, depth=(torch.zeros_like(depth), *surface.depth[1:])), [0])
    assert math.isnan(nothing.ncc)
    assert (nothing.covered, nothing.score) == (0, 0)


def test_what_the_source_cannot_see_is_not_warped():
    """A wall before the left half of the source hides the plane there."""
    scene, surface = _scene(0.0, 0.0)
    wall = surface.depth[1].clone()
    wall[:, : WIDTH // 2] *= 0.5
    _, seen = warp_picture(torch.zeros(HEIGHT, WIDTH), scene, replace(surface, depth=(surface.depth[0], wall)), 1, 0, occlusion=0.01)
    assert not bool(seen[:, : WIDTH // 2].any())
    assert bool(seen[1:-1, WIDTH // 2 : -1].all())


def test_a_picture_warped_onto_itself_is_itself():
    scene, surface = _scene(0.0, 0.0)
    grey = torch.rand(HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    warped, seen = warp_picture(grey, scene, surface, 1, 0, occlusion=0.01)
    assert float((warped - grey).abs()[seen].max()) < 1e-4
    assert float(seen.float().mean()) > 0.9


def test_only_the_object_counts():
    scene, surface = _scene(0.0, -0.6, 0.6)
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    mask[10:30, 20:50] = True
    (found,) = held_out_agreement(replace(scene, masks=(mask, ~mask, ~mask)), surface, [0])
    assert found.covered == 1


def test_the_correlation_is_that_of_the_window_written_out():
    generator = torch.Generator().manual_seed(1)
    first, second = (255 * torch.rand(9, 11, generator=generator) for _ in range(2))
    seen = torch.rand(9, 11, generator=generator) < 0.8
    found = local_ncc(first, second, seen, window=5, noise=0.0, support=0.1)
    for row, column in ((0, 0), (4, 5), (8, 10), (3, 9)):
        place = slice(max(row - 2, 0), row + 3), slice(max(column - 2, 0), column + 3)
        a, b = (grey[place][seen[place]].double() for grey in (first, second))
        if bool(seen[row, column]):
            expected = torch.corrcoef(torch.stack([a, b]))[0, 1]
            assert float(found[row, column]) == pytest.approx(float(expected), abs=1e-9)
        else:
            assert math.isnan(float(found[row, column]))


def test_flat_windows_and_lonely_pixels_say_nothing():
    flat, seen = torch.full((8, 8), 200.0), torch.ones(8, 8, dtype=torch.bool)
    assert float(local_ncc(flat, flat, seen, window=3, noise=2.0, support=0.1).abs().max()) < 1e-9
    seen[:] = False
    seen[4, 4] = True
    assert bool(local_ncc(flat, flat, seen, window=3, noise=2.0).isnan().all())


def test_gain_and_offset_do_not_matter():
    generator = torch.Generator().manual_seed(2)
    first = 100 * torch.rand(12, 12, generator=generator)
    seen = torch.ones(12, 12, dtype=torch.bool)
    assert float(local_ncc(first, 40 + 0.7 * first, seen, window=5, noise=0.1).min()) > 0.999
    assert float(local_ncc(first, 200 - first, seen, window=5, noise=0.1).max()) < -0.999


@pytest.mark.parametrize("held_out", [[], [0, 1, 2], [5], [-1]])
def test_views_that_cannot_be_held_out_are_refused(held_out):
    with pytest.raises(InputError, match="held out"):
        held_out_agreement(*_scene(0.0, -0.6, 0.6), held_out)


def test_what_does_not_fit_is_refused():
    scene, surface = _scene(0.0, 0.6)
    with pytest.raises(InputError, match="not those of the scene"):
        held_out_agreement(scene, surface.chosen([0]), [0])
    with pytest.raises(InputError, match="odd window"):
        held_out_agreement(scene, surface, [0], settings=WarpSettings(window=4))
