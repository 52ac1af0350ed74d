"""The inputs of a shape-from-template fit, read from files and checked against each other before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import InputError, UsageError
from recon_cli.core.frames import Frames
from recon_cli.core.masks import background_color, keep_largest
from recon_cli.core.mesh import Mesh
from recon_cli.core.topology import check_manifold
from recon_cli.io.cameras import read_cameras
from recon_cli.io.meshes import read_mesh
from recon_cli.io.video import Video, check_same, open_masks, open_video
from recon_cli.prepare.masks import ColorMasks, MaskSettings
from recon_cli.systems.sft.config import SftRecipe
from recon_cli.systems.sft.result import SftInputs

# A mask that is smaller than this share of the frame is a mistake, not a surface.
_SMALLEST_MASK = 1e-4


# Slower than a time-lapse of glaciers or faster than a high-speed camera is a mistake.
FPS_RANGE = (1e-5, 1e6)


@dataclass(frozen=True)
class SftSources:
    """Where the inputs of a fit are, and which part of them is meant.

    Attributes:
        video: a video file or a folder of frames.
        template: the surface in the first chosen frame.
        camera: a camera file, or None when ``fov`` says enough.
        masks: a folder or video of masks, or None: then the background colour decides.
        fov: horizontal field of view [degrees] of a camera at the world's origin.
        background: colour (red, green, blue) in 0..255 of what is not surface, or None: then the image border tells.
        fps: frames per second of real time; None takes the video's own.
        start, stop, stride: which frames.
        max_size: longest side that frames are shrunk to [px], or None.
    """

    video: Path
    template: Path
    camera: Path | None = None
    masks: Path | None = None
    fov: float | None = None
    background: tuple[int, int, int] | None = None
    fps: float | None = None
    start: int = 0
    stop: int | None = None
    stride: int = 1
    max_size: int | None = None

    def paths(self) -> Iterator[Path]:
        """All files and folders that the result depends on."""
        for path in (self.video, self.template, self.camera, self.masks):
            if path is not None:
                yield path


class CleanMasks:
    """Masks reduced to their largest component, so that stray blobs do not count."""

    def __init__(self, masks: Frames) -> None:
        self._masks = masks
        self.width, self.height = masks.width, masks.height

    def __len__(self) -> int:
        return len(self._masks)

    def __getitem__(self, index: int) -> Tensor:  # [H, W] uint8
        return keep_largest(self._masks[index])


def load_inputs(sources: SftSources, recipe: SftRecipe) -> SftInputs:
    """Open and check everything; frames and masks are decoded later, when asked for.

    Raises:
        InputError: a file is missing, malformed, or does not fit the others.
        UsageError: neither a camera nor a field of view is given.
    """
    if sources.camera is None and sources.fov is None:
        raise UsageError(
            "the camera is unknown: neither --camera nor --fov is given",
            hint="--camera camera.json (width, height, fx, fy, cx, cy), or --fov DEGREES for the horizontal field of view",
        )
    template = load_template(sources.template, recipe)
    frames = open_video(sources.video, start=sources.start, stop=sources.stop, stride=sources.stride, max_size=sources.max_size)
    if len(frames) < 2:
        raise InputError(
            f"{len(frames)} frame chosen, at least 2 expected: a fit follows motion",
            path=sources.video,
            hint="check --start, --stop and --stride",
        )
    camera = load_camera(sources, frames)
    masks = load_masks(sources, frames)
    return SftInputs(frames=frames, masks=masks, template=template, camera=camera, fps=real_time(sources, frames.fps))


def load_template(path: Path, recipe: SftRecipe) -> Mesh:
    """The template, an oriented manifold with whatever the recipe needs of it."""
    template = read_mesh(path)
    check_manifold(template, path)
    if recipe.appearance.source == "texture":
        projection = "or --set appearance.source=projection takes its look from the first frame"
        if template.uvs is None:
            raise InputError(
                "has no texture coordinates, which appearance.source=texture needs", path=path, hint=f"add vt lines, {projection}"
            )
        if template.texture is None:
            raise InputError(
                "names no texture, which appearance.source=texture needs", path=path, hint=f"add a material with map_Kd, {projection}"
            )
    return template


def load_camera(sources: SftSources, frames: Video) -> Cameras:
    """The one camera of the clip at the frames' size."""
    if sources.camera is None:
        return camera_from_fov(float(sources.fov or 0.0), frames.width, frames.height)
    cameras = read_cameras(sources.camera)
    if len(cameras) != 1:
        raise InputError(
            f"holds {len(cameras)} cameras, expected the one that took the clip",
            path=sources.camera,
            hint="leave only that one in the file",
        )
    width, height = frames.source_size
    if (cameras.width, cameras.height) != (width, height):
        raise InputError(
            f"the camera is {cameras.width}x{cameras.height} px but the frames of {sources.video} are {width}x{height} px",
            path=sources.camera,
            hint="give the camera of these very frames; --max-size shrinks both together",
        )
    return cameras if (width, height) == (frames.width, frames.height) else cameras.resized(frames.width, frames.height)


def camera_from_fov(degrees: float, width: int, height: int) -> Cameras:
    """A camera at the origin with square pixels, its axis through the image centre, and a horizontal field of view [degrees]."""
    if not 1.0 <= degrees <= 170.0:
        raise UsageError(f"--fov {degrees:g}: expected a horizontal field of view between 1 and 170 degrees")
    focal = width / 2 / math.tan(math.radians(degrees) / 2)
    return Cameras.pinhole(width=width, height=height, fx=focal, fy=focal, cx=width / 2, cy=height / 2)


def load_masks(sources: SftSources, frames: Video) -> Frames:
    """One mask a frame: from files, or from the background colour, which must then be plain.

    Raises:
        InputError: the number or size of the masks differs from the frames', the first is empty, or there is no plain background.
    """
    if sources.masks is None:
        masks: Frames = ColorMasks(frames, MaskSettings(background=sources.background or _seen_background(sources, frames)))
    else:
        opened = open_masks(sources.masks, start=sources.start, stop=sources.stop, stride=sources.stride, max_size=sources.max_size)
        check_same(frames, opened)
        masks = CleanMasks(opened)
    if int((masks[0] > 0).sum()) < _SMALLEST_MASK * frames.width * frames.height:
        raise InputError(
            "the mask of the first frame is empty, expected the surface in it",
            path=sources.masks or sources.video,
            hint="check --start, or make masks with `recon prepare masks` and give them with --masks",
        )
    return masks


def _seen_background(sources: SftSources, frames: Frames) -> tuple[int, int, int]:
    """The colour of the first frame's border, which then holds for all frames."""
    try:
        red, green, blue = (round(value) for value in background_color(frames[0]).tolist())
    except InputError as error:
        raise InputError(error.message, path=sources.video, hint=error.hint) from error
    return red, green, blue


def real_time(sources: SftSources, video_fps: float | None) -> float:
    """Chosen frames per second of real time.

    Raises:
        UsageError: the rate is not positive, or nobody knows it.
    """
    slowest, fastest = FPS_RANGE
    if sources.fps is not None and not slowest <= sources.fps <= fastest:
        raise UsageError(f"--fps {sources.fps:g}: expected a positive number of frames per second, from {slowest:g} to {fastest:g}")
    fps = sources.fps or video_fps
    if fps is None:
        raise UsageError(
            f"{sources.video} is a folder of frames, which does not say how many a second has, and --fps is not given",
            hint="--fps 30, say: forces and materials depend on it",
        )
    return fps / sources.stride
