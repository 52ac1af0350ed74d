"""Which solver fits a model to a depth sequence, and what it begins from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.hooks import Hooks
from recon_cli.run.npm_model_file import ModelFile
from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.config import NpmRecipe
from recon_cli.systems.npm.depth_frames import DepthFrames
from recon_cli.systems.npm.first_guesses import FirstGuesses
from recon_cli.systems.npm.fit import fit
from recon_cli.systems.npm.fitted import Fitted
from recon_cli.systems.npm.network_model import NetworkModel
from recon_cli.systems.npm.parametric_model import ParametricModel
from recon_cli.systems.npm.published_fit import fit_published
from recon_cli.systems.npm.published_start import published_start


class Solver(Protocol):
    """Finds shape, poses, orientations and places of a body in depth maps."""

    def __call__(
        self,
        model: ModelFile,
        frames: DepthFrames,
        recipe: NpmRecipe,
        *,
        is_scale_known: bool,
        seed: int,
        hooks: Hooks,
        resume: Mapping[str, Tensor] | None,
        device: torch.device,
    ) -> Fitted:
        """Fit.

        Args:
            model: the spaces, and what fits may begin from.
            frames: of the body alone; some may be empty.
            recipe: how.
            is_scale_known: whether a box of the model is as long as its training bodies were; otherwise the unit is estimated.
            seed: of all draws.
            hooks: progress, checkpoints and the wish to stop.
            resume: a checkpoint of the same fit.
            device: where to compute.
        """
        ...


def solve(
    model: ModelFile,
    frames: DepthFrames,
    recipe: NpmRecipe,
    *,
    is_scale_known: bool,
    seed: int,
    hooks: Hooks,
    resume: Mapping[str, Tensor] | None,
    device: torch.device,
) -> Fitted:
    """The recipe's solver, from the first guesses in the model's file; see ``Solver``.

    Raises:
        InputError: the model is not one for this solver, or its file says nothing of where to begin.
    """
    guesses = first_guesses(model)
    settings: dict[str, Any] = {"seed": seed, "hooks": hooks, "resume": resume}
    if recipe.solver == "published":
        return _published(model, guesses, frames, recipe, is_scale_known=is_scale_known, device=device, **settings)
    body = check_solver(model, recipe)
    assert isinstance(body, BodyModel)
    if device.type != "cpu":
        hooks.note("this solver computes on the CPU: its steps are small and many")
    return fit(body, guesses, frames, recipe.fit, is_scale_known=is_scale_known, **settings)


def _published(
    model: ModelFile,
    guesses: FirstGuesses,
    frames: DepthFrames,
    recipe: NpmRecipe,
    *,
    is_scale_known: bool,
    device: torch.device,
    **settings: Any,
) -> Fitted:
    body = model.model
    shapes = model.training.get("shapes")
    shape = torch.zeros(body.shape_size) if shapes is None or isinstance(body, BodyModel) else shapes.float().mean(dim=0)
    if shape.shape != (body.shape_size,):
        raise InputError("has shape codes of another size than its model's", path=model.path, hint="copy or train it again")
    start, up = published_start(body, guesses, frames, shape, is_scale_known=is_scale_known)
    moved = body.to(device) if isinstance(body, BodyModel | NetworkModel) else body
    found = fit_published(moved, frames, start, recipe.published, device=device, **settings)
    return replace(found.fitted, up=up)


def check_solver(model: ModelFile, recipe: NpmRecipe) -> ParametricModel:
    """The model, if the recipe's solver takes one of its kind.

    Raises:
        InputError: it does not.
    """
    if recipe.solver == "newton" and not isinstance(model.model, BodyModel):
        raise InputError("is no skinned model, which this solver needs", path=model.path, hint="fit it with --recipe npm_paper")
    return model.model


def first_guesses(model: ModelFile) -> FirstGuesses:
    """What a model's file says of where fits may begin.

    Raises:
        InputError: it says nothing, or what does not fit the model.
    """
    return FirstGuesses.of(model.starts, model.model.pose_size, path=str(model.path))
