"""Masks made ready for questions about rectangles: integral images of all views in one array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras

_LARGEST = 2896  # px; 255 times its square is less than 2³¹, so sums fit


@dataclass(frozen=True)
class Silhouettes:
    """Levels 0 to 255 (the share of a pixel inside the mask) of C views as integral images.

    Attributes:
        projection: pixels of the silhouettes from world, float64, shape [C, 3, 4].
        sizes: width and height [px] of the silhouettes, not whole where a mask was reduced, float32, shape [C, 2].
        starts: where each view's integral image begins, int64, shape [C].
        integrals: int32, row after row, each a column and a row larger than its silhouette.
        names: the views.
    """

    projection: Tensor
    sizes: Tensor
    starts: Tensor
    integrals: Tensor
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    @staticmethod
    def of(masks: Sequence[Tensor], cameras: Cameras, *, max_size: int, device: torch.device) -> Silhouettes:
        """Silhouettes of masks [H, W] bool, each reduced by area by the largest whole number that leaves it ``max_size`` pixels long."""
        levels, sizes, factors = [], [], []
        for mask in masks:
            height, width = mask.shape
            factor = max(1, max(height, width) // max_size, -(-max(height, width) // _LARGEST))
            levels.append(_integral(_reduced(mask.to(device), factor)))
            sizes.append([width / factor, height / factor])
            factors.append([1 / factor, 1 / factor, 1.0])
        counts = torch.tensor([len(values) for values in levels])
        K = cameras.K.double().cpu() * torch.tensor(factors, dtype=torch.float64)[:, :, None]
        return Silhouettes(
            K @ cameras.camera_from_world[:, :3].double().cpu(),
            torch.tensor(sizes, dtype=torch.float32, device=device),
            (counts.cumsum(0) - counts).to(device),
            torch.cat(levels),
            cameras.names,
        )

    def matrices(self, origin: Tensor, voxel: float) -> Tensor:  # [3] -> [C, 12] float32
        """The projection from places counted in voxels from ``origin`` [scene units]."""
        grid = torch.eye(4, dtype=torch.float64)
        grid[:3, :3] *= voxel
        grid[:3, 3] = origin.double().cpu()
        rows = self.projection @ grid
        # Depth in voxels too, so that float32 serves scenes of any scale.
        return (rows / voxel).reshape(-1, 12).float().to(self.sizes.device)


def _reduced(mask: Tensor, factor: int) -> Tensor:  # [H, W] bool -> [h, w] uint8
    """Mean levels of blocks of pixels; the last ones may be cut and are filled with their border's pixels."""
    if factor == 1:
        return mask.to(torch.uint8) * 255
    height, width = mask.shape
    padding = (0, -width % factor, 0, -height % factor)
    padded = torch.nn.functional.pad(mask.float()[None, None], padding, mode="replicate")
    share = torch.nn.functional.avg_pool2d(padded, factor)[0, 0]
    # A pixel that is barely touched is still no outside, one that is nearly full is not inside.
    levels = (share * 255).round().clamp(1, 254)
    return torch.where(share == 0, 0.0, torch.where(share == 1, 255.0, levels)).to(torch.uint8)


def _integral(levels: Tensor) -> Tensor:  # [h, w] uint8 -> [(h + 1) * (w + 1)] int32
    height, width = levels.shape
    sums = torch.zeros(height + 1, width + 1, dtype=torch.int32, device=levels.device)
    sums[1:, 1:] = levels.cumsum(1, dtype=torch.int32).cumsum(0, dtype=torch.int32)
    return sums.reshape(-1)
