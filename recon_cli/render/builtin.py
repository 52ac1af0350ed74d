"""The renderer of this package: Warp kernels per pixel, torch per face, gradients to everything."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.core.normals import gather_rows, unit, vertex_normals
from recon_cli.kernels.outline import signed_squared_distance
from recon_cli.kernels.rasterize import Fragments, RasterSettings, rasterize
from recon_cli.kernels.runs import Runs, runs_by_face
from recon_cli.render.antialias import Outline, antialias, opposite_corners
from recon_cli.render.interpolate import ScreenFaces, interpolate_corners, screen_faces
from recon_cli.render.lights import Lights, shade
from recon_cli.render.protocol import Rendered, RenderSettings
from recon_cli.render.soft import SoftPixels, blend
from recon_cli.render.texture import corner_appearance, surface_color


@dataclass(frozen=True)
class _Scene:
    """What the cameras of one call share."""

    mesh: Mesh
    appearance: Tensor  # [F, 3, 2] or [F, 3, 3]
    normals: Tensor  # [F, 3, 3]
    lights: Lights
    settings: RenderSettings


@dataclass(frozen=True)
class _Surface:
    """The covered entries of one view, in the order of ``runs``."""

    color: Tensor  # [M, 3]
    depth: Tensor  # [M]
    normal: Tensor  # [M, 3]


class BuiltinRenderer:
    """Implements ``Renderer`` on a CPU and on CUDA, in float32 and float64."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        # Which faces share an edge is the same for all the frames of a mesh.
        self._opposite: WeakTensorKeyDictionary = WeakTensorKeyDictionary()

    def render(self, mesh: Mesh, cameras: Cameras, *, lights: Lights | None = None, settings: RenderSettings | None = None) -> Rendered:
        """See ``Renderer.render``."""
        size = cameras.width, cameras.height
        source_faces = mesh.faces
        mesh = mesh.to(self.device, mesh.vertices.dtype)
        settings = settings or RenderSettings()
        normals = mesh.normals if mesh.normals is not None else vertex_normals(mesh.vertices, mesh.faces)
        lights = (lights or Lights()).to(self.device, mesh.vertices.dtype)
        scene = _Scene(mesh, corner_appearance(mesh), gather_rows(normals, mesh.faces), lights, settings)
        pixels, depth = cameras.to(self.device, mesh.vertices.dtype).project(mesh.vertices)
        draw = self._draw_antialiased if settings.mode == "antialiased" else self._draw_soft
        views = [draw(scene, torch.cat([pixels[i], depth[i, :, None]], dim=-1), size, source_faces) for i in range(len(cameras))]
        return Rendered(*(torch.stack(images) for images in zip(*views)))

    def _draw_antialiased(self, scene: _Scene, points: Tensor, size: tuple[int, int], source_faces: Tensor) -> tuple[Tensor, ...]:
        settings, faces = scene.settings, scene.mesh.faces
        fragments, runs = _cover(scene, points, size, RasterSettings(settings.near, settings.cull_backfaces, has_barycentrics=False))
        surface = _surface(scene, screen_faces(points, faces, near=settings.near), runs)
        background = torch.tensor((*settings.background, 0.0), dtype=points.dtype, device=points.device)
        image = _image(torch.cat([surface.color, torch.ones_like(surface.depth)[:, None]], dim=-1), runs.pixel, size, background)
        geometry = _image(torch.cat([surface.depth[:, None], surface.normal], dim=-1), runs.pixel, size)
        outline = Outline(points, faces, self._opposite_of(source_faces), settings.near)
        face, nearest = fragments.face[..., 0], fragments.depth[..., 0]
        if settings.blend_geometry:
            blended = antialias(torch.cat([image, geometry], dim=-1), face, nearest, outline)
            image, geometry = blended[..., :4], blended[..., 4:]
        else:
            image = antialias(image, face, nearest, outline)
        return image[..., :3], geometry[..., 0], geometry[..., 1:], image[..., 3], face

    def _draw_soft(self, scene: _Scene, points: Tensor, size: tuple[int, int], source_faces: Tensor) -> tuple[Tensor, ...]:
        settings = scene.settings
        radius = settings.blur_radius(*size)
        raster = RasterSettings(settings.near, settings.cull_backfaces, blur_radius=radius, has_barycentrics=False)
        fragments, runs = _cover(scene, points, size, raster)
        screen = screen_faces(points, scene.mesh.faces, near=settings.near)
        surface = _surface(scene, screen, runs)
        distance = signed_squared_distance(screen.corners, screen.origin, runs) * (2 / min(size)) ** 2
        covered, pixels = _soft_pixels(surface, distance, runs, size)
        color, depth, normal, silhouette = blend(pixels, settings)
        background = torch.tensor(settings.background, dtype=points.dtype, device=points.device)
        images = (
            _image(color, covered, size, background),
            _image(depth[:, None], covered, size)[..., 0],
            _image(unit(normal), covered, size),
            _image(silhouette[:, None], covered, size)[..., 0],
        )
        return *images, fragments.face[..., 0]

    def _opposite_of(self, faces: Tensor) -> Tensor:
        """Cached by tensor object and version, so that editing the faces in place is noticed."""
        known = self._opposite.get(faces)
        if known is None or known[0] != faces._version:
            known = faces._version, opposite_corners(faces.to(self.device))
            self._opposite[faces] = known
        return known[1]


