"""One view of a rig: exact depth at the pixels' centres, and a picture whose pixels are means over many samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.core.normals import face_normals, unit
from recon_cli.kernels.rasterize import Fragments, RasterSettings, rasterize
from recon_cli.kernels.solid_texture import SolidTexture, solid_texture
from recon_cli.prepare.synth.photograph import encode
from recon_cli.prepare.synth.rig_light import Light, reflected


@dataclass(frozen=True)
class Surface:
    """A run of faces with one pattern.

    Attributes:
        first: first face.
        stop: the face after the last one.
        centre: origin of the pattern [scene units], shape [3]; near the surface, so that float32 holds its detail.
        texture: the pattern.
    """

    first: int
    stop: int
    centre: Tensor  # [3]
    texture: SolidTexture


@dataclass(frozen=True)
class Backdrop:
    """A patterned sphere around everything.

    Attributes:
        centre: [scene units], shape [3].
        radius: [scene units].
        texture: the pattern, in units of the radius.
    """

    centre: Tensor  # [3]
    radius: float
    texture: SolidTexture


@dataclass(frozen=True)
class Stage:
    """Everything before the cameras.

    Attributes:
        mesh: all objects.
        normals: smooth normals of its vertices, for shading, shape [V, 3].
        openness: share of the sky that each vertex sees, shape [V].
        surfaces: patterns; together they cover all faces.
        background: what is behind everything; None for black.
        light: lamp and sky.
        specular: height of highlights.
        shininess: Blinn's exponent.
    """

    mesh: Mesh
    normals: Tensor  # [V, 3]
    openness: Tensor  # [V]
    surfaces: tuple[Surface, ...]
    background: Backdrop | None
    light: Light
    specular: float
    shininess: float


def exact_depth(mesh: Mesh, camera: Cameras) -> tuple[Tensor, Tensor]:  # [H, W], [H, W, 3]
    """z-depth [scene units] and unit normal (world axes, towards the camera) of the face behind each pixel's centre; 0 where there is none.

    Hits are computed in float64 and rounded once, to float32.
    """
    fragments = _seen(mesh, camera, samples=1, has_barycentrics=False)
    face = fragments.face[..., 0].long()
    is_hit = face >= 0
    normals = face_normals(mesh.vertices.double(), mesh.faces)[face.clamp(min=0)]
    corner = mesh.vertices.double()[mesh.faces[face.clamp(min=0), 0]]
    away = ((corner - _eye(camera)) * normals).sum(dim=-1, keepdim=True) > 0
    normals = torch.where(away, -normals, normals) * is_hit[..., None]
    return fragments.depth[..., 0].clone(), normals.float()


def linear_picture(stage: Stage, camera: Cameras, samples: int) -> Tensor:  # [H, W, 3]
    """Linear light, each pixel the mean of ``samples``² points of it."""
    height, width = camera.height, camera.width
    fragments = _seen(stage.mesh, camera, samples=samples, has_barycentrics=True)
    face = fragments.face.reshape(-1).long()
    hit = (face >= 0).nonzero()[:, 0]
    light = torch.zeros(len(face), 3)
    light[hit] = _shaded(stage, camera, face[hit], fragments.barycentric.reshape(-1, 3)[hit])
    if stage.background is not None:
        missed = (face < 0).nonzero()[:, 0]
        light[missed] = _behind(stage.background, camera, missed, samples)
    return light.reshape(height, samples, width, samples, 3).mean(dim=(1, 3))


def sensed(linear: Tensor, noise: float, generator: np.random.Generator) -> Tensor:  # [H, W, 3] -> [H, W, 3] uint8
    """The sRGB picture that a sensor with noise of this standard deviation [8-bit levels] makes of linear light."""
    levels = 255 * encode(linear.double().numpy())
    if noise > 0:
        levels = levels + noise * generator.standard_normal(levels.shape)
    return torch.from_numpy(np.rint(np.clip(levels, 0, 255)).astype(np.uint8))


def _seen(mesh: Mesh, camera: Cameras, *, samples: int, has_barycentrics: bool) -> Fragments:
    pixels, depth = camera.project(mesh.vertices.double())
    points = torch.cat([samples * pixels[0], depth[0, :, None]], dim=-1)
    settings = RasterSettings(has_barycentrics=has_barycentrics)
    return rasterize(points, mesh.faces, samples * camera.width, samples * camera.height, settings=settings)


def _shaded(stage: Stage, camera: Cameras, face: Tensor, weights: Tensor) -> Tensor:  # [N], [N, 3] -> [N, 3]
    corners = stage.mesh.faces[face]  # [N, 3]
    # Float32 from the first object's centre on: its rounding is far below a sample's footprint.
    origin = stage.surfaces[0].centre
    local = (stage.mesh.vertices.double() - origin).float()
    points = _blended(local, corners, weights)
    to_eye = unit((_eye(camera) - origin).float() - points)
    normals = unit(_blended(stage.normals, corners, weights))
    openness = _blended(stage.openness[:, None], corners, weights)[:, 0]
    albedo = torch.empty_like(points)
    for surface in stage.surfaces:
        own = slice(None) if len(stage.surfaces) == 1 else (face >= surface.first) & (face < surface.stop)
        albedo[own] = solid_texture(points[own] - (surface.centre - origin).float(), surface.texture)
    return reflected(albedo, normals, to_eye, openness, light=stage.light, specular=stage.specular, shininess=stage.shininess)


def _blended(values: Tensor, corners: Tensor, weights: Tensor) -> Tensor:  # [V, D], [N, 3], [N, 3] -> [N, D]
    total = values[corners[:, 0]] * weights[:, :1]
    for k in (1, 2):
        total += values[corners[:, k]] * weights[:, k : k + 1]
    return total


def _behind(background: Backdrop, camera: Cameras, samples_seen: Tensor, samples: int) -> Tensor:  # [M] -> [M, 3]
    """The pattern where the rays of these samples (row-major indices) leave a large sphere."""
    wide = camera.width * samples
    pixels = torch.stack([samples_seen % wide, samples_seen // wide], dim=-1).double().add(0.5) / samples
    ahead = camera.unproject(pixels[None], torch.ones(1, len(pixels), dtype=torch.float64))[0]
    start = (_eye(camera) - background.centre) / background.radius
    direction = unit(ahead - _eye(camera))
    along = (direction * start).sum(dim=-1)
    reach = -along + torch.sqrt(along**2 + 1 - (start * start).sum())
    return solid_texture((start + reach[:, None] * direction).float(), background.texture)


def _eye(camera: Cameras) -> Tensor:  # [3]
    return camera.world_from_camera[0, :3, 3].double()
