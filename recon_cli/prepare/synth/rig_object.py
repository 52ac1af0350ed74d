"""Random solid objects: primitives melted together, some with a handle or a hollow, finely dented; closed meshes of half a metre."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.core.topology import adjacency, components

Array = np.ndarray
Distance = Callable[[Array], Array]
"""Points [N, 3] to signed distances [N], negative inside; a bound of the distance is enough."""

SIZE = 0.5
"""Longest side of an object's box [m]."""
SMOOTHING = 0.12
"""Width of the seam between melted primitives; an object is about 2 wide before it is scaled."""
ITERATIONS = 4
"""Rounds of evening out the triangles and pulling them back to the surface."""


def draw_object(generator: np.random.Generator, *, cells: int = 80) -> Mesh:
    """A closed mesh, faces counter-clockwise from outside, float32, its box centred at the origin with a longest side of 0.5 m, y up.

    Args:
        generator: draws the shape.
        cells: cells of the sampling grid along each side; faces grow with its square.
    """
    distance = _draw_solid(generator)
    vertices, faces = _isosurface(distance, cells)
    vertices, faces = largest_piece(vertices, faces)
    vertices = evened(distance, vertices, faces)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    vertices = (vertices - (low + high) / 2) * (SIZE / (high - low).max())
    return Mesh(torch.from_numpy(vertices.astype(np.float32)), torch.from_numpy(faces))


def draw_clutter(mesh: Mesh, cameras: Cameras, count: int, generator: np.random.Generator) -> list[Mesh]:
    """Small objects between a mesh and its cameras, clear of both.

    Each hovers on the way to a random camera, moved aside by up to nine tenths of the object's radius, at 1.1 to 1.4 radii from its middle.
    """
    low, high = mesh.vertices.double().amin(dim=0), mesh.vertices.double().amax(dim=0)
    centre, radius = (low + high) / 2, 0.5 * float(torch.linalg.vector_norm(high - low))
    eyes = cameras.world_from_camera[:, :3, 3]
    placed = []
    for _ in range(count):
        part = draw_object(generator, cells=32)
        towards = eyes[int(generator.integers(len(eyes)))] - centre + radius * torch.from_numpy(generator.uniform(-0.9, 0.9, 3))
        reach = min(generator.uniform(1.1, 1.4) * radius, 0.6 * float(towards.norm()))
        scale = generator.uniform(0.15, 0.35) * radius / SIZE
        position = centre + reach * towards / towards.norm()
        placed.append(Mesh((part.vertices.double() * scale + position).to(mesh.vertices.dtype), part.faces))
    return placed


@dataclass(frozen=True)
class _Pose:
    """Where a primitive is: local = (world - centre) @ axes."""

    centre: Array  # [3]
    axes: Array  # [3, 3]

    def __call__(self, points: Array) -> Array:
        return (points - self.centre) @ self.axes


def _draw_solid(generator: np.random.Generator) -> Distance:
    body = _ellipsoid(_Pose(np.zeros(3), _rotation(generator)), generator.uniform(0.45, 0.75, 3))
    parts = [body]
    for _ in range(int(generator.integers(4, 8))):
        parts.append(PRIMITIVES[int(generator.integers(len(PRIMITIVES)))](_pose(generator, 0.45, 0.75), generator))
    if generator.uniform() < 0.7:  # a handle
        parts.append(_torus(_pose(generator, 0.6, 0.8), generator))
    hollows = [_ball(_pose(generator, 0.7, 0.95), generator.uniform(0.2, 0.38)) for _ in range(int(generator.integers(1, 4)))]
    dents = _draw_dents(generator)

    def distance(points: Array) -> Array:
        total = parts[0](points)
        for part in parts[1:]:
            total = _melted(total, part(points))
        for hollow in hollows:
            total = -_melted(-total, hollow(points))
        return total + dents(points)

    return distance


def _draw_dents(generator: np.random.Generator) -> Distance:
    """Three octaves of waves in random directions."""
    waves = []
    for wavelength, height in ((0.55, 0.02), (0.26, 0.009), (0.13, 0.0035)):
        for _ in range(4):
            direction = generator.standard_normal(3)
            direction *= 2 * np.pi / (wavelength * generator.uniform(0.8, 1.2) * np.linalg.norm(direction))
            waves.append((direction, generator.uniform(0, 2 * np.pi), height * generator.uniform(0.5, 1.0)))
    return lambda points: sum((height * np.sin(points @ direction + phase) for direction, phase, height in waves), np.zeros(len(points)))


