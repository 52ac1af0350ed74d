"""The job behind ``recon sft render``: a finished run seen from any camera, as a film or as pictures."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import InputError, UsageError
from recon_cli.core.normals import unit
from recon_cli.io.cameras import read_cameras
from recon_cli.io.exr import write_depth
from recon_cli.io.images import write_image
from recon_cli.io.video import VideoWriter
from recon_cli.io.whole_folder import check_new_folder, whole_folder
from recon_cli.render.lights import Lights
from recon_cli.render.protocol import Rendered, RenderSettings, get_renderer
from recon_cli.run.device import choose_device
from recon_cli.run.hooks import Display
from recon_cli.run.pictures import colored_depth, with_depth_scale
from recon_cli.run.sft_film import PRESET
from recon_cli.run.sft_outputs import Surface, read_surface

if TYPE_CHECKING:
    from recon_cli.run.pictures import Picture

MODES = ("color", "depth", "normal")
# Vertical field of view of the camera that circles a surface; narrow, so that shapes are not distorted.
_ORBIT_ANGLE = math.radians(32)
_PICTURES = ("*.png", "*.exr")
# Share of a directional light; the rest is ambient, so that no side is black.
_DIRECT = 0.75


# Names that ask for a film in a format that is not written; taken for folders they would surprise.
OTHER_FILMS = (".avi", ".gif", ".mkv", ".mov", ".webm")


@dataclass(frozen=True)
class RenderJob:
    """What is drawn, and where to.

    Attributes:
        run: a finished run.
        out: an .mp4 file, or a folder for one picture a frame.
        camera: a camera file with one camera, or one a frame; None takes the run's own.
        orbit: circle the surface by so many degrees over the clip instead, starting on the camera's side.
        mode: surface colour, coloured depth (EXR beside the pictures), or normals in camera axes.
        light: "flat" (colours as they are), "head" (a lamp at the camera), or a direction towards a distant lamp in world axes.
        frame: hold this frame of the surface, once for every view: all of an orbit, or those of the camera file.
        size: width and height [px] of an orbit's pictures.
        background: colour in 0..255.
        fps: frames per second of a film; None takes the run's.
        backend: "builtin" or "pytorch3d".
        device: where to compute.
        overwrite: whether something in ``out`` may be replaced.
    """

    run: Path
    out: Path
    camera: Path | None = None
    orbit: float | None = None
    mode: str = "color"
    light: str = "flat"
    frame: int | None = None
    size: tuple[int, int] = (960, 720)
    background: tuple[int, int, int] = (18, 20, 26)
    fps: float | None = None
    backend: str = "builtin"
    device: str = "auto"
    overwrite: bool = False


def render(job: RenderJob, display: Display) -> Path:
    """Draw the job and return what was written.

    Raises:
        InputError: the run, the camera or the output is not what it should be.
        UsageError: a choice is unknown.
    """
    surface = read_surface(job.run)
    frames = _chosen_frames(job, surface)
    cameras = views(job, surface, len(frames))
    is_film = job.out.suffix.lower() == ".mp4"
    if job.out.suffix.lower() in OTHER_FILMS:
        raise UsageError(f"-o {job.out}: films are written as .mp4", hint="name an .mp4 file, or a folder for one picture a frame")
    _check_output(job, is_film=is_film)
    fps = job.fps or run_fps(job.run)
    drawer = _Drawer(job, surface, depth_range(surface, frames, cameras) if job.mode == "depth" else (0.0, 1.0))
    with ExitStack() as stack:
        if is_film:
            write = _film_writer(stack, job.out, fps)
        else:
            write = _folder_writer(stack.enter_context(whole_folder(job.out, overwrite=job.overwrite, contents=_PICTURES)))
        for index, t in enumerate(frames):
            write(index, *drawer.draw(t, cameras[index]))
            display.progress(index + 1, len(frames), {})
    return job.out


def views(job: RenderJob, surface: Surface, count: int) -> Cameras:
    """One camera for each of ``count`` pictures.

    Raises:
        UsageError: the orbit is no number.
        InputError: the camera file holds neither one camera nor ``count``, or the run has no camera and none is given.
    """
    base = read_cameras(job.camera) if job.camera is not None else surface.camera
    if job.orbit is not None:
        if not math.isfinite(job.orbit):
            raise UsageError(f"--orbit {job.orbit:g}: expected degrees")
        return orbit(ball_around(surface), base, degrees=job.orbit, count=count, size=job.size)
    if base is None:
        raise InputError(
            "the run has no camera of its own", path=job.run, hint="--camera camera.json, or --orbit 360 to circle the surface"
        )
    if len(base) == 1:
        return _repeated(base, count)
    if len(base) != count:
        raise InputError(f"holds {len(base)} cameras, expected 1 or one for each of {count} frames", path=job.camera)
    return base


def ball_around(surface: Surface) -> tuple[Tensor, float]:  # [3]
    """Centre and radius [m] of a ball that holds the surface in all its frames."""
    frames = [surface.positions(t).double() for t in range(surface.count)]
    low = torch.stack([frame.amin(dim=0) for frame in frames]).amin(dim=0)
    high = torch.stack([frame.amax(dim=0) for frame in frames]).amax(dim=0)
    center = (low + high) / 2
    return center, max(float((frame - center).norm(dim=1).max()) for frame in frames)


def orbit(ball: tuple[Tensor, float], base: Cameras | None, *, degrees: float, count: int, size: tuple[int, int]) -> Cameras:
    """Cameras on a level circle around a ball, which fills the picture; the first is on the side of ``base``, or looks along z."""
    center, radius = ball
    pose = torch.eye(4, dtype=torch.float64) if base is None else base[0].world_from_camera[0].double()
    down = pose[:3, 1]
    away = unit((center - pose[:3, 3])[None])[0] if base is not None else pose[:3, 2]
    level = unit((away - (away @ down) * down)[None])[0]
    side = torch.linalg.cross(down, level)
    width, height = size
    focal = height / 2 / math.tan(_ORBIT_ANGLE / 2)
    distance = 1.15 * radius / math.sin(_ORBIT_ANGLE / 2) * max(1.0, height / width)
    # A full circle must not end with the view it began with; an arc must reach its end.
    is_closed = abs(degrees) % 360 == 0 and degrees != 0
    poses = []
    for index in range(count):
        turn = math.radians(degrees) * index / (count if is_closed else max(1, count - 1))
        forward = math.cos(turn) * level + math.sin(turn) * side
        axes = torch.stack([torch.linalg.cross(down, forward), down, forward])  # rows: camera x, y, z
        poses.append(_rigid(axes, axes @ (forward * distance - center)))
    K = torch.tensor([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]], dtype=torch.float64)
    return Cameras(K.repeat(count, 1, 1), torch.stack(poses), torch.tensor([[width, height]] * count))


def depth_range(surface: Surface, frames: list[int], cameras: Cameras) -> tuple[float, float]:
    """Nearest and farthest vertex [m] that any of the pictures has in front of its camera."""
    near, far = math.inf, -math.inf
    for index, t in enumerate(frames):
        depth = cameras[index].project(surface.positions(t).double())[1]
        depth = depth[depth > 0]
        if depth.numel():
            near, far = min(near, float(depth.min())), max(far, float(depth.max()))
    return (near, far) if near <= far else (0.0, 1.0)


def lights_named(text: str, camera: Cameras) -> Lights:
    """Lights for one picture; see ``RenderJob.light``.

    Raises:
        UsageError: the text is neither "flat", "head" nor three numbers.
    """
    if text == "flat":
        return Lights()
    if text == "head":
        direction = -camera.world_from_camera[0, :3, 2]
    else:
        try:
            direction = torch.tensor([float(part) for part in text.split(",")], dtype=torch.float64)
        except ValueError:
            direction = torch.zeros(0)
        if direction.shape != (3,) or not float(direction.norm()) > 0:
            raise UsageError(f"--light {text}: expected flat, head, or a direction towards the lamp such as 0.3,-1,-0.5")
    return Lights(ambient=torch.full((3,), 1 - _DIRECT), directions=direction[None].float(), colors=torch.full((1, 3), _DIRECT))


class _Drawer:
    """Draws single frames of one run."""

    def __init__(self, job: RenderJob, surface: Surface, depth_span: tuple[float, float]) -> None:
        self.job, self.surface, self.depth_span = job, surface, depth_span
        device = choose_device(job.device)
        self.renderer = get_renderer(job.backend, device)
        self.look = surface.template.to(device, torch.float32)
        self.device = device
        red, green, blue = (value / 255 for value in job.background)
        self.settings = RenderSettings(background=(red, green, blue))

    def draw(self, t: int, camera: Cameras) -> tuple[Picture, Tensor | None]:
        """The picture, and the depth map [H, W] in depth mode."""
        mesh = self.look.with_vertices(self.surface.positions(t).to(self.device, torch.float32))
        with torch.no_grad():
            drawn = self.renderer.render(mesh, camera, lights=lights_named(self.job.light, camera), settings=self.settings)
        if self.job.mode == "depth":
            depth = drawn.depth[0].cpu()
            near, far = self.depth_span
            picture = with_depth_scale(colored_depth(depth.numpy(), near=near, far=far), near=near, far=far, unit="m")
            return picture, depth
        color = drawn.color[0] if self.job.mode == "color" else self._normals(drawn, camera)
        return (color.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy(), None

    def _normals(self, drawn: Rendered, camera: Cameras) -> Tensor:  # [H, W, 3]
        """Red to the right, green up, blue towards the camera, each 0 at -1 and full at 1."""
        rotation = camera.camera_from_world[0, :3, :3].to(drawn.normal)
        local = (drawn.normal[0] @ rotation.mT) * drawn.normal.new_tensor([1.0, -1.0, -1.0])
        covered = drawn.silhouette[0][..., None]
        return covered * (local + 1) / 2 + (1 - covered) * drawn.normal.new_tensor(self.settings.background)


def run_fps(run: Path) -> float:
    """Frames per second that the run was made at."""
    from recon_cli.run.sft_params import read_physics

    return read_physics(run / "out").fps


def _chosen_frames(job: RenderJob, surface: Surface) -> list[int]:
    if job.frame is None:
        return list(range(surface.count))
    if not 0 <= job.frame < surface.count:
        raise UsageError(f"--frame {job.frame}: the run has frames 0 to {surface.count - 1}")
    if job.orbit:
        return [job.frame] * surface.count
    return [job.frame] * (1 if job.camera is None else len(read_cameras(job.camera)))


def _check_output(job: RenderJob, *, is_film: bool) -> None:
    if not is_film:
        check_new_folder(job.out, overwrite=job.overwrite, contents=_PICTURES)
    elif job.out.exists() and not job.overwrite:
        raise InputError("is already there", path=job.out, hint="--overwrite to replace it, or choose another -o")


def _film_writer(stack: ExitStack, path: Path, fps: float) -> Callable[[int, Picture, Tensor | None], None]:
    writer: list[VideoWriter] = []

    def write(index: int, picture: Picture, depth: Tensor | None) -> None:
        if not writer:
            writer.append(stack.enter_context(VideoWriter(path, fps=fps, width=picture.shape[1], height=picture.shape[0], preset=PRESET)))
        writer[0].append(picture)

    return write


def _folder_writer(folder: Path) -> Callable[[int, Picture, Tensor | None], None]:
    def write(index: int, picture: Picture, depth: Tensor | None) -> None:
        write_image(folder / f"{index:06d}.png", picture)
        if depth is not None:
            write_depth(folder / f"{index:06d}.exr", depth)

    return write


def _repeated(camera: Cameras, count: int) -> Cameras:
    return Cameras(camera.K.repeat(count, 1, 1), camera.camera_from_world.repeat(count, 1, 1), camera.size.repeat(count, 1))


def _rigid(rotation: Tensor, translation: Tensor) -> Tensor:  # [3, 3], [3] -> [4, 4]
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3], pose[:3, 3] = rotation, translation
    return pose
