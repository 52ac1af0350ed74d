"""A still mesh for a report: drawn from three sides, and packed for the interactive view."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.render.protocol import RenderSettings, get_renderer
from recon_cli.run.pictures import BACKDROP
from recon_cli.run.viewer import MeshSequence, pack_sequence

if TYPE_CHECKING:
    from recon_cli.run.pictures import Picture

PAGE_FACES = 150_000
"""Faces that the interactive view gets at most: about 4 MB of a page."""

DRAWN_FACES = 600_000
"""Faces that are enough for a mesh's pictures on a page: several to a pixel."""

# Times the wanted number of faces beyond which a mesh is clustered before it is decimated.
_CLUSTERED = 2

_CLAY = (0.90, 0.88, 0.84)
_FIELD_OF_VIEW = math.radians(28)
_STEEPEST = math.radians(30)
# Cameras whose directions from the object have a mean at least this long look at one side of it.
_FRONTAL = 0.5


@dataclass(frozen=True)
class Stand:
    """How a person would look at an object that cameras have surrounded.

    Attributes:
        target: middle of the object [scene units].
        radius: of a ball around most of it [scene units].
        back: unit vector from the target towards the middle of the cameras, at most ``_STEEPEST`` above or below the level.
        up: unit vector.
        is_frontal: whether all cameras stand on one side.
    """

    target: Tensor  # [3]
    radius: float
    back: Tensor  # [3]
    up: Tensor  # [3]
    is_frontal: bool

    def camera(self, yaw: float, *, side: int) -> Cameras:
        """A square camera that stands ``yaw`` [radians] to the right of the front."""
        height = self.back @ self.up
        level = self.back - height * self.up
        turned = math.cos(yaw) * level + math.sin(yaw) * torch.linalg.cross(self.up, level)
        back = turned + height * self.up
        right = torch.nn.functional.normalize(torch.linalg.cross(self.up, back), dim=0)
        eye = self.target + 1.08 * self.radius / math.sin(_FIELD_OF_VIEW / 2) * back
        axes = torch.stack([right, torch.linalg.cross(right, back), -back])  # camera axes in the world: x right, y down, z forward
        pose = torch.eye(4, dtype=torch.float64)
        pose[:3, :3], pose[:3, 3] = axes, -axes @ eye
        focal = side / 2 / math.tan(_FIELD_OF_VIEW / 2)
        K = torch.tensor([[[focal, 0, side / 2], [0, focal, side / 2], [0, 0, 1]]], dtype=torch.float64)
        return Cameras(K, pose[None], torch.tensor([[side, side]]))


