"""Shape and pose spaces: whitened principal components of what registered and skinned bodies do."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.config import SpaceConfig
from recon_cli.systems.npm.skin import Skin
from recon_cli.systems.npm.skinning import skinned, turn_of
from recon_cli.systems.npm.template import Registered

JOINT_WEIGHT = 3.0
"""Of a joint's coordinate beside a vertex's in the components of shape."""
RIDGE = 1e-2
"""Of the regression of soft deformation on turns, in variances of the turns' code."""
SMALLEST_REACH = 1e-4
"""Of a part that moves hardly anything [box per radian]."""
LARGEST = 0.05
"""Displacements beyond skinning are cut off here [box]: more is a point on the wrong limb."""
CHUNK = 64


@dataclass(frozen=True)
class Components:
    """Whitened principal components of rows.

    Attributes:
        mean: of the rows, shape [D].
        basis: change by each number of a code, shape [C, D].
        codes: of the rows, shape [N, C].
    """

    mean: Tensor
    basis: Tensor
    codes: Tensor

    @staticmethod
    def of(rows: Tensor, most: int, kept: float) -> Components:  # [N, D]
        """The first components, at most ``most``, that hold a share ``kept`` of the variance."""
        mean = rows.mean(dim=0)
        centred = (rows - mean).double()
        wide = centred.shape[1] > centred.shape[0]
        values, vectors = torch.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
        values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
        share = values.cumsum(0) / values.sum().clamp(min=torch.finfo(values.dtype).tiny)
        count = min(most, int((values > 1e-12 * values[:1]).sum()), int((share < kept).sum()) + 1)
        deviation = (values[:count] / max(1, len(rows) - 1)).sqrt()
        axes = vectors[:, :count]
        directions = (centred.T @ axes / values[:count].sqrt()).T if wide else axes.T
        codes = centred @ directions.T / deviation
        return Components(mean, (deviation[:, None] * directions).to(rows), codes.to(rows))


def body_model(registered: Registered, skin: Skin, config: SpaceConfig) -> tuple[BodyModel, Tensor, Tensor]:
    """The model of registered bodies, and their shape codes [I, S] and pose codes [P, J + N]."""
    shape, vertices = _shapes(registered, skin, config)
    count = len(skin.tree)
    turns = turn_of(skin.tree.relative(skin.poses.orientations)[:, 1:])  # [P, K - 1, 3]
    reach = _reaches(registered.template.vertices, skin)
    joints = Components.of((turns * reach).flatten(1), config.joints, config.kept)
    left = _beyond_skinning(registered, skin)
    soft = Components.of(left.flatten(1), config.soft, config.kept)
    by_turn = _regression(joints.codes, soft.codes)
    own = Components.of(soft.codes - joints.codes @ by_turn, config.soft, 1.0)
    model = BodyModel(
        box=registered.box,
        faces=registered.template.faces,
        vertices=shape.mean[: 3 * vertices].reshape(-1, 3),
        joints=shape.mean[3 * vertices :].reshape(-1, 3) / JOINT_WEIGHT,
        shape_basis=shape.basis[:, : 3 * vertices].unflatten(1, (-1, 3)),
        joint_basis=shape.basis[:, 3 * vertices :].unflatten(1, (-1, 3)) / JOINT_WEIGHT,
        tree=skin.tree,
        weights=skin.weights,
        turns=joints.mean.reshape(count - 1, 3) / reach,
        turn_basis=joints.basis.unflatten(1, (count - 1, 3)) / reach,
        softness=soft.mean.reshape(-1, 3),
        soft_basis=soft.basis.unflatten(1, (-1, 3)),
        soft_by_pose=torch.cat([by_turn, own.basis]),
    )
    return model, shape.codes, torch.cat([joints.codes, own.codes], dim=1)


def _shapes(registered: Registered, skin: Skin, config: SpaceConfig) -> tuple[Components, int]:
    """Components of vertices and joints together, and the number of vertices."""
    rows = torch.cat([registered.canonical.flatten(1), JOINT_WEIGHT * skin.joints.flatten(1)], dim=1)
    return Components.of(rows, config.shape, config.kept), registered.canonical.shape[1]


def _reaches(vertices: Tensor, skin: Skin) -> Tensor:  # [K - 1, 1]
    """How far a turn of every part but the root moves the surface, root mean square [box per radian].

    Turns count by what they move: a ring of an ankle may turn as it likes, a thigh may not.
    """
    held = skin.weights @ skin.tree.below.T  # [V, K]
    lever = torch.cdist(vertices, skin.joints.mean(dim=0))
    return (held * lever).square().mean(dim=0).sqrt()[1:, None].clamp(min=SMALLEST_REACH)


def _beyond_skinning(registered: Registered, skin: Skin) -> Tensor:  # [P, V, 3]
    """What skinning leaves, turned back into the canonical pose."""
    found = []
    for begin in range(0, len(registered.posed), CHUNK):
        chunk = slice(begin, begin + CHUNK)
        identity, pose = registered.identity[chunk], skin.poses[chunk]
        at = skinned(registered.canonical[identity], skin.weights, pose, skin.joints[identity], skin.tree)
        turn = torch.einsum("vk,bkij->bvij", skin.weights, pose.orientations)
        # A mean of rotations shrinks: its inverse would blow up what is left in the crease of a joint, its transpose does not.
        back = (turn.mT @ (registered.posed[chunk] - at)[..., None])[..., 0]
        found.append(back * (LARGEST / back.norm(dim=-1, keepdim=True).clamp(min=LARGEST)))
    return torch.cat(found)


def _regression(codes: Tensor, targets: Tensor) -> Tensor:  # [P, J], [P, M] -> [J, M]
    matrix = codes.T @ codes + RIDGE * len(codes) * torch.eye(codes.shape[1])
    return torch.linalg.solve(matrix, codes.T @ targets)
