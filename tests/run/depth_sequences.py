"""Folders of depth maps of a walking figure, with its camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from recon_cli.core.cameras import Cameras
from recon_cli.io.cameras import write_cameras
from recon_cli.io.exr import write_depth
from recon_cli.io.images import write_image
from tests.systems.npm.room import Camera, Room, figure_depth

Array = np.ndarray


def as_cameras(camera: Camera) -> Cameras:
    """The camera as files hold it."""
    pose = torch.from_numpy(camera.camera_from_world)[None]
    return Cameras(torch.from_numpy(camera.K)[None], pose, torch.tensor([[camera.width, camera.tall]]), ("depth",))


def figures(frames: int = 4, camera: Camera | None = None) -> list[Array]:
    """Depth of the figure alone."""
    return [figure_depth(camera or Camera(), 0.13 * frame) for frame in range(frames)]


def in_room(bodies: list[Array], camera: Camera | None = None, room: Room | None = None) -> list[Array]:
    """The same with a room around it."""
    camera = camera or Camera()
    generator = np.random.default_rng(1)
    return [(room or Room()).around(body, camera.rays(), np.array([0, camera.height, 0]), generator) for body in bodies]


def write_sequence(folder: Path, depths: list[Array], *, camera: Cameras | None = None, masks: list[Array] | None = None) -> Path:
    """A scene folder with depth/, cameras.json and, if there are some, masks/; its path."""
    for number, depth in enumerate(depths):
        write_depth(folder / "depth" / f"{number:03d}.exr", torch.from_numpy(depth.astype(np.float32)))
    write_cameras(folder / "cameras.json", camera or as_cameras(Camera()))
    for number, mask in enumerate(masks or []):
        write_image(folder / "masks" / f"{number:03d}.png", (mask * 255).astype(np.uint8))
    return folder
