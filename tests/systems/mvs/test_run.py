"""Whole reconstructions of a small textured plane: accuracy, groups, seeds, priors."""

from __future__ import annotations

import pytest
import torch

from recon_cli.core.depth_maps import DepthIntervals
from recon_cli.core.errors import InputError, StoppedError, UsageError
from recon_cli.core.hooks import NoHooks
from recon_cli.core.scene import Scene
from recon_cli.systems.mvs.config import MvsRecipe
from recon_cli.systems.mvs.run import run
from tests.kernels.plane_pictures import cameras, pictures, true_plane

BATCH = cameras(5)
TRUTH = [(1 / true_plane(BATCH[i])[..., 0]).float() for i in range(5)]
INNER = (slice(10, -10), slice(14, -14))
EPOCH = {"level": 0, "offset": 0.5, "samples": 5, "steps": 5}


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(BATCH, pictures(BATCH))


@pytest.fixture(scope="module")
def intervals() -> DepthIntervals:
    near = tuple(torch.full((15, 22), float(depth.min()) * 0.85) for depth in TRUTH)
    far = tuple(torch.full((15, 22), float(depth.max()) * 1.15) for depth in TRUTH)
    small = BATCH.resized(22, 15)
    return DepthIntervals(small, near, far)


def recipe(**changes) -> MvsRecipe:
    return MvsRecipe(**{"views": {"group_size": 3}, "search": {"coarsest_size": 32}, **changes})


def error(maps, view: int) -> torch.Tensor:
    """Relative error of the depths away from the border."""
    return ((maps.depth[view] - TRUTH[view]) / TRUTH[view])[INNER].abs()


def test_the_search_finds_the_plane_in_every_view(scene, intervals):
    maps = run(scene, recipe(), intervals=intervals)
    for view in range(5):
        assert error(maps, view).median() < 0.01
        normal = torch.tensor([0.25, -0.15, 1.0]) / torch.tensor([0.25, -0.15, 1.0]).norm()
        facing = -(maps.normals[view][INNER] @ normal)
        assert facing.median() > 0.98
        assert maps.confidence[view][INNER].median() > 0.9


def test_without_rounds_at_full_size_the_coarse_planes_are_measured_and_followed(scene, intervals):
    maps = run(scene, recipe(search={"coarsest_size": 32, "final_rounds": 0}), intervals=intervals)
    for view in range(5):
        assert error(maps, view).median() < 0.01


def test_groups_apart_and_together_agree_to_the_bit(scene, intervals):
    settings = recipe(srdf={"epochs": (EPOCH,)})
    together = run(scene, settings, intervals=intervals)
    from recon_cli.systems.mvs.views import camera_groups

    groups = camera_groups(intervals, settings.views)
    assert len(groups) > 1
    for group in reversed(groups):
        alone = run(scene, settings, intervals=intervals, groups=[group])
        for place, view in enumerate(group):
            assert torch.equal(alone.depth[place], together.depth[view])
            assert torch.equal(alone.normals[place], together.normals[view])
            assert torch.equal(alone.confidence[place], together.confidence[view])


def test_a_sink_takes_every_group(scene, intervals):
    taken = {}
    assert run(scene, recipe(), intervals=intervals, sink=lambda views, maps: taken.update(dict(zip(views, maps.depth)))) is None
    assert sorted(taken) == list(range(5))


@pytest.mark.parametrize("prior", ["patch", "median"])
def test_signed_ray_distances_keep_or_better_the_search(scene, intervals, prior):
    plain = run(scene, recipe(), intervals=intervals, groups=[[0, 1, 2]])
    better = run(scene, recipe(srdf={"epochs": (EPOCH,), "prior": prior}), intervals=intervals, groups=[[0, 1, 2]])
    assert not torch.equal(plain.depth[0], better.depth[0])
    assert error(better, 0).median() < 1.2 * error(plain, 0).median()


def test_the_paper_s_way_climbs_from_a_rough_start(scene, intervals):
    """Adam on the whole energy (Eq. 2) from depths 3 % off: samples reach 4 pixels of disparity at half resolution, then 2."""
    rough = DepthIntervals(BATCH, tuple(0.8 * d for d in TRUTH), tuple(1.2 * d for d in TRUTH), tuple(1.02 * d for d in TRUTH))
    epochs = ({"level": 1, "offset": 1.5, "samples": 11, "steps": 40}, {"level": 0, "offset": 1.0, "samples": 11, "steps": 40})
    settings = recipe(search={"enabled": False, "coarsest_size": 32}, srdf={"epochs": epochs, "prior": "median", "ascent": "adam"})
    maps = run(scene, settings, intervals=rough, groups=[[0, 1, 2, 3, 4]])
    assert error(maps, 0).median() < 0.012


def test_the_learned_prior_needs_its_network(scene, intervals):
    with pytest.raises(UsageError, match="network"):
        run(scene, recipe(srdf={"epochs": (EPOCH,), "prior": "learned"}), intervals=intervals, groups=[[0, 1]])


def test_a_view_that_shares_nothing_is_named(scene, intervals):
    far = BATCH.camera_from_world.clone()
    far[4, :3, 3] += 1000.0
    from dataclasses import replace

    lonely = replace(scene, cameras=replace(BATCH, camera_from_world=far))
    moved = replace(intervals, cameras=replace(intervals.cameras, camera_from_world=far))
    with pytest.raises(InputError, match="view 004 shares nothing"):
        run(lonely, recipe(), intervals=moved, groups=[[4]])


def test_a_stop_is_heeded(scene, intervals):
    class Stop(NoHooks):
        def should_stop(self) -> bool:
            return True

    with pytest.raises(StoppedError):
        run(scene, recipe(), intervals=intervals, hooks=Stop())
