"""Isometric flattening of a disk-like surface into its own material coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recon_cli.core.errors import InputError, NumericsError
from recon_cli.core.topology import boundary_loops, components, edges

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray

# Local/global sweeps stop when no vertex moves by more than this share of the mean edge length, or after so many sweeps.
TOLERANCE = 1e-9
SWEEPS = 500


@dataclass(frozen=True)
class EdgeStrain:
    """Relative change of edge lengths by a flattening: |flat length / length - 1|, mean and largest."""

    mean: float
    largest: float


def flatten(
    vertices: Tensor,  # [V, 3]
    faces: Tensor,  # [F, 3]
) -> Tensor:  # [V, 2]
    """Lay a surface out in the plane while changing its lengths as little as possible.

    Starts from the least-squares conformal map (Lévy et al. 2002, Eq. 6), which for a developable surface is an isometry up to scale,
    and goes on with the as-rigid-as-possible local/global iteration (Liu et al. 2008, Sec. 3). Irregular meshes and holes are fine; the
    boundary is free. Needs a mesh that passed ``topology.check_manifold``.

    Returns:
        Coordinates [same unit as ``vertices``], float64, centred on their mean. Faces that are counter-clockwise from outside are
        counter-clockwise in the plane, and the first axis follows the world's x-axis as closely as a rotation allows
        (the y-axis, for a surface that x runs straight through).

    Raises:
        InputError: the surface is in pieces, is closed, or folds over itself when flattened.
    """
    _check_disk(vertices, faces)
    points = vertices.detach().double().cpu().numpy()
    triangles = faces.cpu().numpy()
    corners = _local_corners(points, triangles)
    flat = _as_rigid_as_possible(_conformal(corners, triangles, len(points)), corners, triangles)
    _check_folds(flat, triangles)
    flat = _oriented(flat - flat.mean(axis=0), points, triangles)
    return torch.as_tensor(flat, device=vertices.device)


def edge_strain(
    vertices: Tensor,  # [V, 3]
    faces: Tensor,  # [F, 3]
    flat: Tensor,  # [V, 2]
) -> EdgeStrain:
    """How far ``flat`` is from an isometry of the surface."""
    pairs = edges(faces)
    length = torch.linalg.vector_norm(vertices[pairs[:, 1]] - vertices[pairs[:, 0]], dim=1).double()
    strain = (torch.linalg.vector_norm(flat[pairs[:, 1]] - flat[pairs[:, 0]], dim=1) / length - 1).abs()
    return EdgeStrain(float(strain.mean()), float(strain.max()))


def _check_disk(vertices: Tensor, faces: Tensor) -> None:
    pieces = int(components(faces, len(vertices)).max()) + 1
    if pieces > 1:
        raise InputError(f"the surface is in {pieces} pieces, expected one", hint="keep the largest piece only")
    if not boundary_loops(faces):
        raise InputError("the surface is closed and cannot be laid flat", hint="use an open, sheet-like template")


def _local_corners(points: Array, triangles: Array) -> Array:  # [F, 3, 2]
    """Each triangle laid into its own plane: corner 0 at the origin, corner 1 on the positive first axis."""
    import numpy as np

    first, second = points[triangles[:, 1]] - points[triangles[:, 0]], points[triangles[:, 2]] - points[triangles[:, 0]]
    base = np.linalg.norm(first, axis=1)
    along = np.einsum("fi,fi->f", first, second) / base
    height = np.linalg.norm(np.cross(first, second), axis=1) / base
    zero = np.zeros_like(base)
    return np.stack([np.stack([zero, zero], 1), np.stack([base, zero], 1), np.stack([along, height], 1)], axis=1)


def _conformal(corners: Array, triangles: Array, count: int) -> Array:  # [V, 2]
    """Least-squares conformal map with the two farthest boundary vertices held, scaled to the surface's area."""
    import numpy as np
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import splu

    sides = np.roll(corners, -2, axis=1) - np.roll(corners, -1, axis=1)  # opposite corners 0, 1, 2
    area = 0.5 * (corners[:, 1, 0] * corners[:, 2, 1])
    weights = (sides[..., 0] + 1j * sides[..., 1]) / np.sqrt(2 * area)[:, None]  # [F, 3]
    rows = np.repeat(np.arange(len(triangles)), 3)
    system = coo_matrix((weights.flatten(), (rows, triangles.flatten())), shape=(len(triangles), count)).tocsc()
    held = np.array(_far_pair(corners, triangles, count))
    free = np.setdiff1d(np.arange(count), held)
    values = np.zeros(count, dtype=complex)
    values[held] = [0, 1]
    normal = (system[:, free].conj().T @ system[:, free]).tocsc()
    values[free] = splu(normal).solve(-(system[:, free].conj().T @ (system[:, held] @ values[held])))
    flat = np.stack([np.real(values), np.imag(values)], axis=1)
    return flat * np.sqrt(area.sum() / abs(_flat_areas(flat, triangles).sum()))


