"""Visual hulls: the space that silhouettes leave, carved coarse to fine on a sparse grid.

A block is decided whole where the views agree about everything it covers; only blocks on the outlines are split. What a view does not see
it does not vote on, so objects may be cut by the border of a picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthIntervals
from recon_cli.core.errors import UsageError
from recon_cli.core.mesh import Mesh
from recon_cli.core.surface_net import surface_net
from recon_cli.kernels import hull_rays, hull_votes
from recon_cli.kernels.hull_rays import BRICK, EMPTY, FULL
from recon_cli.kernels.hull_shares import MOST_OBJECTIONS, measure_shares
from recon_cli.kernels.launch import launch_bands
from recon_cli.kernels.silhouettes import Silhouettes

_FIRST_BLOCKS = 8  # along the longest side, at the coarsest level
_MISS = 1e30


@dataclass(frozen=True)
class HullSettings:
    """How a hull is carved.

    Attributes:
        resolution: voxels along the longest side of the box.
        tolerance: views that may object to a place that belongs to the hull nevertheless, for masks that are wrong.
        minimum_views: views that must see a place; it does not belong to the hull otherwise.

    Raises:
        UsageError: a number is out of its range.
    """

    resolution: int = 192
    tolerance: int = 0
    minimum_views: int = 2

    def __post_init__(self) -> None:
        if not 8 <= self.resolution <= 1024:
            raise UsageError(f"a hull of {self.resolution} voxels along its longest side; expected 8 to 1024")
        if not 0 <= self.tolerance <= MOST_OBJECTIONS:
            raise UsageError(f"a tolerance of {self.tolerance} views; expected 0 to {MOST_OBJECTIONS}")


@dataclass(frozen=True)
class VisualHull:
    """A carved hull: all voxels that silhouettes do not exclude for certain, so no point of the true hull is missing.

    Attributes:
        silhouettes: what carved it.
        settings: how.
        origin: lowest corner of the grid [scene units], float64, shape [3].
        voxel: side of a voxel [scene units].
        shape: voxels along each axis.
        table: what each brick of 8³ voxels is: EMPTY, FULL, or its row in ``cells``, int32, shape [X, Y, Z].
        cells: 1 for occupied voxels, uint8, shape [B, 512].
        outline: voxels that the outlines pass, int32, shape [N, 3].
    """

    silhouettes: Silhouettes
    settings: HullSettings
    origin: Tensor
    voxel: float
    shape: tuple[int, int, int]
    table: Tensor
    cells: Tensor
    outline: Tensor

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left."""
        return not len(self.cells) and not bool((self.table == FULL).any())

    @property
    def inside(self) -> int:
        """Voxels that lie wholly inside all outlines."""
        return BRICK**3 * int((self.table == FULL).sum()) + int(self.cells.sum()) - len(self.outline)

    def occupied(self, voxels: Tensor) -> Tensor:  # [N, 3] int64 -> [N] bool
        """Whether voxels belong to the hull; those outside the grid do not."""
        is_within = ((voxels >= 0) & (voxels < torch.tensor(self.shape, device=voxels.device))).all(dim=1)
        safe = torch.where(is_within[:, None], voxels, torch.zeros_like(voxels))
        entry = self.table[tuple((safe // BRICK).unbind(1))].long()
        held = self.cells[entry.clamp(min=0), _local(safe)] if len(self.cells) else torch.zeros_like(entry)
        return is_within & ((entry == FULL) | ((entry >= 0) & (held > 0)))

    def contains(self, points: Tensor) -> Tensor:  # [N, 3] -> [N] bool
        """Whether points [scene units] lie in occupied voxels."""
        return self.occupied(((points.double() - self.origin.to(points.device)) / self.voxel).floor().long())

    @cached_property
    def bounds(self) -> Tensor:  # [2, 3]
        """Lowest and highest corner of the occupied voxels [scene units], float64; the outermost ones are always part of the outline."""
        voxels = self.outline.double().cpu()
        return self.origin + self.voxel * torch.stack([voxels.amin(dim=0), voxels.amax(dim=0) + 1])

    def mesh(self) -> Mesh:
        """The hull's closed surface [scene units], to a fraction of a voxel, float64; empty for an empty hull."""
        samples = _with_neighbours(self.outline.long(), self.shape)
        values = self._shares(samples).cpu()
        is_known = torch.nn.functional.one_hot(self._certainty(samples).cpu(), 3).bool()
        # Where the coarse decision was certain it stands, so that every cut edge lies among the samples.
        values = torch.where(is_known[:, hull_votes.OUTSIDE], values.clamp(max=-1e-3), values)
        values = torch.where(is_known[:, hull_votes.INSIDE], values.clamp(min=1e-3), values)
        surface = surface_net(samples.cpu(), values)
        return surface.with_vertices((surface.vertices + 0.5) * self.voxel + self.origin)

    def depth_intervals(self, cameras: Cameras) -> DepthIntervals:
        """Nearest and farthest z of the hull in each pixel of small pictures, a voxel wider than what the rays meet.

        A pixel asks the rays through its centre and its four corners.
        """
        pairs = [self._interval(cameras[view]) for view in range(len(cameras))]
        return DepthIntervals(cameras, tuple(near for near, _ in pairs), tuple(far for _, far in pairs))

    def _certainty(self, voxels: Tensor) -> Tensor:  # [N]
        is_outline = torch.isin(_ringed_keys(voxels, self.shape), _ringed_keys(self.outline.long(), self.shape))
        return torch.where(is_outline, hull_votes.MIXED, torch.where(self.occupied(voxels), hull_votes.INSIDE, hull_votes.OUTSIDE))

    def _shares(self, samples: Tensor) -> Tensor:  # [N, 3] -> [N]
        device = self.outline.device
        values = torch.empty(len(samples), device=device)
        arguments = (*_looks(self.silhouettes, self.origin, self.voxel), samples.to(torch.int32).contiguous())
        limits = (self.settings.tolerance, _minimum_views(self.settings, self.silhouettes))
        launch_bands(measure_shares, len(samples), (*arguments, *limits, values), device=device)
        return values

    def _interval(self, camera: Cameras) -> tuple[Tensor, Tensor]:  # [H, W], [H, W]
        width, height = camera.width, camera.height
        near, far = self._meet(camera, width, height, offset=0.5)
        near_corner, far_corner = self._meet(camera, width + 1, height + 1, offset=0.0)
        for row in (slice(None, -1), slice(1, None)):
            for column in (slice(None, -1), slice(1, None)):
                near = torch.minimum(near, near_corner[row, column])
                far = torch.maximum(far, far_corner[row, column])
        is_hit = near < _MISS
        nothing = torch.zeros_like(near)
        # A pixel at the camera's own place still has a positive nearest depth.
        near, far = torch.maximum(near - 1, 1e-3 * far) * self.voxel, (far + 1) * self.voxel
        return torch.where(is_hit, near, nothing), torch.where(is_hit, far, nothing)

    def _meet(self, camera: Cameras, columns: int, rows: int, *, offset: float) -> tuple[Tensor, Tensor]:  # [rows, columns] each
        """Nearest and farthest z [voxels] on the rays of a lattice of pixels; _MISS and 0 where they meet nothing."""
        import warp as wp

        device = self.table.device
        world = camera.world_from_camera[0].double().cpu()
        origin = (world[:3, 3] - self.origin) / self.voxel
        rotation = world[:3, :3] @ torch.linalg.inv(camera.K[0].double().cpu())
        near, far = torch.empty(rows * columns, device=device), torch.empty(rows * columns, device=device)
        ray = (wp.vec3f(*origin.tolist()), wp.mat33f(*rotation.flatten().tolist()))
        cells = self.cells if len(self.cells) else self.cells.new_zeros(1, BRICK**3)
        arguments = (self.table, cells, wp.vec3i(*self.shape), *ray, columns, offset, near, far)
        launch_bands(hull_rays.find_intervals, rows * columns, arguments, device=device)
        return near.view(rows, columns), far.view(rows, columns)


def carve(silhouettes: Silhouettes, bounds: Tensor, settings: HullSettings = HullSettings()) -> VisualHull:
    """The visual hull inside a box.

    Args:
        silhouettes: the views' masks; the result lies on their device.
        bounds: lowest and highest corner of the box [scene units], shape [2, 3].
        settings: how it is carved.

    Raises:
        UsageError: the box is empty.
    """
    low, high = bounds.double().cpu()
    extent = high - low
    if not bool((extent > 0).all()):
        raise UsageError(f"the box from {low.tolist()} to {high.tolist()} is empty")
    voxel = float(extent.max()) / settings.resolution
    shape = tuple(max(1, int(count)) for count in (extent / voxel - 1e-6).ceil().tolist())
    assert len(shape) == 3
    device = silhouettes.integrals.device
    level = max(3, (settings.resolution // _FIRST_BLOCKS).bit_length() - 1)
    blocks = _all_blocks([-(-count >> level) for count in shape], device)
    table = torch.full([-(-count // BRICK) for count in shape], EMPTY, dtype=torch.int32, device=device)
    looks = _looks(silhouettes, low, voxel)
    parts: list[Tensor] = []
    while True:
        states = classify(looks, blocks, 1 << level, shape, settings, _minimum_views(settings, silhouettes))
        inside, mixed = blocks[states == hull_votes.INSIDE], blocks[states == hull_votes.MIXED]
        if level >= 3:
            table[tuple(_children(inside, 1 << (level - 3), table.shape).unbind(1))] = FULL
        else:
            parts.append(_children(inside, 1 << level, shape))
        if level == 0:
            break
        limits = [-(-count >> (level - 1)) for count in shape]
        blocks = _children(mixed, 2, limits)
        level -= 1
    cells = _fill_bricks(table, torch.cat([*parts, mixed.long()]))
    return VisualHull(silhouettes, settings, low, voxel, shape, table, cells, mixed)


def classify(
    looks: tuple[Tensor, ...], blocks: Tensor, side: int, shape: tuple[int, ...], settings: HullSettings, minimum_views: int
) -> Tensor:  # [B] int8
    """OUTSIDE, MIXED or INSIDE for blocks [B, 3] that are counted in their side [voxels]."""
    import warp as wp

    states = torch.empty(len(blocks), dtype=torch.int8, device=blocks.device)
    arguments = (*looks, blocks.to(torch.int32).contiguous(), side, wp.vec3i(*shape), settings.tolerance, minimum_views, states)
    launch_bands(hull_votes.classify_blocks, len(blocks), arguments, device=blocks.device)
    return states


def _looks(silhouettes: Silhouettes, origin: Tensor, voxel: float) -> tuple[Tensor, ...]:
    return silhouettes.matrices(origin, voxel), silhouettes.starts, silhouettes.sizes, silhouettes.integrals


def _minimum_views(settings: HullSettings, silhouettes: Silhouettes) -> int:
    return max(1, min(settings.minimum_views, len(silhouettes)))


def _all_blocks(counts: list[int], device: torch.device) -> Tensor:  # [B, 3]
    axes = [torch.arange(count, device=device) for count in counts]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)


def _children(blocks: Tensor, side: int, limits: tuple[int, ...] | list[int] | torch.Size) -> Tensor:  # [B, 3] -> [N, 3]
    """The parts of blocks that are split into ``side``³, but for those beyond the limits."""
    offsets = _all_blocks([side] * 3, blocks.device)
    parts = (blocks.long()[:, None] * side + offsets).reshape(-1, 3)
    return parts[(parts < torch.tensor(list(limits), device=blocks.device)).all(dim=1)]


def _fill_bricks(table: Tensor, voxels: Tensor) -> Tensor:  # [N, 3] -> [B, 512] uint8
    """Give each brick that holds some of the voxels a row, in the order of places, and mark the voxels in it."""
    bricks = voxels // BRICK
    keys, row = _keys(bricks, tuple(table.shape)).unique(return_inverse=True)
    table.view(-1)[keys] = torch.arange(len(keys), dtype=torch.int32, device=table.device)
    cells = torch.zeros(len(keys), BRICK**3, dtype=torch.uint8, device=table.device)
    cells[row, _local(voxels)] = 1
    return cells


def _local(voxels: Tensor) -> Tensor:  # [N, 3] -> [N]
    x, y, z = (voxels % BRICK).unbind(1)
    return (x * BRICK + y) * BRICK + z


def _keys(places: Tensor, shape: tuple[int, ...]) -> Tensor:  # [N, 3] -> [N]
    """One number a place of the grid: where it lies in a tensor of this shape."""
    return (places[:, 0] * shape[1] + places[:, 1]) * shape[2] + places[:, 2]


def _ringed_keys(places: Tensor, shape: tuple[int, ...]) -> Tensor:  # [N, 3] -> [N]
    """One number a place of the grid or of the layer around it."""
    return _keys(places + 1, tuple(count + 2 for count in shape))


def _with_neighbours(voxels: Tensor, shape: tuple[int, ...]) -> Tensor:  # [N, 3] -> [S, 3]
    """The voxels and the six beside each, once, in order."""
    keys = _ringed_keys(voxels, shape)
    rows, columns = (shape[1] + 2) * (shape[2] + 2), shape[2] + 2
    every = torch.cat([keys + step for step in (0, 1, -1, columns, -columns, rows, -rows)]).unique()
    return torch.stack([every // rows, every % rows // columns, every % columns], dim=1) - 1
