"""Pictures of a still object by many calibrated cameras, with exact depth: made-up rigs for multi-view stereo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.mesh import Mesh
from recon_cli.core.normals import vertex_normals
from recon_cli.core.scene import Scene
from recon_cli.prepare.synth.draws import expect_one_of, expect_range, generators
from recon_cli.prepare.synth.rig_cameras import LAYOUTS
from recon_cli.prepare.synth.rig_light import draw_light, sky_openness
from recon_cli.prepare.synth.rig_mesh import check_photographable, extent, merged
from recon_cli.prepare.synth.rig_picture import Backdrop, Stage, Surface, exact_depth, linear_picture, sensed
from recon_cli.prepare.synth.rig_texture import STRENGTHS, draw_texture

BACKGROUNDS = ("black", "textured")
OPENNESS_RAYS = 48
BOUNDS_MARGIN = 0.05
"""By how much the scene's box is larger than the mesh on every side, over the diagonal."""
BACKDROP_DISTANCE = 10.0
"""Radius of the patterned background over the distance of the farthest camera."""


@dataclass(frozen=True)
class RigSpec:
    """What a rig is like; what it leaves open is drawn from the seed.

    Attributes:
        layout: "frontal" (19 views about 10 degrees apart, mostly in front) or "hemisphere" (65 views of four sizes and focal lengths).
        size: longest side of the largest picture [px].
        views: number of cameras; None for that of the layout.
        azimuth: direction of the frontal layout's middle, 0 on the z axis, 90 on the x axis [degrees]; y is up.
        texture: "strong", or "weak": faint and broad, more than half of the surface almost even.
        specular: height of highlights, which move with the eye; 0 for a Lambertian surface.
        shininess: Blinn's exponent of the highlights.
        noise: standard deviation of the sensor's noise [8-bit levels]; in sRGB photon noise is nearly the same at all levels.
        exposure: largest change of a view's exposure, either way [stops].
        background: "black", or "textured": a patterned sphere far behind everything.
        occlusion: whether hollows get less of the sky's light.
        clutter: number of smaller objects that hover around the object and hide parts of it.
        supersamples: samples along each side of a pixel, averaged in linear light.

    Raises:
        UsageError: a value makes no sense.
    """

    layout: str = "frontal"
    size: int = 512
    views: int | None = None
    azimuth: float = 0.0
    texture: str = "strong"
    specular: float = 0.0
    shininess: float = 40.0
    noise: float = 0.0
    exposure: float = 0.0
    background: str = "black"
    occlusion: bool = False
    clutter: int = 0
    supersamples: int = 2

    def __post_init__(self) -> None:
        expect_one_of("layout", self.layout, LAYOUTS)
        expect_one_of("texture", self.texture, STRENGTHS)
        expect_one_of("background", self.background, BACKGROUNDS)
        expect_range("size", self.size, 16, 8192)
        expect_range("views", 2 if self.views is None else self.views, 2, 1000)
        expect_range("supersamples", self.supersamples, 1, 8)
        expect_range("clutter", self.clutter, 0, 50)
        for name, high in (("azimuth", 360.0), ("specular", 10.0), ("noise", 255.0), ("exposure", 8.0), ("shininess", 1e4)):
            expect_range(name, getattr(self, name), -high if name == "azimuth" else 0.0, high)


@dataclass(frozen=True)
class Rig:
    """A scene and the truth about it.

    Attributes:
        scene: cameras, pictures and masks.
        depths: exact z-depth at the centres of the pixels and the normals of the faces seen there; the masks are where it is positive.
        mesh: what was photographed, clutter included, in the units of the object.
    """

    scene: Scene
    depths: DepthMaps
    mesh: Mesh


