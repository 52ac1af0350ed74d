"""Whether two meshes over the same vertices have the same faces."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor

MOST_TRIANGLES = 62
"""That a polygon is looked for in, where the tables differ: 64 corners."""


def first_difference(faces: Tensor, others: Tensor) -> int | None:  # [F, 3], [G, 3]
    """The first row from which two tables are of other polygons; None where both fill the same outlines in the same order.

    How a polygon is cut into triangles depends on where its corners are, so a quad of one mesh may be cut along its other diagonal in a
    mesh of the same quads that has moved.
    """
    if torch.equal(faces, others):
        return None
    shared = min(len(faces), len(others))
    differing = (faces[:shared] != others[:shared]).any(dim=1).nonzero()[:, 0].tolist()
    passed = 0
    for row in differing:
        if row < passed:
            continue
        count = _same_polygon(faces[row : row + MOST_TRIANGLES], others[row : row + MOST_TRIANGLES])
        if not count:
            return row
        passed = row + count
    return None if len(faces) == len(others) else shared


def _same_polygon(faces: Tensor, others: Tensor) -> int:  # [N, 3], [M, 3]
    """The fewest first rows of both tables that fill the same outline; 0 where none do."""
    outline: Counter[tuple[int, int]] = Counter()
    seen: Counter[tuple[int, int]] = Counter()
    for count, (own, other) in enumerate(zip(faces.tolist(), others.tolist(), strict=False), start=1):
        _add_edges(outline, own)
        _add_edges(seen, other)
        left, right = _open(outline), _open(seen)
        if left and left == right:
            return count
    return 0


def _add_edges(edges: Counter[tuple[int, int]], triangle: list[int]) -> None:
    for first, second in zip(triangle, triangle[1:] + triangle[:1], strict=True):
        # An edge that is gone along both ways is inside.
        edges[min(first, second), max(first, second)] += 1 if first < second else -1


def _open(edges: Counter[tuple[int, int]]) -> dict[tuple[int, int], int]:
    return {edge: times for edge, times in edges.items() if times}
