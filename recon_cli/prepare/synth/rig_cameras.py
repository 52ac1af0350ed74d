"""Where the cameras of a rig stand: mostly in front of the object, or all around it above the floor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras

Array = np.ndarray

FRONTAL_STEP = 10.0
"""Angle between neighbours of the frontal layout [degrees]; moved by at most 0.8 each way they are 8 to 12 apart."""
FRONTAL_SQUEEZE = 2.2
"""How much wider than high the frontal layout is."""
FRONTAL_FOCAL = 1.6
"""Focal length over the picture's side."""
HEMISPHERE_FOCALS = (1.15, 1.4, 1.7, 2.1)
"""Focal lengths of the hemisphere over its pictures' longest possible side."""
HEMISPHERE_SIZES = ((1.0, 0.75), (0.75, 1.0), (0.8, 0.8), (0.9, 0.675))
"""Widths and heights of the hemisphere's pictures over their longest possible side."""
HEMISPHERE_LOWEST = -8.0
"""Elevation of the hemisphere's lowest cameras [degrees]."""
FILL = 0.92
"""Share of the picture that the object's outline spans, along the side that is tighter."""


def frontal_cameras(
    vertices: Tensor,  # [V, 3]
    *,
    views: int,
    size: int,
    azimuth: float,
    generator: np.random.Generator,
) -> Cameras:
    """Cameras on a hexagonal grid of directions, in rows from the top, about 10 degrees apart, all pictures square and of one focal length.

    Args:
        vertices: the object [scene units], y up.
        views: number of cameras.
        size: side of the pictures [px].
        azimuth: direction of the middle, 0 on the z axis, 90 on the x axis [degrees].
        generator: moves the cameras a little.
    """
    places = _hexagonal(views) + generator.uniform(-0.8, 0.8, (views, 2))
    fill = FILL * generator.uniform(0.97, 1.0, views)
    poses = [
        framed_pose(vertices, azimuth + a, e, roll=0.0, focal=FRONTAL_FOCAL * size, width=size, height=size, fill=fill[i])
        for i, (a, e) in enumerate(places)
    ]
    return _batch(poses, [FRONTAL_FOCAL * size] * views, [(size, size)] * views)


def hemisphere_cameras(
    vertices: Tensor,  # [V, 3]
    *,
    views: int,
    size: int,
    azimuth: float,
    generator: np.random.Generator,
) -> Cameras:
    """Cameras evenly spread over a hemisphere, four focal lengths and four picture sizes mixed.

    Args:
        vertices: the object [scene units], y up.
        views: number of cameras.
        size: longest side of the largest picture [px].
        azimuth: direction of the first camera, as in ``frontal_cameras`` [degrees].
        generator: deals out lenses and sizes, and rolls the cameras a little.
    """
    places = _spiral(views)
    lenses = generator.permutation(np.arange(views) % 4)
    formats = (np.arange(views) + np.arange(views) // 4) % 4
    fill = FILL * generator.uniform(0.94, 1.0, views)
    roll = generator.uniform(-4, 4, views)
    focals = [HEMISPHERE_FOCALS[lens] * size for lens in lenses]
    sizes = [(2 * round(w * size / 2), 2 * round(h * size / 2)) for w, h in (HEMISPHERE_SIZES[f] for f in formats)]
    poses = [
        framed_pose(vertices, azimuth + a, e, roll=roll[i], focal=focals[i], width=sizes[i][0], height=sizes[i][1], fill=fill[i])
        for i, (a, e) in enumerate(places)
    ]
    return _batch(poses, focals, sizes)


LAYOUTS: dict[str, tuple[int, Callable[..., Cameras]]] = {"frontal": (19, frontal_cameras), "hemisphere": (65, hemisphere_cameras)}
"""Number of views unless another is asked for, and how they are laid out."""


def _hexagonal(count: int) -> Array:  # [count, 2]
    """Azimuths and elevations [degrees] of the points of a hexagonal lattice nearest to the middle, in rows from the top."""
    reach = int(np.ceil(np.sqrt(count))) * 2 + 2
    row, column = np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1), indexing="ij")
    azimuth = FRONTAL_STEP * (column + 0.5 * (row % 2))
    elevation = FRONTAL_STEP * np.sqrt(0.75) * row
    points = np.stack([azimuth, elevation], axis=-1).reshape(-1, 2)
    # A hair to one side decides between points that are equally far.
    order = np.argsort(np.hypot((points[:, 0] + 1e-3) / FRONTAL_SQUEEZE, points[:, 1] - 2e-3), kind="stable")
    chosen = points[order[:count]]
    return chosen[np.lexsort((chosen[:, 0], -chosen[:, 1]))]


def _spiral(count: int) -> Array:  # [count, 2]
    """Azimuths and elevations [degrees] of equal areas of a hemisphere, along a golden spiral from the top."""
    low = np.sin(np.radians(HEMISPHERE_LOWEST))
    height = 1 - (1 - low) * (np.arange(count) + 0.5) / count
    golden = 180 * (3 - np.sqrt(5.0))
    return np.stack([golden * np.arange(count) % 360, np.degrees(np.arcsin(height))], axis=-1)


def framed_pose(
    vertices: Tensor,  # [V, 3]
    azimuth: float,
    elevation: float,
    *,
    roll: float,
    focal: float,
    width: int,
    height: int,
    fill: float,
) -> Tensor:  # [4, 4]
    """A camera_from_world that looks along a direction and shows all vertices, as near as ``fill`` of the picture allows.

    A point at (x, y, depth z + d) stays inside when |x| focal <= fill width / 2 (z + d): the distance d and the sideways place follow
    from the two vertices that bind on either side.
    """
    rotation = _looking(azimuth, elevation, roll)
    points = vertices.detach().double().cpu().numpy() @ rotation.T  # [V, 3]
    place = np.zeros(3)
    distances = []
    for axis, side in ((0, width), (1, height)):
        slope = 0.5 * fill * side / focal
        # Camera at c with depth origin d: p - c <= slope (z + d) and c - p <= slope (z + d).
        upper, lower = np.max(points[:, axis] - slope * points[:, 2]), np.max(-points[:, axis] - slope * points[:, 2])
        distances.append((upper + lower) / (2 * slope))
        place[axis] = (upper - lower) / 2
    place[2] = -max(distances)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, -place
    return torch.from_numpy(pose)


def _looking(azimuth: float, elevation: float, roll: float) -> Array:  # [3, 3]
    """Rows: the camera's x (right), y (down) and z (forward) axes in the world, whose y axis points up."""
    a, e, r = np.radians([azimuth, elevation, roll])
    outward = np.array([np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)])
    right = np.array([np.cos(a), 0.0, -np.sin(a)])
    down = np.cross(-outward, right)
    level = np.stack([right, down, -outward])
    turn = np.array([[np.cos(r), np.sin(r), 0], [-np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return turn @ level


def _batch(poses: list[Tensor], focals: list[float], sizes: list[tuple[int, int]]) -> Cameras:
    K = torch.zeros(len(poses), 3, 3, dtype=torch.float64)
    for matrix, focal, (width, height) in zip(K, focals, sizes, strict=True):
        matrix[0, 0] = matrix[1, 1] = focal
        matrix[0, 2], matrix[1, 2], matrix[2, 2] = 0.5 * width, 0.5 * height, 1.0
    return Cameras(K, torch.stack(poses), torch.tensor(sizes))
