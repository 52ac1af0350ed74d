"""Smooth warps of space: cubic B-splines on a lattice of displacements (free-form deformation, Rueckert et al. 1999)."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray


class WarpLattice:
    """The nodes of a lattice that the given points feel, and what moves between them.

    A warp is a displacement of every node, shape [N, 3]; a point is displaced by the cubic B-spline through them.

    Args:
        points: places that are to be warped, shape [P, 3]; nodes that none of them feels do not exist.
        spacing: distance of the nodes [units of the points].

    Attributes:
        count: number N of nodes.
        stretching: quadratic form [N, N] of a warp: integral of its squared first differences [units³ for displacements in units].
        bending: the same of its second differences [units].
    """

    def __init__(self, points: Array, spacing: float) -> None:
        self.spacing = spacing
        self._low = points.min(axis=0) - 2 * spacing
        self._shape = np.ceil((points.max(axis=0) - self._low) / spacing).astype(np.int64) + 4
        nodes, _ = self._nearby(points)
        self._present = np.unique(nodes)
        self._number = np.full(int(self._shape.prod()), -1)
        self._number[self._present] = np.arange(len(self._present))
        self.count = len(self._present)
        self.stretching, self.bending = self._forms()

    def weights(self, points: Array) -> Any:  # [P, 3] -> sparse [P, N]
        """What every node adds to the displacement of every point; nodes that do not exist add nothing."""
        from scipy.sparse import csr_array

        nodes, weights = self._nearby(points)
        number = self._number[nodes]
        rows = np.repeat(np.arange(len(points)), 64)
        there = number.ravel() >= 0
        return csr_array((weights.ravel()[there], (rows[there], number.ravel()[there])), shape=(len(points), self.count))

    def _nearby(self, points: Array) -> tuple[Array, Array]:  # [P, 64], [P, 64]
        """Indices and weights of the 4 x 4 x 4 nodes around every point."""
        place = np.clip((points - self._low) / self.spacing, 1.0, self._shape - 2.001)
        first = np.floor(place).astype(np.int64)
        spline = _cubic(place - first)  # [P, 3, 4]
        reach = np.arange(4)
        along = [first[:, axis, None] - 1 + reach for axis in range(3)]
        nodes = (along[0][:, :, None, None] * self._shape[1] + along[1][:, None, :, None]) * self._shape[2] + along[2][:, None, None, :]
        weights = spline[:, 0, :, None, None] * spline[:, 1, None, :, None] * spline[:, 2, None, None, :]
        return nodes.reshape(len(points), 64), weights.reshape(len(points), 64)

    def _forms(self) -> tuple[Any, Any]:
        from scipy.sparse import vstack

        first, second = [], []
        for axis in range(3):
            after = self._after(axis)
            start = np.nonzero(after >= 0)[0]
            first.append(self._differences((start, after[start]), (-1.0, 1.0)))
            start = start[after[after[start]] >= 0]
            second.append(self._differences((start, after[start], after[after[start]]), (1.0, -2.0, 1.0)))
        slopes, bends = vstack(first, format="csr"), vstack(second, format="csr")
        return (slopes.T @ slopes) * self.spacing, (bends.T @ bends) / self.spacing

    def _after(self, axis: int) -> Array:  # [N]
        """The next node along an axis, -1 where there is none."""
        places = np.stack(np.unravel_index(self._present, self._shape), axis=1)
        places[:, axis] += 1
        is_inside = places[:, axis] < self._shape[axis]
        after = np.full(self.count, -1)
        after[is_inside] = self._number[np.ravel_multi_index(tuple(places[is_inside].T), tuple(self._shape))]
        return after

    def _differences(self, nodes: tuple[Array, ...], factors: tuple[float, ...]) -> Any:
        from scipy.sparse import csr_array

        count = len(nodes[0])
        values = np.repeat(factors, count)
        return csr_array((values, (np.tile(np.arange(count), len(nodes)), np.concatenate(nodes))), shape=(count, self.count))


def _cubic(share: Array) -> Array:  # [...] -> [..., 4]
    """The four uniform cubic B-splines that reach a place, ``share`` of the way from one node to the next."""
    back = 1 - share
    return np.stack([back**3, 3 * share**3 - 6 * share**2 + 4, -3 * share**3 + 3 * share**2 + 3 * share + 1, share**3], axis=-1) / 6
