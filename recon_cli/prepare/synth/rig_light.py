"""Light on a rig: one lamp that never moves, an ambient sky, and what a glossy surface mirrors of the lamp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.mesh import Mesh
from recon_cli.core.normals import unit, vertex_normals

BRIGHTNESS = 1.35
"""Linear light that a white surface facing lamp and sky would send back; patterns are at most three quarters white."""


@dataclass(frozen=True)
class Light:
    """Light from one direction and from everywhere.

    Attributes:
        direction: unit vector towards the lamp, shape [3].
        directional: linear light that a white surface facing the lamp sends back.
        ambient: linear light that a white surface facing up sends back without the lamp; one facing down sends half of it.
    """

    direction: Tensor  # [3]
    directional: float
    ambient: float


def draw_light(azimuth: float, generator: np.random.Generator) -> Light:
    """A lamp above and to one side of the direction ``azimuth`` [degrees]."""
    side = generator.choice([-1.0, 1.0]) * generator.uniform(15, 55)
    a, e = np.radians([azimuth + side, generator.uniform(20, 50)])
    direction = torch.tensor([np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)], dtype=torch.float32)
    share = generator.uniform(0.55, 0.7)
    return Light(direction, BRIGHTNESS * share, BRIGHTNESS * (1 - share))


def reflected(
    albedo: Tensor,  # [N, 3]
    normals: Tensor,  # [N, 3]
    towards_eye: Tensor,  # [N, 3]
    openness: Tensor,  # [N]
    *,
    light: Light,
    specular: float,
    shininess: float,
) -> Tensor:  # [N, 3]
    """Linear light sent towards the eye: Lambert's cosine, a sky, and the highlight of Blinn (1977).

    Args:
        albedo: share of linear light that is scattered.
        normals: unit normals.
        towards_eye: unit vectors to the camera.
        openness: share of the sky that is not hidden.
        light: the lamp and the sky.
        specular: height of the highlight; 0 for a Lambertian surface, which looks the same from everywhere.
        shininess: Blinn's exponent.
    """
    lamp = light.direction.to(normals)
    diffuse = light.directional * (normals @ lamp).clamp(min=0) + light.ambient * (0.75 + 0.25 * normals[:, 1]) * openness
    color = albedo * diffuse[:, None]
    if specular > 0:
        half = unit(towards_eye + lamp)
        color = color + specular * ((normals * half).sum(dim=-1).clamp(min=0) ** shininess * (normals @ lamp > 0))[:, None]
    return color


def sky_openness(mesh: Mesh, *, rays: int, generator: np.random.Generator) -> Tensor:  # [V]
    """Cosine-weighted share of the directions above each vertex in which nothing of the mesh lies within half of its diameter."""
    import open3d as o3d

    tensor: Any = o3d.core.Tensor
    caster = o3d.t.geometry.RaycastingScene(nthreads=1)
    vertices = mesh.vertices.detach().float()
    caster.add_triangles(tensor(vertices.numpy()), tensor(mesh.faces.numpy().astype(np.uint32)))
    normals = vertex_normals(vertices, mesh.faces)
    reach = 0.5 * float(torch.linalg.vector_norm(vertices.amax(dim=0) - vertices.amin(dim=0)))
    # Unit normal plus a point of the unit sphere: directions with the density of the cosine.
    sphere = torch.from_numpy(generator.standard_normal((rays, 3))).float()
    directions = unit(normals[:, None] + 0.999 * unit(sphere))  # [V, R, 3]
    starts = (vertices + 1e-3 * reach * normals)[:, None].expand_as(directions)
    hidden = caster.test_occlusions(tensor(torch.cat([starts, directions], dim=-1).numpy()), tfar=reach).numpy()
    return 1 - torch.from_numpy(hidden).float().mean(dim=1)
