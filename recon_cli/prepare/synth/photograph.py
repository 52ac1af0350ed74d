"""Photographs of a moving sheet: rays cast at a fine mesh, light, lens blur and sensor noise.

The rays come from Open3D, so that no renderer of this package judges itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray

SUPERSAMPLES = 3
"""Rays along each side of a pixel."""


@dataclass(frozen=True)
class Pinhole:
    """A camera at the origin that looks along +z, x right, y down; pixel centres at 0.5.

    Attributes:
        width: [px].
        height: [px].
        focal: focal length [px], the same in x and y.
        centre: principal point [px].
    """

    width: int
    height: int
    focal: float
    centre: tuple[float, float]

    def project(self, points: Array) -> Array:  # [..., 3] -> [..., 2]
        """Pixels of points [m] in front of the camera."""
        return self.focal * points[..., :2] / points[..., 2:] + np.array(self.centre)


@dataclass(frozen=True)
class Scene:
    """Everything about the pictures but the moving surface.

    Attributes:
        camera: the pinhole.
        faces: of the surface, shape [F, 3].
        uvs: texture coordinates of its vertices, (0, 0) at the bottom left, shape [V, 2].
        texture: sRGB, shape [S, S, 3], uint8.
        light: unit vector towards the directional light, shape [3].
        directional: share of linear light that comes from it.
        ambient: share of linear light that comes from everywhere.
        background: linear colour, shape [3].
        blur: standard deviation of the lens's blur [px].
        read_noise: standard deviation of the sensor's noise in the dark [linear, 1 is white].
        shot_noise: standard deviation of its noise at white [linear].
    """

    camera: Pinhole
    faces: Array  # [F, 3]
    uvs: Array  # [V, 2]
    texture: Array  # [S, S, 3]
    light: Array  # [3]
    directional: float
    ambient: float
    background: Array  # [3]
    blur: float
    read_noise: float
    shot_noise: float


def photograph(scene: Scene, positions: Array, generator: np.random.Generator) -> tuple[Array, Array]:  # [V, 3] -> [H, W, 3], [H, W]
    """One frame (uint8, sRGB) and its mask (uint8, 255 where the sheet covers at least half of a pixel)."""
    from scipy.ndimage import gaussian_filter

    camera = scene.camera
    linear = np.broadcast_to(scene.background, (camera.height, camera.width, 3)).copy()
    covered = np.zeros((camera.height, camera.width))
    rows, columns = _window(camera, positions)
    color, coverage = _radiance(scene, positions, rows, columns)
    linear[rows, columns] = color + (1 - coverage)[..., None] * scene.background
    covered[rows, columns] = coverage
    linear = gaussian_filter(linear, (scene.blur, scene.blur, 0))
    deviation = np.sqrt(scene.read_noise**2 + scene.shot_noise**2 * linear)
    noisy = linear + deviation * generator.standard_normal(linear.shape)
    return np.round(255 * encode(noisy)).astype(np.uint8), np.where(covered >= 0.5, np.uint8(255), np.uint8(0))


def encode(linear: Array) -> Array:
    """Linear light to sRGB (IEC 61966-2-1), clipped to [0, 1]."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)


