"""A small rendered scene that the tests of the learned prior share."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from recon_cli.core.depth_maps import DepthMaps
from recon_cli.prepare.synth.rig import RigSpec, make_rig
from recon_cli.prepare.synth.rig_object import draw_object
from recon_cli.systems.mvs.prior_network import PriorNetwork
from recon_cli.systems.mvs.prior_samples import TrainingScene


@cache
def small_scene(seed: int = 0, *, size: int = 112, views: int = 7) -> TrainingScene:
    """A random object in a few frontal views with exact depth; some of it is hidden in some views."""
    mesh = draw_object(np.random.default_rng(seed), cells=32)
    rig = make_rig(mesh, RigSpec(size=size, views=views, noise=1.0, exposure=0.3, specular=0.2, clutter=1), seed=seed)
    return TrainingScene(rig.scene, DepthMaps(rig.depths.cameras, rig.depths.depth))


def random_network(seed: int = 0) -> PriorNetwork:
    """Weights that let every input matter."""
    network = PriorNetwork().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
    return network
