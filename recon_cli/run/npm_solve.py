"""Which solver fits a model to a depth sequence, and what it begins from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Protocol

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.hooks import Hooks
from recon_cli.run.npm_model_file import ModelFile
from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.config import NpmRecipe
from recon_cli.systems.npm.depth_frames import DepthFrames
from recon_cli.systems.npm.fit import fit
from recon_cli.systems.npm.fitted import Fitted
from recon_cli.systems.npm.training_views import TrainingViews

VIEWS = tuple(field.name for field in fields(TrainingViews))


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
    """Gauss-Newton steps from the training views most like each frame; see ``Solver``.

    Raises:
        InputError: the model is no skinned one, or its file holds no training views.
    """
    body, views = model.model, training_views(model)
    if not isinstance(body, BodyModel):
        raise InputError("is no skinned model, which this fit needs", path=model.path, hint="train one with --recipe npm_default")
    if device.type != "cpu":
        hooks.note("this fit computes on the CPU: its steps are small and many")
    return fit(body, views, frames, recipe.fit, is_scale_known=is_scale_known, seed=seed, hooks=hooks, resume=resume)


def training_views(model: ModelFile) -> TrainingViews:
    """What a model's file says of where fits may begin.

    Raises:
        InputError: it holds no training views.
    """
    missing = [name for name in VIEWS if name not in model.starts]
    if missing:
        raise InputError(
            f"has no starts for fits (no {', '.join(missing)})", path=model.path, hint="train the model again, which keeps its poses' views"
        )
    return TrainingViews(**{name: model.starts[name].float() for name in VIEWS})


def view_tensors(views: TrainingViews) -> dict[str, Tensor]:
    """Training views as ``write_model`` takes them for starts."""
    return {name: getattr(views, name) for name in VIEWS}
