"""The baseline "only F" of φ-SfT (Sec. 4.2): free offsets of every vertex over time, no simulator, the same energies and window."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from recon_cli.core.errors import InputError, NumericsError
from recon_cli.core.hooks import Hooks
from recon_cli.core.mesh import Mesh
from recon_cli.systems.sft.descent import Energies, descend
from recon_cli.systems.sft.shooting import ShootingResult
from recon_cli.systems.sft.shooting_config import ShootingConfig

# A vertex that is this many template sizes away from its place has left any meaningful surface.
FARTHEST = 10.0


class OffsetSequence:
    """Each frame is the one before plus an offset of every vertex [m over ``offset_scale``]; implements ``descent.Sequence``.

    A frame that joins thus begins where the one before stands, as it does under forces.
    """

    def __init__(self, template: Mesh, count: int, config: ShootingConfig) -> None:
        self._start = template.vertices.detach().double().cpu()
        self._scale = config.descent.offset_scale
        self._size = float((self._start.amax(dim=0) - self._start.amin(dim=0)).max())
        self.shared: Mapping[str, Tensor] = {}
        self.per_frame = [torch.zeros_like(self._start).requires_grad_() for _ in range(count - 1)]

    def positions(self, count: int) -> Tensor:  # [count, V, 3]
        """See ``descent.Sequence``."""
        moved = torch.cumsum(torch.stack(self.per_frame[: count - 1]), dim=0) * self._scale
        largest = float(moved.detach().abs().max())
        if not largest <= FARTHEST * self._size:
            raise NumericsError(
                f"a vertex is {largest:.3g} m away from the template", hint="lower shooting.descent.learning_rate or offset_scale"
            )
        return torch.cat([self._start[None], self._start + moved])

    def confine(self) -> None:
        """Offsets have no range."""


def fit_offsets(
    template: Mesh,
    energies: Energies,
    config: ShootingConfig,
    *,
    hooks: Hooks,
    resume: Mapping[str, Tensor] | None = None,
) -> ShootingResult:
    """Fit free offsets to a clip through the renderer.

    Args:
        template: the surface at frame 0.
        energies: of all frames, ``image_energy.ImageEnergy`` or a stand-in.
        config: window, energy and Adam; damping plays no part.
        hooks: who watches.
        resume: the last state that ``hooks.checkpoint`` was given.

    Raises:
        InputError: there is only one frame.
        NumericsError: the energy diverged; the last good state was handed to ``hooks.checkpoint``.
        StoppedError: ``hooks.should_stop`` said so; the same.
    """
    total = len(energies)
    if total < 2:
        raise InputError(f"{total} frames, expected at least 2")
    sequence = OffsetSequence(template, total, config)
    descent = descend(sequence, energies, config, hooks=hooks, resume=resume)
    with torch.no_grad():
        return ShootingResult(sequence.positions(total), descent.energies)
