"""Random patterns for the objects of a rig: strong ones that any window matches, and weak ones with almost nothing to match."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from recon_cli.kernels.solid_texture import SolidTexture

FINEST = 170.0
"""Lattice cells of the finest grain along the object: about 3 px each in a picture of 512 px that it fills."""


def draw_texture(strength: str, diameter: float, generator: np.random.Generator) -> SolidTexture:
    """A random pattern of one strength for an object of this diameter [scene units]."""
    return STRENGTHS[strength](diameter, generator)


def _strong(diameter: float, generator: np.random.Generator) -> SolidTexture:
    """Inks in cells, with dots and joints at random, and a grain down to the finest scale everywhere."""
    octaves = 5
    return SolidTexture(
        palette=_palette(generator, saturation=(0.25, 0.75), value=(0.25, 0.75)),
        seed=int(generator.integers(2**30)),
        cell_frequency=generator.uniform(9, 18) / diameter,
        cell_contrast=generator.uniform(0.6, 0.95),
        bend=generator.uniform(0.1, 0.5),
        joint=generator.choice([0.0, 1.0]) * generator.uniform(0.05, 0.12),
        dot=generator.choice([0.0, 1.0]) * generator.uniform(0.2, 0.4),
        tone_frequency=FINEST / 2 ** (octaves - 1) / diameter,
        octaves=octaves,
        gain=generator.uniform(0.95, 1.25),
        tone_contrast=generator.uniform(0.7, 1.0),
    )


def _weak(diameter: float, generator: np.random.Generator) -> SolidTexture:
    """One ink with faint broad stains; more than half of the surface is almost even."""
    return SolidTexture(
        palette=_palette(generator, saturation=(0.1, 0.4), value=(0.45, 0.75)),
        seed=int(generator.integers(2**30)),
        cell_frequency=generator.uniform(4, 7) / diameter,
        cell_contrast=generator.uniform(0.12, 0.25),
        bend=0.5,
        joint=0.0,
        dot=0.0,
        tone_frequency=generator.uniform(8, 14) / diameter,
        octaves=3,
        gain=0.5,
        tone_contrast=generator.uniform(0.2, 0.35),
        region_frequency=generator.uniform(2.5, 4) / diameter,
        flat_level=generator.uniform(0.0, 0.15),
        flat_contrast=0.12,
    )


STRENGTHS: dict[str, Callable[[float, np.random.Generator], SolidTexture]] = {"strong": _strong, "weak": _weak}
"""How each strength is drawn."""


def _palette(generator: np.random.Generator, *, saturation: tuple[float, float], value: tuple[float, float]) -> torch.Tensor:  # [6, 3]
    """Inks in linear light: hues a sixth of a turn apart, from any start, in random order, each with its own value."""
    count = 6
    hues = (generator.uniform() + generator.permutation(count) / count + generator.uniform(-0.05, 0.05, count)) % 1
    waves = 0.5 + 0.5 * np.cos(2 * np.pi * (hues[:, None] - np.array([0, 1 / 3, 2 / 3])))
    values = generator.permutation(np.linspace(*value, count))
    mix = generator.uniform(*saturation, count)
    return torch.from_numpy(values[:, None] * (1 - mix[:, None] * (1 - waves))).float()
