"""A flat rectangular sheet as an irregular triangle mesh, and regular grids embedded in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Sheet:
    """A triangulated rectangle in material coordinates.

    Attributes:
        points: material coordinates [m], x to the right, y down, from (0, 0) to the sheet's size; shape [V, 2].
        faces: vertex indices, shape [F, 3], int64; with x right, y down and z away from the viewer, the side towards the viewer is
            outside.
        size: width and height [m].
    """

    points: Array  # [V, 2]
    faces: Array  # [F, 3]
    size: tuple[float, float]


@dataclass(frozen=True)
class Embedding:
    """Points fixed to a sheet by barycentric coordinates.

    Attributes:
        corners: vertices of the face that holds each point, shape [N, 3].
        weights: barycentric coordinates, shape [N, 3].
    """

    corners: Array  # [N, 3]
    weights: Array  # [N, 3]

    def __call__(self, values: Array) -> Array:  # [..., V, D] -> [..., N, D]
        """Carry the points along with the sheet's vertices."""
        return np.einsum("nk,...nkd->...nd", self.weights, values[..., self.corners, :])


@dataclass(frozen=True)
class Grid:
    """A regular mesh of quads, each split in two.

    Attributes:
        points: material coordinates [m], rows from the top, shape [V, 2].
        faces: shape [F, 3], int64, outside towards the viewer.
        uvs: texture coordinates, (0, 0) at the bottom left, shape [V, 2].
    """

    points: Array  # [V, 2]
    faces: Array  # [F, 3]
    uvs: Array  # [V, 2]


def hexagonal_sheet(size: tuple[float, float], spacing: float, generator: np.random.Generator) -> Sheet:
    """Triangulate a rectangle: a hexagonal lattice inside, jittered, and evenly cut edges.

    Args:
        size: width and height [m].
        spacing: distance between neighbours [m].
        generator: source of the jitter, which is uniform within 15 % of the spacing.
    """
    from scipy.spatial import Delaunay

    width, height = size
    columns, rows = max(2, round(width / spacing)), max(2, round(height / (spacing * np.sqrt(0.75))))
    inner = [
        ((column + 0.5 * (row % 2)) * width / columns, row * height / rows)
        for row in range(1, rows)
        for column in range(1 - row % 2, columns)
    ]
    inner_points = np.array(inner)
    inner_points = inner_points[(inner_points[:, 0] > 0.35 * spacing) & (inner_points[:, 0] < width - 0.35 * spacing)]
    inner_points = inner_points + 0.15 * spacing * generator.uniform(-1, 1, inner_points.shape)
    points = np.concatenate([_rim(size, columns, rows), inner_points])
    faces = Delaunay(points).simplices.astype(np.int64)
    return Sheet(points, _facing_viewer(points, faces), size)


def _rim(size: tuple[float, float], columns: int, rows: int) -> Array:  # [N, 2]
    width, height = size
    x, y = np.linspace(0, width, columns + 1), np.linspace(0, height, rows + 1)[1:-1]
    sides = [(x, 0 * x), (x, 0 * x + height), (0 * y, y), (0 * y + width, y)]
    return np.concatenate([np.stack(side, axis=-1) for side in sides])


def _facing_viewer(points: Array, faces: Array) -> Array:
    """Drop slivers on the rim and turn every face so that, with y down, it is counter-clockwise for the viewer."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    doubled = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    faces = np.where((doubled > 0)[:, None], faces[:, [0, 2, 1]], faces)
    return faces[np.abs(doubled) > 1e-3 * np.abs(doubled).max()]


def grid(size: tuple[float, float], columns: int, rows: int) -> Grid:
    """A regular mesh over a rectangle of the given size [m]; diagonals alternate, so that no direction is preferred."""
    u, v = np.meshgrid(np.linspace(0, 1, columns + 1), np.linspace(0, 1, rows + 1))
    first = (np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)).reshape(-1)
    corners = np.stack([first, first + columns + 1, first + columns + 2, first + 1], axis=-1)  # around a quad, for the viewer
    odd = (first // (columns + 1) + first % (columns + 1)) % 2 == 1
    halves = np.where(odd[:, None], corners[:, [0, 1, 3, 1, 2, 3]], corners[:, [0, 1, 2, 0, 2, 3]])
    unit = np.stack([u.reshape(-1), v.reshape(-1)], axis=-1)
    return Grid(unit * np.array(size), halves.reshape(-1, 3).astype(np.int64), np.stack([unit[:, 0], 1 - unit[:, 1]], axis=-1))


def embed(sheet: Sheet, points: Array) -> Embedding:  # [N, 2]
    """Fix material points [m] to the sheet's faces."""
    corners = sheet.points[sheet.faces]  # [F, 3, 2]
    inverse = np.linalg.inv(np.concatenate([corners, np.ones_like(corners[..., :1])], axis=-1))  # [F, 3, 3]
    homogeneous = np.concatenate([points, np.ones_like(points[:, :1])], axis=-1)
    chosen, weights = np.empty(len(points), dtype=np.int64), np.empty((len(points), 3))
    for i, point in enumerate(homogeneous):
        every = np.einsum("k,fkj->fj", point, inverse)  # barycentric coordinates in every face
        # The face in which the smallest coordinate is largest contains the point, or is the nearest for one on the rim.
        chosen[i] = int(every.min(axis=-1).argmax())
        weights[i] = every[chosen[i]]
    return Embedding(sheet.faces[chosen], weights)
