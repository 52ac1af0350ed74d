"""Pictures of a fitted body on the depth that it was fitted to: from the camera, coloured by what remains, and from the side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.normals import vertex_normals
from recon_cli.io.images import write_image
from recon_cli.io.video import VideoWriter
from recon_cli.kernels.rasterize import rasterize
from recon_cli.run.npm_outputs import FittedBody, Reach
from recon_cli.run.pictures import BACKDROP, MASK_COLOR, SURFACE_COLOR, color_map, draw_outline, labelled, resized, side_by_side
from recon_cli.run.sft_film import PRESET, Window, window_around
from recon_cli.run.streaming import map_in_order
from recon_cli.systems.npm.backdrop import pixel_rays

if TYPE_CHECKING:
    from recon_cli.run.npm_inputs import FolderFrames
    from recon_cli.run.pictures import Picture

FOLDER, FILM = "overlay", "overlay.mp4"
FULL_SCALE = 0.03
"""Difference in depth with the strongest colour [box]."""
FILM_RATE = 10.0
"""Frames a second of the film; depth maps do not say theirs."""
_CLAY = np.array([0.90, 0.88, 0.84])
_GAP, _QUALITY = 4, 23
_ROOM = 0.9
"""Share of a panel that the view from the side takes at most."""


@dataclass(frozen=True)
class _Drawn:
    """A surface on the screen: shading in [0, 1] and z [scene units], 0 where it is not, shapes [H, W]."""

    shade: np.ndarray
    depth: np.ndarray

    @property
    def is_seen(self) -> np.ndarray:
        return self.depth != 0


class OverlayDrawer:
    """Draws single frames; safe to share between threads.

    Args:
        faces: of the surface, shape [F, 3].
        camera: of the depth.
        up: the direction in the camera's axes that is up, shape [3].
        unit: scene units a box.
        reach: where surface and depth are seen over all frames.
        panel_size: longest side of a panel [px].
    """

    def __init__(self, faces: Tensor, camera: Cameras, up: Tensor, unit: float, reach: Reach, *, panel_size: int = 420) -> None:
        self.faces, self.unit = faces, unit
        self.camera = camera.to("cpu", torch.float64)
        corners = torch.stack([reach.low, reach.high])
        self.window = window_around(corners, width=camera.width, height=camera.height, panel_size=panel_size)
        self.panel = _scaled(self.window, self.camera)
        self.side_axes = _side_axes(up.cpu().double())
        self.side_scale = _ROOM * min(self.window.width, self.window.height) / float(reach.size.max())

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a picture [px]."""
        return 3 * self.window.width + 2 * _GAP, self.window.height

    def draw(self, vertices: Tensor, depth: Tensor, name: str, remark: str = "") -> Picture:  # [V, 3], [H, W]
        """The depth with the surface's outline, the surface coloured by its distance from the depth, and both from the side.

        Args:
            vertices: in the camera's axes [scene units].
            depth: of the body, 0 where there is none [scene units].
            name: of the frame, written on it.
            remark: what else is to be said of it.
        """
        drawn = self._seen(vertices)
        seen = self._sampled(depth.numpy())
        outlined = draw_outline(self._depth(depth.numpy()), drawn.is_seen, SURFACE_COLOR)
        residual = self._residual(drawn, seen)
        words = (f"depth {name}", f"surface, ±{FULL_SCALE:g} of the box", f"from the side{remark and ': '}{remark}")
        panels = [labelled(panel, text) for panel, text in zip((outlined, residual, self._side(vertices, depth)), words, strict=True)]
        return side_by_side(panels, gap=_GAP)

    def _seen(self, vertices: Tensor) -> _Drawn:
        pixels, z = self.panel.project(vertices)
        normals = vertex_normals(vertices, self.faces)
        facing = -(normals * torch.nn.functional.normalize(vertices, dim=-1)).sum(dim=-1)
        return self._drawn(torch.cat([pixels[0], z[0, :, None]], dim=1), facing)

    def _drawn(self, screen: Tensor, facing: Tensor) -> _Drawn:  # [V, 3], [V]
        """The surface at the panel's size; z of the nearest sample, shading of all samples of a pixel."""
        width, height = self.window.width, self.window.height
        fragments = rasterize(screen.float(), self.faces, width, height)
        corners = self.faces[fragments.face[..., 0].clamp(min=0).long()]
        shade = (facing.float().abs()[corners] * fragments.barycentric[..., 0, :]).sum(dim=-1)
        return _Drawn(shade.numpy(), fragments.depth[..., 0].numpy())

    def _sampled(self, depth: np.ndarray) -> np.ndarray:
        """The depth map's values at the panel's pixels, the nearest ones."""
        window = self.window
        rows = window.top + ((np.arange(window.height) + 0.5) * (window.bottom - window.top) / window.height).astype(int)
        columns = window.left + ((np.arange(window.width) + 0.5) * (window.right - window.left) / window.width).astype(int)
        return depth[rows[:, None], columns]

    def _depth(self, depth: np.ndarray) -> Picture:
        """The depth as a surface in grey, its shading from differences of neighbours."""
        rays = pixel_rays(self.camera.K[0].numpy(), depth.shape)
        shade = np.where(depth > 0, _map_shading(rays * depth[..., None], depth), 0)
        picture = _clay(shade, depth > 0)
        return resized(self.window.cut(picture), self.window.width, self.window.height)

    def _residual(self, drawn: _Drawn, seen: np.ndarray) -> Picture:
        """Blue: the surface is behind the depth; red: before it; grey: there is no depth; turquoise: depth beside the surface."""
        both, alone = drawn.is_seen & (seen > 0), ~drawn.is_seen & (seen > 0)
        level = np.clip((seen - drawn.depth) / (FULL_SCALE * self.unit), -1, 1)
        colors = color_map("coolwarm")[np.round((level + 1) * 127.5).astype(np.uint8)]
        picture = _clay(0.6 * drawn.shade, drawn.is_seen)
        lit = colors * (0.45 + 0.55 * drawn.shade[..., None])
        picture[both] = lit[both].astype(np.uint8)
        picture[alone] = (0.6 * np.array(MASK_COLOR)).astype(np.uint8)
        return picture

    def _side(self, vertices: Tensor, depth: Tensor) -> Picture:
        """The surface from the side, the camera on the left, with the depth's points on it."""
        middle = (vertices.amin(dim=0) + vertices.amax(dim=0)) / 2
        drawn = self._drawn(self._side_screen(vertices, middle), vertex_normals(vertices, self.faces) @ self.side_axes[2])
        picture = _clay(drawn.shade, drawn.is_seen)
        values = depth.numpy()
        points = (pixel_rays(self.camera.K[0].numpy(), values.shape) * values[..., None])[values > 0]
        dots = self._side_screen(torch.from_numpy(points), middle)[:, :2].long().numpy()
        inside = ((dots >= 0) & (dots < (self.window.width, self.window.height))).all(axis=1)
        picture[dots[inside, 1], dots[inside, 0]] = MASK_COLOR
        return picture

    def _side_screen(self, points: Tensor, middle: Tensor) -> Tensor:  # [N, 3] -> [N, 3]
        """Parallel projection: what is far from the camera is on the right; depths are positive."""
        turned = (points - middle) @ self.side_axes.T * self.side_scale
        turned[:, 0] += self.window.width / 2
        turned[:, 1] += self.window.height / 2
        turned[:, 2] += 1e4
        return turned


