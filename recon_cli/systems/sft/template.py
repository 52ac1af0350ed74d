"""The template against the reference frame: does it project where the cloth is, and what does it look like?

The texture coordinates of a captured template need not be its projection: on the real sequence S1 they differ from it by a smooth field
of several pixels, which a fit that trusts them takes for motion. So the projection decides, and the difference is reported.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.systems.sft.result import TemplateCheck

# Texture coordinates within this share of the image's width of the projection are an image projection, not an atlas.
PROJECTION_TOLERANCE = 0.05


def check_template(
    template: Mesh,
    camera: Cameras,
    mask: NDArray[np.uint8],  # [H, W]
    *,
    minimum_visible: float,
) -> TemplateCheck:
    """Compare the template's projection with the reference mask and with its own texture coordinates.

    Raises:
        InputError: the template is behind the camera, or too little of it projects into the mask.
    """
    extent = float((template.vertices.amax(dim=0) - template.vertices.amin(dim=0)).max())
    if not 1e-6 < extent < 1e6:
        raise InputError(f"the template is {extent:.3g} m large, expected metres", hint="scale the template to metres")
    pixels, depth = _project(template, camera)
    if bool((depth <= 0).any()):
        raise InputError(
            f"{int((depth <= 0).sum())} of {len(depth)} template vertices lie behind the camera",
            hint="the template must be given in the camera's world: x right, y down, z forward, in front of the camera",
        )
    # Face centres, not vertices: those of a coarse template lie on the outline, where masks are ragged.
    visible = _inside(pixels[template.faces].mean(dim=1), mask)
    if visible < minimum_visible:
        raise InputError(
            f"only {visible:.0%} of the template projects into the mask of the first frame, at least {minimum_visible:.0%} expected",
            hint="check the template's units and pose, the camera's intrinsics, and that the clip starts at its frame (--start); "
            "--set appearance.minimum_visible=0.2 lets it pass",
        )
    residual, scale = _compare_uvs(template, pixels, camera)
    is_projection = residual is not None and residual[0] < PROJECTION_TOLERANCE * camera.width
    return TemplateCheck(visible, residual, scale, is_projection)


def with_projected_texture(
    template: Mesh,
    camera: Cameras,
    image: Tensor,  # [H, W, 3] uint8
) -> Mesh:
    """The template textured by its projection into the reference frame (paper Sec. 3.4)."""
    pixels, _ = _project(template, camera)
    size = torch.tensor([camera.width, camera.height], dtype=torch.float64)
    uvs = pixels / size
    uvs = torch.stack([uvs[:, 0], 1.0 - uvs[:, 1]], dim=1)
    return replace(template, uvs=uvs, face_uvs=template.faces, texture=image.float() / 255.0, colors=None)


def _project(template: Mesh, camera: Cameras) -> tuple[Tensor, Tensor]:
    pixels, depth = camera.to(dtype=torch.float64).project(template.vertices.double())
    return pixels[0], depth[0]


def _inside(pixels: Tensor, mask: NDArray[np.uint8]) -> float:
    column, row = pixels.floor().long().unbind(dim=1)
    in_image = (column >= 0) & (row >= 0) & (column < mask.shape[1]) & (row < mask.shape[0])
    hit = torch.zeros(len(pixels), dtype=torch.bool)
    hit[in_image] = torch.from_numpy(mask)[row[in_image], column[in_image]] > 127
    return float(hit.double().mean())


def _compare_uvs(template: Mesh, pixels: Tensor, camera: Cameras) -> tuple[tuple[float, float, float] | None, float | None]:
    """Mean, deviation and maximum [px] of texture coordinate minus projection, and the scale between the two."""
    if template.uvs is None or template.face_uvs is None:
        return None, None
    size = torch.tensor([camera.width, camera.height], dtype=torch.float64)
    uvs = template.uvs.double()[template.face_uvs].reshape(-1, 2)
    projected = pixels[template.faces.reshape(-1)]
    # Captured templates come with pictures stored either way up: v runs up as in OBJ, or down.
    ways_up = (torch.stack([uvs[:, 0], v], dim=1) * size for v in (1.0 - uvs[:, 1], uvs[:, 1]))
    drawn = min(ways_up, key=lambda way: float((way - projected).norm(dim=1).mean()))
    distance = (drawn - projected).norm(dim=1)
    a, b = drawn - drawn.mean(dim=0), projected - projected.mean(dim=0)
    scale = float((a * b).sum() / (b * b).sum().clamp_min(1e-12))
    return (float(distance.mean()), float(distance.std()), float(distance.max())), scale
