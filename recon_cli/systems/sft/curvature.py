"""Bending of the tracker: the vector Laplacian of the surface, pulled towards a share of its value in the frame before.

With ``K = L x / a`` (L the cotangent matrix of the template, a the vertex areas) the energy ``k/2 sum a |K - m K_previous|²`` is
quadratic, so its matrix ``k L^T diag(1/a) L`` is constant. It is the implicit-Euler form of a Kelvin-Voigt sheet: a share m of the
bending resistance is damping (it remembers the previous frame), the rest is elastic towards a flat sheet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def cotangent_matrix(
    vertices: NDArray[np.float64],  # [V, 3]
    faces: NDArray[np.int64],  # [F, 3]
):
    """Positive semidefinite cotangent Laplacian as scipy csr [V, V], and barycentric vertex areas [V]."""
    from scipy.sparse import csr_matrix

    count = len(vertices)
    rows, columns, values = [], [], []
    areas = np.zeros(count)
    for corner in range(3):
        i, j, opposite = faces[:, corner], faces[:, (corner + 1) % 3], faces[:, (corner + 2) % 3]
        to_i, to_j = vertices[i] - vertices[opposite], vertices[j] - vertices[opposite]
        double_area = np.linalg.norm(np.cross(to_i, to_j), axis=1)
        weight = 0.5 * (to_i * to_j).sum(axis=1) / double_area
        rows += [i, j, i, j]
        columns += [i, j, j, i]
        values += [weight, weight, -weight, -weight]
        np.add.at(areas, i, double_area / 6.0)
    matrix = csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(count, count))
    return matrix, areas
