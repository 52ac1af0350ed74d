"""Pictures without lens distortion.

The new camera keeps the focal lengths, so that the middle of the picture keeps its scale, and the principal point moves by whole pixels.
Its picture is the largest one around the principal point that has no black border: what the lens bends out of a rectangle is cropped, and
very wide lenses are cut where the picture would grow by more than half.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from recon_cli.core.distortion import Distortion
from recon_cli.core.errors import InputError

LARGEST_GROWTH = 1.5
_BORDER_POINTS = 257  # of each side
_BAND = 2**17  # pixels bent at once
_SMALLEST_SHARE = 0.1
_HINT = (
    "the coefficients describe no lens over the whole picture; check them, or undistort with the program that made them (for COLMAP: "
    "`colmap image_undistorter --image_path IMAGES --input_path SPARSE --output_path UNDISTORTED`)"
)


@dataclass(frozen=True)
class Lens:
    """A distorted camera.

    Attributes:
        K: intrinsics [px], float64, shape [3, 3]; the centre of the top-left pixel is (0.5, 0.5).
        size: (width, height) [px].
        distortion: how it bends.
    """

    K: Tensor
    size: tuple[int, int]
    distortion: Distortion

    def bend(self, ideal: Tensor) -> Tensor:  # [..., 2] -> [..., 2]
        """Pixels of a pinhole with the same K to pixels of the picture."""
        return _to_pixels(self.K, self.distortion.distort(_to_plane(self.K, ideal)))

    def straighten(self, pixels: Tensor) -> Tensor:  # [..., 2] -> [..., 2]
        """Pixels of the picture to those of a pinhole with the same K; NaN where there is none."""
        return _to_pixels(self.K, self.distortion.undistort(_to_plane(self.K, pixels)))


@dataclass(frozen=True, eq=False)
class Straightened:
    """The pinhole that takes the place of a lens; equal only to itself, so that its sampling grid can be kept.

    Attributes:
        lens: the lens.
        K: intrinsics [px], as in Lens.
        size: (width, height) [px].
        corner: its top-left corner in the picture of a pinhole with the lens's K [px].
    """

    lens: Lens
    K: Tensor
    size: tuple[int, int]
    corner: tuple[int, int]


def pinhole_of(lens: Lens) -> Straightened:
    """The pinhole whose picture ``straighten_picture`` makes; see the head of this file for its choice.

    Raises:
        InputError: the distortion cannot be inverted over a fair part of the picture.
    """
    left, top, right, bottom = _whole_pixels(_inscribed(lens))
    width, height = right - left, bottom - top
    if width < _SMALLEST_SHARE * lens.size[0] or height < _SMALLEST_SHARE * lens.size[1]:
        raise InputError(f"the distortion leaves {max(width, 0)}x{max(height, 0)} of {lens.size[0]}x{lens.size[1]} pixels", hint=_HINT)
    K = lens.K.clone()
    K[0, 2] -= left
    K[1, 2] -= top
    return Straightened(lens, K, (width, height), (left, top))


def straighten_picture(
    picture: Tensor,  # [H, W, 3] or [H, W], uint8
    pinhole: Straightened,
    *,
    mode: str = "bicubic",
) -> Tensor:  # [h, w, 3] or [h, w], uint8
    """The picture as the pinhole sees it; on fine texture bicubic sampling halves the error of bilinear sampling."""
    layers = picture.reshape(*picture.shape[:2], -1).permute(2, 0, 1)[None].to(torch.float32)  # [1, channels, H, W]
    values = torch.nn.functional.grid_sample(layers, _grid(pinhole), mode=mode, padding_mode="border", align_corners=False)
    straight = values[0].round_().clamp_(0, 255).to(torch.uint8).permute(1, 2, 0)
    return straight.reshape(*straight.shape[:2], *picture.shape[2:])


def straighten_mask(
    mask: Tensor,  # [H, W] uint8, 0 and 255
    pinhole: Straightened,
) -> Tensor:  # [h, w] uint8, 0 and 255
    """The mask as the pinhole sees it: inside where at least half of a pixel is."""
    return (straighten_picture(mask, pinhole, mode="bilinear") >= 128).to(torch.uint8) * 255


@lru_cache(maxsize=4)
def _grid(pinhole: Straightened) -> Tensor:  # [1, h, w, 2] float32
    """Where in the picture of the lens each pixel lies, in the units of grid_sample; by bands of rows, to save memory."""
    width, height = pinhole.size
    size = torch.tensor(pinhole.lens.size, dtype=torch.float64)
    x = torch.arange(width, dtype=torch.float64) + 0.5 + pinhole.corner[0]
    bands = []
    for rows in torch.arange(height, dtype=torch.float64).split(max(1, _BAND // width)):
        ideal = torch.stack(torch.meshgrid(x, rows + 0.5 + pinhole.corner[1], indexing="xy"), dim=-1)  # [rows, w, 2]
        bands.append((pinhole.lens.bend(ideal) / size * 2 - 1).to(torch.float32))
    return torch.cat(bands)[None]


def _inscribed(lens: Lens) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the new picture in the pinhole plane of the old K [px]."""
    width, height = lens.size
    x, y = torch.linspace(0.5, width - 0.5, _BORDER_POINTS), torch.linspace(0.5, height - 0.5, _BORDER_POINTS)
    cx, cy = lens.K[0, 2].item(), lens.K[1, 2].item()

    def side(xs: Tensor, ys: Tensor, axis: int) -> Tensor:
        return lens.straighten(torch.stack(torch.broadcast_tensors(xs, ys), dim=-1).to(torch.float64))[:, axis]

    low_x, low_y, high_x, high_y = x[:1], y[:1], x[-1:], y[-1:]
    sides = (side(low_x, y, 0), side(x, low_y, 1), side(high_x, y, 0), side(x, high_y, 1))
    # A border beyond the model's reach (NaN) sets no limit; the growth does.
    left = max(_largest(sides[0]) - 0.5, cx - LARGEST_GROWTH * cx)
    top = max(_largest(sides[1]) - 0.5, cy - LARGEST_GROWTH * cy)
    right = min(-_largest(-sides[2]) + 0.5, cx + LARGEST_GROWTH * (width - cx))
    bottom = min(-_largest(-sides[3]) + 0.5, cy + LARGEST_GROWTH * (height - cy))
    return _shrunk(lens, (left, top, right, bottom))


