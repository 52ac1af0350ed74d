"""Figures, as a family draws them in shares of their size, and bodies, their meshes in metres with everything that moves them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from recon_cli.core.normals import unit
from recon_cli.core.topology import edge_faces
from recon_cli.prepare.synth.body_contact import Capsules, capsules_of
from recon_cli.prepare.synth.body_skeleton import Skeleton
from recon_cli.prepare.synth.body_skin import skin_weights
from recon_cli.prepare.synth.body_solid import Cone, Lump, Primitive, Solid, solid_mesh

Array = np.ndarray

UNEVENNESS = 0.015
"""Standard deviation of the difference between left and right, over the size of a part."""
ATTEMPTS = 40
SHARPEST = -0.8
"""Cosine between the normals of neighbouring triangles below which a mesh is folded."""


@dataclass(frozen=True)
class Figure:
    """An individual before it is meshed.

    Attributes:
        skeleton: bones, in shares of the size.
        solid: flesh on them, in shares of the size.
        cell: side of the mesher's cells, as a share of the size.
        size: what ``measured`` gives for the finished body [m].
        measured: the length that defines the size, from the sides of the box around the body, shape [3].
        proportions: what was drawn, by name.
    """

    skeleton: Skeleton
    solid: Solid
    cell: float
    size: float
    measured: Callable[[Array], float]
    proportions: dict[str, float | str]


@dataclass(frozen=True)
class Body:
    """An individual at rest, the lowest point at y = 0.

    Attributes:
        skeleton: bones [m].
        vertices: positions [m], float64 whose values are those of float32, shape [V, 3].
        faces: vertex indices, shape [F, 3].
        weights: of the skin, shape [V, J].
        capsules: its parts, for contact.
        scale: metres per share of the size.
        proportions: what was drawn, by name.
    """

    skeleton: Skeleton
    vertices: Array  # [V, 3]
    faces: Array  # [F, 3]
    weights: Array  # [V, J]
    capsules: Capsules
    scale: float
    proportions: dict[str, float | str]

    @property
    def box_side(self) -> float:
        """Longest side of the box around the body at rest [m]."""
        return float(np.ptp(self.vertices, axis=0).max())


def draw_body(draw: Callable[[np.random.Generator], Figure], generator: np.random.Generator) -> Body:
    """The first figure of a family whose mesh has no handles and no folds: thighs or fingers that touch are drawn again."""
    for _ in range(ATTEMPTS):
        figure = draw(generator)
        vertices, faces = solid_mesh(figure.solid, figure.cell)
        has_handles = 2 * len(vertices) - len(faces) != 4  # Euler characteristic 2 of a closed mesh
        if not has_handles and not _is_folded(vertices, faces):
            break
    else:
        raise AssertionError(f"no body without handles in {ATTEMPTS} draws")
    weights = skin_weights(figure.solid, figure.skeleton, vertices, faces)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    scale = figure.size / figure.measured(high - low)
    shift = np.array([0.0, -scale * low[1], 0.0])
    return Body(
        skeleton=figure.skeleton.moved(scale, shift),
        vertices=(scale * vertices + shift).astype(np.float32).astype(np.float64),
        faces=faces,
        weights=weights,
        capsules=capsules_of(figure.solid, figure.skeleton).moved(scale, shift),
        scale=scale,
        proportions=figure.proportions,
    )


def _is_folded(vertices: Array, faces: Array) -> bool:
    """Whether neighbouring triangles lie on each other."""
    corners = torch.from_numpy(vertices)[torch.from_numpy(faces)]
    normals = unit(torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    beside = edge_faces(torch.from_numpy(faces)).faces
    return bool(((normals[beside[:, 0]] * normals[beside[:, 1]]).sum(dim=1) < SHARPEST).any())


def uneven(parts: tuple[Primitive, ...], generator: np.random.Generator) -> tuple[Primitive, ...]:
    """The same parts, each a little thicker or thinner than it should be: no body is its own mirror image."""
    factors = np.clip(1 + UNEVENNESS * generator.standard_normal(len(parts)), 1 - 2 * UNEVENNESS, 1 + 2 * UNEVENNESS)
    return tuple(_thickened(part, float(factor)) for part, factor in zip(parts, factors, strict=True))


def _thickened(part: Primitive, factor: float) -> Primitive:
    if isinstance(part, Cone):
        return replace(part, start_radius=factor * part.start_radius, end_radius=factor * part.end_radius)
    x, y, z = part.radii
    return Lump(part.bone, part.centre, (factor * x, factor * y, factor * z), part.is_cloth)
