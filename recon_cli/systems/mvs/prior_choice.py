"""The photo-consistency prior that a recipe names."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from recon_cli.core.depth_maps import DepthIntervals
from recon_cli.core.errors import UsageError
from recon_cli.core.scene import Scene
from recon_cli.kernels.patch_search import PictureSet
from recon_cli.systems.mvs.config import MvsRecipe
from recon_cli.systems.mvs.photo_consistency import PhotoConsistency
from recon_cli.systems.mvs.prior_learned import LearnedPrior
from recon_cli.systems.mvs.prior_network import PriorNetwork
from recon_cli.systems.mvs.priors import MedianPrior, PatchPrior


@dataclass(frozen=True)
class PriorSources:
    """What a prior looks at, at one resolution of the pyramid.

    Attributes:
        scene: the pictures at that size.
        pictures: the pyramid.
        level: the resolution.
        intervals: where the surface may lie.
        network: weights of the learned prior, where the recipe asks for it.
    """

    scene: Scene
    pictures: PictureSet
    level: int
    intervals: DepthIntervals
    network: PriorNetwork | None = None


def choose_prior(sources: PriorSources, config: MvsRecipe, device: torch.device) -> PhotoConsistency:
    """The prior of ``config.srdf.prior``.

    Raises:
        UsageError: the learned prior was asked for without its network.
    """
    if config.srdf.prior == "median":
        return MedianPrior(sources.scene, sources.pictures, sources.level, config.srdf, device)
    if config.srdf.prior == "patch":
        return PatchPrior(sources.pictures, sources.level, sources.intervals, config.search, config.srdf.patch_scale)
    if sources.network is None:
        raise UsageError(
            "the recipe asks for the learned prior, but no network was given", hint="give its weights, or set srdf.prior=patch"
        )
    return LearnedPrior(sources.scene, sources.network, device)
