"""A walking figure of ellipsoids in a room, as a depth camera sees it: everything by formula, with noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

FOCAL, WIDTH, HEIGHT = 110.0, 120, 160
STATURE = 1.75


@dataclass(frozen=True)
class Camera:
    """A camera at a height [m] that looks down by an angle [degrees]; the world has y up and its origin on the floor below the camera."""

    height: float = 1.3
    down: float = 12.0
    focal: float = FOCAL
    width: int = WIDTH
    tall: int = HEIGHT

    @property
    def K(self) -> Array:  # [3, 3]
        return np.array([[self.focal, 0, self.width / 2], [0, self.focal, self.tall / 2], [0, 0, 1.0]])

    @property
    def camera_from_world(self) -> Array:  # [4, 4]
        angle = math.radians(self.down)
        level = np.diag([1.0, -1.0, -1.0])  # looks along -z of the world
        tilt = np.array([[1, 0, 0], [0, math.cos(angle), -math.sin(angle)], [0, math.sin(angle), math.cos(angle)]])
        matrix = np.eye(4)
        matrix[:3, :3] = tilt @ level
        matrix[:3, 3] = -matrix[:3, :3] @ np.array([0, self.height, 0])
        return matrix

    def rays(self) -> Array:  # [H, W, 3]
        """World directions of the pixels' centres, depth 1 each."""
        rows, columns = np.meshgrid(np.arange(self.tall) + 0.5, np.arange(self.width) + 0.5, indexing="ij")
        local = np.stack([columns, rows, np.ones_like(rows)], -1) @ np.linalg.inv(self.K).T
        return local @ self.camera_from_world[:3, :3]


def figure_depth(camera: Camera, time: float, *, away: float = 3.0, side: float = 0.0) -> Array:  # [H, W]
    """The figure alone, walking in place and swaying, ``away`` [m] from the camera."""
    swing, sway = 0.35 * math.sin(2 * math.pi * time), 0.12 * math.sin(2 * math.pi * time / 2)
    middle = np.array([side + sway, 0.0, -away + 0.1 * math.cos(2 * math.pi * time / 2)])
    depth = np.full((camera.tall, camera.width), np.inf)
    for place, size, turn in _parts(swing):
        depth = np.minimum(depth, _ellipsoid(camera, middle + place, size, turn))
    return np.where(np.isfinite(depth), depth, 0.0)


def _parts(swing: float) -> list[tuple[Array, Array, float]]:
    """Middle, half axes and turn about x of head, trunk, arms and legs."""
    parts = [(np.array([0, 1.62, 0]), np.array([0.1, 0.13, 0.11]), 0.0), (np.array([0, 1.15, 0]), np.array([0.18, 0.38, 0.13]), 0.0)]
    for sign in (-1, 1):
        angle = sign * swing
        hip, shoulder = np.array([0.1 * sign, 0.88, 0]), np.array([0.22 * sign, 1.42, 0])
        parts.append((hip + 0.43 * np.array([0, -math.cos(angle), math.sin(angle)]), np.array([0.08, 0.46, 0.09]), angle))
        parts.append((shoulder + 0.33 * np.array([0, -math.cos(angle), -math.sin(angle)]), np.array([0.05, 0.36, 0.05]), -angle))
    return parts


def _ellipsoid(camera: Camera, middle: Array, size: Array, turn: float) -> Array:  # [H, W]
    cos, sin = math.cos(turn), math.sin(turn)
    local = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) / size[:, None]
    start = local @ (np.array([0, camera.height, 0]) - middle)
    along = camera.rays() @ local.T
    a, b, c = (along**2).sum(-1), along @ start, start @ start - 1
    root = b * b - a * c
    return np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / a, np.inf)


@dataclass(frozen=True)
class Room:
    """A floor at y = 0, a wall behind, and a box that stands beside the figure.

    Attributes:
        wall: distance of the wall from the camera [m], or None.
        box: middle of the box's top on the floor plane and its half width [m], or None.
        noise: standard deviation of the depth at one metre [m]; it grows with the square of the distance.
        missing: share of the pixels without depth.
    """

    wall: float | None = 4.2
    box: tuple[float, float, float] | None = (0.95, -3.2, 0.2)
    noise: float = 0.0012
    missing: float = 0.05

    def around(self, body: Array, rays: Array, eye: Array, generator: np.random.Generator) -> Array:  # [H, W] float32
        """What the camera sees of the body in the room; ``rays`` are world directions of depth 1, y up, the floor at y = 0."""
        depth = np.where(body > 0, body, np.inf)
        with np.errstate(divide="ignore"):
            depth = np.minimum(depth, np.where(rays[..., 1] < 0, -eye[1] / rays[..., 1], np.inf))
            if self.wall is not None:
                ahead = -rays[..., 2]
                depth = np.minimum(depth, np.where(ahead > 0, self.wall / ahead, np.inf))
            if self.box is not None:
                depth = np.minimum(depth, self._box(rays, eye))
        depth = np.where(np.isfinite(depth), depth, 0.0)
        noisy = depth + self.noise * depth**2 * generator.standard_normal(depth.shape)
        return np.where(generator.random(depth.shape) < self.missing, 0.0, noisy).astype(np.float32)

    def _box(self, rays: Array, eye: Array) -> Array:
        x, z, half = self.box or (0.0, 0.0, 0.0)
        low, high = np.array([x - half, 0.0, z - half]) - eye, np.array([x + half, 2 * half, z + half]) - eye
        first, second = low / rays, high / rays
        near, far = np.minimum(first, second).max(-1), np.maximum(first, second).min(-1)
        return np.where((near < far) & (near > 0), near, np.inf)


def overlap(first: Array, second: Array) -> float:
    """Intersection over union of two masks."""
    return float((first & second).sum() / max(1, (first | second).sum()))