def make_rig(
    mesh: Mesh,
    spec: RigSpec,
    *,
    seed: int | Sequence[int] = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Rig:
    """Photograph a mesh; the same seed gives the same rig.

    Each cause has its own random numbers: another texture, noise or background leaves the cameras and the lamp as they were.

    Args:
        mesh: the object [scene units], y up, faces counter-clockwise from outside; its colours and texture are not used.
        spec: cameras, material and sensor.
        seed: of all draws.
        progress: told the number of pictures taken and their total.

    Raises:
        InputError: the mesh has no faces, no extent, or a vertex that is not finite.
    """
    check_photographable(mesh)
    draws = generators(seed, "cameras", "light", "surface", "clutter", "sky", "sensor")
    mesh = Mesh(mesh.vertices.detach().cpu(), mesh.faces.cpu())
    count, layout = LAYOUTS[spec.layout]
    cameras = layout(mesh.vertices, views=spec.views or count, size=spec.size, azimuth=spec.azimuth, generator=draws["cameras"])
    whole, surfaces = _dressed(mesh, cameras, spec, draws)
    stage = Stage(
        mesh=whole,
        normals=vertex_normals(whole.vertices.double(), whole.faces).float(),
        openness=sky_openness(whole, rays=OPENNESS_RAYS, generator=draws["sky"]) if spec.occlusion else torch.ones(len(whole.vertices)),
        surfaces=surfaces,
        background=_backdrop(mesh, cameras, spec, draws["sky"]),
        light=draw_light(spec.azimuth, draws["light"]),
        specular=spec.specular,
        shininess=spec.shininess,
    )
    return _photographed(stage, cameras, spec, draws["sensor"], progress)


def _photographed(
    stage: Stage, cameras: Cameras, spec: RigSpec, generator: np.random.Generator, progress: Callable[[int, int], None]
) -> Rig:
    images, depths, normals = [], [], []
    for view in range(len(cameras)):
        camera = cameras[view]
        depth, normal = exact_depth(stage.mesh, camera)
        gain = 2.0 ** generator.uniform(-spec.exposure, spec.exposure)
        images.append(sensed(gain * linear_picture(stage, camera, spec.supersamples), spec.noise, generator))
        depths.append(depth)
        normals.append(normal)
        progress(view + 1, len(cameras))
    scene = Scene(cameras, tuple(images), tuple(depth > 0 for depth in depths), bounds=_bounds(stage.mesh))
    return Rig(scene, DepthMaps(cameras, tuple(depths), tuple(normals)), stage.mesh)


def _bounds(mesh: Mesh) -> Tensor:  # [2, 3]
    """The box around a mesh, grown as if it had been guessed."""
    low, high = mesh.vertices.double().amin(dim=0), mesh.vertices.double().amax(dim=0)
    margin = BOUNDS_MARGIN * extent(mesh)[1]
    return torch.stack([low - margin, high + margin])


def _dressed(mesh: Mesh, cameras: Cameras, spec: RigSpec, draws: dict[str, np.random.Generator]) -> tuple[Mesh, tuple[Surface, ...]]:
    """The object with its clutter, and a pattern for each."""
    parts = [mesh]
    if spec.clutter:
        from recon_cli.prepare.synth.rig_object import draw_clutter

        parts += draw_clutter(mesh, cameras, spec.clutter, draws["clutter"])
    surfaces, first = [], 0
    for part in parts:
        centre, diameter = extent(part)
        texture = draw_texture(spec.texture, diameter, draws["surface"] if part is mesh else draws["clutter"])
        surfaces.append(Surface(first, first + len(part.faces), centre, texture))
        first += len(part.faces)
    return merged(parts), tuple(surfaces)


def _backdrop(mesh: Mesh, cameras: Cameras, spec: RigSpec, generator: np.random.Generator) -> Backdrop | None:
    if spec.background == "black":
        return None
    centre, _ = extent(mesh)
    farthest = float(torch.linalg.vector_norm(cameras.world_from_camera[:, :3, 3] - centre, dim=-1).max())
    # Seen from near its middle, a sphere of radius 1 whose pattern has cells a sixteenth of a unit wide or so fills a picture with many.
    return Backdrop(centre, BACKDROP_DISTANCE * farthest, draw_texture("strong", 1.0, generator))
