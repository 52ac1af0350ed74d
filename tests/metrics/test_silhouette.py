"""Overlaps that can be counted."""

from __future__ import annotations

import pytest
import torch

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.core.scene import Scene
from recon_cli.metrics.silhouette import Overlap, overlap, silhouette_overlaps


def _mask(rows: slice) -> torch.Tensor:
    mask = torch.zeros(8, 4, dtype=torch.bool)
    mask[rows] = True
    return mask


def test_overlaps_are_counted():
    found = overlap(_mask(slice(0, 4)), _mask(slice(2, 8)), name="a")
    assert found == Overlap("a", iou=2 / 8, missing=1 - 2 / 6, beyond=0.5)
    assert overlap(_mask(slice(0, 3)), _mask(slice(0, 3))).iou == 1


def test_empty_masks():
    empty = _mask(slice(0, 0))
    assert overlap(empty, empty).iou == 1
    assert overlap(empty, _mask(slice(0, 2))) == Overlap("", 0, 1, 0)
    assert overlap(_mask(slice(0, 2)), empty) == Overlap("", 0, 0, 1)


def test_a_surface_covers_where_it_has_a_depth():
    camera = Cameras.pinhole(width=4, height=8, fx=5, fy=5, cx=2, cy=4, name="a")
    depth = _mask(slice(0, 4)).float() * 3
    scene = Scene(camera, (torch.zeros(8, 4, 3, dtype=torch.uint8),), (_mask(slice(0, 5)),))
    (found,) = silhouette_overlaps(scene, DepthMaps(camera, (depth,)))
    assert (found.name, found.iou) == ("a", 0.8)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="mask of view a is 4x8, the reference 3x8"):
        overlap(_mask(slice(0, 1)), _mask(slice(0, 1))[:, :3], name="a")
    camera = Cameras.pinhole(width=4, height=8, fx=5, fy=5, cx=2, cy=4)
    scene = Scene(camera, (torch.zeros(8, 4, 3, dtype=torch.uint8),))
    with pytest.raises(InputError, match="no masks"):
        silhouette_overlaps(scene, DepthMaps(camera, (torch.ones(8, 4),)))
