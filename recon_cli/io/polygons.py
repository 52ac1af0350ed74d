"""Polygons cut into triangles."""

from __future__ import annotations

import numpy as np

from recon_cli.core.errors import InputError

_MOST_CONCAVE_CORNERS = 1000


def triangulate(
    vertices: np.ndarray,  # [V, 3]
    counts: np.ndarray,  # [F]
    indices: np.ndarray,  # [sum of counts]
) -> np.ndarray:  # [T, 3]
    """Cut each polygon into ``count - 2`` triangles of its own orientation, in the order of the polygons.

    Convex polygons become fans about their first corner, concave ones lose ears; of a quad's two diagonals, the first corner's is taken
    unless it lies outside.

    Args:
        vertices: positions.
        counts: corners of each polygon, at least 3.
        indices: vertices of the corners of all polygons, one after the other.

    Returns:
        For each triangle three positions in ``indices``, which serve every array that has an entry a corner.

    Raises:
        InputError: a concave polygon has more than 1000 corners.
    """
    starts = np.cumsum(counts, dtype=np.int64) - counts
    if bool((counts == 3).all()):
        return starts[:, None] + np.arange(3)
    triangles, owners = [], []
    for corners in np.unique(counts):
        chosen = np.flatnonzero(counts == corners)
        positions = starts[chosen, None] + np.arange(corners)  # [n, corners]
        local = _cut(vertices[indices[positions]].astype(np.float64), chosen)  # [n, corners - 2, 3]
        triangles.append((starts[chosen, None, None] + local).reshape(-1, 3))
        owners.append(np.repeat(chosen, corners - 2))
    return np.concatenate(triangles)[np.argsort(np.concatenate(owners), kind="stable")]


def _cut(
    points: np.ndarray,  # [n, corners, 3]
    polygons: np.ndarray,  # [n] numbers for messages
) -> np.ndarray:  # [n, corners - 2, 3]
    count, corners, _ = points.shape
    # Coordinates near the largest of their type would overflow in products; where the corners lie to each other is all that matters.
    with np.errstate(all="ignore"):
        points = points - points.mean(axis=1, keepdims=True)
        points = np.nan_to_num(points / np.maximum(np.abs(points).max(axis=(1, 2), keepdims=True), 1e-300))
    later = np.arange(1, corners - 1)
    triangles = np.broadcast_to(np.stack([np.zeros_like(later), later, later + 1], axis=-1), (count, corners - 2, 3)).copy()
    if corners == 4:
        triangles[_wants_other_diagonal(points)] = [[1, 2, 3], [1, 3, 0]]
    elif corners > 4:
        normals = np.cross(points, np.roll(points, -1, axis=1)).sum(axis=1)  # [n, 3], twice the area vector
        for index in np.flatnonzero(_is_concave(points, normals)):
            if corners > _MOST_CONCAVE_CORNERS:
                raise InputError(
                    f"face {polygons[index]} is a concave polygon of {corners} corners, expected at most {_MOST_CONCAVE_CORNERS}",
                    hint="triangulate the mesh first",
                )
            triangles[index] = _clip_ears(_in_plane(points[index], normals[index]))
    return triangles


def _wants_other_diagonal(points: np.ndarray) -> np.ndarray:  # [n, 4, 3] -> [n]
    return (_fold(points) < 0) & (_fold(np.roll(points, -1, axis=1)) > 0)


def _fold(points: np.ndarray) -> np.ndarray:  # [n, 4, 3] -> [n]
    """Positive where the triangles on both sides of the diagonal from corner 0 to corner 2 face the same way."""
    a, b, c, d = (points[:, k] for k in range(4))
    return (np.cross(b - a, c - a) * np.cross(c - a, d - a)).sum(axis=-1)


def _is_concave(points: np.ndarray, normals: np.ndarray) -> np.ndarray:  # [n, corners, 3], [n, 3] -> [n]
    edges = np.roll(points, -1, axis=1) - points
    turns = (np.cross(np.roll(edges, 1, axis=1), edges) * normals[:, None]).sum(axis=-1)
    return (turns < -1e-9 * (normals**2).sum(axis=-1, keepdims=True)).any(axis=1)


def _in_plane(points: np.ndarray, normal: np.ndarray) -> np.ndarray:  # [corners, 3], [3] -> [corners, 2], counter-clockwise
    normal = normal / np.linalg.norm(normal)
    first = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
    return points @ np.stack([first, np.cross(normal, first)], axis=-1)


def _clip_ears(points: np.ndarray) -> np.ndarray:  # [corners, 2] -> [corners - 2, 3]
    left = list(range(len(points)))
    triangles = []
    while len(left) > 3:
        for k in range(len(left)):
            ear = (left[k - 1], left[k], left[(k + 1) % len(left)])
            if _is_ear(points, ear, left):
                break
        else:
            break  # a polygon that crosses itself has no ear; what is left becomes a fan
        triangles.append(ear)
        del left[k]
    triangles += [(left[0], left[k], left[k + 1]) for k in range(1, len(left) - 1)]
    return np.array(triangles)


def _is_ear(points: np.ndarray, ear: tuple[int, int, int], left: list[int]) -> bool:
    corners = points[list(ear)]
    if _cross(corners[1] - corners[0], corners[2] - corners[0]) <= 0:
        return False
    others = points[left]  # [n, 2]
    inside = np.ones(len(others), dtype=bool)
    for k in range(3):
        inside &= _cross(corners[(k + 1) % 3] - corners[k], others - corners[k]) >= 0
        inside &= (others != corners[k]).any(axis=1)
    return not bool(inside.any())


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:  # [2], [..., 2] -> [...]
    return a[0] * b[..., 1] - a[1] * b[..., 0]