def stand_before(vertices: Tensor, cameras: Cameras) -> Stand:  # [V, 3]
    """Where to look at a surface from, given the cameras that saw it."""
    points = vertices.double()[:: max(1, len(vertices) // 50_000)]
    low, high = (torch.quantile(points, share, dim=0) for share in (0.01, 0.99))
    target = (low + high) / 2
    reach = (points - target).norm(dim=1)
    # All of the object, unless a few specks lie far from the rest.
    radius = max(min(float(reach.max()), 1.4 * float(torch.quantile(reach, 0.995))), 1e-9)
    directions = torch.nn.functional.normalize(cameras.world_from_camera[:, :3, 3].double() - target, dim=1)
    mean = directions.mean(dim=0)
    gaze = mean if float(mean.norm()) > 0.2 else directions[0]
    up = upright(cameras, gaze)
    level = gaze - (gaze @ up) * up
    # Looking down on a turntable from all around, the mean direction is the top, and no side is the front.
    is_frontal = float(mean.norm()) > _FRONTAL and float(level.norm()) > 0.5 * float(gaze.norm())
    return Stand(target, radius, _raised(level, gaze, up), up, is_frontal)


def upright(cameras: Cameras, gaze: Tensor) -> Tensor:  # [3] -> [3]
    """The direction that is up for people who hold their cameras level: at right angles to all pictures' rows.

    Where the rows tell no such direction, the mean of the pictures' own; where these cancel, one at right angles to the gaze.
    """
    upwards = -cameras.camera_from_world[:, 1, :3].double().mean(dim=0)
    if float(upwards.norm()) < 0.1:
        return _perpendicular(gaze)
    upwards = torch.nn.functional.normalize(upwards, dim=0)
    rows = cameras.camera_from_world[:, 0, :3].double()
    spread, axes = torch.linalg.eigh(rows.T @ rows / len(rows))
    axis = axes[:, 0] * torch.sign(axes[:, 0] @ upwards)
    is_told = float(spread[1]) > max(0.01, 4 * float(spread[0])) and float(axis @ upwards) > 0.5
    return axis if is_told else upwards


def three_sides(mesh: Mesh, stand: Stand, *, side: int) -> list[tuple[Picture, Picture | None]]:
    """The mesh from three sides: as clay, and in its colours where it has them."""
    yaws = (-50, 0, 50) if stand.is_frontal else (0, 120, 240)
    return [from_side(mesh, stand, yaw, side=side) for yaw in yaws]


def from_side(mesh: Mesh, stand: Stand, yaw: float, *, side: int) -> tuple[Picture, Picture | None]:
    """The mesh from ``yaw`` [degrees] to the right of the front: as clay, and in its colours where it has them."""
    red, green, blue = (level / 255 for level in BACKDROP)
    plain = Mesh(mesh.vertices.float(), mesh.faces, colors=None if mesh.colors is None else mesh.colors.float())
    camera = stand.camera(math.radians(yaw), side=side)
    drawn = get_renderer("builtin").render(plain, camera, settings=RenderSettings(background=(red, green, blue)))
    facing = (drawn.normal[0].double() @ camera.camera_from_world[0, :3, :3].T)[..., 2].abs().float()
    clay = torch.tensor(_CLAY) * (0.22 + 0.78 * facing[..., None])
    cover = drawn.silhouette[0][..., None]
    shaded = torch.where(drawn.face[0][..., None] >= 0, clay, torch.tensor(BACKDROP) / 255)
    clay_picture = _eight_bits(shaded * cover + torch.tensor(BACKDROP) / 255 * (1 - cover))
    return clay_picture, None if mesh.colors is None else _eight_bits(drawn.color[0])


def packed_view(mesh: Mesh, stand: Stand, *, faces: int = PAGE_FACES) -> dict[str, Any]:
    """The record of the interactive view, of at most so many faces, first seen from the stand's front."""
    small = decimated(mesh, faces)
    eye = stand.target + 3 * stand.radius * stand.back
    sequence = MeshSequence(
        positions=small.vertices.double().numpy()[None],
        faces=small.faces.numpy(),
        eye=_triple(eye),
        up=_triple(stand.up),
        fps=1.0,
        colors=None if small.colors is None else small.colors.numpy(),
    )
    return pack_sequence(sequence, max_bytes=2**62)


def decimated(mesh: Mesh, faces: int) -> Mesh:
    """A mesh of at most about ``faces`` faces (quadric error), colours carried along.

    Far larger ones are clustered first: the exact order of five million collapses takes minutes and gigabytes that nobody sees.
    """
    if len(mesh.faces) <= faces:
        return mesh
    surface = _to_open3d(clustered(mesh, _CLUSTERED * faces))
    return _from_open3d(surface.simplify_quadric_decimation(target_number_of_triangles=faces), mesh)


def clustered(mesh: Mesh, faces: int) -> Mesh:
    """A mesh of about ``faces`` faces if it has more: vertices in cells of one size become one; colours carried along."""
    if len(mesh.faces) <= faces:
        return mesh
    surface = _to_open3d(mesh)
    # A surface passes about two faces of each cluster that it meets.
    return _from_open3d(surface.simplify_vertex_clustering(math.sqrt(2 * surface.get_surface_area() / faces)), mesh)


def _to_open3d(mesh: Mesh) -> Any:
    import open3d

    surface = open3d.geometry.TriangleMesh(
        open3d.utility.Vector3dVector(mesh.vertices.double().numpy()), open3d.utility.Vector3iVector(mesh.faces.int().numpy())
    )
    if mesh.colors is not None:
        surface.vertex_colors = open3d.utility.Vector3dVector(mesh.colors.double().numpy())
    return surface


def _from_open3d(surface: Any, like: Mesh) -> Mesh:
    vertices, faces = np.asarray(surface.vertices).copy(), np.asarray(surface.triangles).astype(np.int64)
    colors = None if like.colors is None else torch.from_numpy(np.asarray(surface.vertex_colors).copy())
    return Mesh(torch.from_numpy(vertices), torch.from_numpy(faces), colors=colors)


def _raised(level: Tensor, gaze: Tensor, up: Tensor) -> Tensor:  # [3], [3], [3] -> [3]
    """The direction of a gaze, made less steep where it is too steep to show the sides."""
    if float(level.norm()) < 1e-6:
        level = _perpendicular(up)
    angle = math.atan2(float(gaze @ up), float(level.norm()))
    angle = max(-_STEEPEST, min(_STEEPEST, angle))
    return math.cos(angle) * torch.nn.functional.normalize(level, dim=0) + math.sin(angle) * up


def _perpendicular(direction: Tensor) -> Tensor:  # [3] -> [3]
    axis = torch.zeros(3, dtype=direction.dtype)
    axis[int(direction.abs().argmin())] = 1
    return torch.nn.functional.normalize(torch.linalg.cross(direction, axis), dim=0)


def _triple(vector: Tensor) -> tuple[float, float, float]:
    x, y, z = vector.tolist()
    return x, y, z


def _eight_bits(picture: Tensor) -> Picture:  # [H, W, 3]
    return (picture.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
