"""Rotations of joints: a swing about two axes after a twist about the third, so that every axis can have its own limits."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def rotation_matrices(vectors: Array) -> Array:  # [..., 3] -> [..., 3, 3]
    """Rotations about vectors by their lengths [rad]."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(*vectors.shape, 3)


def quaternions(matrices: Array) -> Array:  # [..., 3, 3] -> [..., 4]
    """Unit quaternions w, x, y, z with w >= 0."""
    from scipy.spatial.transform import Rotation

    xyzw = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_quat()
    wxyz = xyzw[:, [3, 0, 1, 2]] * np.where(xyzw[:, 3:] < 0, -1.0, 1.0)
    return wxyz.reshape(*matrices.shape[:-2], 4)


def swing_after_twist(
    angles: Array,  # [..., J, 3]
    axes: Array,  # [J, 3, 3]
) -> Array:  # [..., J, 3, 3]
    """Rotations of joints.

    Args:
        angles: the swing's two components and the twist [rad].
        axes: right-handed axes of every joint as columns, in the order of the angles.
    """
    turns = axes * angles[..., None, :]  # [..., J, 3, 3]: columns scaled
    return rotation_matrices(turns[..., 0] + turns[..., 1]) @ rotation_matrices(turns[..., 2])


def headings(yaw: Array, pitch: Array, roll: Array) -> Array:  # [T] each -> [T, 3, 3]
    """Turns about y (positive from +z towards +x) after nods about x after leans about z [rad]."""
    zero = np.zeros_like(yaw)
    turn, nod, lean = (np.stack(parts, axis=-1) for parts in ((zero, yaw, zero), (pitch, zero, zero), (zero, zero, roll)))
    return rotation_matrices(turn) @ rotation_matrices(nod) @ rotation_matrices(lean)
