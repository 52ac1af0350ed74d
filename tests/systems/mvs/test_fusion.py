"""Depth maps to a mesh and points: a sphere's radius and colours, memory, odd maps and scenes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError, StoppedError
from recon_cli.core.hooks import NoHooks
from recon_cli.core.scene import Scene
from recon_cli.systems.mvs.config import FusionConfig
from recon_cli.systems.mvs.fusion import footprint, fuse
from tests.systems.mvs.sphere_rig import CENTRE, RADIUS, scene_of, sphere_maps

CONFIG = FusionConfig(voxel=0.06)


@pytest.fixture(scope="module")
def maps() -> DepthMaps:
    return sphere_maps()


@pytest.fixture(scope="module")
def scene(maps: DepthMaps) -> Scene:
    return scene_of(maps)


def test_a_sphere_comes_back_with_its_colours_normals_and_points(maps: DepthMaps, scene: Scene) -> None:
    fused = fuse(maps, scene, CONFIG)
    mesh = fused.mesh
    offset = mesh.vertices.double() - CENTRE
    radius = offset.norm(dim=-1)
    assert float((radius - RADIUS).abs().mean()) < 0.1 * 0.06
    assert mesh.colors is not None
    assert mesh.normals is not None
    expected = (127.5 + 120 * offset / radius[:, None]) / 255
    assert float((mesh.colors - expected).abs().mean()) < 0.02
    assert float((mesh.normals * offset / radius[:, None]).sum(-1).min()) > 0.95
    points = fused.points
    assert points.normals is not None
    assert points.colors is not None
    away = points.points.double() - CENTRE
    assert float((away.norm(dim=-1) - RADIUS).abs().median()) < 0.1 * 0.06
    assert float((points.normals * away).sum(-1).median()) > 0.98
    assert int(fused.view_counts.min()) >= 2
    assert fused.statistics["share_seen_by_fewer_than_two"] == 0.0
    assert fused.statistics["area"] == pytest.approx(4 * torch.pi, rel=0.02)


def test_the_same_maps_give_the_same_bytes_in_any_order_nearly(maps: DepthMaps, scene: Scene) -> None:
    first, second = fuse(maps, scene, CONFIG), fuse(maps, scene, CONFIG)
    assert torch.equal(first.mesh.vertices, second.mesh.vertices)
    assert torch.equal(first.points.points, second.points.points)
    order = list(range(len(maps)))[::-1]
    turned = fuse(maps.chosen(order), scene.chosen(order), CONFIG)
    assert turned.mesh.vertices.shape == first.mesh.vertices.shape
    torch.testing.assert_close(turned.mesh.vertices, first.mesh.vertices, atol=1e-4, rtol=0)


def test_the_automatic_voxel_follows_the_footprint(maps: DepthMaps) -> None:
    fused = fuse(maps, None, FusionConfig(voxel_pixels=2.0))
    assert fused.statistics["voxel"] == pytest.approx(2 * footprint(maps))
    assert fused.mesh.colors is None
    assert fused.points.colors is None


def test_a_volume_beyond_the_limit_names_the_voxel_that_fits(maps: DepthMaps) -> None:
    with pytest.raises(InputError, match="more than the limit of 16 MB") as refused:
        fuse(maps, None, FusionConfig(voxel=0.006, memory_limit_mb=16))
    fitting = float(str(refused.value.hint).split()[3])
    assert 0.006 < fitting < 0.06
    assert fuse(maps, None, FusionConfig(voxel=fitting, memory_limit_mb=16)).statistics["volume_mb"] <= 16


def test_empty_maps_are_refused_and_one_empty_map_is_not(maps: DepthMaps) -> None:
    nothing = replace(maps, depth=tuple(torch.zeros_like(d) for d in maps.depth))
    with pytest.raises(InputError, match="nothing to fuse"):
        fuse(nothing, None, CONFIG)
    one = replace(maps, depth=(nothing.depth[0], *maps.depth[1:]))
    assert fuse(one, None, CONFIG).statistics["area"] == pytest.approx(4 * torch.pi, rel=0.03)


def test_nan_counts_as_nothing(maps: DepthMaps) -> None:
    broken = maps.depth[0].clone()
    broken[broken == 0] = torch.nan
    fused = fuse(replace(maps, depth=(broken, *maps.depth[1:])), None, CONFIG)
    assert bool(torch.isfinite(fused.mesh.vertices).all())
    torch.testing.assert_close(fused.mesh.vertices, fuse(maps, None, CONFIG).mesh.vertices)


def test_a_scene_of_other_views_is_refused(maps: DepthMaps, scene: Scene) -> None:
    with pytest.raises(InputError, match="no picture of view 000013"):
        fuse(maps, scene.chosen(range(13)), CONFIG)
    with pytest.raises(InputError, match="13 depth maps but 14 pictures"):
        fuse(maps.chosen(range(13)), scene, CONFIG)
    with pytest.raises(InputError, match="another order"):
        fuse(maps, scene.chosen([1, 0, *range(2, 14)]), CONFIG)


def test_it_stops_when_asked(maps: DepthMaps) -> None:
    class Stop(NoHooks):
        def should_stop(self) -> bool:
            return True

    with pytest.raises(StoppedError):
        fuse(maps, None, CONFIG, hooks=Stop())


def test_pictures_larger_than_the_maps_colour_the_same_surface(maps: DepthMaps, scene: Scene) -> None:
    large = tuple(image.repeat_interleave(2, 0).repeat_interleave(2, 1) for image in scene.images)
    doubled = replace(scene.cameras, K=scene.cameras.K * torch.tensor([2.0, 2.0, 1.0]).double()[:, None], size=scene.cameras.size * 2)
    small, big = fuse(maps, Scene(scene.cameras, scene.images), CONFIG), fuse(maps, Scene(doubled, large), CONFIG)
    assert small.mesh.colors is not None
    assert big.mesh.colors is not None
    assert float((small.mesh.colors - big.mesh.colors).abs().mean()) < 0.01
