"""The paper's own fit (φ-SfT, Sec. 3.2 and 3.3): Adam on material, wind and corrective forces through simulator and renderer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.errors import NumericsError
from recon_cli.core.hooks import Hooks
from recon_cli.core.mesh import Mesh
from recon_cli.systems.sft.balance import Physics, masses
from recon_cli.systems.sft.cloth import Cloth, make_cloth
from recon_cli.systems.sft.config import SimulationConfig
from recon_cli.systems.sft.descent import Energies, descend
from recon_cli.systems.sft.materials import Material, published
from recon_cli.systems.sft.shooting_config import DampingConfig, DescentConfig, ShootingConfig
from recon_cli.systems.sft.simulator import ClothState, frames_to_steps, simulate
from recon_cli.systems.sft.wind import Wind


@dataclass(frozen=True)
class ShootingResult:
    """What a descent found.

    Attributes:
        positions: the surface in every frame [m], shape [T, V, 3], float64.
        energies: last image energy of every frame (Eq. 7 with means over pixels), shape [T]; the template's own is 0.
        forces: corrective forces [N] of every simulator step, shape [S, V, 3]; None without a simulator.
        material: None without a simulator.
        wind: None without a simulator.
        physics: gravity and damping; None without a simulator.
    """

    positions: Tensor  # [T, V, 3]
    energies: Tensor  # [T]
    forces: Tensor | None = None  # [S, V, 3]
    material: Material | None = None
    wind: Wind | None = None
    physics: Physics | None = None


class SimulatedSequence:
    """Positions by simulation from the template at rest; implements ``descent.Sequence``.

    Corrective forces are stored as the change of velocity over a frame [m/s over ``force_scale``], as the paper applies them (Sec. 3.4):
    a vertex of mass m gets m times it over the frame's time, in every step of the frame.
    """

    def __init__(self, template: Mesh, count: int, config: ShootingConfig, simulation: SimulationConfig, *, fps: float) -> None:
        self.cloth: Cloth = make_cloth(template, warp_axis=simulation.warp_axis)
        self._start = template.vertices.detach().double().cpu()
        self._scales = config.descent
        self._steps_per_frame, self._frame_time = simulation.steps_per_frame, 1.0 / fps
        self._air_density = simulation.air_density
        self._initial = published(simulation.material)
        self.physics = physics_of(simulation, config.damping)
        self.shared: Mapping[str, Tensor] = _stored(self._initial, config.descent)
        self.per_frame = [torch.zeros_like(self._start).requires_grad_() for _ in range(count - 1)]

    @property
    def material(self) -> Material:
        """The material that the stored values stand for; a scale of zero keeps the initial constants."""
        scales, initial = self._scales, self._initial
        return Material(
            _physical(self.shared["density"], scales.density_scale, initial.density),
            _physical(self.shared["stretching"], scales.stretching_scale, initial.stretching),
            _physical(self.shared["bending"], scales.bending_scale, initial.bending),
        )

    @property
    def wind(self) -> Wind:
        """The wind that the stored values stand for."""
        return Wind(self.shared["wind"] * self._scales.wind_scale, self._air_density)

    def forces(self, count: int) -> Tensor:  # [(count - 1) steps_per_frame, V, 3]
        """Corrective forces [N] of the steps up to frame ``count - 1``."""
        mass = masses(self.cloth, self.material)[:, None]
        changes = torch.stack(self.per_frame[: count - 1]) * self._scales.force_scale
        return frames_to_steps(mass * changes / self._frame_time, self._steps_per_frame)

    def positions(self, count: int) -> Tensor:  # [count, V, 3]
        """See ``descent.Sequence``."""
        return simulate(
            self.cloth,
            self.material,
            ClothState.at_rest(self._start),
            steps=(count - 1) * self._steps_per_frame,
            h=self._frame_time / self._steps_per_frame,
            forces=self.forces(count),
            wind=self.wind,
            physics=self.physics,
            steps_per_frame=self._steps_per_frame,
        )

    def confine(self) -> None:
        """Keep the density above its least value."""
        if self._scales.density_scale > 0:
            self.shared["density"].data.clamp_(min=self._scales.least_density / self._scales.density_scale)


def shoot(
    template: Mesh,
    energies: Energies,
    config: ShootingConfig,
    simulation: SimulationConfig,
    *,
    fps: float,
    hooks: Hooks,
    resume: Mapping[str, Tensor] | None = None,
) -> ShootingResult:
    """Fit material, wind and corrective forces to a clip through simulator and renderer.

    Args:
        template: the surface at frame 0, in metres.
        energies: of all frames, ``image_energy.ImageEnergy`` or a stand-in.
        config: window, energy, Adam and damping.
        simulation: initial material, warp, gravity, air density, steps per frame.
        fps: frames per second of real time.
        hooks: who watches.
        resume: the last state that ``hooks.checkpoint`` was given.

    Raises:
        InputError: the template is no cloth.
        NumericsError: simulation or energy diverged; the last good state was handed to ``hooks.checkpoint``.
        StoppedError: ``hooks.should_stop`` said so; the same.
    """
    total = len(energies)
    sequence = SimulatedSequence(template, total, config, simulation, fps=fps)
    descent = descend(sequence, energies, config, hooks=hooks, resume=resume)
    with torch.no_grad():
        positions, forces = sequence.positions(total), sequence.forces(total)
        if not bool(torch.isfinite(positions).all()):
            raise NumericsError("the last step of the descent left no finite surface")
        wind = Wind(sequence.wind.velocity.detach(), simulation.air_density)
        return ShootingResult(positions, descent.energies, forces, sequence.material.detach(), wind, sequence.physics)


def physics_of(simulation: SimulationConfig, damping: DampingConfig) -> Physics:
    """Gravity and damping of a recipe."""
    return Physics(simulation.gravity, damping.mass, damping.stretching, damping.bending)


def _stored(initial: Material, scales: DescentConfig) -> dict[str, Tensor]:
    """Leaves for Adam: the initial constants over their scales, and still air; those with a scale of zero want no gradient."""
    leaves = {
        "density": (initial.density, scales.density_scale),
        "stretching": (initial.stretching, scales.stretching_scale),
        "bending": (initial.bending, scales.bending_scale),
        "wind": (torch.zeros(3, dtype=torch.float64), scales.wind_scale),
    }
    return {name: (value / (scale or 1.0)).requires_grad_(scale > 0) for name, (value, scale) in leaves.items()}


def _physical(stored: Tensor, scale: float, initial: Tensor) -> Tensor:
    return stored * scale if scale > 0 else initial