def _cover(scene: _Scene, points: Tensor, size: tuple[int, int], raster: RasterSettings) -> tuple[Fragments, Runs]:
    slots = scene.settings.faces_per_pixel if scene.settings.mode == "soft" else 1
    fragments = rasterize(points, scene.mesh.faces, *size, faces_per_pixel=slots, settings=raster)
    return fragments, runs_by_face(fragments.face, face_count=len(scene.mesh.faces))


def _surface(scene: _Scene, screen: ScreenFaces, runs: Runs) -> _Surface:
    facing_camera = scene.normals * screen.facing[:, None, None]
    corners = torch.cat([screen.depth[..., None], facing_camera, scene.appearance], dim=-1)  # [F, 3, D]
    values = interpolate_corners(screen, corners, runs)  # [M, D]
    color, normal = shade(surface_color(scene.mesh, values[:, 4:]), values[:, 1:4], scene.lights)
    return _Surface(color, values[:, 0], normal)


def _soft_pixels(surface: _Surface, distance: Tensor, runs: Runs, size: tuple[int, int]) -> tuple[Tensor, SoftPixels]:
    """The covered pixels [P], and their entries in a table of pixels by slots."""
    pixel = runs.pixel
    if runs.slots == 1:
        color, depth, normal = surface.color[:, None], surface.depth[:, None], surface.normal[:, None]
        return pixel, SoftPixels(color, depth, normal, distance[:, None], torch.ones_like(distance, dtype=torch.bool)[:, None])
    is_covered = torch.zeros(size[0] * size[1], dtype=torch.bool, device=pixel.device)
    is_covered[pixel] = True
    covered = torch.nonzero(is_covered).squeeze(1)
    row_of_pixel = torch.cumsum(is_covered, 0) - 1
    place = row_of_pixel[pixel] * runs.slots + (runs.entry.long() - pixel * runs.slots)

    def table(values: Tensor) -> Tensor:
        empty = values.new_zeros(len(covered) * runs.slots, *values.shape[1:])
        return empty.index_copy(0, place, values).reshape(len(covered), runs.slots, *values.shape[1:])

    is_used = table(torch.ones_like(distance)) > 0
    return covered, SoftPixels(table(surface.color), table(surface.depth), table(surface.normal), table(distance), is_used)


def _image(
    values: Tensor,  # [N, D]
    pixel: Tensor,  # [N]
    size: tuple[int, int],
    background: Tensor | None = None,  # [D]
) -> Tensor:  # [H, W, D]
    width, height = size
    empty = values.new_zeros(height * width, values.shape[1])
    if background is not None:
        empty = empty + background
    return empty.index_copy(0, pixel, values).reshape(height, width, -1)
