"""A closed solid from depth maps: what no view sees into is solid, as far as the visual hull goes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.core.scene import Scene
from recon_cli.core.tsdf import BLOCK, BYTES_PER_BLOCK, SparseGrid, TsdfVolume, block_coordinates, block_keys, check_memory
from recon_cli.kernels.closing import missed_voxels, outline_distances, relax, silhouette_bound
from recon_cli.kernels.tsdf import Integration, Sums, accumulate, touched_grid
from recon_cli.kernels.visual_hull import VisualHull
from recon_cli.systems.mvs.config import FusionConfig

# Certainty of a voxel that a view looks through, and of one of which nothing is known and that counts as solid. They are
# the same, so that a flat border between the two stays where it is; both are low, so that steps of it become smooth.
_GUESSED = 0.01
# What a voxel is told that a silhouette needs: well inside, for its neighbours pull it out [truncations].
_MET = -0.5
# Weight of views at which a voxel near a surface is half certain.
_HALF = 0.3
# Bytes of a voxel more than the twelve of an open volume: of target, certainty, bound, weight and two fields at once, and what is between.
_EXTRA_BYTES = 20
# What the outline and the ring around it add to the cube root of the inside's volume [blocks]: at least (Brunn and Minkowski's inequality,
# rounded down), and at the sphere of the tests.
_RINGS = (1.5, 4.5)
# A bound [voxels] above this is no distance: too few views see the place.
_FAR = 1e5
# Blocks, or voxels, that are asked for the hull at once.
_CHUNK = 1 << 20


def closed_volume(
    maps: DepthMaps,
    scene: Scene,
    hull: VisualHull,
    voxel: float,
    config: FusionConfig,
    integration: Integration,
    *,
    each: Callable[[int], None] | None = None,
) -> TsdfVolume:
    """Signed distances without unknown voxels, so that their zero surface is closed.

    Views carve: a voxel in front of a depth is free, one behind it or seen by nobody is solid, one outside the masks
    or the scene's bounds is free. Where little is known the field is smoothed, so that gaps in the depth maps are bridged without steps.
    With ``config.silhouette_rounds`` the masks are evidence for the solid, too: where the ray of a mask's pixel misses it, the voxel of
    the ray that came nearest becomes solid (the constraint of Cremers and Kolev 2011).

    Args:
        maps: consistent depth maps.
        scene: whose masks, and box where it has one, bound the solid.
        hull: visual hull of the masks: how many of them may be wrong, how many views must show a place, and where to look.
        voxel: side of a voxel [scene units].
        config: truncation and memory.
        integration: how samples are weighed.
        each: called with the number of maps done.

    Raises:
        InputError: the hull is empty, or the volume does not fit the memory limit.
    """
    if hull.is_empty or scene.masks is None:
        raise InputError("the visual hull is empty; a closed surface needs one", hint="look at the masks, or tolerate more views")
    _check_inside(hull, voxel, config)
    distances = outline_distances(scene.masks)

    def bound(grid: SparseGrid, points: Tensor) -> Tensor:
        outlines = silhouette_bound(
            grid, points, scene.cameras, distances, tolerated=hull.settings.tolerance, fewest=hull.settings.minimum_views
        )
        return outlines if scene.bounds is None else torch.maximum(outlines, _box_distance(grid, points, scene.bounds))

    near = touched_grid(maps, voxel, truncation=config.truncation)
    check_memory(near, config.memory_limit_mb, extra=_EXTRA_BYTES)
    grid = _solid_grid(near, hull, bound)
    check_memory(grid, config.memory_limit_mb, extra=_EXTRA_BYTES, dimensions=3)
    sums = accumulate(maps, grid, integration, each=each)
    target, certainty = _evidence(sums, integration.free_space)
    weight = sums.weight
    del sums
    outside = _outside(grid, bound, config.truncation)
    torch.maximum(target, outside, out=target)
    certainty.masked_fill_(outside > 0, 1.0)
    field = relax(grid, target, certainty)
    torch.maximum(field, outside, out=field)
    for _ in range(config.silhouette_rounds):
        missed = missed_voxels(grid, field, outside < 0, scene.cameras, scene.masks)
        if not len(missed):
            break
        target.view(-1)[missed] = _MET
        certainty.view(-1)[missed] = 1.0
        del field  # smoothing holds two of its own
        field = relax(grid, target, certainty)
        torch.maximum(field, outside, out=field)
    return TsdfVolume(grid, _sealed(grid, field), weight, integration.truncation * voxel)


def _check_inside(hull: VisualHull, voxel: float, config: FusionConfig) -> None:
    """Refuse a volume that the hull's inside alone makes too large, before its blocks are looked for one by one."""
    side = hull.inside ** (1 / 3) * hull.voxel / (BLOCK * voxel)
    most = config.memory_limit_mb * 2**20 / (BYTES_PER_BLOCK + BLOCK**3 * _EXTRA_BYTES)
    least, likely = ((side + ring) ** 3 for ring in _RINGS)
    if least <= most:
        return
    fitting = voxel * side / max(most ** (1 / 3) - _RINGS[1], 1.0) * 1.05
    raise InputError(
        f"a closed volume with voxels of {voxel:.3g} takes about {config.memory_limit_mb * likely / most:.0f} MB, "
        f"more than the limit of {config.memory_limit_mb} MB",
        hint=f"use voxels of {fitting:.3g} (scene units) or raise the memory limit",
    )


