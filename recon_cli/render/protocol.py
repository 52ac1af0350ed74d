"""What every renderer takes and gives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import UsageError
from recon_cli.core.mesh import Mesh
from recon_cli.render.lights import Lights


@dataclass(frozen=True)
class RenderSettings:
    """How a mesh is drawn.

    Attributes:
        mode: "antialiased" draws the surface as it is seen and blends pixels that an outline crosses; "soft" draws
            every face with a blurred outline (Liu et al. 2019, Soft Rasterizer).
        background: colour behind the mesh, in [0, 1].
        near: a face with a corner at this depth [scene units] or nearer is left out whole.
        cull_backfaces: leave out faces seen from behind; otherwise their normals are turned towards the camera.
        blend_geometry: antialias depth and normal too. They then carry gradients to the outline, but a pixel on it
            holds a mixture of near and far.
        sigma: soft mode, blur of the outlines: squared distance, in units of half the shorter image side.
        gamma: soft mode, how far apart in normalised depth two faces must be for the nearer to hide the other.
        faces_per_pixel: soft mode, how many of the nearest faces a pixel blends.
        depth_range: soft mode, depths [scene units] that count as 1 and 0 in the softmax over depth.

    Raises:
        UsageError: a value is out of its range.
    """

    mode: Literal["antialiased", "soft"] = "antialiased"
    background: tuple[float, float, float] = (0.0, 0.0, 0.0)
    near: float = 1e-6
    cull_backfaces: bool = False
    blend_geometry: bool = False
    sigma: float = 1e-4
    gamma: float = 1e-4
    faces_per_pixel: int = 1
    depth_range: tuple[float, float] = (1.0, 100.0)

    def __post_init__(self) -> None:
        if self.mode not in ("antialiased", "soft"):
            raise UsageError(f"unknown render mode {self.mode!r}, expected 'antialiased' or 'soft'")
        if self.sigma <= 0 or self.gamma <= 0 or self.faces_per_pixel < 1:
            raise UsageError("sigma and gamma must be above 0 and faces_per_pixel at least 1")
        if self.near < 0 or not self.depth_range[0] < self.depth_range[1]:
            raise UsageError("near must not be negative, and depth_range must go from near to far")

    def blur_radius(self, width: int, height: int) -> float:
        """Distance [px] beyond which the coverage of a face in soft mode is below 1e-4 and is left out."""
        return math.sqrt(math.log(1 / 1e-4 - 1) * self.sigma) * min(width, height) / 2


@dataclass(frozen=True)
class Rendered:
    """One picture a camera; all but ``face`` carry gradients.

    Attributes:
        color: not clamped, shape [C, H, W, 3].
        depth: z along the camera's axis [scene units], 0 where nothing is seen, shape [C, H, W].
        normal: unit normals in world axes on the camera's side, 0 where nothing is seen, shape [C, H, W, 3].
        silhouette: part of the pixel that is covered, in [0, 1], shape [C, H, W].
        face: index of the nearest face, -1 where nothing is seen, int32, shape [C, H, W].
    """

    color: Tensor  # [C, H, W, 3]
    depth: Tensor  # [C, H, W]
    normal: Tensor  # [C, H, W, 3]
    silhouette: Tensor  # [C, H, W]
    face: Tensor  # [C, H, W]


class Renderer(Protocol):
    """A differentiable renderer."""

    def render(self, mesh: Mesh, cameras: Cameras, *, lights: Lights | None = None, settings: RenderSettings | None = None) -> Rendered:
        """Draw a mesh as each camera sees it.

        Args:
            mesh: its vertices give the floating type and the device; cameras and lights are converted.
            cameras: all of one size.
            lights: white ambient light when not given.
            settings: the defaults when not given.

        Raises:
            InputError: the cameras differ in size, or the mesh has a texture but no texture coordinates.
        """
        ...


def get_renderer(name: str = "builtin", device: torch.device | str = "cpu") -> Renderer:
    """The renderer of that name, "builtin" or "pytorch3d".

    Raises:
        UsageError: the name is unknown, or PyTorch3D cannot be imported.
    """
    if name == "builtin":
        from recon_cli.render.builtin import BuiltinRenderer

        return BuiltinRenderer(device)
    if name == "pytorch3d":
        from recon_cli.render.pytorch3d import Pytorch3dRenderer

        return Pytorch3dRenderer(device)
    raise UsageError(f"unknown renderer {name!r}, expected 'builtin' or 'pytorch3d'")
