"""How well a fitted surface explains the depth of a frame; nothing here has seen a truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.closest_points import closest_in_triangles
from recon_cli.core.normals import face_cross_products
from recon_cli.systems.npm.observed import depth_points

MOST_POINTS = 2000
"""Points of a depth map that are looked at, spread evenly over the pixels of the body."""
FAR = 0.03
"""A point of the depth this far from the fitted surface is not explained by it [box]."""
RIM = 2.0
"""A vertex this far outside of the silhouette overhangs [px]."""


@dataclass(frozen=True)
class Explained:
    """How a surface and the depth of one frame fit; the names are those of ``FrameQuality``.

    Attributes:
        residual: median distance of the depth's points from the surface that faces the camera [box]; infinite where there is none.
        unexplained: share of the depth's points that are farther from it than ``FAR``.
        overhang: share of the vertices that fall outside of the silhouette by more than ``RIM``; where the picture ends, nothing is known.
    """

    residual: float
    unexplained: float
    overhang: float


def explained(
    vertices: Tensor,  # [V, 3]
    faces: Tensor,  # [F, 3]
    depth: Tensor,  # [H, W]
    K: Tensor,  # [3, 3]
) -> Explained:
    """How well a surface explains a depth map.

    Args:
        vertices: of the fitted surface in the camera's axes [box].
        faces: counter-clockwise from outside.
        depth: z-depth of the body [box], 0 where there is none of it; at least one pixel has some.
        K: intrinsics of the camera [px].
    """
    corners, triangles = vertices.detach().cpu().double(), faces.detach().cpu()
    values, matrix = depth.detach().cpu().double(), K.detach().cpu().double()
    points = depth_points(values, matrix, MOST_POINTS)
    distance = _distance_to_front(points.numpy(), corners, triangles)
    return Explained(
        residual=float(np.median(distance)),
        unexplained=float((distance > FAR).mean()),
        overhang=_overhang(corners.numpy(), values.numpy(), matrix.numpy()),
    )


def _distance_to_front(points: np.ndarray, vertices: Tensor, faces: Tensor) -> np.ndarray:  # [N, 3], [V, 3], [F, 3] -> [N]
    """Distance of points from the triangles that face the camera around the nearest vertex that one of them has."""
    from scipy.spatial import KDTree

    normals = face_cross_products(vertices, faces)
    is_front = (normals * vertices[faces[:, 0]]).sum(dim=-1) < 0
    front = faces[is_front].numpy()
    if not len(front):
        return np.full(len(points), np.inf)
    seen = np.unique(front)
    _, nearest = KDTree(vertices.numpy()[seen], balanced_tree=False).query(points)
    return _distance_to_fans(points, vertices.numpy(), front, seen[nearest])


def _distance_to_fans(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Distance of every point from the triangles around a vertex of its own, which has some; the last of shape [N]."""
    owner = faces.T.reshape(-1)
    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner, minlength=len(vertices))
    first = np.cumsum(counts) - counts
    around = counts[centre]
    begin = np.cumsum(around) - around
    step = np.arange(int(around.sum())) - np.repeat(begin, around)
    triangles = faces[order[np.repeat(first[centre], around) + step] % len(faces)]  # [M, 3]
    # Seen from each point its triangles are near, so single precision holds seven digits of the distance.
    corners = torch.from_numpy((vertices[triangles] - np.repeat(points, around, axis=0)[:, None]).astype(np.float32))
    weights = closest_in_triangles(torch.zeros_like(corners[:, 0]), corners)
    squared = (weights[:, None] @ corners)[:, 0].square().sum(dim=-1)
    return np.sqrt(np.minimum.reduceat(squared.numpy(), begin)).astype(np.float64)


def _overhang(vertices: np.ndarray, depth: np.ndarray, K: np.ndarray) -> float:  # [V, 3], [H, W], [3, 3]
    from scipy.ndimage import distance_transform_edt

    height, width = depth.shape
    away = np.asarray(distance_transform_edt(depth <= 0))
    is_behind = vertices[:, 2] <= 0
    projected = vertices @ K.T
    pixels = np.floor(projected[:, :2] / np.where(is_behind, 1.0, projected[:, 2])[:, None])
    is_inside = ~is_behind & (pixels >= 0).all(axis=1) & (pixels < (width, height)).all(axis=1)
    column, row = pixels[is_inside].astype(np.int64).T
    return float(((away[row, column] > RIM).sum() + is_behind.sum()) / len(vertices))
