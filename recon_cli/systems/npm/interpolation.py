"""Paths between two bodies: codes that lead from one to the other, and the bodies along them, which keep to their volume."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from recon_cli.core.closed_surface import enclosed_volume
from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.normals import face_areas, vertex_normals
from recon_cli.systems.npm.codes import Codes, Posing, in_world
from recon_cli.systems.npm.parametric_model import ParametricModel
from recon_cli.systems.npm.skinning import rotation, turn_of

What = Literal["shape", "pose", "both"]

TOLERANCE = 0.03
"""Share by which a volume may be off the straight line between those of the ends before the surface is moved."""

_STEPS = 6
"""Secant steps of that move; the volume is a cubic in the distance, and nearly straight."""


@dataclass(frozen=True)
class Waypoint:
    """A body along a path.

    Attributes:
        body: in the world's axes [scene units], float64.
        volume: of the body [scene units³].
        code_volume: of what the codes alone give.
        line: volume on the straight line between those of the ends.
        moved: distance that the surface was moved outwards [scene units]; 0 where ``code_volume`` is near enough to the line.
    """

    body: Mesh
    volume: float
    code_volume: float
    line: float
    moved: float

    @property
    def deviation(self) -> float:
        """Share by which the volume is off the line."""
        return abs(self.volume / self.line - 1)


def path_between(model: ParametricModel, start: Codes, end: Codes, *, what: What, frames: int) -> Codes:
    """Codes from one body to another, in the axes of the first one's camera.

    Pose codes and places change at constant speed, orientations by the shortest turn. Shape codes go straight as well, but the volume of
    a body that grows at constant speed is the cube of a straight line: between sizes 1 and r it is given the size
    (1 + t (r³ - 1))^(1/3), whose cube is straight. The unit follows the same law.

    Args:
        model: of both.
        start: a body, of one frame.
        end: another one.
        what: changes; the rest stays that of the first.
        frames: number of bodies, both ends among them, at least 2.
    """
    time = torch.linspace(0, 1, frames, dtype=torch.float64)
    shape, unit = _grown(model, start, start if what == "pose" else end, time)
    posed = start if what == "shape" else end
    world = start.world_from_camera.double()
    places = _straight(start.world_places[0], posed.world_places[0], time) - world[:3, 3]
    return Codes(
        shape=shape,
        poses=_straight(start.poses[0], posed.poses[0], time),
        roots=(world[:3, :3].T @ _turned(start.world_roots[0], posed.world_roots[0], time)).to(start.roots),
        places=(places @ world[:3, :3] / unit[:, None]).to(start.places),
        unit=unit,
        up=start.up,
        world_from_camera=start.world_from_camera,
        names=tuple(f"{index:06d}" for index in range(frames)),
    )


def walk(model: ParametricModel, path: Codes) -> Iterator[Waypoint]:
    """The bodies of a path, one after the other.

    What the codes give is taken as it is where its volume is within ``TOLERANCE`` of the straight line between those of the ends.
    Elsewhere its surface is moved along its normals, everywhere by the same small distance, until it is.
    """
    posing = Posing(model)
    first, last = (_volume(posing, path, frame) for frame in (0, len(path) - 1))
    for frame in range(len(path)):
        unit = float(path.unit_of(frame))
        line = first + frame / max(1, len(path) - 1) * (last - first)
        body = posing(path.shape_of(frame), path.poses[frame])
        volume = float(enclosed_volume(body.vertices, body.faces)) * unit**3
        near = min(max(volume, (1 - TOLERANCE) * line), (1 + TOLERANCE) * line)
        moved = 0.0 if near == volume else _distance_to(body, near / unit**3)
        body = body.with_vertices(body.vertices + moved * vertex_normals(body.vertices, body.faces)) if moved else body
        yield Waypoint(
            body=in_world(path, frame, body),
            volume=float(enclosed_volume(body.vertices, body.faces)) * unit**3,
            code_volume=volume,
            line=line,
            moved=moved * unit,
        )


def _grown(model: ParametricModel, start: Codes, end: Codes, time: Tensor) -> tuple[Tensor, Tensor]:
    """Shape codes [T, S] and units [T] [scene units a box] whose canonical volume grows linearly, as far as the shapes are similar."""
    volumes = [float(_canonical_volume(model, codes.shape)) for codes in (start, end)]
    if not all(0 < volume < math.inf for volume in volumes):
        raise InputError("a shape code is of no body: its canonical surface encloses no volume", hint="take codes that a fit has written")
    sizes = [volume ** (1 / 3) for volume in volumes]
    ratio, units = sizes[1] / sizes[0], [float(codes.unit) for codes in (start, end)]
    size = _cube_root_law(ratio, time)
    share = (size - 1) / (ratio - 1) if abs(ratio - 1) > 1e-6 else time
    unit = units[0] * _cube_root_law(ratio * units[1] / units[0], time) / size
    return _straight(start.shape, end.shape, share), unit


def _cube_root_law(ratio: float, time: Tensor) -> Tensor:  # [T] -> [T]
    """Sizes from 1 to a ratio whose cubes change linearly."""
    return (1 + time * (ratio**3 - 1)) ** (1 / 3)


def _straight(start: Tensor, end: Tensor, share: Tensor) -> Tensor:  # [N], [N], [T] -> [T, N]
    """Points on the way from one row to another; exact at both ends."""
    ahead = share[:, None].to(start)
    return (1 - ahead) * start + ahead * end


def _turned(start: Tensor, end: Tensor, time: Tensor) -> Tensor:  # [3, 3], [3, 3], [T] -> [T, 3, 3]
    """Orientations on the shortest turn at constant speed."""
    return start @ rotation(time[:, None] * turn_of(start.T @ end))


def _volume(posing: Posing, path: Codes, frame: int) -> float:
    """Of the body of a frame [scene units³]."""
    body = posing(path.shape_of(frame), path.poses[frame])
    return float(enclosed_volume(body.vertices, body.faces)) * float(path.unit_of(frame)) ** 3


def _canonical_volume(model: ParametricModel, shape: Tensor) -> Tensor:  # [S] -> []
    surface = model.surface(shape)
    return enclosed_volume(surface.vertices.double(), surface.faces)


def _distance_to(body: Mesh, volume: float) -> float:
    """How far the surface must move outwards to enclose a volume."""
    normals = vertex_normals(body.vertices, body.faces)
    area, begin = float(face_areas(body.vertices, body.faces).sum()), float(enclosed_volume(body.vertices, body.faces))
    distance = 0.0
    for _ in range(_STEPS):
        seen = float(enclosed_volume(body.vertices + distance * normals, body.faces))
        slope = (seen - begin) / distance if distance else area
        distance += (volume - seen) / slope
    return distance
