"""The cases of marching cubes (Lorensen and Cline 1987), derived rather than listed.

Corner c of a cell lies at (c & 1, c >> 1 & 1, c >> 2). Edge 4 a + i runs along axis a from the i-th corner whose bit a
is 0. A case is the set of corners inside (negative), bit c for corner c. On a face of the cell whose diagonal corners
are inside, the two are kept apart: the rule looks at the face alone, so both cells beside it agree and a surface
without unknown cells at its rim is closed.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

Loop = tuple[int, ...]
Triangle = tuple[int, int, int]

CELL_EDGES: tuple[tuple[int, int], ...] = tuple((c, c | 1 << a) for a in range(3) for c in range(8) if not c >> a & 1)
"""The two corners of each edge, the lower one first."""

_EDGE_OF = {frozenset(corners): edge for edge, corners in enumerate(CELL_EDGES)}


@cache
def marching_cubes_cases() -> tuple[Tensor, Tensor]:  # [257], [T, 3]
    """Triangles of all 256 cases: those of case m are rows ``starts[m]`` to ``starts[m + 1]`` of the edges, int32.

    Corners run counter-clockwise seen from outside (the positive side).
    """
    starts, rows = [0], []
    for case in range(256):
        for loop in cell_loops(case):
            rows += _triangulated(loop)
        starts.append(len(rows))
    return torch.tensor(starts, dtype=torch.int32), torch.tensor(rows, dtype=torch.int32)


@cache
def cell_faces() -> tuple[tuple[int, int, int, int], ...]:
    """Corners of the cell's six faces, counter-clockwise seen from outside: the upper and the lower end of each axis."""
    faces = []
    for axis in range(3):
        u, v = 1 << (axis + 1) % 3, 1 << (axis + 2) % 3
        ring = (0, u, u | v, v)
        faces.append(tuple((1 << axis) | c for c in ring))
        faces.append(tuple(reversed(ring)))
    return tuple(faces)


def cell_loops(case: int) -> list[Loop]:
    """Closed polygons that part the inside from the outside, as edges of the cell."""
    following: dict[int, int] = {}
    for ring in cell_faces():
        for k, corner in enumerate(ring):
            before = ring[k - 1]
            if case >> corner & 1 and not case >> before & 1:
                # A run of inside corners begins here; the polygon passes from its first edge to its last.
                end = k
                while case >> ring[(end + 1) % 4] & 1:
                    end += 1
                leaving = frozenset((ring[end % 4], ring[(end + 1) % 4]))
                following[_EDGE_OF[frozenset((before, corner))]] = _EDGE_OF[leaving]
    loops = []
    while following:
        start, edge = min(following), following.pop(min(following))
        loop = [start]
        while edge != start:
            loop.append(edge)
            edge = following.pop(edge)
        loops.append(tuple(loop))
    return loops


def _triangulated(loop: Loop) -> list[Triangle]:
    """Triangles of a polygon, the shortest diagonals that do not lie in a face of the cell.

    A diagonal inside a face could be met by one of the cell beside it, and four triangles would share it.
    """
    return min(_triangulations(loop), key=lambda triangles: _cost(loop, triangles))


def _triangulations(loop: Loop) -> list[list[Triangle]]:
    if len(loop) < 3:
        return [[]]
    found = []
    for k in range(1, len(loop) - 1):
        for left in _triangulations(loop[: k + 1]):
            for right in _triangulations(loop[k:]):
                found.append([(loop[0], loop[k], loop[-1]), *left, *right])
    return found


def _cost(loop: Loop, triangles: list[Triangle]) -> tuple[int, int]:
    sides = {frozenset((loop[k - 1], loop[k])) for k in range(len(loop))}
    diagonals = {frozenset((t[k - 1], t[k])) for t in triangles for k in range(3)} - sides
    return sum(_shares_face(*d) for d in diagonals), sum(_squared_length(*d) for d in diagonals)


def _shares_face(a: int, b: int) -> bool:
    corners = {*CELL_EDGES[a], *CELL_EDGES[b]}
    return any(corners <= set(ring) for ring in cell_faces())


def _squared_length(a: int, b: int) -> int:
    """Between the middles of two edges, in half cells."""
    first, second = _doubled_middle(a), _doubled_middle(b)
    return sum((p - q) ** 2 for p, q in zip(first, second, strict=True))


def _doubled_middle(edge: int) -> list[int]:
    return [sum(c >> axis & 1 for c in CELL_EDGES[edge]) for axis in range(3)]
