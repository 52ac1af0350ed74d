"""The planes that bound a scene, in the camera's axes: the floor that a body stands on, and walls."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

TRIES = 4000
SCORED = 1200
"""Points that a guess is scored on; the best one is fitted to all of them."""
TOLERANCE = 0.01
"""Distance from the plane at which a point lies on it [lengths of the body]."""
THICKNESS = (0.007, 0.02)
"""Least and largest height that counts as the plane, whatever the noise [lengths of the body]."""
LEAST_SHARE = 0.04
"""Of the scene's points that must lie on a plane."""
MOST_BELOW = 0.03
"""Share of the points that may lie beyond it: reflections and wrong depths."""
FLOOR_WIDTH, WALL_WIDTH = 0.12, 0.2
"""Standard deviation of a plane's points along its narrower side [lengths of the body]; a body seen from the front is narrower."""
STEEPEST, ROLL = math.radians(65), math.radians(30)
"""How far down a camera of unknown orientation may look, and how far it may be turned about its axis."""
TURN = math.radians(25)
"""How far a floor's normal may be from the direction that is known to be up."""
LEAN = math.radians(10)
"""How far a wall may lean."""
MOST_WALLS = 3


@dataclass(frozen=True)
class Plane:
    """A plane in the camera's axes, with the camera above it.

    Attributes:
        normal: towards the camera's side, of length 1, shape [3].
        height: of the camera above it [scene units].
        thickness: points up to this height belong to it [scene units].
    """

    normal: Array
    height: float
    thickness: float

    def heights(self, points: Array) -> Array:  # [..., 3] -> [...]
        """How far points lie above the plane [scene units]."""
        return points @ self.normal + self.height

    def is_above(self, points: Array) -> Array:  # [..., 3] -> [...] bool
        """Which points do not belong to it, and are not beyond it."""
        return self.heights(points) > self.thickness


def find_floor(
    points: Array,  # [N, 3]
    *,
    length: float,
    up: Array | None = None,  # [3]
    generator: np.random.Generator,
) -> Plane | None:
    """The plane that bounds a scene from below, by random sample consensus (Fischler and Bolles 1981).

    Args:
        points: of the scene in the camera's axes [scene units].
        length: of the body [scene units].
        up: the direction that is up in the camera's axes, if it is known; otherwise the camera is taken to be held nearly level.
        generator: draws guesses.

    Returns:
        The plane, or None where no plane with room for a body has nearly all points above it.
    """
    return _plane(points, _Floorlike(up), length, LEAST_SHARE * len(points), generator)


def find_walls(
    points: Array,  # [N, 3]
    *,
    length: float,
    floor: Plane | None = None,
    generator: np.random.Generator,
) -> tuple[Plane, ...]:
    """The planes that bound a scene from the sides: upright on the floor where there is one, the one with the most points first.

    Args:
        points: of the scene in the camera's axes, the floor's left out [scene units].
        length: of the body [scene units].
        floor: what the walls stand on.
        generator: draws guesses.
    """
    walls: list[Plane] = []
    kind, least = _Walllike(None if floor is None else floor.normal), LEAST_SHARE * len(points)
    while len(walls) < MOST_WALLS:
        wall = _plane(points, kind, length, least, generator)
        if wall is None:
            break
        walls.append(wall)
        points = points[wall.is_above(points)]
    return tuple(walls)


@dataclass(frozen=True)
class _Floorlike:
    up: Array | None
    width: float = FLOOR_WIDTH

    def __call__(self, normals: Array) -> Array:  # [M, 3] -> [M] bool
        if self.up is not None:
            return normals @ self.up > math.cos(TURN)
        return (np.abs(normals[:, 0]) < math.sin(ROLL)) & (-normals[:, 1] > math.cos(STEEPEST))


@dataclass(frozen=True)
class _Walllike:
    up: Array | None
    width: float = WALL_WIDTH

    def __call__(self, normals: Array) -> Array:  # [M, 3] -> [M] bool
        return np.ones(len(normals), dtype=bool) if self.up is None else np.abs(normals @ self.up) < math.sin(LEAN)


_Kind = _Floorlike | _Walllike


def _plane(points: Array, kind: _Kind, length: float, least: float, generator: np.random.Generator) -> Plane | None:
    """The plane of a kind that most points lie on, at least ``least`` of them."""
    if len(points) < max(least, 100):
        return None
    points = points.astype(np.float64)
    chosen = points[generator.choice(len(points), min(SCORED, len(points)), replace=False)]
    normals, heights = _guesses(points[generator.integers(0, len(points), (TRIES, 3))], kind, length)
    above = chosen @ normals.T + heights  # [N, M]
    on = np.where(_is_bound(above, length), (np.abs(above) < TOLERANCE * length).mean(axis=0), 0.0)
    best = int(on.argmax()) if len(on) else 0
    return _fitted(points, normals[best], float(heights[best]), kind, length, least) if len(on) and on[best] > 0 else None


def _guesses(corners: Array, kind: _Kind, length: float) -> tuple[Array, Array]:  # [M, 3, 3] -> normals, heights
    """Planes of a kind through three points each."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    size = np.linalg.norm(normals, axis=1)
    wide = size > (0.05 * length) ** 2
    corners, normals = corners[wide], normals[wide] / size[wide, None]
    heights = -np.einsum("mi,mi->m", normals, corners[:, 0])
    normals, heights = normals * np.where(heights < 0, -1.0, 1.0)[:, None], np.abs(heights)  # the camera, at the origin, is above
    possible = kind(normals)
    return normals[possible], heights[possible]


def _is_bound(above: Array, length: float) -> Array:  # [N, ...] -> [...] bool
    return (above < -4 * TOLERANCE * length).mean(axis=0) < MOST_BELOW


def _fitted(points: Array, normal: Array, height: float, kind: _Kind, length: float, least: float) -> Plane | None:
    """Least squares on the points near a guess; None where they are too few or lie in a strip."""
    spread = np.zeros(3)
    for reach in (3 * TOLERANCE, 1.5 * TOLERANCE, TOLERANCE):
        near = points[np.abs(points @ normal + height) < reach * length]
        if len(near) < max(least, 10):
            return None
        middle = near.mean(axis=0)
        spread, axes = np.linalg.eigh(np.cov((near - middle).T))
        normal = axes[:, 0] * (1.0 if axes[:, 0] @ middle < 0 else -1.0)
        height = float(-normal @ middle)
    above = points @ normal + height
    if math.sqrt(max(float(spread[1]), 0.0)) < kind.width * length or not _is_bound(above, length):
        return None
    deviation = 1.4826 * float(np.median(np.abs(above[np.abs(above) < TOLERANCE * length])))
    return Plane(normal, height, float(np.clip(4 * deviation, *(np.array(THICKNESS) * length))))
