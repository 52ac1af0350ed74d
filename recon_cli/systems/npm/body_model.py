"""A learned body: a mean shape, bases of shape and soft deformation, a tree of parts and their skin weights."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property

import torch
from torch import Tensor

from recon_cli.core.closest_points import SurfacePoints
from recon_cli.core.mesh import Mesh
from recon_cli.core.normals import gather_rows
from recon_cli.systems.npm.box import Box
from recon_cli.systems.npm.canonical_surface import CanonicalSurface, LatestSurfaces, anchored, signed_distance
from recon_cli.systems.npm.skinning import Pose, Tree, rotation, skinned


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

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> BodyModel:
        """The same model on another device or in another floating type; the box stays, which files are converted with."""
        tensors = {field.name: value for field in fields(self) if isinstance(value := getattr(self, field.name), Tensor)}
        return replace(self, **{name: value.to(device, dtype if value.is_floating_point() else None) for name, value in tensors.items()})

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

    def surface(self, shape: Tensor) -> Mesh:  # [S]
        """The closed canonical surface of a shape [box]."""
        return Mesh(self.canonical(shape), self.faces)

    def pivot(self, shape: Tensor) -> Tensor:  # [S] -> [3]
        """The root's joint in the canonical pose [box]."""
        return self.canonical_joints(shape)[0]

    def distance(self, shape: Tensor, points: Tensor) -> Tensor:  # [S], [N, 3] -> [N]
        """Signed distance of points from the canonical surface, exact, negative inside [box]; differentiable in both."""
        surface = self._surface_of(shape)
        found = surface.nearest(points)
        return signed_distance(points, found, surface.is_inside(points, found), self.canonical(shape))

    def anchors(self, shape: Tensor, points: Tensor) -> SurfacePoints:  # [S], [N, 3]
        """The nearest points of the canonical surface, which points move with in ``flow``; differentiable in both.

        Poses that are fitted to the same points of the same shape need them once.
        """
        return anchored(points, self._surface_of(shape).nearest(points), self.canonical(shape))

    def flow(self, shape: Tensor, pose: Tensor, points: Tensor, *, anchors: SurfacePoints | None = None) -> Tensor:  # [B, N, 3]
        """Displacements that take points of the canonical pose into poses, the root unturned and its joint at ``pivot`` [box].

        A point has the skin weights and the soft deformation of the surface point nearest to it, and so keeps its place beside the surface.

        Args:
            shape: code, shape [S].
            pose: codes, shape [B, P].
            points: shape [B, N, 3].
            anchors: of all B N points, or of N where these are the same in all poses; found where not given.
        """
        count, (poses, size) = len(self.vertices), points.shape[:2]
        if anchors is None:
            is_shared = poses == 1 or points.stride(0) == 0
            anchors = self.anchors(shape, points[0] if is_shared else points.flatten(0, 1))
        corners, share = (value.reshape(-1, size, 3).expand(poses, size, 3) for value in (anchors.corners, anchors.barycentric))
        rows = corners + count * torch.arange(poses, device=corners.device)[:, None, None]
        soft = self.softness + torch.tensordot(pose @ self.soft_by_pose, self.soft_basis, dims=1)  # [B, V, 3]
        softened = points + torch.einsum("bnc,bnci->bni", share, gather_rows(soft.flatten(0, 1), rows))
        weights = (share[..., None] * self.weights[corners]).sum(dim=2)  # [B, N, K]
        return self._carried(shape, pose, softened, weights) - points

    def _carried(self, shape: Tensor, pose: Tensor, points: Tensor, weights: Tensor) -> Tensor:
        """Points [B, N, 3] in poses, with skin weights [B, N, K] of their own."""
        joints = self.canonical_joints(shape).expand(len(pose), -1, -1)
        root = torch.eye(3).to(points).expand(len(pose), 3, 3)
        parts = self.placed(pose, root, joints[:, 0])
        places = self.tree.placed(parts.orientations, parts.root, joints)
        offset = places - (parts.orientations @ joints[..., None])[..., 0]
        turned = torch.einsum("bnk,bkij->bnij", weights, parts.orientations) @ points[..., None]
        return turned[..., 0] + weights @ offset

    @cached_property
    def _surfaces(self) -> LatestSurfaces:
        return LatestSurfaces()

    def _surface_of(self, shape: Tensor) -> CanonicalSurface:
        return self._surfaces.of(shape, self.surface)
