"""What a finished shape-from-template fit looks like, frame by frame: depth maps and the overlay film."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.io.exr import write_depth
from recon_cli.io.images import write_image
from recon_cli.io.video import VideoWriter
from recon_cli.kernels.rasterize import RasterSettings, rasterize
from recon_cli.render.protocol import RenderSettings, get_renderer
from recon_cli.run.pictures import (
    BACKDROP,
    MASK_COLOR,
    SURFACE_COLOR,
    colored_depth,
    difference,
    draw_outline,
    labelled,
    resized,
    side_by_side,
    with_depth_scale,
)
from recon_cli.run.streaming import map_in_order
from recon_cli.systems.sft.result import SftInputs, SftResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recon_cli.run.pictures import Picture

# A difference of this share of the full range is drawn in the palest colour.
DIFFERENCE_SCALE = 0.25
_MARGIN = 0.12
_SHOWN_FRAMES = 3
_SHOWN_DEPTH = 360
# From "veryfast" on x264 weighs blocks by their future (mbtree), after which it does not give the same bytes every time.
PRESET = "superfast"
_GAP = 4
_LEAST_PANEL = 320  # px; words are written on the panels
_QUALITY = 23  # of H.264: half the size of what cannot be told from the original, and its errors are far below those shown


@dataclass(frozen=True)
class FilmOptions:
    """What is drawn of every frame.

    Attributes:
        has_depth: write depth/NAME.exr and its coloured PNG at the frames' size.
        panel_size: longest side of one of the three panels of the overlay film [px].
        workers: threads that draw and compress.
    """

    has_depth: bool = True
    panel_size: int = 560
    workers: int = 2


@dataclass(frozen=True)
class Film:
    """What was measured and kept while the frames were drawn.

    Attributes:
        overlap: intersection over union of the drawn surface and the mask in every frame, shape [T].
        difference: mean absolute colour difference where surface and mask overlap, share of the full range, shape [T].
        shown: overlay pictures of a few frames.
        shown_depth: coloured depth of the same frames, cut out around the surface.
        depth_range: nearest and farthest surface point of the whole clip [m].
    """

    overlap: list[float]
    difference: list[float]
    depth_range: tuple[float, float]
    shown: list[Picture] = field(default_factory=list)
    shown_depth: list[Picture] = field(default_factory=list)


@dataclass(frozen=True)
class Window:
    """The part of the image that the surface ever covers, with a margin, and the size that it is shown at [px]."""

    left: int
    top: int
    right: int
    bottom: int
    width: int
    height: int

    def cut(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """This part of a full-size picture or mask, at its original scale."""
        return picture[self.top : self.bottom, self.left : self.right]

    def camera(self, camera: Cameras) -> Cameras:
        """The camera that sees exactly this window at the size it is shown at."""
        K = camera.K.clone()
        K[:, 0, 2] -= self.left
        K[:, 1, 2] -= self.top
        size = torch.tensor([[self.right - self.left, self.bottom - self.top]])
        return replace(camera, K=K, size=size).resized(self.width, self.height)


def window_around(pixels: Tensor, *, width: int, height: int, panel_size: int) -> Window:  # pixels [N, 2]
    """The window around projected points, inside an image of ``width`` x ``height``; the shown sides are even, as H.264 wants them."""
    low, high = pixels.amin(dim=0), pixels.amax(dim=0)
    margin = _MARGIN * float((high - low).max())
    left, top = (max(0, math.floor(float(value) - margin)) for value in low)
    right, bottom = (min(limit, math.ceil(float(value) + margin)) for value, limit in zip(high, (width, height)))
    left, top = min(left, width - 2), min(top, height - 2)
    right, bottom = max(right, left + 2), max(bottom, top + 2)
    longest = max(right - left, bottom - top)
    scale = min(panel_size, max(longest, _LEAST_PANEL)) / longest
    shown = (max(2, 2 * round((right - left) * scale / 2)), max(2, 2 * round((bottom - top) * scale / 2)))
    return Window(left, top, right, bottom, *shown)


def shoot(inputs: SftInputs, result: SftResult, out: Path, options: FilmOptions, *, progress: Callable[[int, int], None]) -> Film:
    """Write out/depth (unless switched off) and out/overlay.mp4; frames are decoded, drawn and dropped one after another."""
    drawer = FrameDrawer(result, out, options)
    count = len(result.positions)
    film = Film([], [], drawer.depth_range)
    shown = {round(k) for k in np.linspace(0, count - 1, min(count, _SHOWN_FRAMES))}
    width, height = drawer.film_size
    with ExitStack() as stack:
        writer = stack.enter_context(
            VideoWriter(out / "overlay.mp4", fps=result.fps, width=width, height=height, crf=_QUALITY, preset=PRESET)
        )
        shots = (_Shot(t, inputs.frames[t], inputs.masks[t], t in shown) for t in range(count))
        for t, drawn in enumerate(map_in_order(drawer.draw, shots, workers=options.workers)):
            writer.append(drawn.overlay)
            _collect(film, drawn, keeps=t in shown)
            progress(t + 1, count)
    return film


@dataclass(frozen=True)
class _Shot:
    t: int
    frame: Tensor  # [H, W, 3] uint8
    mask: Tensor  # [H, W] uint8
    is_shown: bool


@dataclass(frozen=True)
class _Drawn:
    overlay: Picture
    difference: float
    overlap: float
    depth: Picture | None


def _collect(film: Film, drawn: _Drawn, *, keeps: bool) -> None:
    film.difference.append(drawn.difference)
    film.overlap.append(drawn.overlap)
    if keeps:
        film.shown.append(drawn.overlay)
        if drawn.depth is not None:
            film.shown_depth.append(drawn.depth)


class FrameDrawer:
    """Draws single frames of one result; safe to share between threads."""

    def __init__(self, result: SftResult, out: Path, options: FilmOptions) -> None:
        self.result, self.out, self.options = result, out, options
        self.camera = result.camera.to(device="cpu", dtype=torch.float64)
        pixels, depth = self.camera.project(result.positions.reshape(-1, 3).cpu())
        self.pixels = torch.cat([pixels[0], depth[0, :, None]], dim=1).reshape(result.positions.shape)  # [T, V, 3]
        in_front = depth[0][depth[0] > 0]
        self.depth_range = (float(in_front.min()), float(in_front.max()))
        size = {"width": self.camera.width, "height": self.camera.height}
        self.window = window_around(pixels[0][depth[0] > 0], **size, panel_size=options.panel_size)
        self.panel_camera = self.window.camera(self.camera)
        self.template = result.template.to("cpu", torch.float32)
        self.renderer = get_renderer("builtin", "cpu")
        red, green, blue = (value / 255 for value in BACKDROP)
        self.settings = RenderSettings(background=(red, green, blue))

    @property
    def film_size(self) -> tuple[int, int]:
        """Width and height of the overlay film [px]."""
        return 3 * self.window.width + 2 * _GAP, self.window.height

    def draw(self, shot: _Shot) -> _Drawn:
        """One frame's files, panels and numbers."""
        depth = self._depth(shot.t)
        colored = self._write_depth(depth, shot.t) if self.options.has_depth else None
        mask = shot.mask.cpu().numpy() > 127
        seen = depth > 0
        overlap = float((seen & mask).sum() / max(1, (seen | mask).sum()))
        overlay, difference = self._panels(shot, mask)
        small = None if colored is None or not shot.is_shown else self._shown_depth(colored)
        return _Drawn(overlay, difference, overlap, small)

    def _depth(self, t: int) -> NDArray[np.float32]:  # [H, W]
        settings = RasterSettings(has_barycentrics=False)
        drawn = rasterize(self.pixels[t], self.result.template.faces.cpu(), self.camera.width, self.camera.height, settings=settings)
        return drawn.depth[..., 0].numpy()

    def _write_depth(self, depth: NDArray[np.float32], t: int) -> Picture:
        near, far = self.depth_range
        colored = colored_depth(depth, near=near, far=far)
        write_depth(self.out / "depth" / f"{t:06d}.exr", torch.from_numpy(depth))
        write_image(self.out / "depth" / f"{t:06d}.png", with_depth_scale(colored, near=near, far=far, unit="m"))
        return colored

    def _shown_depth(self, colored: Picture) -> Picture:
        near, far = self.depth_range
        cut = self.window.cut(colored)
        scale = _SHOWN_DEPTH / max(cut.shape[:2])
        small = resized(cut, round(cut.shape[1] * scale), round(cut.shape[0] * scale))
        return with_depth_scale(small, near=near, far=far, unit="m")

    def _panels(self, shot: _Shot, mask: NDArray[np.bool_]) -> tuple[Picture, float]:
        """Input, reconstruction and difference side by side, and the mean difference as a share of the full range."""
        seen = resized(self.window.cut(shot.frame.cpu().numpy()), self.window.width, self.window.height)
        drawn, silhouette = self._reconstruction(shot.t)
        small = resized(self.window.cut(mask.astype(np.uint8) * 255), self.window.width, self.window.height) > 127
        measured = mean_difference(seen, drawn, silhouette & small)
        delta = difference(seen, drawn, silhouette | small, full_scale=DIFFERENCE_SCALE)
        seen, delta = (draw_outline(picture, small, MASK_COLOR) for picture in (seen, delta))
        delta = draw_outline(delta, silhouette, SURFACE_COLOR)
        words = (f"input {shot.t}", "reconstruction", f"difference, 0 to {DIFFERENCE_SCALE:.0%}")
        panels = [labelled(picture, text) for picture, text in zip((seen, drawn, delta), words)]
        return side_by_side(panels, gap=_GAP), measured

    def _reconstruction(self, t: int) -> tuple[Picture, NDArray[np.bool_]]:
        """The surface in its own colours, unlit, as the window's camera sees it, and where it is."""
        mesh = self.template.with_vertices(self.result.positions[t].to("cpu", torch.float32))
        with torch.no_grad():
            drawn = self.renderer.render(mesh, self.panel_camera, settings=self.settings)
        color = (drawn.color[0].clamp(0, 1) * 255).round().to(torch.uint8)
        return color.numpy(), (drawn.silhouette[0] > 0.5).numpy()


def mean_difference(first: Picture, second: Picture, inside: NDArray[np.bool_]) -> float:
    """Mean absolute colour difference where ``inside``, as a share of the full range; 0 where nothing is inside."""
    if not inside.any():
        return 0.0
    return float(np.abs(first[inside].astype(np.int16) - second[inside]).mean() / 255)
