"""Closed solids from depth maps with gaps."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.scene import Scene
from recon_cli.core.tsdf import BLOCK, SparseGrid, block_coordinates, block_keys
from recon_cli.kernels.closing import missed_voxels, outline_distances, relax, silhouette_bound
from recon_cli.kernels.hull_box import scene_hull
from recon_cli.kernels.tsdf import Integration
from recon_cli.render.depth import mesh_depths
from recon_cli.systems.mvs import closing
from recon_cli.systems.mvs.config import FusionConfig
from recon_cli.systems.mvs.fusion import fuse
from tests.systems.mvs.sphere_rig import CENTRE, RADIUS, around, scene_of, sphere_depth, sphere_maps

CONFIG = FusionConfig(voxel=0.08, watertight=True)


def is_closed(faces: Tensor) -> bool:
    directed = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    forward = set(map(tuple, directed.tolist()))
    return len(forward) == len(directed) and all((b, a) in forward for a, b in forward)


def volume(mesh: Mesh) -> float:
    return float(torch.linalg.det(mesh.vertices.double()[mesh.faces] - CENTRE).sum()) / 6


def test_a_sphere_without_gaps_is_what_the_open_fusion_finds() -> None:
    maps = sphere_maps()
    mesh = fuse(maps, scene_of(maps), CONFIG).mesh
    assert is_closed(mesh.faces)
    assert volume(mesh) == pytest.approx(4 / 3 * math.pi * RADIUS**3, rel=0.02)
    radius = (mesh.vertices.double() - CENTRE).norm(dim=-1)
    assert float((radius - RADIUS).abs().mean()) < 0.1 * 0.08


def test_gaps_are_closed_between_the_depths_and_the_hull() -> None:
    """No map has a depth in the upper part: the hull of the masks is the surface there, a little outside the sphere."""
    maps = sphere_maps()
    scene = scene_of(maps)
    holed = []
    for i, depth in enumerate(maps.depth):
        camera = maps.cameras[i]
        rows, columns = torch.nonzero(depth > 0, as_tuple=True)
        pixels = torch.stack([columns, rows], -1)[None].double() + 0.5
        points = camera.unproject(pixels, depth[rows, columns].double()[None])[0]
        gone = (points - CENTRE)[:, 1] > 0.4
        left = depth.clone()
        left[rows[gone], columns[gone]] = 0
        holed.append(left)
    holed = replace(maps, depth=tuple(holed))
    mesh = fuse(holed, scene, CONFIG).mesh
    assert is_closed(mesh.faces)
    radius = (mesh.vertices.double() - CENTRE).norm(dim=-1)
    assert float(radius.min()) > 0.9
    assert float(radius.max()) < 1.35
    full = 4 / 3 * math.pi * RADIUS**3
    assert 0.95 * full < volume(mesh) < 1.15 * full
    assert not is_closed(fuse(holed, scene, CONFIG.model_copy(update={"watertight": False})).mesh.faces)


def test_silhouettes_fill_what_the_depths_cut_off() -> None:
    """The maps show a sphere that is a tenth too small, so its outlines lie inside the masks."""
    maps = sphere_maps()
    scene = scene_of(maps)
    small = replace(maps, depth=tuple(sphere_depth(maps.cameras[view], radius=0.9 * RADIUS) for view in range(len(maps))))
    cut, filled = (fuse(small, scene, CONFIG.model_copy(update={"silhouette_rounds": rounds})).mesh for rounds in (0, 4))
    shares = [covered(mesh, scene) for mesh in (cut, filled)]
    assert shares[0] < 0.9
    # Voxels are two pixels wide: what is filled ends up to half a voxel inside the outlines.
    assert shares[1] > 0.93
    assert is_closed(filled.faces)
    # The hull of fourteen masks of a sphere stands over it in places; it bounds what is filled.
    assert float((filled.vertices.double() - CENTRE).norm(dim=-1).max()) < 1.15


def covered(mesh: Mesh, scene: Scene) -> float:
    """Share of the masks' pixels that show the mesh."""
    assert scene.masks is not None
    drawn = mesh_depths(mesh, scene.cameras).depth
    hit = sum(int(((depth > 0) & mask).sum()) for depth, mask in zip(drawn, scene.masks, strict=True))
    return hit / sum(int(mask.sum()) for mask in scene.masks)


