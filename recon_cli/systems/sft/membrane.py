"""In-plane elasticity of the tracker: Saint Venant-Kirchhoff membrane energy, linearised the Gauss-Newton way.

The energy of a face is ``A/2 e^T C e`` with the Green strain ``E = (F^T F - I) / 2`` as ``e = (E11, E22, 2 E12)``. Dropping the second
derivative of the strain keeps every block positive semidefinite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon_cli.core.banded import TRIANGLE_PAIRS


@dataclass(frozen=True)
class Membrane:
    """Rest state of the faces.

    Attributes:
        faces: shape [F, 3].
        areas: rest areas [m²], shape [F].
        gradients: derivative of the deformation gradient's columns by vertex, shape [F, 3, 2] [1/m].
        stiffness: plane-stress matrix [N/m], shape [3, 3].
    """

    faces: NDArray[np.int64]
    areas: NDArray[np.float64]
    gradients: NDArray[np.float64]
    stiffness: NDArray[np.float64]


def rest_membrane(
    vertices: NDArray[np.float64],  # [V, 3]
    faces: NDArray[np.int64],  # [F, 3]
    *,
    stiffness: float,
    poisson: float,
) -> Membrane:
    """The membrane at rest in the given shape; ``stiffness`` is Young's modulus times thickness [N/m]."""
    first = vertices[faces[:, 1]] - vertices[faces[:, 0]]
    second = vertices[faces[:, 2]] - vertices[faces[:, 0]]
    normal = np.cross(first, second)
    double_area = np.linalg.norm(normal, axis=1)
    along = first / np.linalg.norm(first, axis=1, keepdims=True)
    across = np.cross(normal / double_area[:, None], along)
    rest = np.zeros((len(faces), 2, 2))
    rest[:, 0, 0], rest[:, 0, 1] = (first * along).sum(1), (second * along).sum(1)
    rest[:, 1, 1] = (second * across).sum(1)
    inverse = np.linalg.inv(rest).astype(np.float64)
    gradients = np.stack([-inverse.sum(axis=1), inverse[:, 0], inverse[:, 1]], axis=1)
    plane_stress = np.array([[1.0, poisson, 0.0], [poisson, 1.0, 0.0], [0.0, 0.0, (1.0 - poisson) / 2.0]])
    return Membrane(faces, double_area / 2.0, np.asarray(gradients, dtype=np.float64), stiffness / (1.0 - poisson**2) * plane_stress)


def strain(membrane: Membrane, positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Green strain (E11, E22, 2 E12) of every face, shape [F, 3]."""
    return _strain(_deformation(membrane, positions))


def _deformation(membrane: Membrane, positions: NDArray[np.float64]) -> NDArray[np.float64]:
    corners = positions[membrane.faces]  # [F, 3 corners, 3]
    return np.matmul(corners.transpose(0, 2, 1), membrane.gradients)  # [F, 3, 2]


def _strain(deformation: NDArray[np.float64]) -> NDArray[np.float64]:
    u, v = deformation[..., 0], deformation[..., 1]
    return np.stack([((u * u).sum(1) - 1.0) / 2.0, ((v * v).sum(1) - 1.0) / 2.0, (u * v).sum(1)], axis=1)


def membrane_blocks(
    membrane: Membrane,
    positions: NDArray[np.float64],  # [V, 3]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Gauss-Newton blocks [F, 6, 3, 3], gradients [F, 3, 3] and the energy [J]."""
    deformation = _deformation(membrane, positions)
    strains = _strain(deformation)
    stress = strains @ membrane.stiffness  # [F, 3]
    u, v = deformation[:, None, :, 0], deformation[:, None, :, 1]  # [F, 1, 3]
    gu, gv = membrane.gradients[:, :, :1], membrane.gradients[:, :, 1:]  # [F, 3, 1]
    jacobian = np.stack([gu * u, gv * v, gu * v + gv * u], axis=2)  # [F, vertex, strain, axis]
    weighted = np.matmul(membrane.stiffness, jacobian) * membrane.areas[:, None, None, None]
    gradients = np.matmul((stress * membrane.areas[:, None])[:, None, None, :], jacobian)[:, :, 0]
    transposed = jacobian.transpose(0, 1, 3, 2)
    blocks = np.stack([np.matmul(transposed[:, i], weighted[:, j]) for i, j in TRIANGLE_PAIRS], axis=1)
    return blocks, gradients, float(0.5 * (membrane.areas * (strains * stress).sum(axis=1)).sum())
