"""Scenes to train the photo-consistency network on: rendered rigs, made when they are first asked for."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from recon_cli.core.depth_maps import DepthMaps
from recon_cli.prepare.synth.rig import RigSpec, make_rig
from recon_cli.prepare.synth.rig_object import draw_object
from recon_cli.systems.mvs.prior_config import RigsConfig
from recon_cli.systems.mvs.prior_samples import TrainingScene

KEPT_BYTES = 2**30
"""Pictures and depths of rigs that are kept; older ones are rendered again when they are next asked for."""


class RigScenes:
    """``TrainingScenes`` of procedural objects, each with a texture, material, sensor and clutter of its own.

    Args:
        config: how many cameras, of what size.
        count: number of rigs.
        seed: rig i of a seed is always the same.
        first: number of the first rig; other numbers are other objects.
    """

    def __init__(self, config: RigsConfig, count: int, *, seed: int, first: int = 0) -> None:
        self._config, self._count, self._seed, self._first = config, count, seed, first
        self._made: OrderedDict[int, TrainingScene] = OrderedDict()

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> TrainingScene:
        if not 0 <= index < self._count:
            raise IndexError(index)
        if index not in self._made:
            self._made[index] = self._render(index)
        self._made.move_to_end(index)
        while sum(_bytes(item) for item in self._made.values()) > KEPT_BYTES and len(self._made) > 1:
            self._made.popitem(last=False)
        return self._made[index]

    def _render(self, index: int) -> TrainingScene:
        generator = np.random.default_rng([self._seed, self._first + index])
        mesh = draw_object(generator, cells=64)
        spec = draw_spec(self._config, generator)
        rig = make_rig(mesh, spec, seed=[self._seed, self._first + index])
        return TrainingScene(rig.scene, DepthMaps(rig.depths.cameras, rig.depths.depth))


def draw_spec(config: RigsConfig, generator: np.random.Generator) -> RigSpec:
    """A random material, lamp, sensor and surrounding."""
    is_frontal = generator.uniform() < 0.6
    return RigSpec(
        layout="frontal" if is_frontal else "hemisphere",
        # Cameras all around need to be more to be as near to each other.
        views=config.views if is_frontal else 2 * config.views,
        size=int(config.size * generator.uniform(0.75, 1.3)),
        azimuth=generator.uniform(0, 360),
        texture="strong" if generator.uniform() < 0.6 else "weak",
        specular=generator.uniform(0, 0.6) if generator.uniform() < 0.6 else 0.0,
        shininess=10 ** generator.uniform(1, 2.3),
        noise=generator.uniform(0, 2.5),
        exposure=generator.uniform(0, 0.4),
        background="textured" if generator.uniform() < 0.5 else "black",
        occlusion=bool(generator.uniform() < 0.5),
        clutter=int(generator.integers(0, 5)),
    )


def _bytes(item: TrainingScene) -> int:
    pixels = int(item.scene.cameras.size.prod(dim=1).sum())
    return 8 * pixels  # colour, mask, depth