def test_missed_voxels_are_those_nearest_to_the_solid() -> None:
    """Rays of a mask that is larger than a ball pass it by at places whose distance from it is known."""
    maps, voxel, radius = sphere_maps(), 0.05, 0.8
    steps = torch.arange(-4, 4, dtype=torch.int32)
    grid = SparseGrid(CENTRE, voxel, block_coordinates(block_keys(torch.cartesian_prod(steps, steps, steps)).sort().values))
    local = torch.arange(BLOCK**3)
    places = grid.blocks[:, None] * BLOCK + torch.stack([local % 8, local // 8 % 8, local // 64], dim=-1)
    distance = voxel * places.float().norm(dim=-1)
    field, everywhere = distance - radius, torch.ones(distance.shape, dtype=torch.bool)
    found = missed_voxels(grid, field, everywhere, maps.cameras, [depth > 0 for depth in maps.depth])
    assert len(found) > 500
    assert torch.equal(found, found.unique())
    passed = field.reshape(-1)[found]
    assert float(passed.min()) >= 0
    # A ray of the masks passes the centre at the sphere's radius at most; steps and voxels are half a voxel off.
    assert float(passed.max()) < RADIUS - radius + voxel
    assert not len(missed_voxels(grid, distance - 1.1 * RADIUS, everywhere, maps.cameras, [depth > 0 for depth in maps.depth]))
    nowhere = torch.zeros_like(everywhere)
    assert not len(missed_voxels(grid, field, nowhere, maps.cameras, [depth > 0 for depth in maps.depth]))


def test_silhouettes_fill_closed_solids_alone() -> None:
    with pytest.raises(ValueError, match="silhouette_rounds only where watertight is true"):
        FusionConfig(silhouette_rounds=2)


def test_without_masks_it_says_what_is_missing() -> None:
    maps = sphere_maps()
    with pytest.raises(InputError, match="needs masks"):
        fuse(maps, None, CONFIG)


def test_a_solid_beyond_the_limit_names_the_voxel_that_fits() -> None:
    maps = sphere_maps()
    with pytest.raises(InputError, match="more than the limit of 16 MB") as refused:
        fuse(maps, scene_of(maps), CONFIG.model_copy(update={"voxel": 0.02, "memory_limit_mb": 16}))
    fitting = float(str(refused.value.hint).split()[3])
    fuse(maps, scene_of(maps), CONFIG.model_copy(update={"voxel": fitting, "memory_limit_mb": 16}))


@pytest.mark.parametrize("voxel", [0.002, 0.005])
def test_a_voxel_far_too_fine_is_refused_before_its_blocks_are_listed(voxel, monkeypatch) -> None:
    maps = sphere_maps()
    monkeypatch.setattr(closing, "_solid_grid", lambda *more: pytest.fail("blocks were listed"))
    with pytest.raises(InputError, match="more than the limit of 60 MB") as refused:
        fuse(maps, scene_of(maps), CONFIG.model_copy(update={"voxel": voxel, "memory_limit_mb": 60}))
    monkeypatch.undo()
    fitting = float(str(refused.value.hint).split()[3])
    assert voxel < fitting < 0.02
    fuse(maps, scene_of(maps), CONFIG.model_copy(update={"voxel": fitting, "memory_limit_mb": 60}))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory can be set back on Linux only")
def test_a_closed_volume_takes_no_more_memory_than_is_counted() -> None:
    maps = sphere_maps()
    scene, config = scene_of(maps), CONFIG.model_copy(update={"voxel": 0.01})
    hull, integration = scene_hull(scene, resolution=96), Integration(footprint=0.02)
    closing.closed_volume(maps, scene, hull, 0.08, config, integration)  # what is compiled and loaded once
    before = set_peak_back()
    grid = closing.closed_volume(maps, scene, hull, config.voxel, config, integration).grid
    counted = (grid.bytes + len(grid) * BLOCK**3 * closing._EXTRA_BYTES) / 2**20
    assert counted > 150
    assert peak_now() - before < 1.1 * counted


def set_peak_back() -> float:
    """Forget the peak of this process's memory; what it takes now [MB]."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_now()


def peak_now() -> float:
    """The peak of this process's memory [MB]."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def test_the_silhouettes_bound_is_that_of_a_sphere() -> None:
    """On the ray to a camera's own outline the distance is that to the tangent, in voxels; inside it is negative."""
    maps, cameras = sphere_maps(), around()
    grid = SparseGrid(CENTRE, 0.1, torch.zeros(1, 3, dtype=torch.int32))
    distances = outline_distances([depth > 0 for depth in maps.depth])
    points = torch.tensor([[0.0, 0.0, 0.0], [12.0, 0.0, 0.0], [0.0, 0.0, 8.0]])
    bound = silhouette_bound(grid, points, cameras, distances)
    assert float(bound[0]) == pytest.approx(-10, abs=0.6)
    assert float(bound[1]) == pytest.approx(2, abs=0.6)
    assert float(bound[2]) == pytest.approx(-2, abs=0.6)
    far = silhouette_bound(grid, torch.tensor([[1e4, 3e3, -5e3]]), cameras, distances)
    assert float(far) > 1e5


def test_relaxing_matches_a_dense_twin() -> None:
    generator = torch.Generator().manual_seed(0)
    blocks = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], dtype=torch.int32)
    grid = SparseGrid(torch.zeros(3, dtype=torch.float64), 1.0, blocks)
    target = 2 * torch.rand(4, 512, generator=generator) - 1
    certainty = torch.rand(4, 512, generator=generator) + 0.002
    ours = dense(relax(grid, target, certainty, rounds=7))
    goal, weight = dense(target).double(), dense(certainty).double()
    field = goal.clone()
    for _ in range(7):
        total, moment = weight.clone(), weight * goal
        for axis in range(3):
            for shift in (-1, 1):
                moved = field.roll(shift, axis)
                has = torch.ones_like(field)
                has.select(axis, 0 if shift == 1 else -1).zero_()
                total, moment = total + 0.05 * has, moment + 0.05 * has * moved
        field = moment / total
    torch.testing.assert_close(ours.double(), field, atol=1e-5, rtol=1e-5)


