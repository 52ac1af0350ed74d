"""PyTorch3D as a renderer: its rasteriser, interpolation, texture lookup and soft blending under this package's conventions.

PyTorch3D is optional and imported when a renderer is made. It draws the soft mode only: it has no antialiased outlines.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import UsageError
from recon_cli.core.mesh import Mesh
from recon_cli.core.normals import gather_rows, unit, vertex_normals
from recon_cli.render.lights import Lights, shade
from recon_cli.render.protocol import Rendered, RenderSettings
from recon_cli.render.texture import corner_appearance

INSTALL = "conda install -c conda-forge pytorch3d"


class Pytorch3dRenderer:
    """Implements ``Renderer``.

    Raises:
        UsageError: PyTorch3D cannot be imported.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        try:
            import pytorch3d.renderer  # noqa: F401  # pyright: ignore[reportMissingImports]
        except ImportError as reason:
            raise UsageError(
                f"the renderer 'pytorch3d' cannot be imported ({reason})",
                hint=f"{INSTALL}    or use the renderer 'builtin'",
            ) from reason
        self.device = torch.device(device)

    def render(self, mesh: Mesh, cameras: Cameras, *, lights: Lights | None = None, settings: RenderSettings | None = None) -> Rendered:
        """See ``Renderer.render``.

        Raises:
            UsageError: the mode is not soft, or a camera has skew.
        """
        settings = settings or RenderSettings()
        if settings.mode != "soft":
            raise UsageError("the renderer 'pytorch3d' draws mode 'soft' only", hint="use the renderer 'builtin' for antialiased pictures")
        size = cameras.width, cameras.height
        if bool((cameras.K.detach()[:, 0, 1] != 0).any()):
            raise UsageError("the renderer 'pytorch3d' has no cameras with skew", hint="use the renderer 'builtin'")
        given = mesh.vertices.dtype
        # PyTorch3D computes in float32 only.
        mesh, cameras = mesh.to(self.device, torch.float32), cameras.to(self.device, torch.float32)
        lights = (lights or Lights()).to(self.device, torch.float32)
        views = [_draw(mesh, cameras[i], lights, settings, size) for i in range(len(cameras))]
        color, depth, normal, silhouette, face = (torch.stack(images) for images in zip(*views))
        return Rendered(color.to(given), depth.to(given), normal.to(given), silhouette.to(given), face)


def _draw(mesh: Mesh, camera: Cameras, lights: Lights, settings: RenderSettings, size: tuple[int, int]) -> tuple[Tensor, ...]:
    from pytorch3d.ops import interpolate_face_attributes  # pyright: ignore[reportMissingImports]

    rotation, translation = camera.camera_from_world[0, :3, :3], camera.camera_from_world[0, :3, 3]
    local = mesh.vertices @ rotation.T + translation  # [V, 3]
    fragments = _rasterize(local, mesh.faces, camera, settings, size)
    normals = mesh.normals if mesh.normals is not None else vertex_normals(mesh.vertices, mesh.faces)
    facing = _facing(local.detach(), mesh.faces)
    corner_normals = gather_rows(normals, mesh.faces) * facing[:, None, None]
    attributes = torch.cat([corner_normals, corner_appearance(mesh)], dim=-1)
    values = interpolate_face_attributes(fragments.pix_to_face, fragments.bary_coords, attributes)[0]  # [H, W, K, D]
    albedo = values[..., 3:] if mesh.texture is None else _sample(mesh.texture, values[..., 3:])
    color, normal = shade(albedo.reshape(-1, 3), values[..., :3].reshape(-1, 3), lights)
    return _blend(color.reshape(albedo.shape), normal.reshape(albedo.shape), fragments, settings)


def _rasterize(local: Tensor, faces: Tensor, camera: Cameras, settings: RenderSettings, size: tuple[int, int]) -> Any:
    """Fragments of vertices given in the camera's axes, so that poses of any kind keep their gradient."""
    from pytorch3d.renderer import MeshRasterizer, RasterizationSettings  # pyright: ignore[reportMissingImports]
    from pytorch3d.structures import Meshes  # pyright: ignore[reportMissingImports]
    from pytorch3d.utils import cameras_from_opencv_projection  # pyright: ignore[reportMissingImports]

    width, height = size
    # Faces that reach the near plane are left out, as the built-in renderer does.
    is_drawn = (local.detach()[faces][..., 2] > settings.near).all(-1)
    kept = torch.nonzero(is_drawn).squeeze(1)
    identity = torch.eye(3, dtype=local.dtype, device=local.device)[None]
    # The principal point counts from the image's corner there too: centres lie at half pixels.
    view = cameras_from_opencv_projection(
        identity, torch.zeros_like(identity[:, 0]), camera.K, torch.tensor([[height, width]], device=local.device)
    )
    raster = RasterizationSettings(
        image_size=(height, width),
        blur_radius=(2 * settings.blur_radius(width, height) / min(size)) ** 2,
        faces_per_pixel=settings.faces_per_pixel,
        cull_backfaces=settings.cull_backfaces,
        bin_size=0,
    )
    fragments = MeshRasterizer(view, raster)(Meshes([local], [faces[kept]]))
    found = fragments.pix_to_face
    return dataclasses.replace(fragments, pix_to_face=torch.where(found < 0, found, kept[found.clamp(min=0)]))


def _facing(local: Tensor, faces: Tensor) -> Tensor:  # [F]
    """1 where the camera, at the origin, sees the side from which the corners run counter-clockwise, else -1."""
    a, b, c = local[faces].unbind(1)
    return -(torch.linalg.cross(b - a, c - a) * a).sum(-1).sign()


def _sample(texture: Tensor, uvs: Tensor) -> Tensor:  # [H, W, K, 3]
    height, width, slots, _ = uvs.shape
    grid = torch.stack([2 * uvs[..., 0] - 1, 1 - 2 * uvs[..., 1]], dim=-1).reshape(1, height, width * slots, 2)
    found = torch.nn.functional.grid_sample(texture.permute(2, 0, 1)[None], grid, padding_mode="border", align_corners=False)
    return found[0].permute(1, 2, 0).reshape(height, width, slots, 3)


def _blend(color: Tensor, normal: Tensor, fragments: Any, settings: RenderSettings) -> tuple[Tensor, ...]:
    from pytorch3d.renderer import BlendParams  # pyright: ignore[reportMissingImports]
    from pytorch3d.renderer.blending import softmax_rgb_blend  # pyright: ignore[reportMissingImports]

    near, far = settings.depth_range

    def blended(values: Tensor, background: tuple[float, float, float]) -> Tensor:
        parameters = BlendParams(sigma=settings.sigma, gamma=settings.gamma, background_color=background)
        return softmax_rgb_blend(values[None], fragments, parameters, znear=near, zfar=far)[0]

    picture = blended(color, settings.background)
    depths = fragments.zbuf[0][..., None].expand(color.shape)
    # Where a pixel has a face, the background's weight in these is below 1e-10 / gamma of a face's.
    depth, normals = blended(depths, (0.0, 0.0, 0.0))[..., 0], blended(normal, (0.0, 0.0, 0.0))[..., :3]
    face = fragments.pix_to_face[0, ..., 0]
    is_seen = face >= 0
    nothing = torch.zeros_like(depth)
    return (
        picture[..., :3],
        torch.where(is_seen, depth, nothing),
        unit(torch.where(is_seen[..., None], normals, nothing[..., None])),
        torch.where(is_seen, picture[..., 3], nothing),
        face.to(torch.int32),
    )
