"""What goes into and comes out of a shape-from-template fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.frames import Frames
from recon_cli.core.mesh import Mesh
from recon_cli.systems.sft.balance import Physics
from recon_cli.systems.sft.materials import Material


@dataclass(frozen=True)
class SftInputs:
    """A clip, the template that it starts from, and the camera that saw both.

    Attributes:
        frames: colour frames, uint8; frame 0 is the reference frame, in which the template's pose is known.
        masks: foreground masks, uint8 0 or 255, as many as frames.
        template: the surface at frame 0 in world coordinates.
        camera: one static camera of the frames' size.
        fps: frames per second of real time.
    """

    frames: Frames
    masks: Frames
    template: Mesh
    camera: Cameras
    fps: float


@dataclass(frozen=True)
class TemplateCheck:
    """How well the template fits the reference frame.

    Attributes:
        visible_share: share of the template's face centres that project into the reference mask, in [0, 1].
        uv_residual_px: mean, standard deviation and maximum length of the difference between the template's texture coordinates (as
            pixels of the reference frame) and its projection; None without texture coordinates.
        uv_scale: scale of the best similarity from the projection to the texture coordinates; None without texture coordinates.
        uv_is_projection: whether the texture coordinates look like a projection into the reference frame at all.
    """

    visible_share: float
    uv_residual_px: tuple[float, float, float] | None
    uv_scale: float | None
    uv_is_projection: bool


@dataclass(frozen=True)
class SftResult:
    """The surface in every frame and the physics that explains it.

    Attributes:
        positions: vertex positions [m], world coordinates, shape [T, V, 3], float64.
        template: the template with the texture and texture coordinates that were used as its appearance.
        camera: the camera of the fit.
        fps: frames per second.
        steps_per_frame: simulator steps between two frames.
        forces: corrective forces [N] of every simulator step, shape [(T - 1) * steps_per_frame, V, 3].
        material: density, stretching and bending of the cloth.
        wind: wind velocity [m/s], shape [3].
        physics: gravity and damping.
        curves: numbers of every frame by name, each of shape [T].
        check: how the template fits the reference frame.
        replay_error: largest distance [m] between ``positions`` and their replay through the simulator.
        notes: sentences for the report.
    """

    positions: Tensor  # [T, V, 3]
    template: Mesh
    camera: Cameras
    fps: float
    steps_per_frame: int
    forces: Tensor  # [S, V, 3]
    material: Material
    wind: Tensor  # [3]
    physics: Physics
    curves: Mapping[str, Tensor]
    check: TemplateCheck
    replay_error: float = 0.0
    notes: tuple[str, ...] = field(default=())
