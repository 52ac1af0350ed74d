"""Visual hulls of real captures: a box that others published, and points that others triangulated."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from recon_cli.core.camera_sizes import shrunk
from recon_cli.core.scene import Scene
from recon_cli.io.images import read_frame, read_mask
from recon_cli.io.importers.formats import read_dataset
from recon_cli.io.points import read_points
from recon_cli.kernels.hull_box import scene_hull
from recon_cli.prepare.masks import MaskSettings, segment
from recon_cli.systems.mvs.config import StartConfig
from recon_cli.systems.mvs.start import depth_intervals

DATA = Path(__file__).parents[2] / "../shared/data"
DINO, SCAN24 = DATA / "middlebury_dino", DATA / "dtu_scan24"


@pytest.mark.data
@pytest.mark.skipif(not DINO.exists(), reason="needs the real dinosaur in ../shared/data")
def test_the_dinosaurs_hull_fills_its_published_box():
    """No box is given; the pictures cut the object in places, and none looks from below."""
    imported = read_dataset(DINO)[1]
    images = tuple(read_frame(path) for path in imported.images)
    masks = tuple(segment(image, MaskSettings(background=(0, 0, 0), tolerance=40.0)) > 0 for image in images)
    hull = scene_hull(Scene(imported.cameras, images, masks), resolution=96)
    published = torch.tensor([[-0.061897, -0.018874, -0.057845], [0.010897, 0.068227, 0.015495]], dtype=torch.float64)
    vertices = hull.mesh().vertices
    beyond = torch.stack([published[0] - vertices.amin(dim=0), vertices.amax(dim=0) - published[1]])
    assert float(beyond.max()) < 0.1 * 0.073
    assert float(beyond[:, ::2].abs().max()) < 0.007
    # Along the two horizontal axes and upwards silhouettes bound it: to a voxel or two.
    assert float(beyond[0, [0, 2]].max()) < 0.002
    assert float(beyond[1].max()) < 0.002
    assert float((vertices.amax(dim=0) - vertices.amin(dim=0)).min()) > 0.06


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(not SCAN24.exists(), reason="needs scan24 in ../shared/data")
@pytest.mark.parametrize("has_bounds", [True, False])
def test_scan24s_tracks_lie_in_their_intervals(has_bounds):
    """Loose masks (two thirds of a picture), an object that nearly every picture cuts, a world in millimetres."""
    imported = read_dataset(SCAN24)[1]
    masks = tuple(read_mask(path) > 0 for path in imported.masks)
    images = tuple(torch.zeros(1, 1, 1, dtype=torch.uint8).expand(*mask.shape, 3) for mask in masks)
    scene = Scene(imported.cameras, images, masks, bounds=imported.bounds if has_bounds else None)
    intervals = depth_intervals(scene, StartConfig(source="hull", hull_resolution=128), max_size=100)
    points = read_points(SCAN24 / "tracks.ply").points.double()
    held, seen = 0, 0
    for view in range(len(scene)):
        inside = _shown(scene, view, points)
        pixels, depth = shrunk(scene.cameras, 100)[view].project(points[inside])
        column, row = pixels[0].floor().long().unbind(1)
        near, far = intervals.near[view][row, column], intervals.far[view][row, column]
        held += int(((near <= depth[0]) & (depth[0] <= far)).sum())
        seen += len(column)
    assert seen > 200_000
    assert held >= 0.99 * seen
    widths = torch.cat([(far - near)[far > 0] for near, far in zip(intervals.near, intervals.far, strict=True)])
    assert float(widths.median()) < (400 if has_bounds else 500)


def _shown(scene: Scene, view: int, points: torch.Tensor) -> torch.Tensor:  # [N] bool
    pixels, depth = scene.cameras[view].project(points)
    column, row = pixels[0].floor().long().unbind(1)
    mask = scene.mask(view)
    is_within = (depth[0] > 0) & (column >= 0) & (row >= 0) & (column < mask.shape[1]) & (row < mask.shape[0])
    return is_within & mask[row.clamp(0, mask.shape[0] - 1), column.clamp(0, mask.shape[1] - 1)]
