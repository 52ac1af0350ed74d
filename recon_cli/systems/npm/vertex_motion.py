"""How a body's vertices move with everything that a fit may change."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.normals import vertex_normals
from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.postures import Postures
from recon_cli.systems.npm.skinning import carried, crossed, left_jacobian, levers


@dataclass(frozen=True)
class Moved:
    """Some vertices of B bodies and their derivatives.

    Attributes:
        points: shape [B, v, 3] [box].
        normals: of the whole surface there, shape [B, v, 3].
        by_posture: derivative by the root's turn, place and pose code, shape [B, v, 3, 6 + P].
        by_shape: derivative by the shape code, shape [B, v, 3, S]; S is 0 where it was not asked for.
    """

    points: Tensor
    normals: Tensor
    by_posture: Tensor
    by_shape: Tensor


def surface_normals(vertices: Tensor, faces: Tensor) -> Tensor:  # [B, V, 3], [F, 3] -> [B, V, 3]
    """Unit normals of the vertices of B meshes with the same faces."""
    count, size = vertices.shape[:2]
    all_faces = faces + size * torch.arange(count)[:, None, None]
    return vertex_normals(vertices.flatten(0, 1), all_faces.flatten(0, 1)).unflatten(0, (count, size))


class VertexMotion:
    """Derivatives at chosen vertices of a model.

    Args:
        model: the body.
        vertices: which vertices, shape [v].
    """

    def __init__(self, model: BodyModel, vertices: Tensor) -> None:
        self.model, self.vertices = model, vertices
        self._weights = model.weights[vertices]
        self._shape_basis = model.shape_basis[:, vertices]
        self._soft = torch.tensordot(model.soft_by_pose, model.soft_basis[:, vertices], dims=1)  # [P, v, 3]

    def points(self, shape: Tensor, postures: Postures) -> Tensor:  # [S] -> [B, v, 3]
        """Only the points."""
        return self.whole(shape, postures)[:, self.vertices]

    def whole(self, shape: Tensor, postures: Postures) -> Tensor:  # [S] -> [B, V, 3]
        """All of the model's vertices."""
        return self.model.posed(shape[None].expand(len(postures), -1), postures.poses, postures.roots, postures.places)

    def __call__(self, shape: Tensor, postures: Postures, *, with_shape: bool = True) -> Moved:  # [S]
        """Points, normals and derivatives."""
        model, tree = self.model, self.model.tree
        count = len(postures)
        shapes = shape[None].expand(count, -1)
        normals = surface_normals(self.whole(shape, postures), model.faces)[:, self.vertices]
        canonical = (model.vertices + model.softness)[self.vertices] + torch.tensordot(shape, self._shape_basis, dims=1)
        soft = torch.tensordot(postures.poses, self._soft, dims=1)
        pose = model.placed(postures.poses, postures.roots, postures.places)
        joints = model.canonical_joints(shapes)
        moved, places = carried(canonical + soft, pose, joints, tree)
        turned = torch.einsum("vk,bkij->bvij", self._weights, pose.orientations)
        about = crossed(levers(moved, self._weights, places, tree))  # [B, v, K, 3, 3]
        parents = pose.orientations[:, list(tree.parents[1:])]
        axes = parents @ left_jacobian(model.part_turns(postures.poses))  # [B, K - 1, 3, 3]
        by_turn = (about[:, :, 1:] @ axes[:, None]).permute(0, 1, 3, 2, 4).flatten(3)  # [B, v, 3, 3 (K - 1)]
        by_pose = torch.einsum("bvij,pvj->bvip", turned, self._soft)
        by_pose[..., : len(model.turn_basis)] += by_turn @ model.turn_basis.flatten(1).T
        by_place = torch.eye(3).expand(count, len(self.vertices), 3, 3)
        return Moved(
            points=torch.einsum("vk,bvki->bvi", self._weights, moved),
            normals=normals,
            by_posture=torch.cat([about[:, :, 0], by_place, by_pose], dim=-1),
            by_shape=self._by_shape(turned, pose.orientations) if with_shape else canonical.new_zeros(count, len(self.vertices), 3, 0),
        )

    def _by_shape(self, turned: Tensor, orientations: Tensor) -> Tensor:  # [B, v, 3, 3], [B, K, 3, 3] -> [B, v, 3, S]
        """Vertices move in the canonical pose, and joints move whatever hangs on them."""
        basis, parents = self.model.joint_basis, self.model.tree.parents
        places = [orientations.new_zeros(len(orientations), 3, len(basis))]
        for part in range(1, len(parents)):
            bone = (basis[:, part] - basis[:, parents[part]]).T
            places.append(places[parents[part]] + orientations[:, parents[part]] @ bone)
        offset = torch.stack(places, dim=1) - torch.einsum("bkij,skj->bkis", orientations, basis)
        direct = torch.einsum("bvij,svj->bvis", turned, self._shape_basis)
        return direct + torch.einsum("vk,bkis->bvis", self._weights, offset)
