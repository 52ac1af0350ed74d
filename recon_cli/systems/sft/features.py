"""Image features that survive changes of light: colour minus its local mean, over its local deviation, in a pyramid.

Folds change the shading of a cloth by more than its print does; dividing by the local deviation takes that out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class FeatureLevel:
    """Features of a cropped frame at one resolution.

    Attributes:
        image: features, shape [H, W, 3], float32, 0 outside the mask.
        valid: 1 where a texel and its surroundings lie in the mask, shape [H, W], float32.
        texel_from_pixel: takes frame pixels (centres at 0.5) to texels (centres at integers), shape [3, 3], float64.
    """

    image: Tensor  # [H, W, 3]
    valid: Tensor  # [H, W]
    texel_from_pixel: Tensor  # [3, 3]

    def to(self, device: torch.device) -> FeatureLevel:
        return FeatureLevel(self.image.to(device), self.valid.to(device), self.texel_from_pixel)


@dataclass(frozen=True)
class Box:
    """A window of a frame [px]: columns left to right, rows top to bottom, ends excluded."""

    left: int
    top: int
    right: int
    bottom: int


def mask_box(mask: NDArray[np.uint8], *, margin: int, multiple: int) -> Box:
    """The window around a mask [H, W], grown by ``margin`` pixels, its corner on a multiple so that pyramids of all frames share a grid.

    An empty mask gives a corner of the frame, where nothing is valid.
    """
    if not mask.any():
        return Box(0, 0, min(mask.shape[1], 8 * multiple), min(mask.shape[0], 8 * multiple))
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    left = max(0, int(columns[0]) - margin) // multiple * multiple
    top = max(0, int(rows[0]) - margin) // multiple * multiple
    return Box(left, top, min(mask.shape[1], int(columns[-1]) + 1 + margin), min(mask.shape[0], int(rows[-1]) + 1 + margin))


def feature_pyramid(
    frame: NDArray[np.uint8],  # [H, W, 3]
    mask: NDArray[np.uint8],  # [H, W]
    *,
    box: Box,
    levels: range,
    radius: int,
    contrast_floor: float,
) -> dict[int, FeatureLevel]:
    """Features of the masked part of a frame at the resolutions 2^-level.

    Args:
        radius: half width [px at full resolution] of the window of the local statistics; never under 2 texels.
        contrast_floor: added to the local deviation (colours in [0, 1]), so that sensor noise on a plain surface stays small.
    """
    window = (slice(box.top, box.bottom), slice(box.left, box.right))
    image = frame[window].astype(np.float32) / np.float32(255.0)
    inside = (mask[window] > 127).astype(np.float32)
    pyramid = {}
    for level in range(levels.stop):
        if level > 0:
            image, inside = _halve(image, inside)
        if level in levels:
            features = _local_normalisation(image, inside, max(2, radius >> level), contrast_floor)
            scale = 0.5**level
            texel_from_pixel = torch.tensor(
                [[scale, 0.0, -box.left * scale - 0.5], [0.0, scale, -box.top * scale - 0.5], [0.0, 0.0, 1.0]], dtype=torch.float64
            )
            pyramid[level] = FeatureLevel(torch.from_numpy(features), torch.from_numpy(_interior(inside)), texel_from_pixel)
    return pyramid


def _halve(image: NDArray[np.float32], inside: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean of 2x2 pixels, over the masked ones where there are any, so that the background does not bleed in."""
    height, width = inside.shape[0] // 2 * 2, inside.shape[1] // 2 * 2
    mask = inside[:height, :width].reshape(height // 2, 2, width // 2, 2)
    colour = (image * inside[..., None])[:height, :width].reshape(height // 2, 2, width // 2, 2, 3)
    weight = mask.sum(axis=(1, 3))
    return colour.sum(axis=(1, 3)) / np.maximum(weight, 1e-6)[..., None], weight / np.float32(4.0)


def _local_normalisation(
    image: NDArray[np.float32],
    inside: NDArray[np.float32],
    radius: int,
    contrast_floor: float,
) -> NDArray[np.float32]:
    """(colour - local mean) / (local deviation + floor), statistics over the masked pixels of a box."""
    from scipy.ndimage import uniform_filter

    size = 2 * radius + 1
    weight = np.maximum(uniform_filter(inside, size, mode="constant"), 1e-4)
    mean = uniform_filter(image * inside[..., None], (size, size, 1), mode="constant") / weight[..., None]  # pyright: ignore[reportArgumentType]
    difference = (image - mean) * inside[..., None]
    variance = uniform_filter((difference * difference).mean(axis=-1), size, mode="constant") / weight
    return np.ascontiguousarray(difference / (np.sqrt(np.maximum(variance, 0.0)) + contrast_floor)[..., None], dtype=np.float32)


def _interior(inside: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 where the 5x5 neighbourhood is wholly inside: the borders of masks are ragged."""
    from scipy.ndimage import minimum_filter

    return np.ascontiguousarray((minimum_filter(inside, 5, mode="constant") > 0.99).astype(np.float32))
