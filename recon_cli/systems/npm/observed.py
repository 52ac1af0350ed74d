"""What a fit keeps of a depth map: points of the surface, the silhouette around them, and how far the body may reach towards the camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recon_cli.core.errors import InputError


@dataclass(frozen=True)
class Observed:
    """B frames of a depth camera, in units of the box and in the camera's axes.

    Attributes:
        points: of the surface, shape [B, N, 3].
        depth: z-depth, 0 where there is no body, shape [B, H, W].
        beyond: distance of every pixel from the nearest one on the body [px], shape [B, H, W].
        nearest: row and column of that pixel, shape [B, H, W, 2], int16.
        K: intrinsics of maps of this size [px], shape [3, 3].
    """

    points: Tensor
    depth: Tensor
    beyond: Tensor
    nearest: Tensor
    K: Tensor

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: slice | Sequence[int] | Tensor) -> Observed:
        chosen = torch.as_tensor(index) if isinstance(index, Sequence) else index
        return Observed(self.points[chosen], self.depth[chosen], self.beyond[chosen], self.nearest[chosen], self.K)

    def scaled(self, factor: float) -> Observed:
        """Of a scene this many times as large."""
        return replace(self, points=factor * self.points, depth=factor * self.depth)

    @staticmethod
    def joined(parts: Sequence[Observed]) -> Observed:
        """Frames of the same camera together."""

        def together(name: str) -> Tensor:
            return torch.cat([getattr(part, name) for part in parts])

        return Observed(together("points"), together("depth"), together("beyond"), together("nearest"), parts[0].K)

    def pixels(self, points: Tensor) -> tuple[Tensor, Tensor]:  # [B, V, 3] -> [B, V, 2], [B, V]
        """Where points fall in the picture [px], and the index of that pixel in a flattened map, kept within the picture."""
        height, width = self.depth.shape[1:]
        at = points[..., :2] / points[..., 2:].clamp(min=1e-3) * self.K.diagonal()[:2] + self.K[:2, 2]
        column, row = at[..., 0].long().clamp(0, width - 1), at[..., 1].long().clamp(0, height - 1)
        return at, row * width + column


def observed(depth: Tensor, K: Tensor, *, unit: float, points: int, longest: int, seed: int) -> Observed:
    """One frame.

    Args:
        depth: z-depth, 0 where there is no body [scene units], shape [H, W].
        K: intrinsics [px], shape [3, 3].
        unit: scene units a box.
        points: number N of points that are drawn.
        longest: maps are thinned to at most this many pixels a side.
        seed: of the drawing.

    Raises:
        InputError: there is no depth.
    """
    from scipy.ndimage import distance_transform_edt

    surface = depth_points(depth, K) / unit
    if not len(surface):
        raise InputError("has no depth of a body; expected at least one pixel")
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(surface), generator=generator)
    chosen = surface[order.repeat(-(-points // len(order)))[:points]]
    step = -(-max(depth.shape) // longest)
    small, small_K = _thinned(depth / unit, step), _thinned_intrinsics(K, step)
    found = distance_transform_edt((small == 0).numpy(), return_indices=True)
    assert isinstance(found, tuple)
    distance, nearest = found
    return Observed(
        points=chosen[None].float(),
        depth=small[None].float(),
        beyond=torch.from_numpy(distance)[None].float(),
        nearest=torch.from_numpy(nearest).permute(1, 2, 0)[None].short(),
        K=small_K.float(),
    )


def depth_points(depth: Tensor, K: Tensor, most: int | None = None) -> Tensor:  # [H, W], [3, 3] -> [N, 3]
    """Points of the pixels that have a depth, row by row, in the camera's axes and K's precision; of all, or of at most so many, evenly."""
    rows, columns = torch.nonzero(depth > 0, as_tuple=True)
    if most is not None and len(rows) > most:
        chosen = (torch.arange(most, device=rows.device) * len(rows)) // most
        rows, columns = rows[chosen], columns[chosen]
    pixels = torch.stack([columns + 0.5, rows + 0.5, torch.ones_like(rows)], dim=-1).to(K)
    return pixels @ torch.linalg.inv(K).T * depth[rows, columns, None].to(K)


def _thinned(depth: Tensor, step: int) -> Tensor:  # [H, W] -> [h, w]
    """The nearest depth of every block of pixels, so that no limb is lost; 0 where a block has none."""
    height, width = (-(-size // step) for size in depth.shape)
    padded = torch.zeros(height * step, width * step, dtype=depth.dtype)
    padded[: depth.shape[0], : depth.shape[1]] = depth
    blocks = padded.reshape(height, step, width, step).permute(0, 2, 1, 3).flatten(2)
    nearest = torch.where(blocks > 0, blocks, torch.inf).amin(dim=-1)
    return torch.where(nearest.isfinite(), nearest, torch.zeros(()))


def _thinned_intrinsics(K: Tensor, step: int) -> Tensor:
    scale = torch.tensor([1 / step, 1 / step, 1.0], dtype=K.dtype)
    return scale[:, None] * K
