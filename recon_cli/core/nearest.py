"""Exact nearest neighbours in three dimensions."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.errors import InputError


def nearest_squared_distance(
    queries: Tensor,  # [N, 3]
    references: Tensor,  # [M, 3]
    *,
    reach: float = math.inf,
    workers: int = -1,
) -> tuple[Tensor, Tensor]:  # [N], [N]
    """Squared distance [scene units²] from every query to its nearest reference, and the index of that reference.

    A KD-tree finds the neighbours exactly; the distances are float64, without gradients.

    Args:
        queries: points to search from.
        references: points to search among.
        reach: farther references [scene units] are not looked for: the distance is infinite then and the index -1. Queries far from all
            references take long without a reach, as many of these are about as near.
        workers: threads of the search, -1 for all cores; the result does not depend on it.

    Raises:
        InputError: there is no reference, or a coordinate is not finite.
    """
    from scipy.spatial import KDTree

    query_array, reference_array = finite_array(queries, "queries"), finite_array(references, "references")
    if not len(reference_array):
        raise InputError("cannot search the nearest of no points; expected at least one reference point")
    # Splitting in the middle instead of at the median builds faster and answers as fast on surfaces.
    tree = KDTree(reference_array, balanced_tree=False)
    distance, index = tree.query(query_array, distance_upper_bound=np.nextafter(reach, np.inf), workers=workers)
    is_found = np.isfinite(distance)
    index = np.where(is_found, index, -1)
    squared = np.where(is_found, np.square(query_array - reference_array[index]).sum(axis=-1), np.inf)
    device = queries.device
    return torch.from_numpy(squared).to(device), torch.from_numpy(np.asarray(index, dtype=np.int64)).to(device)


def finite_array(points: Tensor, name: str) -> np.ndarray:  # [N, 3] -> [N, 3] float64
    """The points as an array for numpy's and scipy's functions.

    Args:
        points: positions.
        name: what they are, in the plural, for the message.

    Raises:
        InputError: the shape is not [N, 3], or a coordinate is not finite.
    """
    array = points.detach().to("cpu", torch.float64).numpy()
    if array.ndim != 2 or array.shape[1] != 3:
        raise InputError(f"{name} have shape {list(array.shape)}, expected [N, 3]")
    broken = int(np.count_nonzero(~np.isfinite(array).all(axis=1)))
    if broken:
        raise InputError(f"{broken} of {len(array)} {name} have a NaN or infinite coordinate")
    return np.ascontiguousarray(array)
