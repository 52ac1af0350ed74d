"""A skin learned from registered poses: parts, tree, joints and weights, improved in turn."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.hooks import Hooks
from recon_cli.systems.npm.config import SkinConfig
from recon_cli.systems.npm.posing import fitted_joints, fitted_poses
from recon_cli.systems.npm.rigid_parts import rigid_parts
from recon_cli.systems.npm.skeleton import find_skeleton
from recon_cli.systems.npm.skin_weights import first_weights, fitted_weights
from recon_cli.systems.npm.skinning import Pose, Tree, skinned
from recon_cli.systems.npm.template import Registered

FIRST_STEPS, LATER_STEPS = 4, 2
"""Gauss-Newton steps on the poses in the first round and in the others."""
WEIGHED = 2
"""Poses that weights are fitted to, over those that parts are found in; drawn anew every round."""
CHUNK = 64


@dataclass(frozen=True)
class Skin:
    """What moves the template.

    Attributes:
        tree: of the K parts.
        joints: of every identity in the canonical pose [box], shape [I, K, 3].
        weights: skin weights, shape [V, K].
        poses: the training poses.
        error: root mean square distance [box] of skinned to posed points after every round.
    """

    tree: Tree
    joints: Tensor
    weights: Tensor
    poses: Pose
    error: tuple[float, ...]


def learn_skin(registered: Registered, config: SkinConfig, *, seed: int, hooks: Hooks) -> Skin:
    """Find parts and their tree, then improve poses, joints and weights in turn, each by least squares with the others held.

    Args:
        registered: the bodies with the template's vertices.
        config: of the skin.
        seed: of the choice of poses and vertices.
        hooks: told of every round.
    """
    generator = torch.Generator().manual_seed(seed)
    canonical, posed, identity = registered.canonical, registered.posed, registered.identity
    faces = registered.template.faces
    some = torch.randperm(len(posed), generator=generator)[: config.poses].sort().values
    label = rigid_parts(canonical[identity[some]], posed[some], registered.template.vertices, faces, config)
    skeleton = find_skeleton(canonical, posed, identity, faces, label)
    tree, joints, poses = skeleton.tree, skeleton.joints, skeleton.poses
    weights = first_weights(skeleton.label, faces)
    points = torch.randperm(posed.shape[1], generator=generator)[: config.points].sort().values
    before, after = canonical[identity][:, points], posed[:, points]
    errors = []
    for turn in range(config.rounds):
        steps = LATER_STEPS if turn else FIRST_STEPS
        poses = fitted_poses(before, after, weights[points], joints[identity], tree, poses, steps=steps)
        joints = fitted_joints(before, after, identity, weights[points], joints, tree, poses)
        shown = torch.randperm(len(posed), generator=generator)[: WEIGHED * config.poses].sort().values
        weights = fitted_weights(
            canonical[identity[shown]],
            posed[shown],
            joints[identity[shown]],
            tree,
            poses[shown],
            weights,
            faces,
            bones=config.bones,
            smoothness=config.smoothness,
        )
        errors.append(_error(before, after, weights[points], joints[identity], tree, poses))
        hooks.progress(turn + 1, config.rounds, error=errors[-1])
    poses = fitted_poses(before, after, weights[points], joints[identity], tree, poses, steps=LATER_STEPS)
    errors.append(_error(before, after, weights[points], joints[identity], tree, poses))
    return Skin(tree, joints, weights, poses, tuple(errors))


def _error(canonical: Tensor, posed: Tensor, weights: Tensor, joints: Tensor, tree: Tree, poses: Pose) -> float:
    total = 0.0
    for begin in range(0, len(posed), CHUNK):
        chunk = slice(begin, begin + CHUNK)
        found = skinned(canonical[chunk], weights, poses[chunk], joints[chunk], tree)
        total += float((found - posed[chunk]).double().square().sum())
    return (total / (posed.shape[0] * posed.shape[1])) ** 0.5
