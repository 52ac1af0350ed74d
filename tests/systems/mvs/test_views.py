"""Neighbours and groups of views."""

from __future__ import annotations

import math

import pytest
import torch

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthIntervals
from recon_cli.core.errors import InputError
from recon_cli.systems.mvs.config import ViewsConfig
from recon_cli.systems.mvs.views import camera_groups, neighbour_views

STEP = 10.0  # degrees


def ring(count: int, *, step: float = STEP, outward: tuple[int, ...] = ()) -> DepthIntervals:
    """Cameras on an arc of radius 2 about the origin that look at it (or away from it), ``step`` degrees apart."""
    poses = []
    for index in range(count):
        angle = math.radians(step * index) + (math.pi if index in outward else 0.0)
        turn = torch.tensor([[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]], dtype=torch.float64)
        centre = -2.0 * torch.tensor([-math.sin(math.radians(step * index)), 0, math.cos(math.radians(step * index))], dtype=torch.float64)
        pose = torch.eye(4, dtype=torch.float64)
        pose[:3, :3], pose[:3, 3] = turn, -turn @ centre
        poses.append(pose)
    K = torch.tensor([[40.0, 0, 16], [0, 40.0, 12], [0, 0, 1]], dtype=torch.float64).expand(count, 3, 3).clone()
    batch = Cameras(K, torch.stack(poses), torch.tensor([[32, 24]] * count), tuple(f"{i:03d}" for i in range(count)))
    near, far = torch.full((24, 32), 1.7), torch.full((24, 32), 2.3)
    return DepthIntervals(batch, (near,) * count, (far,) * count)


def test_nearest_on_both_sides_come_first():
    rows = neighbour_views(ring(9), ViewsConfig(neighbours=4)).tolist()
    assert set(rows[4][:2]) == {3, 5}
    assert set(rows[4]) == {2, 3, 5, 6}


def test_too_small_an_angle_is_worth_little():
    rows = neighbour_views(ring(9, step=1.0), ViewsConfig(neighbours=3)).tolist()
    assert min(abs(other - 0) for other in rows[0]) >= 6


def test_a_view_of_equal_footprint_comes_before_a_coarser_one():
    arranged = ring(3)
    K = arranged.cameras.K.clone()
    K[0, :2] *= 0.4  # a wide angle: coarser, but overlapping
    cameras = Cameras(K, arranged.cameras.camera_from_world, arranged.cameras.size, arranged.cameras.names)
    rows = neighbour_views(DepthIntervals(cameras, arranged.near, arranged.far), ViewsConfig(neighbours=2)).tolist()
    assert rows[1] == [2, 0]


def test_views_that_share_nothing_are_no_neighbours():
    rows = neighbour_views(ring(4, outward=(2,)), ViewsConfig(neighbours=3)).tolist()
    assert all(2 not in row for index, row in enumerate(rows) if index != 2)
    assert rows[0][-1] == -1


def test_no_overlap_at_all_is_an_error():
    with pytest.raises(InputError, match="no two views"):
        neighbour_views(ring(2, step=170.0), ViewsConfig())


@pytest.mark.parametrize(("count", "size"), [(9, 4), (49, 16), (5, 16), (17, 2)])
def test_groups_cover_all_views_once_and_hold_neighbours(count, size):
    step = min(STEP, 300 / count)
    groups = camera_groups(ring(count, step=step), ViewsConfig(group_size=size))
    assert sorted(view for group in groups for view in group) == list(range(count))
    assert max(map(len, groups)) <= size
    assert all(group == sorted(group) for group in groups)
    # On an arc, a group of neighbours is a run.
    assert all(group[-1] - group[0] == len(group) - 1 for group in groups)
