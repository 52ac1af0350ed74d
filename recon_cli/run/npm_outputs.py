"""The results of a fit as files: a mesh a frame with fixed topology, the canonical mesh, codes, and how good every frame is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.io.atomic import write_bytes
from recon_cli.io.cameras import write_cameras
from recon_cli.io.meshes import write_mesh
from recon_cli.io.records import json_line
from recon_cli.run.npm_codes import NAME as CODES
from recon_cli.run.npm_codes import write_codes
from recon_cli.systems.npm.codes import Codes
from recon_cli.systems.npm.fitted import Fitted, FrameQuality
from recon_cli.systems.npm.parametric_model import ParametricModel

CANONICAL, MESHES, FRAMES, CAMERA = "canonical.ply", "meshes", "frames.jsonl", "camera.json"
BATCH = 8
"""Frames that are posed together."""


@dataclass(frozen=True)
class FittedBody:
    """The surface that a fit found, posed when it is asked for: what is held at once does not grow with the frames."""

    model: ParametricModel
    fitted: Fitted

    def __len__(self) -> int:
        return len(self.fitted.poses)

    @cached_property
    def surface(self) -> Mesh:
        """The canonical surface [box]."""
        return self.model.surface(self.fitted.shape)

    @property
    def faces(self) -> Tensor:  # [F, 3]
        """Of all frames."""
        return self.surface.faces.cpu()

    @cached_property
    def canonical(self) -> Mesh:
        """The canonical surface where the training bodies have theirs [scene units], float32."""
        middle = self.model.box.middle.cpu().double() * (self.fitted.unit / self.model.box.side)
        vertices = self.surface.vertices.detach().cpu().double() * self.fitted.unit + middle
        return Mesh(vertices.float(), self.faces)

    def posed(self, chosen: Sequence[int] | None = None) -> Iterator[tuple[int, Tensor]]:
        """Frames, all or some, each with the vertices in the camera's axes [scene units], float64, shape [V, 3]."""
        order = list(range(len(self)) if chosen is None else chosen)
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            yield from zip(batch, self._batch(batch), strict=True)

    @torch.no_grad()
    def _batch(self, batch: Sequence[int]) -> Tensor:  # [B, V, 3]
        fitted, points = self.fitted, self.surface.vertices
        poses = fitted.poses[list(batch)].to(points)
        moved = points + self.model.flow(fitted.shape.to(points), poses, points.expand(len(batch), -1, -1))
        turned = (moved - self.model.pivot(fitted.shape.to(points))).cpu().double() @ fitted.roots[list(batch)].cpu().double().mT
        return (turned + fitted.places[list(batch)].cpu().double()[:, None]) * fitted.unit


@dataclass(frozen=True)
class Reach:
    """Where a surface is seen over all frames.

    Attributes:
        low, high: corners of the box around its pixels, shape [2].
        size: largest size in any frame along the camera's axes [scene units], shape [3].
    """

    low: Tensor
    high: Tensor
    size: Tensor

    def joined(self, other: Reach) -> Reach:
        """Of both."""
        return Reach(torch.minimum(self.low, other.low), torch.maximum(self.high, other.high), torch.maximum(self.size, other.size))


def write_body(out: Path, body: FittedBody, camera: Cameras, names: Sequence[str], digest: str) -> Reach:
    """Write out/canonical.ply, a mesh a frame in the world's axes, codes, camera and the quality of every frame.

    Args:
        out: the folder.
        body: what was fitted.
        camera: of the depth.
        names: of the frames.
        digest: of the model.
    """
    write_cameras(out / CAMERA, camera)
    world = camera.world_from_camera[0].double()
    write_codes(out / CODES, Codes.of(body.fitted, world, names), digest)
    write_bytes(out / FRAMES, "".join(json_line(record) + "\n" for record in frame_records(body.fitted, names)).encode())
    write_mesh(out / CANONICAL, body.canonical)
    reach = None
    for frame, vertices in body.posed():
        placed = vertices @ world[:3, :3].T + world[:3, 3]
        write_mesh(out / MESHES / f"{names[frame]}.ply", Mesh(placed.float(), body.faces))
        seen = _reach(vertices, camera)
        reach = seen if reach is None else reach.joined(seen)
    assert reach is not None  # a fit has at least one frame
    return reach


def frame_records(fitted: Fitted, names: Sequence[str]) -> list[dict[str, Any]]:
    """A record a frame: the numbers of ``FrameQuality``, lengths in boxes, and the energy; what was not computed is null."""
    quality = {field.name: getattr(fitted.quality, field.name).tolist() for field in fields(FrameQuality)}
    return [
        {"frame": name, **{key: values[index] for key, values in quality.items()}, "energy": float(fitted.energy[index])}
        for index, name in enumerate(names)
    ]


def _reach(vertices: Tensor, camera: Cameras) -> Reach:
    K = camera.K[0].cpu().double()
    ahead = vertices[vertices[:, 2] > 0]
    pixels = (ahead @ K.T)[:, :2] / ahead[:, 2:] if len(ahead) else torch.tensor([[0.0, 0.0]]).double()
    return Reach(pixels.amin(dim=0), pixels.amax(dim=0), vertices.amax(dim=0) - vertices.amin(dim=0))
