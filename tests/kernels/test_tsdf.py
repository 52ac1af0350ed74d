"""Integration of depth maps on sparse blocks: exact planes, a slow twin, Open3D's volume, odd inputs."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.topology import check_manifold
from recon_cli.core.tsdf import BLOCK, SparseGrid, TsdfVolume, block_coordinates, block_keys
from recon_cli.kernels.isosurface import extract_surface
from recon_cli.kernels.tsdf import Integration, integrate, touched_grid
from tests.systems.mvs.sphere_rig import CENTRE, RADIUS, looking_at, plane_depth, sphere_maps

TARGET = torch.tensor([0.3, -0.2, 4.0], dtype=torch.float64)
NORMAL = torch.tensor([0.5, 0.3, -1.0], dtype=torch.float64) / math.sqrt(1.34)


def plane_maps(count: int = 3) -> DepthMaps:
    places = torch.tensor([[0.8 * i - 0.8, 0.3 * (i % 2), 0.0] for i in range(count)], dtype=torch.float64)
    cameras = looking_at(places, TARGET)
    return DepthMaps(cameras, tuple(plane_depth(cameras[i], TARGET, NORMAL) for i in range(count)))


def voxel_positions(grid: SparseGrid) -> Tensor:  # [B, 512, 3]
    local = torch.stack(torch.meshgrid(*[torch.arange(BLOCK)] * 3, indexing="ij")[::-1], dim=-1).reshape(-1, 3)
    return grid.origin + grid.voxel * (grid.blocks[:, None] * BLOCK + local).double()


def test_keys_lead_back_to_blocks_and_ascend() -> None:
    blocks = torch.tensor([[-5, 3, -1], [0, 0, 0], [500_000, -500_000, 7], [1, 0, 0]], dtype=torch.int32)
    keys = block_keys(blocks)
    assert torch.equal(block_coordinates(keys), blocks)
    assert keys[1] < keys[3] < keys[2]
    grid = SparseGrid(torch.zeros(3), 1.0, block_coordinates(keys.sort().values))
    assert grid.find(torch.tensor([[0, 0, 0], [9, 9, 9]])).tolist() == [int((keys < keys[1]).sum()), -1]


def test_every_surface_point_lies_in_a_touched_block_with_its_surroundings() -> None:
    maps = plane_maps()
    grid = touched_grid(maps, 0.03)
    camera = maps.cameras[0]
    rows, columns = torch.meshgrid(torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij")
    pixels = torch.stack([columns, rows], -1).reshape(1, -1, 2).double()
    points = camera.unproject(pixels, maps.depth[0].reshape(1, -1).double())[0]
    for shift in torch.cartesian_prod(*[torch.tensor([-0.03, 0.0, 0.03])] * 3):
        blocks = ((points + shift - grid.origin) / (BLOCK * grid.voxel)).floor().int()
        assert int(grid.find(blocks).min()) >= 0


def test_a_slanted_plane_has_its_distances_without_bias() -> None:
    """Half a pixel of shift would be a hundred times the bound of 0.005 footprints."""
    maps = plane_maps()
    grid = touched_grid(maps, 0.05)
    volume = integrate(maps, grid)
    exact = (voxel_positions(grid) - TARGET) @ NORMAL
    footprint = 4.0 / float(maps.cameras.K[:, 0, 0].max())
    near = (volume.distance.abs() < 0.6) & (volume.weight > 1)
    assert int(near.sum()) > 10_000
    error = (volume.distance.double() * volume.truncation - exact)[near]
    assert float(error.abs().quantile(0.99)) < 0.005 * footprint
    mesh = extract_surface(volume)
    bias = ((mesh.vertices.double() - TARGET) @ NORMAL).mean()
    assert abs(float(bias)) < 0.001 * footprint


def twin(maps: DepthMaps, grid: SparseGrid, tau: float) -> tuple[Tensor, Tensor]:
    """Distance to each view's own plane, known in closed form, and who sees the voxel: no image interpolation."""
    points = voxel_positions(grid).reshape(-1, 3)
    seen = torch.zeros(len(points), dtype=torch.int64)
    for i in range(len(maps)):
        pixels, z = maps.cameras[i].project(points)
        size = maps.cameras.size[i]
        inside = ((pixels[0] >= 1) & (pixels[0] < size - 1)).all(-1) & (z[0] > 0)
        place = maps.cameras[i].world_from_camera[0, :3, 3]
        ray = points - place
        share = ((TARGET - place) @ NORMAL) / (ray @ NORMAL)
        gap = (1 - share) * ray.norm(dim=-1)
        seen += (inside & (gap < 0.98 * tau)).long()
    return (points - TARGET) @ NORMAL / tau, seen


def test_matches_the_closed_form_twin() -> None:
    maps = plane_maps()
    grid = touched_grid(maps, 0.04)
    volume = integrate(maps, grid, Integration(free_space=1e9))
    distance, seen = twin(maps, grid, volume.truncation)
    ours = volume.distance.flatten()
    inner = (seen == len(maps)) & (distance.abs() < 0.9)
    assert int(inner.sum()) > 3000
    torch.testing.assert_close(ours[inner], distance[inner].float(), atol=2e-4, rtol=0)
    # What no view may see, and what lies far behind, stays unknown.
    assert bool(ours[distance < -1.5].isnan().all())


def test_a_sphere_is_closed_and_round() -> None:
    maps = sphere_maps()
    voxel = 0.05
    mesh = extract_surface(integrate(maps, touched_grid(maps, voxel)))
    radius = (mesh.vertices.double() - CENTRE).norm(dim=-1)
    assert float((radius - RADIUS).abs().mean()) < 0.1 * voxel
    assert abs(float((radius - RADIUS).mean())) < 0.03 * voxel
    corners = mesh.vertices.double()[mesh.faces] - CENTRE
    volume = torch.linalg.det(corners).sum() / 6
    assert float(volume) == pytest.approx(4 / 3 * math.pi * RADIUS**3, rel=0.01)
    assert is_closed(mesh.faces)
    check_manifold(mesh)


