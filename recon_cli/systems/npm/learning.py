"""From registered bodies to a model of their shapes and poses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.hooks import Hooks, NoHooks
from recon_cli.systems.npm.bodies import Bodies
from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.config import NpmRecipe
from recon_cli.systems.npm.skin import learn_skin
from recon_cli.systems.npm.spaces import body_model
from recon_cli.systems.npm.template import register

CHUNK = 64


@dataclass(frozen=True)
class Learned:
    """A model and what it says of its training bodies.

    Attributes:
        model: shape and pose spaces.
        shapes: shape codes of the identities, shape [I, S].
        poses: pose codes, shape [P, J + N].
        roots: orientations of the root, shape [P, 3, 3].
        places: positions of the root's joint [box], shape [P, 3].
        identity: whose pose each is, shape [P].
        posed: the training surfaces at the model's vertices [box], shape [P, V, 3].
        registration_error: mean distance of the warped template from each identity's surface [box], shape [I].
        skin_error: root mean square distance that skinning leaves, after every round and at the end [box].
    """

    model: BodyModel
    shapes: Tensor
    poses: Tensor
    roots: Tensor
    places: Tensor
    identity: Tensor
    posed: Tensor
    registration_error: Tensor
    skin_error: tuple[float, ...]


class _Stages:
    """Hooks for stages that know only their own state: a checkpoint holds the last state of each."""

    def __init__(self, hooks: Hooks, resume: Mapping[str, Tensor] | None) -> None:
        self._hooks, self._state, self._stage = hooks, dict(resume or {}), ""

    def begin(self, stage: str) -> dict[str, Tensor]:
        """The state of the stage that begins, empty where it has none."""
        self._stage = f"{stage}."
        return {name.removeprefix(self._stage): value for name, value in self._state.items() if name.startswith(self._stage)}

    def progress(self, done: int, total: int, **numbers: float) -> None:
        self._hooks.progress(done, total, **numbers)

    def checkpoint(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, float]) -> None:
        self._state |= {self._stage + name: value for name, value in tensors.items()}
        self._hooks.checkpoint(self._state, numbers)

    def note(self, text: str) -> None:
        self._hooks.note(text)

    def should_stop(self) -> bool:
        return self._hooks.should_stop()


def learn(
    bodies: Bodies, recipe: NpmRecipe, *, seed: int = 0, hooks: Hooks | None = None, resume: Mapping[str, Tensor] | None = None
) -> Learned:
    """Learn spaces of shape and pose (Palafox et al. 2021, with bases and a learned skin in place of networks).

    One mesh is warped onto all canonical meshes; through them it is known in all poses. Parts that move almost rigidly, the tree that
    joins them and the skin weights are found from these; principal components give the codes. The same seed gives the same model, also
    when it goes on from a checkpoint.

    Args:
        bodies: what to learn from.
        recipe: how.
        seed: of all draws.
        hooks: progress, checkpoints and the wish to stop.
        resume: a checkpoint of the same bodies, recipe and seed.

    Raises:
        InputError: there is no body or no pose, or a mesh is damaged.
        StoppedError: the hooks asked to stop.
    """
    stages = _Stages(hooks or NoHooks(), resume)
    stages.note(f"warping one mesh onto {len(bodies.names)} identities")
    state = stages.begin("registration")
    registered = register(bodies, recipe.template, poses=recipe.poses, seed=seed, hooks=stages, resume=state)
    if not len(registered.posed):
        raise InputError("no identity has a posed mesh; expected poses to learn from")
    stages.note(f"finding parts, joints and skin weights in {len(registered.posed)} poses")
    skin = learn_skin(registered, recipe.skin, seed=seed, hooks=stages, resume=stages.begin("skin"))
    model, shapes, poses = body_model(registered, skin, recipe.space)
    return Learned(
        model=model,
        shapes=shapes,
        poses=poses,
        roots=skin.poses.orientations[:, 0],
        places=skin.poses.root,
        identity=registered.identity,
        posed=registered.posed,
        registration_error=registered.error,
        skin_error=skin.error,
    )


def model_error(learned: Learned) -> Tensor:  # [P]
    """Mean distance of the model from the training surface in every pose, point by point, with the codes of the training [box]."""
    errors = []
    for begin in range(0, len(learned.posed), CHUNK):
        chunk = slice(begin, begin + CHUNK)
        shapes = learned.shapes[learned.identity[chunk]]
        found = learned.model.posed(shapes, learned.poses[chunk], learned.roots[chunk], learned.places[chunk])
        errors.append((found - learned.posed[chunk]).norm(dim=-1).mean(dim=-1))
    return torch.cat(errors)
