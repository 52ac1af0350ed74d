"""Projection matrices, taken apart."""

from __future__ import annotations

import numpy as np

from recon_cli.core.errors import InputError

_SINGULAR = 1e-12


def decompose_projection(
    projection: np.ndarray,  # [3, 4]
) -> tuple[np.ndarray, np.ndarray]:  # [3, 3], [4, 4]
    """K and camera_from_world of P = λ K [R t] for any λ other than 0, by an RQ decomposition in float64.

    Raises:
        InputError: P is not finite, or its left 3x3 block is singular.
    """
    P = np.asarray(projection, dtype=np.float64)
    if not np.isfinite(P).all():
        raise InputError("holds NaN or infinity, expected a finite projection matrix", hint="calibrate again")
    volume = _volume(P[:, :3])
    if not abs(volume) >= _SINGULAR:
        raise InputError(
            f"K is singular: the left 3x3 block of the projection matrix has no inverse (its rows span a volume of {volume:.3g})",
            hint="expected K [R t] in pixels; correct the calibration of this camera",
        )
    if volume < 0:  # P and -P are the same camera; R must not mirror
        P = -P
    upper, rotation = _rq(P[:, :3])
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = np.linalg.solve(upper, P[:, 3])
    K = upper / upper[2, 2]
    K[1, 0] = K[2, 0] = K[2, 1] = 0.0
    return K, pose


def _volume(matrix: np.ndarray) -> float:  # [3, 3]
    """Of the box that the rows span, each scaled to length 1."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return float(np.linalg.det(matrix / np.linalg.norm(matrix, axis=1, keepdims=True)))


def _rq(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # [3, 3] -> [3, 3], [3, 3]
    """matrix = upper @ rotation, the diagonal of ``upper`` positive."""
    orthogonal, lower = np.linalg.qr(matrix[::-1].T)
    upper, rotation = lower.T[::-1, ::-1], orthogonal.T[::-1]
    signs = np.where(np.diag(upper) < 0, -1.0, 1.0)
    return upper * signs, rotation * signs[:, None]
