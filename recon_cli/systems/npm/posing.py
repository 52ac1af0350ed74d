"""Poses and joints of bodies whose surface is known point by point: Gauss-Newton on turns, least squares on joints."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.systems.npm.skinning import Pose, Tree, carried, crossed, levers, rotation

TURN_DAMPING = 1e-6
"""Added to the normal equations of turns, per vertex [box²]: a part that moves no vertex stays as it was."""
JOINT_RIDGE = 0.02
"""Added to the normal equations of joints, as a share of their mean diagonal: joints that hardly bend stay where they are."""
CHUNK = 64


def fitted_poses(
    canonical: Tensor,  # [P, V, 3]
    posed: Tensor,  # [P, V, 3]
    weights: Tensor,  # [V, K]
    joints: Tensor,  # [P, K, 3]
    tree: Tree,
    start: Pose,
    *,
    steps: int,
) -> Pose:
    """The poses of least squared distance between skinned and posed points [box].

    Args:
        canonical: points in the canonical pose.
        posed: where they are.
        weights: skin weights.
        joints: in the canonical pose.
        tree: of the parts.
        start: poses to begin with.
        steps: Gauss-Newton steps.
    """
    orientations, roots = [], []
    for begin in range(0, len(posed), CHUNK):
        chunk = slice(begin, begin + CHUNK)
        pose = start[chunk]
        for _ in range(steps):
            pose = _step(canonical[chunk], posed[chunk], weights, joints[chunk], tree, pose)
        orientations.append(pose.orientations)
        roots.append(pose.root)
    return Pose(torch.cat(orientations), torch.cat(roots))


def _step(canonical: Tensor, posed: Tensor, weights: Tensor, joints: Tensor, tree: Tree, pose: Pose) -> Pose:
    moved, places = carried(canonical, pose, joints, tree)
    residual = posed - torch.einsum("vk,bvki->bvi", weights, moved)
    turns = crossed(levers(moved, weights, places, tree))  # [B, V, K, 3, 3]
    count, points, parts = turns.shape[:3]
    by_turn = turns.permute(0, 1, 3, 2, 4).reshape(count, 3 * points, 3 * parts)
    by_shift = torch.eye(3).to(residual).repeat(points, 1).expand(count, -1, -1)
    jacobian = torch.cat([by_turn, by_shift], dim=-1)
    matrix = jacobian.mT @ jacobian
    damping = torch.cat([torch.full((3 * parts,), TURN_DAMPING * points), torch.zeros(3)]).to(matrix)
    step = torch.linalg.solve(matrix + damping.diag(), jacobian.mT @ residual.reshape(count, -1, 1))[..., 0]
    return turned(pose, step[:, : 3 * parts].unflatten(1, (parts, 3)), step[:, 3 * parts :], tree)


def turned(pose: Pose, turns: Tensor, shift: Tensor, tree: Tree) -> Pose:
    """A pose after every part has turned, with all that hangs on it, in world axes.

    Args:
        pose: of B bodies.
        turns: axis times angle of every part, shape [B, K, 3].
        shift: of the root's joint, shape [B, 3].
        tree: of the parts.
    """
    whole = tree.composed(rotation(turns))
    return Pose(whole @ pose.orientations, pose.root + shift)


def fitted_joints(
    canonical: Tensor,  # [P, V, 3]
    posed: Tensor,  # [P, V, 3]
    identity: Tensor,  # [P]
    weights: Tensor,  # [V, K]
    joints: Tensor,  # [I, K, 3]
    tree: Tree,
    poses: Pose,
) -> Tensor:  # [I, K, 3]
    """The joints of every identity at which its poses, held, fit best; skinned points depend on them linearly."""
    found = joints.clone()
    for one in identity.unique().tolist():
        own = identity == one
        pose = poses[own]
        jacobian = torch.einsum("vb,pbxmy->pvxmy", weights, _offset_by_joint(pose, tree)).reshape(-1, 3 * len(tree))
        moved, _ = carried(canonical[own], pose, joints[one].expand(len(pose), -1, -1), tree)
        residual = posed[own] - torch.einsum("vk,bvki->bvi", weights, moved)
        matrix = jacobian.T @ jacobian
        ridge = JOINT_RIDGE * matrix.diagonal().mean() + torch.finfo(matrix.dtype).tiny
        step = torch.linalg.solve(matrix + ridge * torch.eye(len(matrix)).to(matrix), jacobian.T @ residual.reshape(-1))
        found[one] = joints[one] + step.reshape(-1, 3)
    return found


def _offset_by_joint(pose: Pose, tree: Tree) -> Tensor:  # [B, K, 3, K, 3]
    """Derivative of every part's offset (its joint's place less its turned joint) with respect to all joints."""
    count = len(tree)
    found = torch.zeros(len(pose), count, 3, count, 3).to(pose.root)
    for part in range(1, count):  # where the joint is: its parent's place and the turned bone
        parent = tree.parents[part]
        found[:, part] = found[:, parent]
        found[:, part, :, part] += pose.orientations[:, parent]
        found[:, part, :, parent] -= pose.orientations[:, parent]
    for part in range(count):
        found[:, part, :, part] -= pose.orientations[:, part]
    return found
