"""Training bodies as a depth camera would see them from all around, to begin fits from: the views most like a frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.systems.npm.postures import Postures

CELLS = 32
"""Of a picture's side."""
MARGIN = 0.03
"""Around the body in its picture, in halves of its extent."""
DEPTH_SHARE = 0.6
"""Depth that counts as much as being there or not, in halves of the extent."""
CHUNK = 512


@dataclass(frozen=True)
class TrainingViews:
    """Pictures of N poses from H sides, compressed, with the poses' codes.

    Attributes:
        mean: of the pictures, shape [CELLS²].
        axes: principal axes of the pictures, shape [A, CELLS²].
        pictures: coordinates of every view, sides within poses, shape [N H, A].
        poses: codes, shape [N, P].
        roots: orientations of the roots, from the body's axes to those of a level camera that looks at the first side, shape [N, 3, 3].
        extents: longest side of every view's picture [box], shape [N, H].
    """

    mean: Tensor
    axes: Tensor
    pictures: Tensor
    poses: Tensor
    roots: Tensor
    extents: Tensor

    @property
    def sides(self) -> int:
        """Number H of sides, evenly around."""
        return self.extents.shape[1]

    @staticmethod
    def of(posed: Tensor, roots: Tensor, poses: Tensor, *, up: Tensor, sides: int, axes: int) -> TrainingViews:
        """Views of training bodies.

        Args:
            posed: vertices [box], shape [N, V, 3].
            roots: orientations in the same axes, shape [N, 3, 3].
            poses: codes, shape [N, P].
            up: which way is up in those axes, shape [3].
            sides: number of directions to look from.
            axes: most numbers that are kept of a picture.
        """
        level = level_camera(up)
        turns = torch.stack([_turn(2 * math.pi * side / sides) for side in range(sides)])
        found, extents = [], []
        for chunk in (posed @ level.T).split(max(1, CHUNK // sides)):
            seen = chunk[:, None] @ turns.mT  # [n, H, V, 3]
            found.append(depth_picture(seen.flatten(0, 1)))
            extents.append(extent(seen))
        pictures = torch.cat(found)
        mean = pictures.mean(dim=0)
        _, vectors = torch.linalg.eigh((pictures - mean).double().T @ (pictures - mean).double())
        chosen = vectors.flip(1)[:, :axes].T.float()
        return TrainingViews(mean, chosen, (pictures - mean) @ chosen.T, poses, level @ roots, torch.cat(extents))

    @property
    def turns(self) -> Tensor:  # [H, 3, 3]
        """Of a body about the vertical of a level camera, for every side."""
        return torch.stack([_turn(2 * math.pi * side / self.sides) for side in range(self.sides)])

    def seen(self, points: Tensor, up: Tensor) -> Seen:
        """Points of a depth map [any unit], shape [N, 3], as the views are; ``up`` in the camera's axes, shape [3]."""
        upright = uprighted(up)
        level = points @ upright.T
        return Seen((depth_picture(level[None])[0] - self.mean) @ self.axes.T, upright, float(extent(level)))

    def nearest(self, seen: Seen, count: int, half: Half | None = None) -> Begun:
        """Where to begin a frame: the ``count`` views most like it, each of another training pose and of a half if one is given,
        nearest first."""
        distance = torch.cdist(seen.picture[None], self.pictures)[0].reshape(-1, self.sides)
        if half is not None:
            distance = distance.masked_fill(~half.holds(self.turns @ self.roots[:, None]), torch.inf)
        by_pose, side = distance.min(dim=1)
        least = by_pose.argsort(stable=True)[:count]
        roots = seen.upright.T @ self.turns[side[least]] @ self.roots[least]
        units = seen.extent / self.extents[least, side[least]]
        return Begun(Postures(self.poses[least], roots, torch.zeros(len(least), 3)), by_pose[least], units)


@dataclass(frozen=True)
class Half:
    """Bodies that face the way of a reference, or the other way.

    Attributes:
        reference: orientation of a root in a level camera's axes, shape [3, 3].
        is_opposite: which half.
    """

    reference: Tensor
    is_opposite: bool

    def holds(self, roots: Tensor) -> Tensor:  # [..., 3, 3] -> [...]
        """Whether orientations in a level camera's axes are of this half: less than a quarter turn about the vertical, or more."""
        turn = roots @ self.reference.T
        # The cosine of the turn about y that is nearest to a rotation has the sign of this sum.
        return (turn[..., 0, 0] + turn[..., 2, 2] > 0) != self.is_opposite


@dataclass(frozen=True)
class Seen:
    """A frame as the training views are.

    Attributes:
        picture: its coordinates, shape [A].
        upright: rotation from the camera's axes to a level camera's, shape [3, 3].
        extent: longest side of the picture [unit of the frame's points].
    """

    picture: Tensor
    upright: Tensor
    extent: float


@dataclass(frozen=True)
class Begun:
    """Starts of one frame.

    Attributes:
        postures: C of them, all places zero.
        distances: of their pictures from the frame's, shape [C].
        units: what a box would be if the body were as large as in their pictures [unit of the frame's points], shape [C].
    """

    postures: Postures
    distances: Tensor
    units: Tensor


def extent(points: Tensor) -> Tensor:  # [..., N, 3] -> [...]
    """The longer side of what a level camera far away sees."""
    return (points[..., :2].amax(dim=-2) - points[..., :2].amin(dim=-2)).amax(dim=-1)


def depth_picture(points: Tensor) -> Tensor:  # [B, N, 3] -> [B, CELLS²]
    """What a level camera far away sees of points, cut to them and shrunk: 0 where nothing is, about 1.2 and the depth elsewhere."""
    low, high = points.amin(dim=1), points.amax(dim=1)
    half = ((high - low)[:, :2].amax(dim=-1) / 2).clamp(min=1e-6)[:, None]
    at = (points[..., :2] - ((low + high) / 2)[:, None, :2]) / (half[..., None] * (1 + MARGIN))
    cell = ((at + 1) / 2 * CELLS).long().clamp(0, CELLS - 1)
    index = cell[..., 1] * CELLS + cell[..., 0]
    empty = torch.full((len(points), CELLS**2), torch.inf)
    depth = empty.scatter_reduce(1, index, points[..., 2], "amin")
    is_seen = depth.isfinite()
    middle = depth.masked_fill(~is_seen, torch.nan).nanmedian(dim=1).values[:, None]
    relative = ((depth - middle) / (DEPTH_SHARE * half)).clamp(-1, 1)
    return torch.where(is_seen, 1.2 + 0.7 * relative, torch.zeros(()))


def level_camera(up: Tensor) -> Tensor:  # [3] -> [3, 3]
    """Axes (x right, y down, z forward) of a camera that looks level, from axes in which this is up."""
    down = -up / up.norm()
    other = torch.eye(3)[int(up.abs().argmin())]
    forward = other - (other @ down) * down
    forward = forward / forward.norm()
    return torch.stack([torch.linalg.cross(down, forward), down, forward])


def uprighted(up: Tensor) -> Tensor:  # [3] -> [3, 3]
    """The shortest rotation from a camera's axes, in which this is up, to a level camera's."""
    return shortest_rotation(up, torch.tensor([0.0, -1.0, 0.0]))


def _turn(angle: float) -> Tensor:  # [3, 3]
    """Of a body about the vertical of a level camera."""
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def shortest_rotation(start: Tensor, end: Tensor) -> Tensor:  # [3], [3] -> [3, 3]
    """The rotation that takes one direction to another the shortest way."""
    from recon_cli.systems.npm.skinning import rotation

    start, end = start / start.norm(), end / end.norm()
    axis = torch.linalg.cross(start, end)
    sine, cosine = axis.norm(), start @ end
    if float(sine) < 1e-6:
        if float(cosine) > 0:
            return torch.eye(3)
        other = torch.linalg.cross(start, torch.eye(3)[int(start.abs().argmin())])
        return rotation((math.pi * other / other.norm())[None])[0]
    return rotation((axis / sine * torch.atan2(sine, cosine))[None])[0]
