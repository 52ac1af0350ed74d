"""Pictures of bodies for the pages of `recon npm`: parts in colours, what the numbers of a code do, training poses beside the model."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.closest_points import ClosestPoints
from recon_cli.core.mesh import Mesh
from recon_cli.run.mesh_pictures import Stand, lit
from recon_cli.run.pictures import BACKDROP, color_map, contact_sheet, labelled, scale_strip, side_by_side
from recon_cli.systems.npm.parametric_model import ParametricModel

if TYPE_CHECKING:
    from recon_cli.run.pictures import Picture

DEVIATIONS = 2.0
"""How far along a direction of the codes bodies are shown, in its standard deviations."""
FULL_SCALE = 0.01
"""Distance from the training surface that has the brightest colour [box]."""
_SIDE, _ROOM_FOR_WORDS = 250, 26
_UP, _RISE = torch.tensor([0.0, 1, 0], dtype=torch.float64), math.radians(12)
_GOLDEN = 0.5 * (math.sqrt(5) - 1)


class Trained(Protocol):
    """A model and the codes of its training bodies, as every kind of training gives them; see ``systems.npm.learning.Learned``."""

    @property
    def model(self) -> ParametricModel: ...

    @property
    def shapes(self) -> Tensor: ...  # [I, S]

    @property
    def poses(self) -> Tensor: ...  # [P, P_]

    @property
    def roots(self) -> Tensor: ...  # [P, 3, 3]

    @property
    def places(self) -> Tensor: ...  # [P, 3]

    @property
    def identity(self) -> Tensor: ...  # [P]


def standing(meshes: Sequence[Mesh]) -> Stand:
    """Where to look at bodies from that stand about the origin with y up: a little from above, and where they are widest.

    Quadrupeds are seen more from the side, people more from the front; all of the meshes are in the picture.
    """
    vertices = torch.cat([mesh.vertices for mesh in meshes]).double()
    low, high = vertices.amin(dim=0), vertices.amax(dim=0)
    target = (low + high) / 2
    is_long = float(high[2] - low[2]) > 1.3 * float(high[0] - low[0])
    yaw = math.radians(55 if is_long else 20)
    back = torch.tensor([math.sin(yaw) * math.cos(_RISE), math.sin(_RISE), math.cos(yaw) * math.cos(_RISE)], dtype=torch.float64)
    return Stand(target, float((vertices - target).norm(dim=1).max()), back, _UP, is_frontal=False)


def part_colors(weights: Tensor) -> Tensor:  # [V, K] -> [V, 3]
    """A colour a part, mixed where a vertex follows several."""
    hues = [(place * _GOLDEN) % 1.0 for place in range(weights.shape[1])]
    rows = [colorsys.hsv_to_rgb(hue, 0.5 + 0.2 * (place % 2), 0.95 - 0.2 * (place % 3 == 2)) for place, hue in enumerate(hues)]
    return weights @ torch.tensor(rows, dtype=weights.dtype)


def around(mesh: Mesh, *, side: int = 360) -> Picture:
    """A mesh from the front, the side and behind."""
    stand = standing([mesh])
    return side_by_side([lit(mesh, stand.camera(math.radians(yaw), side=side)) for yaw in (0, 90, 180)])


def modes_sheet(bodies: Sequence[tuple[Mesh, Mesh]], name: str) -> Picture:
    """Pairs of bodies, each the two ends of a direction, one above the other and all from the same place."""
    stand = standing([mesh for pair in bodies for mesh in pair])
    camera = stand.camera(0.0, side=_SIDE)
    rows = [
        [labelled(lit(pair[end], camera), f"{name} {place + 1}: {sign}{DEVIATIONS:g}") for place, pair in enumerate(bodies)]
        for end, sign in enumerate("-+")
    ]
    return contact_sheet([picture for row in rows for picture in row], columns=len(bodies))


def directions(codes: Tensor, count: int) -> Tensor:  # [N, C] -> [D, C]
    """The directions in which codes differ most, each as long as their standard deviation along it; fewer than asked for of few codes."""
    centred = codes.double().cpu() - codes.double().cpu().mean(dim=0)
    _, lengths, axes = torch.linalg.svd(centred, full_matrices=False)
    kept = min(count, int((lengths > 1e-6 * lengths[:1].clamp(min=1e-30)).sum()))
    deviation = lengths[:kept] / max(1, len(codes) - 1) ** 0.5
    return (deviation[:, None] * axes[:kept]).to(codes)


def shape_modes(model: ParametricModel, mean: Tensor, along: Tensor) -> list[tuple[Mesh, Mesh]]:  # [S], [D, S]
    """Canonical bodies at both ends of directions of the shape code."""
    return [(model.surface(mean - DEVIATIONS * one).to("cpu"), model.surface(mean + DEVIATIONS * one).to("cpu")) for one in along]


def pose_modes(model: ParametricModel, shape: Tensor, mean: Tensor, along: Tensor) -> list[tuple[Mesh, Mesh]]:  # [S], [P], [D, P]
    """Bodies of a shape at both ends of directions of the pose code."""
    bodies = in_poses(model, shape, torch.cat([mean - DEVIATIONS * along, mean + DEVIATIONS * along]))
    return list(zip(bodies[: len(along)], bodies[len(along) :], strict=True))


def in_poses(model: ParametricModel, shape: Tensor, poses: Tensor) -> list[Mesh]:  # [S], [B, P]
    """A body in poses about its pivot, the root unturned [box]."""
    surface = model.surface(shape)
    with torch.no_grad():
        moves = [model.flow(shape, pose[None], surface.vertices[None])[0] - model.pivot(shape) for pose in poses]
    return [surface.with_vertices(surface.vertices + move).to("cpu") for move in moves]


def reproduced(trained: Trained, pose: int) -> Mesh:
    """What the model makes of a training pose, where that is [box]."""
    shape = trained.shapes[trained.identity[pose]]
    (body,) = in_poses(trained.model, shape, trained.poses[pose][None])
    placed = body.vertices @ trained.roots[pose].to(body.vertices).T + trained.places[pose].to(body.vertices)
    return body.with_vertices(placed)


def reproduction_row(truth: Mesh, found: Mesh, words: str) -> Picture:
    """A training surface, what the model makes of it, and how far that is from it in colours; both in boxes."""
    distance = (ClosestPoints(truth)(found.vertices).on(truth.vertices.double()) - found.vertices).norm(dim=-1)
    level = (255 * (distance / FULL_SCALE).clamp(max=1)).round().long().numpy()
    stand = standing([truth, found])
    camera = stand.camera(0.0, side=_SIDE)
    colored = Mesh(found.vertices, found.faces, colors=torch.from_numpy(color_map("viridis", start=0.12)[level] / 255.0))
    row = side_by_side([lit(mesh, camera) for mesh in (truth, found, colored)])
    return labelled(np.concatenate([np.full((_ROOM_FOR_WORDS, row.shape[1], 3), BACKDROP, dtype=np.uint8), row]), words)


def reproduction_sheet(rows: Sequence[Picture]) -> Picture:
    """Rows of training poses, two in a line, with the scale of their colours."""
    sheet = contact_sheet(rows, columns=2, gap=12)
    strip = scale_strip(near=1000 * FULL_SCALE, far=0.0, title="distance [box/1000]", height=min(360, len(sheet)))
    padding = np.broadcast_to(strip[:1, :1], (len(sheet) - len(strip), strip.shape[1], 3))
    return np.concatenate([sheet, np.concatenate([strip, padding])], axis=1)
