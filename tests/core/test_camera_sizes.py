from __future__ import annotations

import pytest
import torch

from recon_cli.core.camera_sizes import shrunk, shrunk_size
from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import UsageError


def pair() -> Cameras:
    K = torch.tensor([[[500.0, 0, 160], [0, 510, 120], [0, 0, 1]], [[90.0, 0, 20], [0, 90, 31], [0, 0, 1]]], dtype=torch.float64)
    return Cameras(K, torch.eye(4, dtype=torch.float64).expand(2, 4, 4), torch.tensor([[320, 240], [41, 60]]), ("a", "b"))


def test_the_longest_side_decides_and_small_cameras_stay():
    small = shrunk(pair(), 64)
    assert small.size.tolist() == [[64, 48], [41, 60]]
    assert torch.equal(small.K[1], pair().K[1])
    assert shrunk(pair(), None).size.tolist() == pair().size.tolist()
    assert shrunk_size(3000, 1, 100) == (100, 1)


def test_a_point_keeps_its_place_in_the_picture():
    points = torch.tensor([[0.1, -0.2, 3.0], [0.4, 0.1, 2.0]], dtype=torch.float64)
    for max_size in (1, 37, 64):
        small = shrunk(pair(), max_size)
        before, after = pair().project(points)[0], small.project(points)[0]
        assert torch.allclose(before / pair().size[:, None], after / small.size[:, None])


def test_a_size_of_zero():
    with pytest.raises(UsageError, match="at least 1"):
        shrunk(pair(), 0)
