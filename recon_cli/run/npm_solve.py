"""Which solver fits a model to a depth sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from recon_cli.core.hooks import Hooks
from recon_cli.run.npm_model_file import ModelFile
from recon_cli.systems.npm.config import NpmRecipe
from recon_cli.systems.npm.depth_frames import DepthFrames
from recon_cli.systems.npm.fitted import Fitted


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
    """Gauss-Newton steps; see ``Solver``."""
    from recon_cli.systems.npm import fit

    return fit.fit(model.model, frames, model.starts, recipe.fit, seed=seed, hooks=hooks, resume=resume, device=device)  # pyright: ignore
