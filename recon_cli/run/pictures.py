"""Pictures for people: coloured depth with a scale bar, outlines, differences, panels side by side, contact sheets.

Pictures are uint8 arrays [H, W, 3], sRGB, row 0 on top. What is measured stays in the EXR and JSON files beside them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]  # [H, W, 3]

BACKDROP = (18, 20, 26)
INK = (236, 238, 242)
MASK_COLOR = (64, 224, 208)
SURFACE_COLOR = (255, 176, 59)
# The darkest part of the map would vanish on the backdrop, so depth starts a little above it.
_DEPTH_MAP_START = 0.12


@cache
def color_map(name: str, *, start: float = 0.0) -> Picture:  # [256, 3]
    """A perceptually uniform map of matplotlib, from the share ``start`` in [0, 1) of its range upwards."""
    import matplotlib

    samples = matplotlib.colormaps[name](np.linspace(start, 1.0, 256))[:, :3]
    return np.round(samples * 255).astype(np.uint8)


def colored_depth(
    depth: NDArray[np.floating],  # [H, W]
    *,
    near: float,
    far: float,
) -> Picture:
    """Colour z-depth [scene units]: near is bright, far is dark, nothing seen (0, NaN, infinity) is the backdrop."""
    seen = np.isfinite(depth) & (depth > 0)
    closeness = (far - depth[seen]) / max(far - near, 1e-12)
    picture = np.empty((*depth.shape, 3), dtype=np.uint8)
    picture[:] = BACKDROP
    picture[seen] = color_map("viridis", start=_DEPTH_MAP_START)[np.round(np.clip(closeness, 0, 1) * 255).astype(np.uint8)]
    return picture


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About ``count`` round numbers (steps of 1, 2 or 5 times a power of ten) inside [low, high]."""
    span = high - low
    if not span > 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(span / count))
    step = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= count)
    return [step * k for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


# A lower picture has no room for a scale [px].
SMALLEST_SCALED = 80


def with_depth_scale(picture: Picture, *, near: float, far: float, unit: str) -> Picture:  # [H, W + strip, 3]
    """The picture with a scale bar in a strip on its right: the map of ``colored_depth`` and round tick labels.

    A picture lower than ``SMALLEST_SCALED`` stays as it is.
    """
    if picture.shape[0] < SMALLEST_SCALED:
        return picture
    return np.concatenate([picture, scale_strip(near=near, far=far, title=f"depth [{unit}]", height=picture.shape[0])], axis=1)


def scale_strip(*, near: float, far: float, title: str, height: int, name: str = "viridis") -> Picture:  # [H, strip, 3]
    """A bar of a colour map, ``near`` at its bright upper end, with round tick labels and a title.

    Args:
        near: value at the upper end.
        far: value at the lower end, on either side of ``near``.
        title: what the values are, with their unit.
        height: of the strip [px].
        name: of the colour map.
    """
    from PIL import Image, ImageDraw

    size = max(11, height // 36)
    bar_width, margin = max(6, height // 45), max(6, height // 45)
    width = max(bar_width + 2 * margin + 5 * size, 2 * margin + round(_font(size).getlength(title)))
    strip = np.full((height, width, 3), BACKDROP, dtype=np.uint8)
    top, bottom = 2 * margin + 2 * size, height - 2 * margin
    levels = np.linspace(255, 0, bottom - top).astype(np.uint8)
    strip[top:bottom, margin : margin + bar_width] = color_map(name, start=_DEPTH_MAP_START if name == "viridis" else 0.0)[levels][:, None]
    canvas = Image.fromarray(strip)
    draw = ImageDraw.Draw(canvas)
    draw.text((margin, top - margin), title, font=_font(size), fill=INK, anchor="ls")
    ticks = nice_ticks(min(near, far), max(near, far))
    digits = _digits(ticks)
    for tick in ticks:
        y = top + (bottom - 1 - top) * (tick - near) / ((far - near) or 1e-12)
        draw.line([(margin + bar_width, y), (margin + bar_width + size // 3, y)], fill=INK)
        draw.text((margin + bar_width + size // 2 + 2, y), f"{tick:.{digits}f}", font=_font(size), fill=INK, anchor="lm")
    return np.asarray(canvas)


def in_box(picture: Picture, width: int, height: int) -> Picture:
    """The picture in the upper left corner of a backdrop of at least its own size."""
    box = np.full((height, width, 3), BACKDROP, dtype=np.uint8)
    box[: picture.shape[0], : picture.shape[1]] = picture
    return box


def outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:  # [H, W] -> [H, W]
    """Pixels of the mask with a neighbour above, below, left or right outside it; the image border counts as inside."""
    padded = np.pad(mask, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


def draw_outline(picture: Picture, mask: NDArray[np.bool_], color: tuple[int, int, int]) -> Picture:
    """A copy of the picture with the mask's outline drawn on it, one pixel wide."""
    drawn = picture.copy()
    drawn[outline(mask)] = color
    return drawn


def difference(
    first: Picture,
    second: Picture,
    inside: NDArray[np.bool_],  # [H, W]
    *,
    full_scale: float,
) -> Picture:
    """Mean absolute difference over the channels where ``inside``, from black (0) to pale yellow (``full_scale`` in [0, 1] or more)."""
    delta = np.abs(first[inside].astype(np.int16) - second[inside]).sum(axis=-1)
    levels = np.minimum(delta * (1.0 / (3 * full_scale)) + 0.5, 255.0).astype(np.uint8)
    picture = np.empty_like(first)
    picture[:] = BACKDROP
    picture[inside] = color_map("inferno")[levels]
    return picture


def resized(picture: Picture, width: int, height: int) -> Picture:
    """The picture at another size; pixels are averaged when it shrinks."""
    from PIL import Image

    if picture.shape[:2] == (height, width):
        return picture
    shrinks = width <= picture.shape[1]
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC))


def labelled(picture: Picture, text: str) -> Picture:
    """A copy of the picture with words in its top left corner, on a dark plate so that they can be read on anything."""
    from PIL import Image, ImageDraw

    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas, "RGBA")
    size = max(11, min(picture.shape[:2]) // 24)
    font, margin = _font(size), max(4, size // 2)
    left, top, right, bottom = draw.textbbox((2 * margin, 2 * margin), text, font=font)
    draw.rounded_rectangle(
        (left - margin, top - margin // 2 - 1, right + margin, bottom + margin // 2 + 1), radius=margin, fill=(10, 12, 16, 190)
    )
    draw.text((2 * margin, 2 * margin), text, font=font, fill=INK)
    return np.asarray(canvas)


def side_by_side(pictures: Sequence[Picture], *, gap: int = 4) -> Picture:
    """Pictures of one height in a row with a dark gap between them."""
    spacer = np.full((pictures[0].shape[0], gap, 3), BACKDROP, dtype=np.uint8)
    row: list[Picture] = []
    for picture in pictures:
        row += [picture, spacer]
    return np.concatenate(row[:-1], axis=1)


def contact_sheet(pictures: Sequence[Picture], *, columns: int, gap: int = 4) -> Picture:
    """Pictures of one size in rows of ``columns``; what is left of the last row is backdrop."""
    blank = np.full_like(pictures[0], BACKDROP)
    spacer: Picture | None = None
    rows: list[Picture] = []
    for start in range(0, len(pictures), columns):
        row = list(pictures[start : start + columns])
        row += [blank] * (columns - len(row))
        line = side_by_side(row, gap=gap)
        spacer = np.full((gap, line.shape[1], 3), BACKDROP, dtype=np.uint8)
        rows += [line, spacer]
    return np.concatenate(rows[:-1], axis=0)


def encode_jpeg(picture: Picture, *, quality: int = 88) -> bytes:
    """The picture as a JPEG file in memory, for embedding in a page."""
    from io import BytesIO

    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, format="JPEG", quality=quality, subsampling=0, optimize=True)
    return buffer.getvalue()


def _digits(ticks: Sequence[float]) -> int:
    """Decimals that tell neighbouring ticks apart."""
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 0.01
    return max(0, -math.floor(math.log10(step) + 1e-9))


@cache
def _font(size: int) -> Any:
    from pathlib import Path

    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)
