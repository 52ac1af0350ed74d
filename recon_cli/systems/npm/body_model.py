"""A learned body: a mean shape, bases of shape and soft deformation, a tree of parts and their skin weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.systems.npm.skinning import Pose, Tree, rotation, skinned
from recon_cli.systems.npm.template import Box


@dataclass(frozen=True)
class BodyModel:
    """Shape and pose spaces of one kind of body, in units of its box.

    A shape code moves vertices and joints linearly. A pose code turns the parts, axis times angle linear in its first J numbers, and moves
    the surface beyond skinning: linear in all of its numbers. Codes are whitened: over the training set their numbers have mean 0 and
    deviation 1, so a squared length is a distance of Mahalanobis.

    Attributes:
        box: unit and origin.
        faces: of the surface, shape [F, 3].
        vertices: mean shape, shape [V, 3].
        joints: of the mean shape, shape [K, 3].
        shape_basis: change of the vertices by each number of a shape code, shape [S, V, 3].
        joint_basis: change of the joints, shape [S, K, 3].
        tree: of the K parts.
        weights: skin weights, shape [V, K].
        turns: mean axis times angle [radians] of all parts but the root, shape [K - 1, 3].
        turn_basis: its change by each number of a pose code, shape [J, K - 1, 3].
        softness: mean displacement of the vertices in the canonical pose beyond the shape's, shape [V, 3].
        soft_basis: displacements beside it, shape [M, V, 3].
        soft_by_pose: how much of each displacement a number of a pose code brings, shape [J + N, M].
    """

    box: Box
    faces: Tensor
    vertices: Tensor
    joints: Tensor
    shape_basis: Tensor
    joint_basis: Tensor
    tree: Tree
    weights: Tensor
    turns: Tensor
    turn_basis: Tensor
    softness: Tensor
    soft_basis: Tensor
    soft_by_pose: Tensor

    @property
    def shape_size(self) -> int:
        """Length S of a shape code."""
        return len(self.shape_basis)

    @property
    def pose_size(self) -> int:
        """Length P = J + N of a pose code."""
        return len(self.soft_by_pose)

    def canonical(self, shape: Tensor) -> Tensor:  # [..., S] -> [..., V, 3]
        """Vertices in the canonical pose [box]."""
        return self.vertices + torch.tensordot(shape, self.shape_basis, dims=1)

    def canonical_joints(self, shape: Tensor) -> Tensor:  # [..., S] -> [..., K, 3]
        """Joints in the canonical pose [box]."""
        return self.joints + torch.tensordot(shape, self.joint_basis, dims=1)

    def part_turns(self, pose: Tensor) -> Tensor:  # [B, P] -> [B, K - 1, 3]
        """Axis times angle [radians] of every part but the root, relative to its parent."""
        return self.turns + torch.tensordot(pose[:, : len(self.turn_basis)], self.turn_basis, dims=1)

    def softened(self, shape: Tensor, pose: Tensor) -> Tensor:  # [B, S], [B, P] -> [B, V, 3]
        """What is skinned: the shape in the canonical pose with the pose's soft deformation [box]."""
        return self.canonical(shape) + self.softness + torch.tensordot(pose @ self.soft_by_pose, self.soft_basis, dims=1)

    def placed(self, pose: Tensor, root: Tensor, place: Tensor) -> Pose:
        """Where the parts are.

        Args:
            pose: codes, shape [B, P].
            root: orientation of the root, shape [B, 3, 3].
            place: position of the root's joint [box], shape [B, 3].
        """
        turns = torch.cat([root[:, None], rotation(self.part_turns(pose))], dim=1)
        return Pose(self.tree.composed(turns), place)

    def posed(self, shape: Tensor, pose: Tensor, root: Tensor, place: Tensor) -> Tensor:  # [B, V, 3]
        """Vertices of bodies of these codes, root orientations and places [box]; shapes as in ``softened`` and ``placed``."""
        return skinned(self.softened(shape, pose), self.weights, self.placed(pose, root, place), self.canonical_joints(shape), self.tree)
