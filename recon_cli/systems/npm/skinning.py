"""A tree of parts that turn about joints, and the surface that follows them (linear blend skinning)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tree:
    """Which part hangs on which; parents come first.

    Attributes:
        parents: of every part, -1 for the root, which is part 0.
    """

    parents: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.parents)

    @cached_property
    def below(self) -> Tensor:  # [K, K]
        """1 where a column's part moves with a row's part."""
        moved = torch.eye(len(self))
        for part in range(len(self) - 1, 0, -1):
            moved[self.parents[part]] += moved[part]
        return moved

    def composed(self, turns: Tensor) -> Tensor:  # [B, K, 3, 3] -> [B, K, 3, 3]
        """Orientations of the parts, of turns each relative to its parent."""
        found = [turns[:, 0]]
        for part in range(1, len(self)):
            found.append(found[self.parents[part]] @ turns[:, part])
        return torch.stack(found, dim=1)

    def relative(self, orientations: Tensor) -> Tensor:  # [B, K, 3, 3] -> [B, K, 3, 3]
        """Turn of every part relative to its parent, of their orientations; the root's own for the root."""
        parents = orientations[:, list(self.parents[1:])]
        return torch.cat([orientations[:, :1], parents.mT @ orientations[:, 1:]], dim=1)

    def placed(self, orientations: Tensor, root: Tensor, joints: Tensor) -> Tensor:
        """Positions of the joints, shape [B, K, 3].

        Args:
            orientations: of the parts, shape [B, K, 3, 3].
            root: position of the root's joint, shape [B, 3].
            joints: their positions in the canonical pose, shape [B, K, 3].
        """
        found = [root]
        for part in range(1, len(self)):
            parent = self.parents[part]
            bone = joints[:, part] - joints[:, parent]
            found.append(found[parent] + (orientations[:, parent] @ bone[:, :, None])[:, :, 0])
        return torch.stack(found, dim=1)


@dataclass(frozen=True)
class Pose:
    """Where all parts of B bodies are.

    Attributes:
        orientations: of the parts, from canonical to posed, shape [B, K, 3, 3].
        root: position of the root's joint, shape [B, 3].
    """

    orientations: Tensor
    root: Tensor

    def __len__(self) -> int:
        return len(self.root)

    def __getitem__(self, index: slice | Tensor) -> Pose:
        return Pose(self.orientations[index], self.root[index])


def carried(points: Tensor, pose: Pose, joints: Tensor, tree: Tree) -> tuple[Tensor, Tensor]:
    """Points as every part would move them alone, and the joints' positions.

    Args:
        points: in the canonical pose, shape [B, V, 3].
        pose: of the B bodies.
        joints: in the canonical pose, shape [B, K, 3].
        tree: of the parts.

    Returns:
        Shapes [B, V, K, 3] and [B, K, 3].
    """
    places = tree.placed(pose.orientations, pose.root, joints)
    offset = places - (pose.orientations @ joints[..., None])[..., 0]
    return torch.einsum("bkij,bvj->bvki", pose.orientations, points) + offset[:, None], places


def skinned(points: Tensor, weights: Tensor, pose: Pose, joints: Tensor, tree: Tree) -> Tensor:  # [B, V, 3]
    """Points of the canonical pose in a pose: the mean of what the parts do, by skin weights [V, K]."""
    places = tree.placed(pose.orientations, pose.root, joints)
    offset = places - (pose.orientations @ joints[..., None])[..., 0]
    turned = torch.einsum("vk,bkij->bvij", weights, pose.orientations) @ points[..., None]
    return turned[..., 0] + torch.einsum("vk,bki->bvi", weights, offset)


def levers(moved: Tensor, weights: Tensor, places: Tensor, tree: Tree) -> Tensor:  # [B, V, K, 3]
    """What turning about each joint with all that hangs on it moves: a small turn w (world axes) moves a point by w x lever.

    Args:
        moved: points as every part would move them alone, shape [B, V, K, 3].
        weights: skin weights, shape [V, K].
        places: joints' positions, shape [B, K, 3].
        tree: of the parts.
    """
    below = tree.below.to(weights)
    held = torch.einsum("kl,bvli->bvki", below, weights[None, :, :, None] * moved)
    return held - (weights @ below.T)[None, :, :, None] * places[:, None]


def crossed(levers: Tensor) -> Tensor:  # [..., 3] -> [..., 3, 3]
    """The matrix that takes a turn w to w x lever."""
    x, y, z = levers.unbind(dim=-1)
    none = torch.zeros_like(x)
    return torch.stack([none, z, -y, -z, none, x, y, -x, none], dim=-1).unflatten(-1, (3, 3))


def rotation(turns: Tensor) -> Tensor:  # [..., 3] -> [..., 3, 3]
    """Rotation matrices of axes times angles [radians] (Rodrigues), smooth at zero."""
    squared = turns.square().sum(dim=-1)[..., None, None]
    angle = squared.clamp(min=1e-12).sqrt()
    matrix = -crossed(turns)
    is_small = squared < 1e-8
    sine = torch.where(is_small, 1 - squared / 6, angle.sin() / angle)
    versine = torch.where(is_small, 0.5 - squared / 24, (1 - angle.cos()) / angle.square())
    return torch.eye(3).to(turns) + sine * matrix + versine * (matrix @ matrix)


def turn_of(rotations: Tensor) -> Tensor:  # [..., 3, 3] -> [..., 3]
    """Axis times angle [radians] of rotation matrices, angle 0 to pi."""
    from scipy.spatial.transform import Rotation

    flat = rotations.detach().cpu().double().reshape(-1, 3, 3).numpy()
    return torch.from_numpy(Rotation.from_matrix(flat).as_rotvec()).to(rotations).reshape(rotations.shape[:-1])


def left_jacobian(turns: Tensor) -> Tensor:  # [..., 3] -> [..., 3, 3]
    """How a change of axis times angle turns the rotation, in the axes it leads to: rotation(a + d) = rotation(J d) rotation(a)."""
    squared = turns.square().sum(dim=-1)[..., None, None]
    angle = squared.clamp(min=1e-12).sqrt()
    matrix = -crossed(turns)
    is_small = squared < 1e-6
    first = torch.where(is_small, 0.5 - squared / 24, (1 - angle.cos()) / angle.square())
    second = torch.where(is_small, 1 / 6 - squared / 120, (angle - angle.sin()) / angle**3)
    return torch.eye(3).to(turns) + first * matrix + second * (matrix @ matrix)