def is_closed(faces: Tensor) -> bool:
    directed = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    forward = set(map(tuple, directed.tolist()))
    return len(forward) == len(directed) and all((b, a) in forward for a, b in forward)


def test_the_order_of_the_views_does_not_matter() -> None:
    maps = sphere_maps()
    order = list(range(len(maps)))[::-1]
    first, second = touched_grid(maps, 0.1), touched_grid(maps.chosen(order), 0.1)
    assert torch.equal(first.blocks, second.blocks)
    assert torch.equal(first.origin, second.origin)
    a, b = integrate(maps, first).distance, integrate(maps.chosen(order), second).distance
    assert torch.equal(a.isnan(), b.isnan())
    torch.testing.assert_close(a, b, atol=1e-5, rtol=0, equal_nan=True)


def test_the_same_input_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    from recon_cli.kernels import launch

    maps = sphere_maps()
    first = extract_surface(integrate(maps, touched_grid(maps, 0.08)))
    monkeypatch.setattr(launch, "worker_count", lambda: 1)
    second = extract_surface(integrate(maps, touched_grid(maps, 0.08)))
    assert torch.equal(first.vertices, second.vertices)
    assert torch.equal(first.faces, second.faces)


def test_rays_that_pass_a_rim_do_not_wear_it_off_but_many_looks_remove_a_speck() -> None:
    maps = sphere_maps()
    behind = DepthMaps(maps.cameras, tuple(torch.where(d > 0, d, 30.0) for d in maps.depth))
    grid = touched_grid(maps, 0.08)
    mesh = extract_surface(integrate(behind, grid))
    radius = (mesh.vertices.double() - CENTRE).norm(dim=-1)
    assert abs(float((radius - RADIUS).mean())) < 0.02 * grid.voxel
    # One view claims a patch in front of the sphere; all others see the sphere through it.
    speck = behind.depth[0].clone()
    speck[25:35, 30:40] = 3.2
    claimed = DepthMaps(behind.cameras, (speck, *behind.depth[1:]))
    volume = integrate(claimed, touched_grid(DepthMaps(maps.cameras, (speck * (speck < 10), *maps.depth[1:])), 0.08))
    radius = (extract_surface(volume).vertices.double() - CENTRE).norm(dim=-1)
    assert float((radius > RADIUS + 0.3).float().mean()) < 0.005


def test_nothing_gives_an_empty_volume_and_mesh() -> None:
    maps = sphere_maps()
    empty = DepthMaps(maps.cameras, tuple(torch.zeros_like(d) for d in maps.depth))
    grid = touched_grid(empty, 0.1)
    mesh = extract_surface(integrate(empty, grid))
    assert len(grid) == len(mesh.vertices) == len(mesh.faces) == 0


def test_scenes_far_from_the_origin_keep_their_precision() -> None:
    """In coordinates of a map grid, kilometres from its origin, the distances are as exact as at home."""
    maps = plane_maps()
    shift = torch.tensor([4.3e5, 5.4e6, 120.0], dtype=torch.float64)
    pose = maps.cameras.camera_from_world.clone()
    pose[:, :3, 3] -= pose[:, :3, :3] @ shift
    moved = DepthMaps(Cameras(maps.cameras.K, pose, maps.cameras.size), maps.depth)
    grid = touched_grid(moved, 0.05)
    volume = integrate(moved, grid)
    exact = (voxel_positions(grid) - TARGET - shift) @ NORMAL
    near = (volume.distance.abs() < 0.6) & (volume.weight > 1)
    assert float((volume.distance.double() * volume.truncation - exact)[near].abs().quantile(0.99)) < 1e-3


def test_open3d_finds_the_same_surface_in_our_volume() -> None:
    """The layout is that of Open3D's voxel block grid: its own extraction from our blocks gives the same points."""
    o3d = pytest.importorskip("open3d")
    maps = sphere_maps()
    volume = integrate(maps, touched_grid(maps, 0.1))
    ours, theirs = extract_surface(volume).vertices, open3d_vertices(o3d, volume)
    gap = torch.cdist(ours.double(), theirs.double())
    # Ours keep a thousandth of a voxel from the voxels.
    assert float(gap.min(dim=0).values.max()) < 1.5e-4
    assert float(gap.min(dim=1).values.max()) < 1.5e-4


def open3d_vertices(o3d, volume: TsdfVolume) -> Tensor:
    """Vertices of Open3D's marching cubes on our blocks, in the world."""
    core = o3d.core
    grid = o3d.t.geometry.VoxelBlockGrid(
        ("tsdf", "weight"), (core.float32, core.float32), ((1), (1)), volume.grid.voxel, BLOCK, len(volume.grid) + 1, core.Device("CPU:0")
    )
    keys = core.Tensor(volume.grid.blocks.numpy())
    index, _ = grid.hashmap().activate(keys)
    rows = torch.from_numpy(index.numpy()).long()
    known = ~volume.distance.isnan()
    for name, values in (("tsdf", volume.distance.nan_to_num(1.0)), ("weight", known.float() * 10)):
        held = torch.from_dlpack(grid.attribute(name).to_dlpack()).reshape(-1, BLOCK**3)
        held[rows] = values
    mesh = grid.extract_triangle_mesh(weight_threshold=5.0)
    return torch.from_numpy(mesh.vertex.positions.numpy()).double() + volume.grid.origin
