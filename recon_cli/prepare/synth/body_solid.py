"""Solids of bodies: tapered capsules and ellipsoids on bones, melted into one surface, and its mesh."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from recon_cli.prepare.synth.body_skeleton import Vector, mirrored, twin
from recon_cli.prepare.synth.rig_object import evened, largest_piece

Array = np.ndarray

FARTHEST = 600.0
"""Distances over the seam's width beyond which exp() would vanish altogether."""


@dataclass(frozen=True)
class Cone:
    """A capsule between two balls of different radii, on a bone; lengths are shares of the figure's size.

    Attributes:
        bone: name of the bone that carries it.
        start: centre of the first ball.
        end: centre of the second.
        start_radius: radius of the first.
        end_radius: radius of the second.
        is_cloth: whether it is worn: other parts may sink into it.
    """

    bone: str
    start: Vector
    end: Vector
    start_radius: float
    end_radius: float
    is_cloth: bool = False

    def distance(self, points: Array) -> Array:  # [N, 3] -> [N]
        """Negative inside; zero on the surface, nearly the distance elsewhere."""
        axis = np.subtract(self.end, self.start)
        local = points - np.array(self.start)
        along = np.clip(local @ axis / (axis @ axis), 0.0, 1.0)
        local -= along[:, None] * axis
        return np.sqrt(np.einsum("ij,ij->i", local, local)) - (self.start_radius + along * (self.end_radius - self.start_radius))

    def box(self) -> tuple[Array, Array]:
        """Lowest and highest corner."""
        ends, radius = np.array([self.start, self.end]), max(self.start_radius, self.end_radius)
        return ends.min(axis=0) - radius, ends.max(axis=0) + radius

    def mirrored(self) -> Cone:
        """Its twin across the plane x = 0."""
        return replace(self, bone=twin(self.bone), start=mirrored(self.start), end=mirrored(self.end))


@dataclass(frozen=True)
class Lump:
    """An ellipsoid along the axes, on a bone; lengths are shares of the figure's size.

    Attributes:
        bone: name of the bone that carries it.
        centre: its centre.
        radii: half its sides.
        is_cloth: whether it is worn: other parts may sink into it.
    """

    bone: str
    centre: Vector
    radii: Vector
    is_cloth: bool = False

    def distance(self, points: Array) -> Array:  # [N, 3] -> [N]
        """Negative inside; the distance to first order near the surface."""
        scaled = (points - np.array(self.centre)) / np.array(self.radii)
        steeper = scaled / np.array(self.radii)
        length = np.sqrt(np.einsum("ij,ij->i", scaled, scaled)) + 1e-12
        return length * (length - 1) / (np.sqrt(np.einsum("ij,ij->i", steeper, steeper)) + 1e-12)

    def box(self) -> tuple[Array, Array]:
        """Lowest and highest corner."""
        return np.subtract(self.centre, self.radii), np.add(self.centre, self.radii)

    def mirrored(self) -> Lump:
        """Its twin across the plane x = 0."""
        return replace(self, bone=twin(self.bone), centre=mirrored(self.centre))


Primitive = Cone | Lump


def with_twins(parts: Iterable[Primitive]) -> tuple[Primitive, ...]:
    """All parts, and the mirror image of those that are on the left."""
    whole: list[Primitive] = []
    for part in parts:
        middle = part.start[0] + part.end[0] if isinstance(part, Cone) else part.centre[0]
        whole += [part, part.mirrored()] if part.bone.startswith("left_") or middle > 1e-9 else [part]
    return tuple(whole)


@dataclass(frozen=True)
class Solid:
    """Primitives melted together by an exponential smooth minimum.

    Attributes:
        parts: the primitives.
        seam: width of the melt, as a share of the figure's size.
    """

    parts: tuple[Primitive, ...]
    seam: float

    def __call__(self, points: Array) -> Array:  # [N, 3] -> [N]
        """Signed distances, negative inside, nearly true near the surface."""
        total = np.zeros(len(points))
        for part in self.parts:
            total += np.exp(-np.minimum(part.distance(points) / self.seam, FARTHEST))
        return -self.seam * np.log(total)

    def of_bones(self, points: Array, names: Sequence[str]) -> Array:  # [N, 3] -> [N, J]
        """Signed distances to what each bone carries; infinite for a bone without flesh."""
        distances = np.full((len(points), len(names)), np.inf)
        for part in self.parts:
            column = names.index(part.bone)
            distances[:, column] = np.minimum(distances[:, column], part.distance(points))
        return distances


def solid_mesh(solid: Solid, cell: float) -> tuple[Array, Array]:  # [V, 3], [F, 3]
    """A closed mesh of the largest piece, counter-clockwise from outside, its triangles evened out.

    Args:
        solid: what to mesh.
        cell: side of the sampling grid's cells, as a share of the figure's size.
    """
    from skimage.measure import marching_cubes

    boxes = [part.box() for part in solid.parts]
    low = np.min([low for low, _ in boxes], axis=0) - 3 * cell
    high = np.max([high for _, high in boxes], axis=0) + 3 * cell
    counts = np.ceil((high - low) / cell).astype(int) + 1
    along = [start + cell * np.arange(count) for start, count in zip(low, counts, strict=True)]
    grid = np.stack(np.meshgrid(*along, indexing="ij"), axis=-1).reshape(-1, 3)
    values = solid(grid).reshape(counts)
    vertices, faces, *_ = marching_cubes(values, 0.0, spacing=(cell,) * 3, gradient_direction="descent", allow_degenerate=False)
    vertices, faces = largest_piece(vertices.astype(np.float64) + low, faces.astype(np.int64))
    return evened(solid, vertices, faces), faces
