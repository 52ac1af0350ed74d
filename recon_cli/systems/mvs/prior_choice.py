"""The photo-consistency prior that a recipe names."""

from __future__ import annotations

import torch

from recon_cli.core.depth_maps import DepthIntervals
from recon_cli.core.scene import Scene
from recon_cli.kernels.patch_search import PictureSet
from recon_cli.systems.mvs.config import MvsRecipe
from recon_cli.systems.mvs.photo_consistency import PhotoConsistency
from recon_cli.systems.mvs.priors import MedianPrior, PatchPrior


def choose_prior(
    scene: Scene, pictures: PictureSet, level: int, intervals: DepthIntervals, config: MvsRecipe, device: torch.device
) -> PhotoConsistency:
    """The prior of ``config.srdf.prior`` at one resolution; ``scene`` holds the pictures at that size."""
    if config.srdf.prior == "median":
        return MedianPrior(scene, pictures, level, config.srdf, device)
    return PatchPrior(pictures, level, intervals, config.search, config.srdf.patch_scale)