def draw_overlays(
    body: FittedBody,
    frames: FolderFrames,
    out: Path,
    reach: Reach,
    *,
    shown: set[int],
    workers: int = 2,
    progress: Callable[[int, int], None],
) -> dict[int, Picture]:
    """Write out/overlay/NAME.png of every frame and out/overlay.mp4; frames are read, drawn and dropped one after another.

    Args:
        body: what was fitted.
        frames: what it was fitted to.
        out: the folder.
        reach: of ``write_body``.
        shown: frames whose pictures are wanted.
        workers: threads that draw and compress.
        progress: told how many frames are drawn.

    Returns:
        The pictures of these frames.
    """
    around = reach
    if bool(torch.isfinite(torch.as_tensor(frames.bounds)).all()):
        bounds = torch.as_tensor(frames.bounds, dtype=torch.float64)
        around = reach.joined(Reach(bounds[0], bounds[1], reach.size))
    drawer = OverlayDrawer(body.faces, frames.camera, body.fitted.up, body.fitted.unit, around)
    width, height = drawer.size
    kept: dict[int, Picture] = {}

    def shots() -> Iterator[tuple[int, Tensor, Tensor]]:
        for frame, vertices in body.posed():
            yield frame, vertices, frames.depth(frame)

    def draw(shot: tuple[int, Tensor, Tensor]) -> tuple[int, Picture]:
        frame, vertices, depth = shot
        name = frames.names[frame]
        remark = "doubtful" if bool(body.fitted.quality.is_doubtful[frame]) else ""
        picture = drawer.draw(vertices, depth, name, remark)
        write_image(out / FOLDER / f"{name}.png", picture)
        return frame, picture

    with ExitStack() as stack:
        writer = stack.enter_context(VideoWriter(out / FILM, fps=FILM_RATE, width=width, height=height, crf=_QUALITY, preset=PRESET))
        for frame, picture in map_in_order(draw, shots(), workers=workers):
            writer.append(picture)
            if frame in shown:
                kept[frame] = picture
            progress(frame + 1, len(body))
    return kept