def _largest(values: Tensor) -> float:
    return float(values.nan_to_num(nan=-math.inf).max())


def _shrunk(lens: Lens, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """The box drawn towards the principal point until the lens shows all of its border."""
    centre = (lens.K[0, 2].item(), lens.K[1, 2].item()) * 2

    def scaled(share: float) -> tuple[float, float, float, float]:
        left, top, right, bottom = (middle + share * (edge - middle) for edge, middle in zip(box, centre))
        return left, top, right, bottom

    if _is_seen(lens, box):
        return box
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if _is_seen(lens, scaled(middle)) else (low, middle)
    return scaled(low)


def _is_seen(lens: Lens, box: tuple[float, float, float, float]) -> bool:
    left, top, right, bottom = box
    share = torch.linspace(0, 1, _BORDER_POINTS, dtype=torch.float64)
    # Centres of the outermost pixels.
    x, y = left + 0.5 + share * (right - left - 1), top + 0.5 + share * (bottom - top - 1)
    ends = ((x, y[:1]), (x, y[-1:]), (x[:1], y), (x[-1:], y))
    border = torch.cat([torch.stack(torch.broadcast_tensors(xs, ys), dim=-1) for xs, ys in ends])
    bent, size = lens.bend(border), torch.tensor(lens.size, dtype=torch.float64)
    inside = (bent > 0.49) & (bent < size - 0.49)
    return bool(inside.all()) and not bool(lens.distortion.folds(_to_plane(lens.K, border)).any())


def _whole_pixels(box: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    return math.ceil(left - 1e-6), math.ceil(top - 1e-6), math.floor(right + 1e-6), math.floor(bottom + 1e-6)


def _to_plane(K: Tensor, pixels: Tensor) -> Tensor:
    y = (pixels[..., 1] - K[1, 2]) / K[1, 1]
    return torch.stack([(pixels[..., 0] - K[0, 2] - K[0, 1] * y) / K[0, 0], y], dim=-1)


def _to_pixels(K: Tensor, points: Tensor) -> Tensor:
    x, y = points.unbind(dim=-1)
    return torch.stack([K[0, 0] * x + K[0, 1] * y + K[0, 2], K[1, 1] * y + K[1, 2]], dim=-1)
