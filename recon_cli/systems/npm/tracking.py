"""From starts in every frame to one motion: the cheapest path, and poses handed on from frame to frame."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from recon_cli.systems.npm.fit_config import FitConfig
from recon_cli.systems.npm.fit_energy import Energy
from recon_cli.systems.npm.fit_steps import HELD, Estimate, Stepper
from recon_cli.systems.npm.observed import Observed
from recon_cli.systems.npm.postures import Postures


def cheapest_path(energies: Tensor, points: Tensor, weight: float) -> Tensor:  # [B, C], [B, C, v, 3] -> [B]
    """Which candidate of every frame: least sum of energies and of mean squared distances between neighbours (Viterbi)."""
    cost, back = energies[0], []
    for frame in range(1, len(energies)):
        apart = (points[frame - 1][:, None] - points[frame][None]).square().sum(dim=-1).mean(dim=-1)  # from, to
        total = cost[:, None] + weight * apart
        back.append(total.argmin(dim=0))
        cost = total.amin(dim=0) + energies[frame]
    path = [int(cost.argmin())]
    for choice in reversed(back):
        path.append(int(choice[path[-1]]))
    return torch.tensor(path[::-1])


def tracked(estimate: Estimate, seen: Observed, anchor: int, coarse: Stepper, energy: Energy, config: FitConfig) -> tuple[Estimate, float]:
    """Hand poses on from one frame to both ends; a frame takes its neighbour's where the energy is little higher. And the mean energy."""
    postures, scale = estimate.postures, config.choice_scale
    for order, back in ((range(anchor + 1, len(seen)), -1), (range(anchor - 1, -1, -1), 1)):
        for frame in order:
            handed = _handed_on(postures, frame + back, frame + 2 * back, anchor, config.speed)
            trial = replace(estimate, postures=handed)
            here = seen[frame : frame + 1]
            for step_scale in config.track_scales:
                trial = coarse.step(trial, here, step_scale, free=HELD)
            both = replace(estimate, postures=Postures.joined([trial.postures, postures[frame : frame + 1]]))
            theirs, own = energy(both, seen[[frame, frame]], scale)
            if float(theirs) <= float(own) + config.tolerance * scale**2:
                postures = postures.replaced([frame], trial.postures)
    found = replace(estimate, postures=postures)
    return found, float(energy(found, seen, scale).mean())


def _handed_on(postures: Postures, neighbour: int, further: int, anchor: int, speed: float) -> Postures:
    """The neighbour's posture, carried on unless it is the anchor's itself."""
    near = postures[neighbour : neighbour + 1]
    if neighbour == anchor:
        return near
    return near.carried_on(postures[further : further + 1], speed)
