"""Truncated signed distances on a sparse voxel grid: blocks of 8 x 8 x 8 voxels near a surface.

The layout is that of Open3D's VoxelBlockGrid (Dong et al. 2022): voxel (x, y, z) of block (i, j, k) lies at
``origin + voxel * (8 i + x, 8 j + y, 8 k + z)``, x runs fastest, values are distances over the truncation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.errors import InputError

BLOCK = 8
"""Voxels along a side of a block."""

BYTES_PER_BLOCK = BLOCK**3 * 12 + 96
"""Distance and two weights of every voxel, and the tables of a block."""

_BITS = 20
_BIAS = 1 << (_BITS - 1)


@dataclass(frozen=True)
class SparseGrid:
    """Which blocks of space hold voxels.

    Attributes:
        origin: position of voxel 0 of block (0, 0, 0) [scene units], shape [3], float64.
        voxel: distance of neighbouring voxels [scene units].
        blocks: block coordinates in ascending order of their keys, shape [B, 3], int32.
    """

    origin: Tensor  # [3]
    voxel: float
    blocks: Tensor  # [B, 3]

    def __len__(self) -> int:
        return len(self.blocks)

    @property
    def bytes(self) -> int:
        """Memory of a volume on this grid."""
        return len(self.blocks) * BYTES_PER_BLOCK

    def neighbours(self) -> Tensor:  # [B, 8]
        """Index of the block at each offset (c & 1, c >> 1 & 1, c >> 2 & 1), -1 where there is none, int32."""
        offsets = torch.tensor([[c & 1, c >> 1 & 1, c >> 2 & 1] for c in range(8)], dtype=torch.int32, device=self.blocks.device)
        return self.find(self.blocks[:, None] + offsets)

    def find(self, blocks: Tensor) -> Tensor:  # [..., 3] -> [...]
        """Index of each block, -1 where it is not held, int32."""
        held, wanted = block_keys(self.blocks), block_keys(blocks)
        if not len(held):
            return torch.full(wanted.shape, -1, dtype=torch.int32, device=wanted.device)
        index = torch.searchsorted(held, wanted).clamp(max=len(held) - 1)
        return torch.where(held[index] == wanted, index, -1).to(torch.int32)


@dataclass(frozen=True)
class TsdfVolume:
    """A signed distance field near a surface, negative inside.

    Attributes:
        grid: the blocks.
        distance: over the truncation, in [-1, 1], shape [B, 512], float32; NaN where nothing is known.
        weight: sum of the samples' weights, shape [B, 512], float32.
        truncation: largest distance that is told [scene units].
    """

    grid: SparseGrid
    distance: Tensor  # [B, 512]
    weight: Tensor  # [B, 512]
    truncation: float


def block_keys(blocks: Tensor) -> Tensor:  # [..., 3] -> [...]
    """One int64 a block, ascending in z, y, x; the order of ``block_coordinates``."""
    x, y, z = (blocks.to(torch.int64) + _BIAS).unbind(-1)
    return (z << 2 * _BITS) | (y << _BITS) | x


def block_coordinates(keys: Tensor) -> Tensor:  # [B] -> [B, 3]
    """Coordinates of blocks from their keys, int32."""
    mask = (1 << _BITS) - 1
    parts = [keys & mask, keys >> _BITS & mask, keys >> 2 * _BITS]
    return (torch.stack(parts, dim=-1) - _BIAS).to(torch.int32)


def check_memory(grid: SparseGrid, limit_mb: int, *, extra: int = 0, dimensions: int = 2) -> None:
    """Refuse a grid that takes more than the limit.

    Args:
        grid: the blocks.
        limit_mb: memory that a volume on it may take [MB].
        extra: further bytes of each voxel.
        dimensions: 2 where blocks lie along a surface, 3 where they fill a solid.

    Raises:
        InputError: names the voxel that would fit.
    """
    needed = (grid.bytes + len(grid) * BLOCK**3 * extra) / 2**20
    if needed <= limit_mb:
        return
    # Along a surface the number of blocks falls with the square of the voxel, a little less when they are large.
    fitting = grid.voxel * (needed / limit_mb) ** (1 / dimensions) * 1.1
    raise InputError(
        f"a volume of {len(grid)} blocks with voxels of {grid.voxel:.3g} takes {needed:.0f} MB, more than the limit of {limit_mb} MB",
        hint=f"use voxels of {fitting:.3g} (scene units) or raise the memory limit",
    )