def _scaled(window: Window, camera: Cameras) -> Cameras:
    """The window's camera, in the camera's own axes."""
    own = Cameras(camera.K, torch.eye(4, dtype=torch.float64)[None], camera.size, camera.names)
    return window.camera(own)


def _side_axes(up: Tensor) -> Tensor:  # [3] -> [3, 3]
    """Rows: away from the camera, down, and away from the viewer who stands at its left or right."""
    down = -up
    away = torch.tensor([0.0, 0.0, 1.0]).double()
    away = away - (away @ up) * up
    if float(away.norm()) < 0.1:  # the camera looks along the vertical
        away = torch.linalg.cross(up, torch.tensor([1.0, 0.0, 0.0]).double())
    away = torch.nn.functional.normalize(away, dim=0)
    return torch.stack([away, down, torch.linalg.cross(away, down)])


def _map_shading(points: np.ndarray, depth: np.ndarray) -> np.ndarray:  # [H, W, 3], [H, W] -> [H, W]
    """How much the surface of a depth map faces the camera, by differences of neighbours."""
    across, along = np.zeros_like(points), np.zeros_like(points)
    across[:, 1:-1] = points[:, 2:] - points[:, :-2]
    along[1:-1] = points[2:] - points[:-2]
    whole = np.zeros(depth.shape, dtype=bool)
    whole[1:-1, 1:-1] = (depth[1:-1, 2:] > 0) & (depth[1:-1, :-2] > 0) & (depth[2:, 1:-1] > 0) & (depth[:-2, 1:-1] > 0)
    normal = np.cross(across, along)
    size = np.linalg.norm(normal, axis=-1) * np.linalg.norm(points, axis=-1)
    facing = np.abs((normal * points).sum(axis=-1)) / np.maximum(size, 1e-12)
    return np.where(whole, facing, 0.5)


def _clay(shade: np.ndarray, inside: np.ndarray) -> Picture:  # [H, W], [H, W] -> [H, W, 3]
    picture = np.empty((*shade.shape, 3), dtype=np.uint8)
    picture[:] = BACKDROP
    lit = np.clip(_CLAY * (0.22 + 0.78 * shade[..., None]), 0, 1) * 255
    picture[inside] = lit[inside].astype(np.uint8)
    return picture
