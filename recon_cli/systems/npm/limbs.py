"""Limbs begun anew: depth that no part of the body explains draws the ends of its limbs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.fit_config import FitConfig, TermsConfig
from recon_cli.systems.npm.fit_energy import Energy
from recon_cli.systems.npm.fit_steps import HELD, Estimate, Stepper
from recon_cli.systems.npm.fit_terms import Pulls
from recon_cli.systems.npm.observed import Observed
from recon_cli.systems.npm.vertex_motion import Moved

LIMB = 0.08
"""Depth this near belongs to the same limb [box]."""
OWNED = 0.5
"""A vertex belongs to a part that has this much of it."""


@dataclass(frozen=True)
class Mended:
    """Frames in which a limb found a better place.

    Attributes:
        estimate: of all frames.
        frames: some of those that were changed, to hand on from.
    """

    estimate: Estimate
    frames: tuple[int, ...]


class Limbs:
    """Ends of a model's limbs: parts that nothing hangs on.

    Args:
        model: the body.
        config: of the terms.
        energy: by which a limb's places are compared.
    """

    def __init__(self, model: BodyModel, config: TermsConfig, energy: Energy) -> None:
        parents = set(model.tree.parents)
        owned = model.weights >= OWNED
        self.ends = [part for part in range(1, len(model.tree)) if part not in parents and bool(owned[:, part].any())]
        self._owned, self._config, self._energy = owned, config, energy

    def mended(self, estimate: Estimate, seen: Observed, coarse: Stepper, config: FitConfig) -> Mended | None:
        """Try every end of a limb in every frame that leaves much depth unexplained; None where nothing became better."""
        left = self._largest(self._energy.left_over(estimate, seen, config.limb_distance), seen.points / estimate.unit)
        frames = (left.float().mean(dim=1) > config.limb_share).nonzero()[:, 0]
        if not len(frames) or not self.ends:
            return None
        scale = config.choice_scale
        best = self._energy(estimate[frames], seen[frames], scale) - config.limb_gain * scale**2
        postures, changed = estimate.postures, set()
        for end in self.ends:
            trial = self._drawn(estimate[frames], seen[frames], left[frames], end, coarse, config)
            energy = self._energy(trial, seen[frames], scale)
            is_better = energy < best
            if bool(is_better.any()):
                postures = postures.replaced(frames[is_better], trial.postures[is_better])
                best = torch.where(is_better, energy, best)
                changed |= set(frames[is_better].tolist())
        return Mended(replace(estimate, postures=postures), tuple(sorted(changed))[:: max(1, len(changed) // 2)]) if changed else None

    @staticmethod
    def _largest(left: Tensor, points: Tensor) -> Tensor:  # [B, N], [B, N, 3] -> [B, N]
        """Of the points that are left over those around the one that has most others near it: one limb, not the middle of two."""
        found = torch.zeros_like(left)
        for frame in range(len(left)):
            own = left[frame].nonzero()[:, 0]
            if not len(own):
                continue
            is_near = torch.cdist(points[frame, own], points[frame, own]) < LIMB
            middle = points[frame, own[is_near[is_near.sum(dim=1).argmax()]]].mean(dim=0)
            found[frame, own] = (points[frame, own] - middle).norm(dim=1) < LIMB
        return found

    def _drawn(self, estimate: Estimate, seen: Observed, left: Tensor, end: int, coarse: Stepper, config: FitConfig) -> Estimate:
        """Some steps in which the end is drawn to the depth that is left over, then ordinary ones."""
        owned = self._owned[coarse.motion.vertices, end]
        points = seen.points / estimate.unit
        if not bool(owned.any()):
            return estimate
        for scale in config.limb_scales:
            pull = partial(self._pull, points=points, left=left, owned=owned, scale=scale)
            estimate = coarse.step(estimate, seen, scale, free=HELD, also=pull)
        for scale in config.track_scales:
            estimate = coarse.step(estimate, seen, scale, free=HELD)
        return estimate

    def _pull(self, moved: Moved, *, points: Tensor, left: Tensor, owned: Tensor, scale: float) -> Pulls:
        """Of every vertex of the end towards the middle of the depth that is left over."""
        share = left.float() / left.float().sum(dim=1, keepdim=True).clamp(min=1)
        middle = (share[..., None] * points).sum(dim=1)  # [B, 3]
        end = moved.points[:, owned].mean(dim=1)
        weight = self._config.count / (3 * scale**2 * int(owned.sum())) * owned.float()
        forces = weight[None, :, None] * (middle - end)[:, None]
        weights = weight[None, :, None, None] * torch.eye(3).expand(len(points), len(owned), 3, 3)
        return Pulls(weights, forces)