def _far_pair(corners: Array, triangles: Array, count: int) -> tuple[int, int]:
    """Two vertices far apart along the surface: the ends of two sweeps of shortest paths over the edges."""
    import numpy as np
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import dijkstra

    length = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)
    heads, tails = triangles.flatten(), np.roll(triangles, -1, axis=1).flatten()
    graph = coo_matrix((length.flatten(), (heads, tails)), shape=(count, count)).tocsr()
    graph = graph.maximum(graph.T)
    start = int(np.argmax(dijkstra(graph, indices=0)))
    return start, int(np.argmax(dijkstra(graph, indices=start)))


def _as_rigid_as_possible(flat: Array, corners: Array, triangles: Array) -> Array:  # [V, 2]
    """Alternate the best rotation of each triangle and the positions that follow them (cotangent weights)."""
    import numpy as np
    from scipy.sparse.linalg import splu

    ends = np.roll(corners, -1, axis=1) - corners  # [F, 3, 2] from corner i to i + 1
    cotangent = _opposite_cotangents(corners)
    heads, tails = triangles, np.roll(triangles, -1, axis=1)
    factor = splu(_laplacian(cotangent, heads, tails, len(flat)))
    scale = TOLERANCE * np.linalg.norm(ends, axis=2).mean()
    for _ in range(SWEEPS):
        moved = flat[tails] - flat[heads]
        covariance = np.einsum("fe,fei,fej->fij", cotangent, ends, moved)
        cosine, sine = covariance[:, 0, 0] + covariance[:, 1, 1], covariance[:, 0, 1] - covariance[:, 1, 0]
        length = np.maximum(np.hypot(cosine, sine), 1e-300)
        turn = np.stack([np.stack([cosine, -sine], 1), np.stack([sine, cosine], 1)], 1) / length[:, None, None]
        wanted = cotangent[..., None] * np.einsum("fij,fej->fei", turn, ends)
        right = np.zeros_like(flat)
        np.add.at(right, tails, wanted)
        np.add.at(right, heads, -wanted)
        right[0] = 0.0
        new = factor.solve(right)
        step = np.abs((new - new.mean(axis=0)) - (flat - flat.mean(axis=0))).max()
        flat = new
        if step <= scale:
            break
    if not np.isfinite(flat).all():
        raise NumericsError("the flattening of the surface diverged", hint="remesh the template with better-shaped faces")
    return flat


def _opposite_cotangents(corners: Array) -> Array:  # [F, 3]
    """Half the cotangent of the angle opposite each edge (corner i to i + 1), kept positive so that the solve stays definite."""
    import numpy as np

    opposite = np.roll(corners, -2, axis=1)
    first, second = corners - opposite, np.roll(corners, -1, axis=1) - opposite
    cross = first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
    return np.maximum(0.5 * (first * second).sum(-1) / cross, 1e-3)


def _laplacian(weights: Array, heads: Array, tails: Array, count: int):
    """Edge Laplacian with vertex 0 held at the origin."""
    import numpy as np
    from scipy.sparse import coo_matrix

    rows = np.concatenate([heads, tails, heads, tails]).flatten()
    columns = np.concatenate([heads, tails, tails, heads]).flatten()
    values = np.concatenate([weights, weights, -weights, -weights]).flatten()
    keep = (rows != 0) & (columns != 0)
    rows, columns, values = np.append(rows[keep], 0), np.append(columns[keep], 0), np.append(values[keep], 1.0)
    return coo_matrix((values, (rows, columns)), shape=(count, count)).tocsc()


def _flat_areas(flat: Array, triangles: Array) -> Array:  # [F]
    first, second = flat[triangles[:, 1]] - flat[triangles[:, 0]], flat[triangles[:, 2]] - flat[triangles[:, 0]]
    return 0.5 * (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])


def _check_folds(flat: Array, triangles: Array) -> None:
    import numpy as np

    folded = np.flatnonzero(_flat_areas(flat, triangles) <= 0)
    if len(folded):
        raise InputError(
            f"{len(folded)} faces fold over when the surface is laid flat, the first is face {int(folded[0])}",
            hint="use a template that is close to a flat sheet, with well-shaped faces",
        )


def _oriented(flat: Array, points: Array, triangles: Array) -> Array:  # [V, 2]
    """Turn the plane so that the world's x (or else y) grows fastest along the first axis."""
    import numpy as np

    first, second = flat[triangles[:, 1]] - flat[triangles[:, 0]], flat[triangles[:, 2]] - flat[triangles[:, 0]]
    rise = points[triangles[:, 1:]] - points[triangles[:, :1]]  # [F, 2, 3]
    # The integral over a face of the gradient of x: half of (rise1 * rot(second) - rise2 * rot(first)).
    turned = np.stack([np.stack([second[:, 1], -second[:, 0]], 1), np.stack([-first[:, 1], first[:, 0]], 1)], axis=1)
    gradient = 0.5 * np.einsum("fea,fed->ad", turned, rise) / _flat_areas(flat, triangles).sum()  # [2, 3]
    axis = 0 if np.hypot(*gradient[:, 0]) > 0.1 else 1
    direction = gradient[:, axis] / max(np.hypot(*gradient[:, axis]), 1e-300)
    turn = np.array([[direction[0], direction[1]], [-direction[1], direction[0]]])
    return flat @ turn.T
