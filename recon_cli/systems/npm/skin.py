"""A skin learned from registered poses: parts, tree, joints and weights, improved in turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recon_cli.core.errors import StoppedError
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
        error: root mean square distance [box] of skinned to posed points after every round, and after the poses were fitted once more.
    """

    tree: Tree
    joints: Tensor
    weights: Tensor
    poses: Pose
    error: tuple[float, ...]

    @staticmethod
    def of(state: Mapping[str, Tensor]) -> Skin:
        """What ``tensors`` gave."""
        tree, poses = Tree(tuple(state["parents"].tolist())), Pose(state["orientations"], state["roots"])
        return Skin(tree, state["joints"], state["weights"], poses, tuple(state["error"].tolist()))

    def tensors(self) -> dict[str, Tensor]:
        """All of it, for a checkpoint."""
        moving = {"joints": self.joints, "weights": self.weights, "orientations": self.poses.orientations, "roots": self.poses.root}
        return moving | {"parents": torch.tensor(self.tree.parents), "error": torch.tensor(self.error, dtype=torch.float64)}


def learn_skin(registered: Registered, config: SkinConfig, *, seed: int, hooks: Hooks, resume: Mapping[str, Tensor] | None = None) -> Skin:
    """Find parts and their tree, then improve poses, joints and weights in turn, each by least squares with the others held.

    Args:
        registered: the bodies with the template's vertices.
        config: of the skin.
        seed: of the choice of poses and vertices.
        hooks: told of every round, and given a state after it.
        resume: a state of the same bodies, settings and seed.

    Raises:
        StoppedError: the hooks asked to stop.
    """
    generator = torch.Generator().manual_seed(seed)
    some = _drawn(len(registered.posed), config.poses, generator)
    points = _drawn(registered.posed.shape[1], config.points, generator)
    skin = _kept(Skin.of(resume) if resume else _first_skin(registered, some, config), config, hooks)
    for turn in range(config.rounds):
        # Drawn for rounds that are done, too: the same draws follow, wherever a stopped training goes on.
        shown = _drawn(len(registered.posed), WEIGHED * config.poses, generator)
        if turn == len(skin.error):
            skin = _improved(registered, skin, points, shown, config)
            hooks.progress(turn + 1, config.rounds, error=skin.error[-1])
            skin = _kept(skin, config, hooks)
    return _measured(registered, _reposed(registered, skin, points, LATER_STEPS), points)


def _kept(skin: Skin, config: SkinConfig, hooks: Hooks) -> Skin:
    hooks.checkpoint(skin.tensors(), {"rounds": len(skin.error)})
    if hooks.should_stop():
        done = f"stopped after {len(skin.error)} of {config.rounds} rounds of poses, joints and weights"
        raise StoppedError(done, hint="run the same command again to go on")
    return skin


def _drawn(count: int, most: int, generator: torch.Generator) -> Tensor:
    """At most so many of the numbers below ``count``, in ascending order."""
    return torch.randperm(count, generator=generator)[:most].sort().values


def _first_skin(registered: Registered, some: Tensor, config: SkinConfig) -> Skin:
    """Rigid parts, found in some of the poses, and the tree that joins them."""
    canonical, posed, identity, template = registered.canonical, registered.posed, registered.identity, registered.template
    label = rigid_parts(canonical[identity[some]], posed[some], template.vertices, template.faces, config)
    found = find_skeleton(canonical, posed, identity, template.faces, label)
    return Skin(found.tree, found.joints, first_weights(found.label, template.faces), found.poses, ())


def _reposed(registered: Registered, skin: Skin, points: Tensor, steps: int) -> Skin:
    before, after = registered.canonical[:, points][registered.identity], registered.posed[:, points]
    joints = skin.joints[registered.identity]
    return replace(skin, poses=fitted_poses(before, after, skin.weights[points], joints, skin.tree, skin.poses, steps=steps))


def _improved(registered: Registered, skin: Skin, points: Tensor, shown: Tensor, config: SkinConfig) -> Skin:
    """The skin after one more round: poses and joints of some points in all poses, weights of all points in the poses ``shown``."""
    canonical, posed, identity = registered.canonical, registered.posed, registered.identity
    skin = _reposed(registered, skin, points, LATER_STEPS if skin.error else FIRST_STEPS)
    before, after = canonical[:, points][identity], posed[:, points]
    joints = fitted_joints(before, after, identity, skin.weights[points], skin.joints, skin.tree, skin.poses)
    weights = fitted_weights(
        canonical[identity[shown]],
        posed[shown],
        joints[identity[shown]],
        skin.tree,
        skin.poses[shown],
        skin.weights,
        registered.template.faces,
        bones=config.bones,
        smoothness=config.smoothness,
    )
    return _measured(registered, replace(skin, joints=joints, weights=weights), points)


def _measured(registered: Registered, skin: Skin, points: Tensor) -> Skin:
    """The skin with its error beside those before."""
    before, after = registered.canonical[:, points][registered.identity], registered.posed[:, points]
    error = _error(before, after, skin.weights[points], skin.joints[registered.identity], skin.tree, skin.poses)
    return replace(skin, error=(*skin.error, error))


def _error(canonical: Tensor, posed: Tensor, weights: Tensor, joints: Tensor, tree: Tree, poses: Pose) -> float:
    total = 0.0
    for begin in range(0, len(posed), CHUNK):
        chunk = slice(begin, begin + CHUNK)
        found = skinned(canonical[chunk], weights, poses[chunk], joints[chunk], tree)
        total += float((found - posed[chunk]).double().square().sum())
    return (total / (posed.shape[0] * posed.shape[1])) ** 0.5
