"""Subsets of points that keep a distance from each other."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.nearest import finite_array


def thin_points(
    points: Tensor,  # [N, 3]
    distance: float,
    *,
    generator: torch.Generator,
) -> Tensor:  # [M] int64
    """Indices, ascending, of points that lie farther than ``distance`` apart, while every other point lies within it of one of them.

    Which of several such subsets is found is decided by a random order. The work is done in rounds: of each cell of a grid the first
    living point is put up; it is kept if no other one put up nearby precedes it, and those near a kept point die.

    Args:
        points: positions [scene units].
        distance: smallest distance of two points that are kept [scene units].
        generator: CPU source of the order.

    Raises:
        InputError: the distance is not positive, or a coordinate is not finite.
    """
    if not distance > 0.0:
        raise InputError(f"points cannot be thinned to a distance of {distance:g}; expected a positive one")
    array = finite_array(points, "points to thin")
    alive = torch.randperm(len(array), generator=generator).numpy()  # in order of precedence
    kept = []
    while len(alive):
        candidates = alive[_first_of_cells(array[alive], distance)]
        chosen = candidates[_precedes_its_neighbours(array[candidates], distance)]
        kept.append(chosen)
        alive = alive[_is_far(array[alive], array[chosen], distance)]
    return torch.from_numpy(np.sort(np.concatenate(kept)) if kept else np.zeros(0, dtype=np.int64))


def voxel_means(points: Tensor, side: float) -> Tensor:  # [N, 3] -> [M, 3] float64
    """The mean of the points in every occupied cell of a grid, in the order of the cells.

    Args:
        points: positions [scene units].
        side: of a cell [scene units].

    Raises:
        InputError: the side is not positive, or a coordinate is not finite.
    """
    if not side > 0.0:
        raise InputError(f"cells of a grid cannot have a side of {side:g}; expected a positive one")
    array = finite_array(points, "points to average")
    if not len(array):
        return torch.zeros(0, 3, dtype=torch.float64)
    _, cell, count = np.unique(_cells(array, side), return_inverse=True, return_counts=True)
    origin = array.mean(axis=0)
    sums = [np.bincount(cell, weights=array[:, axis] - origin[axis]) for axis in range(3)]
    return torch.from_numpy(np.stack(sums, axis=1) / count[:, None] + origin)


def _cells(points: np.ndarray, side: float) -> np.ndarray:  # [N, 3] -> [N] int64
    """One number a cell; points in the same cell have the same."""
    place = np.floor((points - points.min(axis=0)) / side)
    extent = place.max(axis=0) + 1
    if float(np.prod(extent)) > 2.0**62:
        raise InputError(f"a grid with cells of {side:g} over points this far apart has too many cells", hint="use larger cells")
    place, extent = place.astype(np.int64), extent.astype(np.int64)
    return (place[:, 0] * extent[1] + place[:, 1]) * extent[2] + place[:, 2]


def _first_of_cells(points: np.ndarray, side: float) -> np.ndarray:
    """Places of the first point of each cell, ascending."""
    _, first = np.unique(_cells(points, side), return_index=True)
    return np.sort(first)


def _precedes_its_neighbours(points: np.ndarray, distance: float) -> np.ndarray:  # [N, 3] -> [N] bool
    from scipy.spatial import KDTree

    pairs = KDTree(points, balanced_tree=False).query_pairs(distance, output_type="ndarray")
    is_first = np.ones(len(points), dtype=bool)
    is_first[pairs.max(axis=1)] = False
    return is_first


def _is_far(points: np.ndarray, kept: np.ndarray, distance: float) -> np.ndarray:  # [N, 3], [K, 3] -> [N] bool
    from scipy.spatial import KDTree

    # The bound of the search is exclusive; a point at just this distance dies, too.
    bound = np.nextafter(distance, np.inf)
    nearest, _ = KDTree(kept, balanced_tree=False).query(points, distance_upper_bound=bound, workers=-1)
    return ~np.isfinite(nearest)
