"""Depth maps of a mesh as cameras of any size see it."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.mesh import Mesh
from recon_cli.kernels.rasterize import RasterSettings, rasterize

_BARE = RasterSettings(has_barycentrics=False)


def mesh_depths(mesh: Mesh, cameras: Cameras) -> DepthMaps:
    """The z-depth [scene units] of a mesh at each pixel's centre, in each camera's own size; 0 where it is not seen.

    Both sides of a face are drawn. A face with a corner behind the camera is left out whole, as by the rasteriser.
    """
    return DepthMaps(cameras, tuple(_depth(mesh, cameras[view]) for view in range(len(cameras))))


def _depth(mesh: Mesh, camera: Cameras) -> Tensor:  # [H, W] float32
    # Projected in float64: vertices of scenes far from the origin would lose their fractions of a pixel.
    pixels, depth = camera.to(mesh.vertices.device, torch.float64).project(mesh.vertices.double())
    screen = torch.cat([pixels[0], depth[0, :, None]], dim=-1)
    return rasterize(screen, mesh.faces, camera.width, camera.height, settings=_BARE).depth[..., 0]
