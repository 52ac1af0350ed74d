"""Masks of the object in a clip: by background colour, by chroma key or by depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.errors import InputError, UsageError
from recon_cli.core.frames import Frames
from recon_cli.core.masks import as_mask, background_color, differs_from, dilated, eroded, fill_holes, keep_largest
from recon_cli.io.exr import read_depth

__all__ = ["ColorMasks", "DepthMasks", "MaskSettings", "clean", "keep_largest", "segment", "segment_depth"]

NAMED_COLORS = {"black": (0, 0, 0), "white": (255, 255, 255), "green": (0, 177, 64), "blue": (0, 71, 187)}
"""Colours that can be called by name; green and blue are those of studio walls."""

SMALLEST_SATURATION = 0.25
"""Pixels paler than this have no hue to speak of and are never taken for a chroma key."""

SMALLEST_VALUE = 0.1
"""Pixels darker than this have no hue to speak of either."""


@dataclass(frozen=True)
class MaskSettings:
    """How an object is told from what is behind it; exactly one of the two colours decides, else the border's colour.

    Attributes:
        background: colour [levels of 0..255] of the background, or None to see it at the image border.
        chroma: colour [levels of 0..255] whose hue is the background, however bright; None for none.
        tolerance: largest difference [levels] to the background colour in any channel.
        hue_tolerance: largest difference [degrees] to the chroma key's hue.
        keep: how many of the largest components stay.
        largest_hole: holes of more pixels stay open; None fills all.
        dilate: radius by which the mask grows first [px], over shadows that look like the background.
        erode: radius by which it then shrinks [px].
    """

    background: tuple[int, int, int] | None = None
    chroma: tuple[int, int, int] | None = None
    tolerance: float = 24.0
    hue_tolerance: float = 40.0
    keep: int = 1
    largest_hole: int | None = None
    dilate: int = 0
    erode: int = 0


def segment(frame: Tensor, settings: MaskSettings) -> Tensor:  # [H, W, 3] uint8 -> [H, W] uint8
    """The mask, 0 or 255, of the object in one frame.

    Raises:
        InputError: the background is to be seen at the border, but has no single colour there.
    """
    if settings.chroma is not None:
        raw = _differs_in_hue(frame, settings.chroma, tolerance=settings.hue_tolerance)
    else:
        given = settings.background
        color = background_color(frame, tolerance=settings.tolerance) if given is None else torch.tensor(given, dtype=torch.float32)
        raw = differs_from(frame, color, tolerance=settings.tolerance)
    return clean(raw, settings)


def segment_depth(depth: Tensor, settings: MaskSettings, *, near: float, far: float) -> Tensor:  # [H, W] -> [H, W] uint8
    """The mask, 0 or 255, of what lies between two depths [scene units]; no measurement (0 or NaN) is outside (φ-SfT, Sec. 3.4)."""
    values = depth.numpy()
    return clean(as_mask((values > 0) & (values >= near) & (values <= far)), settings)


def clean(mask: Tensor, settings: MaskSettings) -> Tensor:  # [H, W] -> [H, W] uint8
    """Grow, shrink, keep the largest components and close their holes."""
    return fill_holes(keep_largest(eroded(dilated(mask, settings.dilate), settings.erode), settings.keep), largest=settings.largest_hole)


def hue(colors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # [..., 3] uint8 -> three of [...]
    """Hue [degrees], saturation and value in [0, 1] of sRGB colours; grey has hue 0."""
    red, green, blue = (colors[..., k].astype(np.float32) for k in range(3))
    high, low = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    spread = np.maximum(high - low, 1e-6)
    sector = np.where(high == red, (green - blue) / spread, np.where(high == green, 2 + (blue - red) / spread, 4 + (red - green) / spread))
    return np.where(high > low, (60 * sector) % 360, 0), (high - low) / np.maximum(high, 1), high / 255


def _differs_in_hue(frame: Tensor, color: tuple[int, int, int], *, tolerance: float) -> Tensor:
    key = float(hue(np.array(color, dtype=np.uint8))[0])
    angle, saturation, value = hue(frame.numpy())
    off = np.abs((angle - key + 180) % 360 - 180)
    return as_mask((off > tolerance) | (saturation < SMALLEST_SATURATION) | (value < SMALLEST_VALUE))


class ColorMasks:
    """The masks of a clip, made when asked for."""

    def __init__(self, frames: Frames, settings: MaskSettings) -> None:
        self._frames, self._settings = frames, settings
        self.width, self.height = frames.width, frames.height

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Tensor:  # [H, W] uint8
        return segment(self._frames[index], self._settings)


class WatchedMasks:
    """Masks as they are, and which of them show nothing.

    Attributes:
        empty: indices of the empty ones among those that were asked for.

    Raises:
        InputError: the last one is asked for, and all were empty.
    """

    def __init__(self, masks: ColorMasks | DepthMasks) -> None:
        self._masks = masks
        self.width, self.height = masks.width, masks.height
        self.empty: list[int] = []

    def __len__(self) -> int:
        return len(self._masks)

    def __getitem__(self, index: int) -> Tensor:  # [H, W] uint8
        mask = self._masks[index]
        if not bool(mask.any()):
            self.empty.append(index)
        if len(self.empty) == len(self):
            raise InputError(
                f"all {len(self)} masks would be empty",
                hint="change the background's colour or --tolerance, or --near and --far of depths",
            )
        return mask


class DepthMasks:
    """The masks of depth maps, made when asked for.

    Args:
        paths: EXR files of z-depth [scene units], all of one size.
        settings: how masks are cleaned.
        near: smallest depth [scene units] of the object.
        far: largest depth [scene units] of the object.
        size: width and height [px] that the maps must have, or None for those of the first.

    Raises:
        InputError: there is no map, ``near`` is not smaller than ``far``, or a map has another size.
    """

    def __init__(
        self, paths: Sequence[Path], settings: MaskSettings, *, near: float, far: float, size: tuple[int, int] | None = None
    ) -> None:
        if not paths:
            raise InputError("there are no depth maps; expected EXR files")
        if not 0 <= near < far:
            raise InputError(f"the depth range {near:g} to {far:g} is empty", hint="give --near and --far with 0 <= near < far")
        self._paths, self._settings, self._near, self._far = paths, settings, near, far
        self.height, self.width = (size[1], size[0]) if size else tuple(read_depth(paths[0]).shape)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Tensor:  # [H, W] uint8
        depth = read_depth(self._paths[index])
        if tuple(depth.shape) != (self.height, self.width):
            seen = f"{depth.shape[1]}x{depth.shape[0]}"
            raise InputError(f"a depth map of {seen}, expected {self.width}x{self.height}", path=self._paths[index])
        return segment_depth(depth, self._settings, near=self._near, far=self._far)


def parse_color(text: str, *, option: str) -> tuple[int, int, int]:
    """A colour by name or as R,G,B in levels of 0..255.

    Raises:
        UsageError: the text is neither.
    """
    if text in NAMED_COLORS:
        return NAMED_COLORS[text]
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdigit() and int(part) <= 255 for part in parts):
        raise UsageError(f"{option} {text!r} is no colour", hint=_color_hint(option))
    red, green, blue = (int(part) for part in parts)
    return red, green, blue


def _color_hint(option: str) -> str:
    return f"write R,G,B with 0 to 255 each, as in {option} 0,177,64, or one of {', '.join(NAMED_COLORS)}"
