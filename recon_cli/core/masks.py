"""Binary masks: difference to a background colour, largest components, holes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.errors import InputError

RIM_SHARE = 0.03
"""Width of the image border that shows the background, as a share of the shorter side."""

UNIFORM_SHARE = 0.6
"""Share of the border that must have the background's colour; the rest may belong to objects cut by the border."""

MASKS_HINT = (
    "make masks first: `recon prepare masks VIDEO -o masks` with --background R,G,B, --chroma green "
    "or --depth DIR --near M --far M, then pass the folder with --masks"
)


def border_color(frame: Tensor) -> Tensor:  # [H, W, 3] uint8 -> [3] float32
    """Median colour of the image border, in levels of 0..255."""
    return _border(frame).float().median(dim=0).values


def background_color(frame: Tensor, *, tolerance: float = 24.0) -> Tensor:  # [H, W, 3] uint8 -> [3] float32
    """Colour of a uniform background, seen at the image border, in levels of 0..255.

    Args:
        frame: an image.
        tolerance: largest difference [levels] in any channel that still counts as the same colour.

    Raises:
        InputError: the border shows no single colour.
    """
    rim = _border(frame).float()  # [N, 3]
    color = rim.median(dim=0).values
    share = float(((rim - color).abs().amax(dim=-1) <= tolerance).float().mean())
    if share < UNIFORM_SHARE:
        median = ", ".join(f"{value:.0f}" for value in color.tolist())
        raise InputError(
            f"the background is not uniform: {100 * share:.0f} % of the image border is within {tolerance:g} levels of its median colour "
            f"({median}); expected at least {100 * UNIFORM_SHARE:.0f} %",
            hint=MASKS_HINT,
        )
    return color


def differs_from(frame: Tensor, color: Tensor, *, tolerance: float = 24.0) -> Tensor:  # [H, W, 3] uint8, [3] -> [H, W] uint8
    """255 where any channel is more than ``tolerance`` levels away from ``color``, else 0."""
    low = (color - tolerance).ceil().clamp(0, 255).to(torch.uint8)
    high = (color + tolerance).floor().clamp(0, 255).to(torch.uint8)
    image, away = frame.numpy(), np.zeros(frame.shape[:2], dtype=bool)
    for channel in range(3):
        away |= (image[..., channel] < int(low[channel])) | (image[..., channel] > int(high[channel]))
    return as_mask(away)


def keep_largest(mask: Tensor, count: int = 1) -> Tensor:  # [H, W] -> [H, W] uint8
    """The ``count`` largest 4-connected components of a mask (non-zero is inside), as 0 or 255; an empty mask stays empty."""
    inside = mask.numpy() != 0
    box = _bounding_box(inside)
    if box is None:
        return as_mask(inside)
    labels, found = _label(inside[box])
    if found > count:
        sizes = np.bincount(labels.ravel())[1:]
        chosen = np.zeros(found + 1, dtype=bool)
        chosen[1 + np.argsort(-sizes, kind="stable")[:count]] = True
        inside[box] = chosen[labels]
    return as_mask(inside)


def fill_holes(mask: Tensor, *, largest: int | None = None) -> Tensor:  # [H, W] -> [H, W] uint8
    """The mask (non-zero is inside) with its enclosed holes filled, as 0 or 255.

    Args:
        mask: the mask.
        largest: holes of more pixels than this stay open; None fills all.
    """
    inside = mask.numpy() != 0
    box = _bounding_box(inside)
    if box is None:
        return as_mask(inside)
    # One pixel of outside around the box joins all open background into the component of the corner.
    outside = np.pad(~inside[box], 1, constant_values=True)
    labels, found = _label(outside)
    sizes = np.bincount(labels.ravel(), minlength=found + 1)
    hole = sizes <= (outside.size if largest is None else largest)
    hole[0] = hole[labels[0, 0]] = False
    inside[box] |= hole[labels][1:-1, 1:-1]
    return as_mask(inside)


def dilated(mask: Tensor, radius: int) -> Tensor:  # [H, W] -> [H, W] uint8
    """The mask (non-zero is inside) and all within ``radius`` [px] of it, as 0 or 255."""
    inside = mask.numpy() != 0
    return as_mask(_near(inside, radius) if radius > 0 else inside)


def eroded(mask: Tensor, radius: int) -> Tensor:  # [H, W] -> [H, W] uint8
    """What of the mask (non-zero is inside) is further than ``radius`` [px] from outside, 0 or 255; beyond the picture is not outside."""
    inside = mask.numpy() != 0
    return as_mask(~_near(~inside, radius) if radius > 0 else inside)


def _near(inside: np.ndarray, radius: int) -> np.ndarray:
    """Pixels within a distance of a set of pixels."""
    from scipy import ndimage

    if not inside.any():
        return inside
    return np.asarray(ndimage.distance_transform_edt(~inside)) <= radius


def as_mask(inside: np.ndarray) -> Tensor:  # [H, W] bool -> [H, W] uint8
    """0 where False and 255 where True."""
    return torch.from_numpy(inside.view(np.uint8) * np.uint8(255))


def _label(inside: np.ndarray) -> tuple[np.ndarray, int]:  # [H, W] bool -> [H, W] int32, count
    """Number the 4-connected components from 1; 0 is outside."""
    from scipy import ndimage

    labels = np.empty(inside.shape, dtype=np.int32)
    return labels, int(ndimage.label(inside, output=labels))  # type: ignore[arg-type]


def _bounding_box(inside: np.ndarray) -> tuple[slice, slice] | None:
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _border(frame: Tensor) -> Tensor:  # [H, W, 3] -> [N, 3]
    width = max(1, round(RIM_SHARE * min(frame.shape[:2])))
    middle = frame[width:-width]
    parts = (frame[:width], frame[-width:], middle[:, :width], middle[:, -width:])
    return torch.cat([part.reshape(-1, 3) for part in parts])