def dense(values: Tensor) -> Tensor:  # [4, 512] -> [8, 16, 16] as z, y, x
    parts = values.reshape(4, 8, 8, 8)
    return torch.cat([torch.cat([parts[0], parts[1]], dim=2), torch.cat([parts[2], parts[3]], dim=2)], dim=1)


def test_masks_of_nothing_and_everything_have_no_outline() -> None:
    full, empty = outline_distances([torch.ones(4, 5, dtype=torch.bool), torch.zeros(4, 5, dtype=torch.bool)])
    assert float(full.max()) < -1e5
    assert float(empty.min()) > 1e5


def test_a_closed_solid_ends_at_the_scene_s_box() -> None:
    maps = sphere_maps()
    low, high = CENTRE - 1.2 * RADIUS, CENTRE + 1.2 * RADIUS
    high = high.clone()
    high[1] = float(CENTRE[1]) + 0.5 * RADIUS
    scene = replace(scene_of(maps), bounds=torch.stack([low, high]))
    mesh = fuse(maps, scene, CONFIG).mesh
    assert is_closed(mesh.faces)
    assert float(mesh.vertices[:, 1].max()) < float(high[1]) + 0.5 * 0.08
    assert float(mesh.vertices[:, 1].max()) > float(high[1]) - 1.5 * 0.08
