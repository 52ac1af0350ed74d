"""Thinned points keep their distance and leave nobody alone."""

from __future__ import annotations

import math

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.nearest import nearest_squared_distance
from recon_cli.core.thinning import thin_points, voxel_means


def _cloud(count: int = 3000) -> torch.Tensor:
    flat = torch.rand(count, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return flat * torch.tensor([10.0, 10, 0.1], dtype=torch.float64) + 600


def _thin(points: torch.Tensor, distance: float, seed: int = 0) -> torch.Tensor:
    return thin_points(points, distance, generator=torch.Generator().manual_seed(seed))


def test_kept_points_are_apart_and_the_others_near_one():
    points = _cloud()
    kept = points[_thin(points, 0.4)]
    assert 200 < len(kept) < 1000
    assert float((torch.cdist(kept, kept) + 9 * torch.eye(len(kept))).min()) > 0.4
    assert float(nearest_squared_distance(points, kept)[0].max()) <= 0.4**2 * (1 + 1e-12)


def test_the_seed_decides():
    points = _cloud(500)
    assert torch.equal(_thin(points, 1.0), _thin(points, 1.0))
    assert not torch.equal(_thin(points, 1.0), _thin(points, 1.0, seed=1))


def test_doubles_fall_together_and_lonely_points_stay():
    points = torch.tensor([[0.0, 0, 0], [0, 0, 0], [5, 0, 0], [5, 0, 0]])
    kept = points[_thin(points, 0.1)]
    assert kept[:, 0].tolist() == [0, 5]
    assert len(_thin(torch.zeros(0, 3), 0.1)) == 0


def test_means_of_cells():
    points = torch.tensor([[0.0, 0, 0], [0.4, 0, 0], [1.2, 0, 0], [0.1, 3.5, 0]], dtype=torch.float64)
    found = voxel_means(points, 1.0)
    assert sorted(map(tuple, found.round(decimals=9).tolist())) == [(0.1, 3.5, 0), (0.2, 0, 0), (1.2, 0, 0)]
    assert len(voxel_means(torch.zeros(0, 3), 1.0)) == 0


def test_what_cannot_be_thinned_is_refused():
    for distance in (0.0, -1.0, math.nan):
        with pytest.raises(InputError, match="positive"):
            _thin(_cloud(5), distance)
        with pytest.raises(InputError, match="positive"):
            voxel_means(_cloud(5), distance)
    with pytest.raises(InputError, match="1 of 2 points to thin have a NaN"):
        _thin(torch.tensor([[0.0, 0, 0], [math.nan, 0, 0]]), 1.0)
    with pytest.raises(InputError, match="too many cells"):
        voxel_means(torch.tensor([[0.0, 0, 0], [1e9, 1e9, 1e9]]), 1e-3)