def _melted(a: Array, b: Array) -> Array:
    """Union of two solids with a smooth seam: the exponential minimum."""
    return np.minimum(a, b) - SMOOTHING * 0.5 * np.log1p(np.exp(-np.abs(a - b) / (SMOOTHING * 0.5)))


def _ellipsoid(pose: _Pose, radii: Array) -> Distance:
    return lambda points: (np.linalg.norm(pose(points) / radii, axis=-1) - 1) * radii.min()


def _ball(pose: _Pose, radius: float) -> Distance:
    return lambda points: np.linalg.norm(pose(points), axis=-1) - radius


def _torus(pose: _Pose, generator: np.random.Generator) -> Distance:
    ring, tube = generator.uniform(0.26, 0.36), generator.uniform(0.07, 0.11)

    def distance(points: Array) -> Array:
        local = pose(points)
        return np.hypot(np.hypot(local[:, 0], local[:, 1]) - ring, local[:, 2]) - tube

    return distance


def _capsule(pose: _Pose, generator: np.random.Generator) -> Distance:
    half, radius = generator.uniform(0.25, 0.55), generator.uniform(0.1, 0.2)

    def distance(points: Array) -> Array:
        local = pose(points)
        local[:, 0] -= np.clip(local[:, 0], -half, half)
        return np.linalg.norm(local, axis=-1) - radius

    return distance


def _box(pose: _Pose, generator: np.random.Generator) -> Distance:
    half, rounding = generator.uniform(0.12, 0.3, 3), 0.05

    def distance(points: Array) -> Array:
        beyond = np.abs(pose(points)) - half
        return np.linalg.norm(np.maximum(beyond, 0), axis=-1) + np.minimum(beyond.max(axis=-1), 0) - rounding

    return distance


def _lump(pose: _Pose, generator: np.random.Generator) -> Distance:
    return _ellipsoid(pose, generator.uniform(0.18, 0.4, 3))


PRIMITIVES: tuple[Callable[[_Pose, np.random.Generator], Distance], ...] = (_capsule, _box, _lump)


def _pose(generator: np.random.Generator, low: float, high: float) -> _Pose:
    """Somewhere between two distances from the middle, turned at random."""
    direction = generator.standard_normal(3)
    return _Pose(direction / np.linalg.norm(direction) * generator.uniform(low, high), _rotation(generator))


def _rotation(generator: np.random.Generator) -> Array:  # [3, 3]
    matrix, upper = np.linalg.qr(generator.standard_normal((3, 3)))
    return matrix * np.sign(np.diag(upper))


def _isosurface(distance: Distance, cells: int) -> tuple[Array, Array]:
    from skimage.measure import marching_cubes

    reach = 1.75
    along = np.linspace(-reach, reach, cells + 1)
    grid = np.stack(np.meshgrid(along, along, along, indexing="ij"), axis=-1).reshape(-1, 3)
    values = distance(grid).reshape([cells + 1] * 3)
    vertices, faces, *_ = marching_cubes(
        values, 0.0, spacing=(2 * reach / cells,) * 3, gradient_direction="descent", allow_degenerate=False
    )
    return vertices.astype(np.float64) - reach, faces.astype(np.int64)


def largest_piece(vertices: Array, faces: Array) -> tuple[Array, Array]:  # [V, 3], [F, 3]
    """The connected piece with the most vertices; the others are left out and the faces numbered anew."""
    labels = components(torch.from_numpy(faces), len(vertices)).numpy()
    kept = labels == np.bincount(labels).argmax()
    number = np.cumsum(kept) - 1
    return vertices[kept], number[faces[kept[faces[:, 0]]]]


def evened(distance: Distance, vertices: Array, faces: Array) -> Array:
    """Each vertex moved towards the mean of its neighbours and back to the surface along the gradient (Newton)."""
    graph = adjacency(torch.from_numpy(faces), len(vertices))
    degree = np.asarray(graph.sum(axis=1)).reshape(-1, 1)
    for _ in range(ITERATIONS):
        vertices = 0.5 * vertices + 0.5 * (graph @ vertices) / degree
        for _ in range(2):
            gradient = _gradient(distance, vertices)
            vertices = vertices - (distance(vertices) / (gradient**2).sum(axis=-1))[:, None] * gradient
    return vertices


def _gradient(distance: Distance, points: Array) -> Array:  # [N, 3]
    step = 1e-4
    moves = step * np.eye(3)
    return np.stack([distance(points + move) - distance(points - move) for move in moves], axis=-1) / (2 * step)
