"""Skeletons: trees of bones at rest, how far their joints turn, and where they are in a pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recon_cli.prepare.synth.body_rotations import swing_after_twist

Array = np.ndarray
Vector = tuple[float, float, float]


def vector(point: Array) -> Vector:
    """An array of three numbers as a table holds it."""
    return (float(point[0]), float(point[1]), float(point[2]))


def even(length: float) -> Vector:
    """The same length along all axes."""
    return (length, length, length)


def mirrored(point: Vector) -> Vector:
    """A position, or a direction, across the plane x = 0."""
    return (-point[0], point[1], point[2])


@dataclass(frozen=True)
class Bone:
    """A bone as a table lists it; lengths are shares of the figure's size, angles degrees.

    Attributes:
        name: "left_…" for bones that have a twin across the plane x = 0.
        parent: name of the bone it hangs on; "" for the root.
        head: its joint, about which it turns.
        tail: its other end.
        flexion: axis of the first angle.
        abduction: axis of the second, square to it; the third angle turns about their cross product.
        low: smallest angles.
        high: largest angles.
        usual: angles of a body at ease.
        spread: standard deviation of the angles of random poses.
    """

    name: str
    parent: str
    head: Vector
    tail: Vector
    flexion: Vector
    abduction: Vector
    low: Vector = (0.0, 0.0, 0.0)
    high: Vector = (0.0, 0.0, 0.0)
    usual: Vector = (0.0, 0.0, 0.0)
    spread: Vector = (0.0, 0.0, 0.0)

    def mirrored(self) -> Bone:
        """Its twin: equal angles give a pose that is its own mirror image."""
        return replace(
            self,
            name=twin(self.name),
            parent=twin(self.parent),
            head=mirrored(self.head),
            tail=mirrored(self.tail),
            flexion=_mirrored_axis(self.flexion),
            abduction=_mirrored_axis(self.abduction),
        )


def _mirrored_axis(axis: Vector) -> Vector:
    """A turning axis across the plane x = 0: mirrored as the turn is, not as an arrow."""
    return (axis[0], -axis[1], -axis[2])


def twin(name: str) -> str:
    """The name of the bone on the other side; a name without a side stays as it is."""
    return name.replace("left_", "right_")


@dataclass(frozen=True)
class Skeleton:
    """J joints at rest; parents come before their children.

    Attributes:
        names: of the joints and of the bones that they turn.
        parents: index of the joint that each hangs on; -1 for the root, which is joint 0.
        heads: joints [m], shape [J, 3].
        tails: other ends of the bones [m], shape [J, 3].
        axes: columns flexion, abduction, twist, shape [J, 3, 3].
        low: smallest angles [rad], shape [J, 3].
        high: largest angles [rad], shape [J, 3].
        usual: angles at ease [rad], shape [J, 3].
        spread: standard deviation of random angles [rad], shape [J, 3].
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    heads: Array  # [J, 3]
    tails: Array  # [J, 3]
    axes: Array  # [J, 3, 3]
    low: Array  # [J, 3]
    high: Array  # [J, 3]
    usual: Array  # [J, 3]
    spread: Array  # [J, 3]

    def __len__(self) -> int:
        return len(self.names)

    def find(self, name: str) -> int:
        """Index of a joint."""
        return self.names.index(name)

    def moved(self, scale: float, shift: Array) -> Skeleton:
        """At scale * position + shift."""
        return replace(self, heads=scale * self.heads + shift, tails=scale * self.tails + shift)

    def steps_apart(self) -> Array:  # [J, J]
        """Number of joints between two bones along the tree."""
        steps = np.zeros((len(self), len(self)), dtype=np.int64)
        for j, parent in enumerate(self.parents[1:], start=1):
            steps[j, :j] = steps[:j, j] = steps[parent, :j] + 1
        return steps


@dataclass(frozen=True)
class Placed:
    """Bones in T frames: a point at rest p rides on bone j to ``rotations[:, j] @ (p - heads[j]) + joints[:, j]``.

    Attributes:
        rotations: world from rest, shape [T, J, 3, 3].
        joints: positions of the joints [m], shape [T, J, 3].
        rest: heads of the skeleton [m], shape [J, 3].
    """

    rotations: Array  # [T, J, 3, 3]
    joints: Array  # [T, J, 3]
    rest: Array  # [J, 3]

    def carried(self, points: Array, bones: Array) -> Array:  # [K, 3], [K] -> [T, K, 3]
        """Points at rest [m], each riding on one bone."""
        return (self.rotations[:, bones] @ (points - self.rest[bones])[..., None])[..., 0] + self.joints[:, bones]

    def moved(self, shift: Array) -> Placed:  # [T, 3]
        """Every frame moved by its own shift [m]."""
        return replace(self, joints=self.joints + shift[:, None])


def assembled(table: Sequence[Bone]) -> Skeleton:
    """The skeleton of a table of bones; every left bone gets its twin."""
    whole: list[Bone] = []
    for bone in table:
        whole += [bone, bone.mirrored()] if bone.name.startswith("left_") else [bone]
    names = tuple(bone.name for bone in whole)
    flexion, abduction = (np.array([getattr(bone, kind) for bone in whole]) for kind in ("flexion", "abduction"))
    angles = {kind: np.radians([getattr(bone, kind) for bone in whole]) for kind in ("low", "high", "usual", "spread")}
    return Skeleton(
        names=names,
        parents=tuple(names.index(bone.parent) if bone.parent else -1 for bone in whole),
        heads=np.array([bone.head for bone in whole]),
        tails=np.array([bone.tail for bone in whole]),
        axes=np.stack([flexion, abduction, np.cross(flexion, abduction)], axis=-1),
        **angles,
    )


def placed(
    skeleton: Skeleton,
    angles: Array,  # [T, J, 3]
    root: Array,  # [T, 3, 3]
) -> Placed:
    """Bones of a pose, the root joint where it is at rest.

    Args:
        skeleton: the bones at rest.
        angles: of the joints [rad]; the root's are not used.
        root: rotations of the whole body about its root joint.
    """
    turns = swing_after_twist(angles, skeleton.axes)
    rotations, joints = np.empty_like(turns), np.empty_like(angles)
    rotations[:, 0], joints[:, 0] = root, skeleton.heads[0]
    for j, parent in enumerate(skeleton.parents[1:], start=1):
        rotations[:, j] = rotations[:, parent] @ turns[:, j]
        joints[:, j] = joints[:, parent] + rotations[:, parent] @ (skeleton.heads[j] - skeleton.heads[parent])
    return Placed(rotations, joints, skeleton.heads)
