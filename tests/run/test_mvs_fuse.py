"""Fusing maps: wrong scenes, wrong voxels and few views are met before or instead of an empty surface."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.core.hooks import NoHooks
from recon_cli.core.scene import Scene
from recon_cli.run.mvs_fuse import FusedViews, confirm_depths, fuse_confirmed
from recon_cli.systems.mvs.config import MvsRecipe
from tests.systems.mvs.sphere_rig import scene_of, sphere_maps


def recipe(**fusion) -> MvsRecipe:
    return MvsRecipe(**{"fusion": {"voxel": 0.08, **fusion}})


def fused_surface(scene: Scene, maps: DepthMaps, recipe: MvsRecipe) -> FusedViews:
    return fuse_confirmed(scene, confirm_depths(scene, maps, recipe, hooks=NoHooks()), recipe, hooks=NoHooks())


def test_the_maps_of_a_sphere_become_a_surface():
    maps = sphere_maps()
    fused = fused_surface(scene_of(maps), maps, recipe())
    assert len(fused.fused.mesh.faces) > 1000


@pytest.mark.parametrize("voxel", [1e-9, 1e-4, 1e3, 1e9])
def test_a_voxel_that_cannot_be_meant_is_refused(voxel):
    maps = sphere_maps()
    with pytest.raises(InputError, match="do not fit the depth maps") as caught:
        fused_surface(scene_of(maps), maps, recipe(voxel=voxel))
    assert "--voxel" in (caught.value.hint or "")


@pytest.mark.parametrize("scale", [1e-10, 1.0, 1e10])
def test_another_scene_is_noticed_in_any_unit(scale):
    poses = sphere_maps().cameras.camera_from_world.clone()
    poses[:, :3, 3] *= scale
    cameras = replace(sphere_maps().cameras, camera_from_world=poses)
    maps = replace(sphere_maps(), cameras=cameras, depth=tuple(depth * scale for depth in sphere_maps().depth))
    moved = poses.clone()
    moved[2, 0, 3] += 0.01 * scale
    other = replace(scene_of(maps), cameras=replace(cameras, camera_from_world=moved))
    with pytest.raises(InputError, match="camera is not the one of its depth map"):
        confirm_depths(other, maps, recipe(), hooks=NoHooks())


def test_two_views_can_confirm_each_other():
    maps = sphere_maps()
    pair = [0, 6]
    fused = fused_surface(scene_of(maps).chosen(pair), maps.chosen(pair), recipe())
    assert len(fused.fused.mesh.faces) > 0
