"""From consistent depth maps to one coloured surface and a point cloud."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.depth_maps import DepthMaps, cleaned_depth
from recon_cli.core.errors import InputError, StoppedError
from recon_cli.core.hooks import Hooks, NoHooks
from recon_cli.core.mesh import Mesh
from recon_cli.core.normals import face_areas, sum_rows, vertex_normals
from recon_cli.core.points import PointSet
from recon_cli.core.scene import Scene
from recon_cli.core.topology import half_edges
from recon_cli.core.tsdf import SparseGrid, TsdfVolume, check_memory
from recon_cli.kernels.hull_box import scene_hull
from recon_cli.kernels.isosurface import extract_surface
from recon_cli.kernels.point_views import color_points
from recon_cli.kernels.tsdf import Integration, integrate, touched_grid
from recon_cli.kernels.visual_hull import VisualHull
from recon_cli.systems.mvs.cleaning import clean, view_counts
from recon_cli.systems.mvs.closing import closed_volume
from recon_cli.systems.mvs.config import FusionConfig
from recon_cli.systems.mvs.point_cloud import fused_points

# Rounds in which colour spreads from coloured vertices to those that no view sees.
_COLOR_ROUNDS = 32


@dataclass(frozen=True)
class Fused:
    """One surface of all depth maps.

    Attributes:
        mesh: vertices [scene units], float32, with colours where pictures were given, and normals.
        points: one mean point a voxel, with normals, and colours where pictures were given.
        view_counts: depth maps that see each face, shape [F], int32.
        statistics: voxel [scene units], blocks, volume_mb, area [scene units²], vertices, faces, points,
            share_seen_by_fewer_than_two (of the area), and removed_… shares by reason.
    """

    mesh: Mesh
    points: PointSet
    view_counts: Tensor  # [F]
    statistics: dict[str, float]


def fuse(
    maps: DepthMaps,
    scene: Scene | None,
    config: FusionConfig,
    *,
    hooks: Hooks = NoHooks(),
    hull: VisualHull | None = None,
    device: torch.device | str = "cpu",
) -> Fused:
    """Fuse consistent depth maps, as ``filter_depths`` gives them, into a mesh and a point cloud.

    Args:
        maps: depth maps, 0 where nothing is known; a NaN counts as 0.
        scene: pictures and masks of the same views in the same order; without them the mesh has no colours and no
            mask removes anything.
        config: resolution, memory and cleaning.
        hooks: told of every map.
        hull: visual hull of the scene, for a closed surface; carved here where it is needed and not given.
        device: where the volume lies.

    Raises:
        InputError: no map has a depth, the scene has other views, or the volume does not fit the memory limit.
    """
    _check(maps, scene)
    maps = _moved(maps, torch.device(device))
    voxel = _voxel(maps, config)
    volume = _volume(maps, scene, hull, voxel, config, hooks)
    grid = volume.grid
    raw = extract_surface(volume)
    del volume
    cleaned = clean(raw, maps, scene, config)
    mesh = _colored(cleaned.mesh, maps, scene, config)
    counts = view_counts(mesh, maps, relative=config.view_tolerance)
    points = fused_points(maps, scene, grid)
    statistics = _statistics(mesh, points, counts, grid) | {f"removed {reason}": share for reason, share in cleaned.removed.items()}
    return Fused(mesh, points, counts, statistics)


def _voxel(maps: DepthMaps, config: FusionConfig) -> float:
    """Side of a voxel [scene units]; one that the maps cannot have meant is refused."""
    pixel = footprint(maps)
    if config.voxel is None:
        return config.voxel_pixels * pixel
    largest = pixel * int(maps.cameras.size.max())
    if not pixel / 100 <= config.voxel <= largest:
        raise InputError(
            f"voxels of {config.voxel:g} do not fit the depth maps, whose pixels cover {pixel:.3g} of the surface and {largest:.3g} in all",
            hint=f"--voxel {config.voxel_pixels * pixel:.3g}; recon mvs fuse RUN makes a surface of the maps that a run has",
        )
    return config.voxel


def footprint(maps: DepthMaps) -> float:
    """Size of a pixel at the surface [scene units]: the median over the maps of the median depth over the focal length.

    Raises:
        InputError: no map has a depth.
    """
    sizes = []
    for view, depth in enumerate(maps.depth):
        seen = depth[depth > 0]
        if len(seen):
            sizes.append(float(seen.median()) / float(maps.cameras.K[view, 0, 0]))
    if not sizes:
        raise InputError("no depth map has a depth; there is nothing to fuse", hint="loosen the filter, or look at the raw depth maps")
    return float(torch.tensor(sizes, dtype=torch.float64).median())


def _volume(maps: DepthMaps, scene: Scene | None, hull: VisualHull | None, voxel: float, config: FusionConfig, hooks: Hooks) -> TsdfVolume:
    each = _reporter(hooks, len(maps))
    if config.watertight:
        if scene is None or scene.masks is None:
            raise InputError("a closed surface needs masks: they bound what no view sees", hint="give masks, or leave watertight out")
        hull = hull or scene_hull(scene)
        return closed_volume(maps, scene, hull, voxel, config, _integration(config, maps), each=each)
    grid = touched_grid(maps, voxel, truncation=config.truncation)
    check_memory(grid, config.memory_limit_mb)
    return integrate(maps, grid, _integration(config, maps), each=each)


def _check(maps: DepthMaps, scene: Scene | None) -> None:
    if scene is None:
        return
    missing = [name for name in maps.cameras.names if name not in scene.cameras.names]
    if missing or len(scene) != len(maps):
        seen = f"{len(maps)} depth maps but {len(scene)} pictures" if not missing else f"no picture of view {missing[0]}"
        raise InputError(f"{seen}; the depth maps and the scene must have the same views")
    if maps.cameras.names != scene.cameras.names:
        raise InputError("the depth maps and the scene have the same views in another order; choose them in one order")


def _moved(maps: DepthMaps, device: torch.device) -> DepthMaps:
    depth = tuple(cleaned_depth(d).to(device, torch.float32) for d in maps.depth)
    normals, confidence = (None if part is None else tuple(p.to(device) for p in part) for part in (maps.normals, maps.confidence))
    return DepthMaps(maps.cameras, depth, normals, confidence)


def _integration(config: FusionConfig, maps: DepthMaps) -> Integration:
    return Integration(truncation=config.truncation, free_space=config.free_space, footprint=footprint(maps))


def _reporter(hooks: Hooks, total: int):
    def report(done: int) -> None:
        if hooks.should_stop():
            raise StoppedError("stopped while fusing depth maps")
        hooks.progress(done, total)

    return report


def _colored(mesh: Mesh, maps: DepthMaps, scene: Scene | None, config: FusionConfig) -> Mesh:
    normals = vertex_normals(mesh.vertices, mesh.faces)
    if scene is None:
        return Mesh(mesh.vertices, mesh.faces, normals=normals)
    images = [image.to(mesh.vertices.device) for image in scene.images]
    colors, weight = color_points(mesh.vertices, normals, maps, scene.cameras, images, relative=config.view_tolerance)
    colors = _spread(colors, weight > 0, mesh.faces)
    return Mesh(mesh.vertices, mesh.faces, colors=colors.clamp(0, 1), normals=normals)


def _spread(colors: Tensor, is_known: Tensor, faces: Tensor) -> Tensor:  # [V, 3], [V] bool, [F, 3] -> [V, 3]
    """Colours of vertices that no view sees: the mean of their coloured neighbours, round by round, at last grey."""
    pairs = half_edges(faces[~is_known[faces].all(dim=1)])
    for _ in range(_COLOR_ROUNDS):
        directed = torch.cat([pairs, pairs.flip(1)])
        directed = directed[is_known[directed[:, 0]] & ~is_known[directed[:, 1]]]
        if not len(directed):
            break
        rows = torch.cat([colors[directed[:, 0]], torch.ones(len(directed), 1, device=colors.device)], dim=1)
        sums = sum_rows(rows, directed[:, 1], count=len(colors))
        is_new = sums[:, 3] > 0
        colors = torch.where(is_new[:, None], sums[:, :3] / sums[:, 3:].clamp(min=1), colors)
        is_known = is_known | is_new
    return torch.where(is_known[:, None], colors, 0.5)


def _statistics(mesh: Mesh, points: PointSet, counts: Tensor, grid: SparseGrid) -> dict[str, float]:
    areas = face_areas(mesh.vertices.double(), mesh.faces)
    area = float(areas.sum())
    return {
        "voxel": grid.voxel,
        "blocks": len(grid),
        "volume_mb": grid.bytes / 2**20,
        "area": area,
        "vertices": len(mesh.vertices),
        "faces": len(mesh.faces),
        "points": len(points),
        "share_seen_by_fewer_than_two": float(areas[counts < 2].sum()) / max(area, 1e-30),
    }