def decode(encoded: Array) -> Array:
    """sRGB in [0, 1] to linear light (IEC 61966-2-1)."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def _window(camera: Pinhole, positions: Array) -> tuple[slice, slice]:
    """Rows and columns that the sheet can touch."""
    pixels = camera.project(positions)
    low = np.clip(np.floor(pixels.min(axis=0)).astype(int) - 1, 0, [camera.width, camera.height])
    high = np.clip(np.ceil(pixels.max(axis=0)).astype(int) + 1, 0, [camera.width, camera.height])
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def _radiance(scene: Scene, positions: Array, rows: slice, columns: slice) -> tuple[Array, Array]:
    """Linear light of the sheet in a window, premultiplied, shape [h, w, 3], and its coverage in [0, 1], shape [h, w]."""
    import open3d as o3d

    tensor: Any = o3d.core.Tensor
    caster = o3d.t.geometry.RaycastingScene(nthreads=1)
    caster.add_triangles(tensor(np.ascontiguousarray(positions, dtype=np.float32)), tensor(scene.faces.astype(np.uint32)))
    directions = _directions(scene.camera, rows, columns)  # [h * s, w * s, 3]
    hits = caster.cast_rays(tensor(np.concatenate([np.zeros_like(directions), directions], axis=-1).astype(np.float32)))
    seen = np.isfinite(hits["t_hit"].numpy())
    light = np.zeros((*seen.shape, 3))
    light[seen] = _shade(scene, positions, directions[seen], hits["primitive_ids"].numpy()[seen], hits["primitive_uvs"].numpy()[seen])
    s = SUPERSAMPLES
    height, width = seen.shape[0] // s, seen.shape[1] // s
    mean = light.reshape(height, s, width, s, 3).mean(axis=(1, 3))
    return mean, seen.reshape(height, s, width, s).mean(axis=(1, 3))


def _directions(camera: Pinhole, rows: slice, columns: slice) -> Array:  # [h * s, w * s, 3]
    s = SUPERSAMPLES
    x = columns.start + (np.arange((columns.stop - columns.start) * s) + 0.5) / s
    y = rows.start + (np.arange((rows.stop - rows.start) * s) + 0.5) / s
    u, v = np.meshgrid((x - camera.centre[0]) / camera.focal, (y - camera.centre[1]) / camera.focal)
    return np.stack([u, v, np.ones_like(u)], axis=-1)


def _shade(
    scene: Scene,
    positions: Array,  # [V, 3]
    directions: Array,  # [N, 3]
    hit_faces: Array,  # [N]
    hit_uvs: Array,  # [N, 2]
) -> Array:  # [N, 3]
    """Lambert's cosine on interpolated normals, the same on both sides of the cloth, plus ambient light, times the print."""
    weights = np.stack([1 - hit_uvs[:, 0] - hit_uvs[:, 1], hit_uvs[:, 0], hit_uvs[:, 1]], axis=-1).astype(np.float64)
    corners = scene.faces[hit_faces]  # [N, 3]
    normals = np.einsum("nk,nkd->nd", weights, vertex_normals(positions, scene.faces)[corners])
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    away = np.einsum("nd,nd->n", normals, directions) > 0
    normals[away] *= -1
    cosine = np.maximum(normals @ scene.light, 0)
    albedo = _look_up(scene.texture, np.einsum("nk,nkd->nd", weights, scene.uvs[corners]))
    return albedo * (scene.ambient + scene.directional * cosine)[:, None]


def vertex_normals(positions: Array, faces: Array) -> Array:  # [V, 3]
    """Unit normals weighted by area."""
    a, b, c = (positions[faces[:, k]] for k in range(3))
    face_normals = np.cross(b - a, c - a)
    total = np.stack([np.bincount(faces.reshape(-1), np.repeat(face_normals[:, d], 3), len(positions)) for d in range(3)], axis=-1)
    return total / np.linalg.norm(total, axis=-1, keepdims=True)


def _look_up(texture: Array, uvs: Array) -> Array:  # [S, S, 3], [N, 2] -> [N, 3] linear
    """Bilinear in linear light; texel centres at half integers, clamped at the border."""
    linear = decode(texture.astype(np.float64) / 255)
    height, width = linear.shape[:2]
    x = np.clip(uvs[:, 0] * width - 0.5, 0, width - 1)
    y = np.clip((1 - uvs[:, 1]) * height - 0.5, 0, height - 1)
    column, row = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
    fx, fy = (x - column)[:, None], (y - row)[:, None]
    top = (1 - fx) * linear[row, column] + fx * linear[row, column + 1]
    bottom = (1 - fx) * linear[row + 1, column] + fx * linear[row + 1, column + 1]
    return (1 - fy) * top + fy * bottom
