"""From registered bodies to a model of their shapes and poses."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.hooks import Hooks, NoHooks
from recon_cli.systems.npm.bodies import Bodies
from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.config import NpmRecipe
from recon_cli.systems.npm.skin import learn_skin
from recon_cli.systems.npm.spaces import body_model
from recon_cli.systems.npm.template import register


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
        skin_error: root mean square distance that skinning leaves, after every round [box].
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


def learn(bodies: Bodies, recipe: NpmRecipe, *, hooks: Hooks | None = None) -> Learned:
    """Learn spaces of shape and pose (Palafox et al. 2021, with bases and a learned skin in place of networks).

    One mesh is warped onto all canonical meshes; through them it is known in all poses. Parts that move almost rigidly, the tree that
    joins them and the skin weights are found from these; principal components give the codes.

    Args:
        bodies: what to learn from.
        recipe: how.
        hooks: told of progress.

    Raises:
        InputError: there is no body or no pose, or a mesh is damaged.
    """
    hooks = hooks or NoHooks()
    registered = register(bodies, recipe.template, poses=recipe.poses, seed=recipe.seed, hooks=hooks)
    if not len(registered.posed):
        raise InputError("no identity has a posed mesh; expected poses to learn from")
    skin = learn_skin(registered, recipe.skin, seed=recipe.seed, hooks=hooks)
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
