"""Printed cloth: seeded textures with detail at every scale, none of it dark."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray

TONES = ((3, 0.15), (24, 0.12), (64, 0.16))
"""Cells a side and amplitude of the noise over the print: fading, stains and the slubs of the weave."""


def draw_pattern(size: int, generator: np.random.Generator) -> Array:  # [size, size, 3] uint8
    """A random print: a motif, slow changes of tone and the grain of a weave.

    The darkest channel sum stays far above a dark background, so that the cloth can be told from it by colour alone.
    """
    motif = MOTIFS[int(generator.integers(len(MOTIFS)))]
    sharp = motif(2 * size, _palette(generator), generator)
    color = sharp.reshape(size, 2, size, 2, 3).mean(axis=(1, 3))  # inks meet without stairs
    tone = 1 + sum(amplitude * smooth_noise(size, cells, generator) for cells, amplitude in TONES)
    return np.round(255 * np.clip(color * np.asarray(tone)[..., None], 0.2, 0.98)).astype(np.uint8)


def smooth_noise(size: int, cells: int, generator: np.random.Generator) -> Array:  # [size, size]
    """Cubic interpolation of a random grid of ``cells`` cells a side; mean about 0, within about -1 to 1."""
    from scipy.ndimage import map_coordinates

    knots = generator.uniform(-1, 1, (cells + 3, cells + 3))
    along = 1 + (np.arange(size) + 0.5) / size * cells
    rows, columns = np.meshgrid(along, along, indexing="ij")
    return map_coordinates(knots, [rows, columns], order=3, mode="nearest", prefilter=False)


def _palette(generator: np.random.Generator) -> Array:  # [5, 3]
    """A light ground and four inks of well separated hues, in linear shares of 1."""
    start = generator.uniform()
    hues = (start + np.array([0.0, 0.22, 0.45, 0.68, 0.85]) + generator.uniform(-0.05, 0.05, 5)) % 1
    saturation = np.concatenate([generator.uniform(0.08, 0.25, 1), generator.uniform(0.45, 0.8, 4)])
    value = np.concatenate([generator.uniform(0.8, 0.92, 1), generator.uniform(0.5, 0.9, 4)])
    # A hue is a phase of three cosines a third of a turn apart.
    waves = 0.5 + 0.5 * np.cos(2 * np.pi * (hues[:, None] - np.array([0, 1 / 3, 2 / 3])))
    return value[:, None] * (1 - saturation[:, None] * (1 - waves))


def _coordinates(size: int) -> tuple[Array, Array]:
    along = (np.arange(size) + 0.5) / size
    return np.meshgrid(along, along)


def _tiles(size: int, palette: Array, generator: np.random.Generator) -> Array:
    """Square tiles, each with a disc, ring, cross, diagonal or frame in two inks."""
    count = int(generator.integers(8, 12))
    x, y = _coordinates(size)
    column, row = (x * count).astype(int), (y * count).astype(int)
    u, v = 2 * (x * count - column) - 1, 2 * (y * count - row) - 1
    radius, side = np.hypot(u, v), np.maximum(np.abs(u), np.abs(v))
    shapes = np.stack(
        [
            radius < 0.7,
            (radius > 0.4) & (radius < 0.8),
            np.minimum(np.abs(u), np.abs(v)) < 0.22,
            np.abs(u - v) < 0.5,
            (side > 0.45) & (side < 0.8),
            (side < 0.75) & (u * v > 0),
        ]
    )
    kind = generator.integers(0, len(shapes), (count, count))[row, column]
    ink = generator.integers(1, 5, (count, count))[row, column]
    ground = np.where(generator.uniform(size=(count, count)) < 0.3, generator.integers(1, 5, (count, count)), 0)[row, column]
    ink = np.where(ink == ground, 0, ink)
    inside = np.take_along_axis(shapes, kind[None], axis=0)[0]
    return palette[np.where(inside, ink, ground)]


def _pebbles(size: int, palette: Array, generator: np.random.Generator) -> Array:
    """Cells around random seeds in random inks, with light joints between them."""
    from scipy.spatial import KDTree

    count = int(generator.integers(110, 190))
    seeds = generator.uniform(-0.05, 1.05, (count, 2))
    x, y = _coordinates(size)
    x, y = x + 0.012 * smooth_noise(size, 14, generator), y + 0.012 * smooth_noise(size, 14, generator)
    distance, index = (np.asarray(found) for found in KDTree(seeds).query(np.stack([x, y], axis=-1).reshape(-1, 2), k=2))
    joint = (distance[:, 1] - distance[:, 0] < 0.011).reshape(size, size)
    ink = generator.integers(1, 5, count)[index[:, 0]].reshape(size, size)
    return palette[np.where(joint, 0, ink)]


def _blossoms(size: int, palette: Array, generator: np.random.Generator) -> Array:
    """Overlapping flowers of three to eight petals, strewn at random."""
    x, y = _coordinates(size)
    color = np.broadcast_to(palette[0], (size, size, 3)).copy()
    rows = int(generator.integers(9, 12))
    for place in generator.permutation(rows * rows):
        # One flower in each cell of a grid, anywhere in it, leaves no large empty ground.
        centre = (np.array([place % rows, place // rows]) + generator.uniform(0, 1, 2)) / rows
        radius = generator.uniform(0.03, 0.085)
        petals, turn = int(generator.integers(3, 9)), generator.uniform(0, 2 * np.pi)
        inks = generator.permutation(4)[:2] + 1
        distance, angle = np.hypot(x - centre[0], y - centre[1]), np.arctan2(y - centre[1], x - centre[0])
        color[distance < radius * (0.72 + 0.28 * np.cos(petals * angle + turn))] = palette[inks[0]]
        color[distance < 0.35 * radius] = palette[inks[1]]
    return color


MOTIFS: tuple[Callable[[int, Array, np.random.Generator], Array], ...] = (_tiles, _pebbles, _blossoms)