def _evidence(sums: Sums, free_space: float) -> tuple[Tensor, Tensor]:  # [B, 512] each
    """What the views say of a voxel, in [-1, 1], and how certain it is. Overwrites ``sums.moment``."""
    moment, weight, free = sums.moment, sums.weight, sums.free
    is_free = (free > free_space * weight) & (free > 0)
    target = moment.div_(weight.clamp(min=1e-12)).masked_fill_(weight <= 0, -1.0)
    target.masked_fill_(is_free, 1.0)
    certainty = (weight / (weight + _HALF)).clamp_(min=_GUESSED)
    return target, certainty.masked_fill_(is_free, _GUESSED)


def _outside(grid: SparseGrid, bound: Callable[[SparseGrid, Tensor], Tensor], truncation: float) -> Tensor:  # [B, 512]
    """The distance to the outer bound over the truncation, in [-1, 1], positive outside; some blocks after the other."""
    found = torch.empty(len(grid), BLOCK**3, device=grid.blocks.device)
    for part, blocks in zip(found.split(_CHUNK // BLOCK**3), grid.blocks.split(_CHUNK // BLOCK**3), strict=True):
        part.copy_((bound(grid, _voxel_places(blocks)) / truncation).clamp_(-1, 1))
    return found


def _solid_grid(near: SparseGrid, hull: VisualHull, bound: Callable[[SparseGrid, Tensor], Tensor]) -> SparseGrid:
    """All blocks that the hull may reach, one ring more than it does."""
    side = BLOCK * near.voxel
    low, high = (((corner.double() - near.origin) / side).floor().int() for corner in hull.bounds)
    axes = [torch.arange(int(a) - 1, int(b) + 2, dtype=torch.int32) for a, b in zip(low, high, strict=True)]
    count = len(axes[0]) * len(axes[1]) * len(axes[2])
    if count > 2**28:
        raise InputError(
            f"a closed volume with voxels of {near.voxel:.3g} spans {count} blocks",
            hint=f"use voxels of {near.voxel * (count / 2**26) ** (1 / 3):.3g} (scene units) or larger ones",
        )
    kept = []
    for part in _lattice(axes):
        part = part.to(near.blocks.device)
        # The bound is never larger than the distance; a block's corners are 0.87 of its side from its middle.
        reach = 0.87 * BLOCK + 2
        middle = bound(near, (part.float() + 0.5) * BLOCK - 0.5)
        # Where too few views see the middle, the bound says nothing of the rest of the block.
        lost = middle > _FAR
        middle[lost] = _least_bound(part[lost], near, bound)
        kept.append(part[middle < reach])
    return SparseGrid(near.origin, near.voxel, block_coordinates(torch.unique(block_keys(torch.cat(kept)))))


def _lattice(axes: list[Tensor]) -> Iterator[Tensor]:  # [N, 3] each
    """All places of three axes, some layers after the other."""
    layers = max(1, _CHUNK // (len(axes[1]) * len(axes[2])))
    for some in axes[0].split(layers):
        yield torch.cartesian_prod(some, axes[1], axes[2])


def _box_distance(grid: SparseGrid, points: Tensor, bounds: Tensor) -> Tensor:  # [..., 3] -> [...]
    """Largest distance along an axis to a box [voxels], negative inside; never more than the distance itself."""
    low, high = (((corner.double() - grid.origin.double().cpu()) / grid.voxel).to(points) for corner in bounds.cpu())
    return torch.maximum(low - points, points - high).amax(dim=-1)


def _sealed(grid: SparseGrid, field: Tensor) -> Tensor:  # [B, 512] -> [B, 512]
    """The field with free voxels wherever the grid ends: a solid that the pictures' borders cut is closed there."""
    keys = block_keys(grid.blocks)  # ascending
    sealed = field.reshape(-1, BLOCK, BLOCK, BLOCK)  # z, y, x; in place, as the volume may be most of the memory
    ends = {-1: slice(0, 1), 0: slice(None), 1: slice(BLOCK - 1, None)}
    for step in itertools.product((-1, 0, 1), repeat=3):
        wanted = block_keys(grid.blocks + torch.tensor(step, dtype=torch.int32, device=keys.device))
        place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
        is_end = (keys[place] != wanted).nonzero()[:, 0]
        x, y, z = (ends[value] for value in step)
        part = sealed[:, z, y, x]
        part[is_end] = 1.0
    return sealed.reshape(field.shape)


def _least_bound(blocks: Tensor, near: SparseGrid, bound: Callable[[SparseGrid, Tensor], Tensor]) -> Tensor:  # [B, 3] -> [B]
    """The smallest bound at the corners, edges and faces of blocks [voxels]."""
    steps = torch.tensor([0.0, 0.5, 1.0], device=blocks.device)
    places = torch.cartesian_prod(steps, steps, steps) * BLOCK - 0.5  # [27, 3]
    return torch.stack([bound(near, blocks.float() * BLOCK + place) for place in places]).amin(dim=0)


def _voxel_places(blocks: Tensor) -> Tensor:  # [B, 3] -> [B, 512, 3] float32
    """Places of the blocks' voxels [voxels from the origin]."""
    steps = torch.arange(BLOCK**3, device=blocks.device)
    local = torch.stack([steps % BLOCK, steps // BLOCK % BLOCK, steps // BLOCK**2], dim=-1)
    return (blocks[:, None] * BLOCK + local).float()
