"""Neighbouring frames fitted together: starts, the cheapest path, tracking, limbs begun anew, last steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.fit_config import FitConfig
from recon_cli.systems.npm.fit_energy import Energy
from recon_cli.systems.npm.fit_start import place_before
from recon_cli.systems.npm.fit_steps import HELD, Estimate, Free, Stepper
from recon_cli.systems.npm.limbs import Limbs
from recon_cli.systems.npm.observed import Observed
from recon_cli.systems.npm.postures import Postures
from recon_cli.systems.npm.tracking import cheapest_path, tracked
from recon_cli.systems.npm.vertex_motion import surface_normals

PATH_POINTS = 300
"""Vertices by which candidates of neighbouring frames are compared."""
LOOSE = 2.0
"""Weight of second differences in time until the motion shows how lively it is."""
COARSE, MIDDLE = 4 / 13, 7 / 13
"""Shares of the vertices that coarse and middling steps look at."""


@dataclass(frozen=True)
class Solved:
    """A window and how sure it is.

    Attributes:
        estimate: of its frames.
        spread: root mean square distance of the vertices from the best candidate that is another solution, where its energy is nearly
            as low; 0 elsewhere [box], shape [B].
    """

    estimate: Estimate
    spread: Tensor


class WindowFitter:
    """Fits one model to windows of frames.

    Args:
        model: the body.
        config: how.
        seed: of the choice of vertices.
    """

    def __init__(self, model: BodyModel, config: FitConfig, *, seed: int) -> None:
        self.model, self.config = model, config
        order = torch.randperm(len(model.vertices), generator=torch.Generator().manual_seed(seed))[: config.vertices]
        few, some = (order[: max(1, round(share * len(order)))] for share in (COARSE, MIDDLE))
        self.coarse, self.middle, self.fine = (Stepper(model, config.terms, chosen) for chosen in (few, some, order))
        self.energy = Energy(model, config.terms)
        self.limbs = Limbs(model, config.terms, self.energy)
        self.path_points = order[:PATH_POINTS]
        self._loose = min(LOOSE, config.terms.smoothness)

    def __call__(self, seen: Observed, starts: Sequence[Postures], begin: Estimate, *, before: Postures | None = None) -> Solved:
        """Solve a window; shape and unit are held.

        Args:
            seen: its B frames.
            starts: of every frame, as many each; their places do not matter.
            begin: shape and unit; its postures do not matter.
            before: what is known of the first frames from the window before.
        """
        candidates = self._stepped_starts(seen, starts, begin, HELD)
        estimate = self._path(seen, candidates)
        if before is not None:
            estimate = replace(estimate, postures=Postures.joined([before, estimate.postures[len(before) :]]))
        estimate = self._together(estimate, seen, HELD, self._loose, self._loose)
        estimate = self._tracked(estimate, seen, before)
        estimate = self._with_new_limbs(estimate, seen)
        estimate = self.refined(estimate, seen)
        return Solved(estimate, self._spread(estimate, seen, candidates))

    def refined(self, estimate: Estimate, seen: Observed) -> Estimate:
        """Neighbours in time after steps together, from coarse to fine; shape and unit are held.

        They are also tied tightly at first and then less: a limb that hides for some frames is led past them, where by itself it would fall
        into what is nearest. Whichever motion has less energy is kept.
        """
        loose = self._settled(self._together(estimate, seen, HELD, self._loose, self._loose), seen, HELD, self._loose)
        smoothness = self._smoothness(loose)
        tied = self._together(estimate, seen, HELD, self.config.tied * smoothness, math.sqrt(self.config.tied) * smoothness)
        found = [self._settled(one, seen, HELD, smoothness) for one in (loose, tied)]
        return min(found, key=lambda one: self._motion_energy(one, seen, smoothness))

    def _settled(self, estimate: Estimate, seen: Observed, free: Free, smoothness: float = 0.0) -> Estimate:
        """The last steps."""
        for scale in self.config.final_scales:
            estimate = self.fine.step(estimate, seen, scale, free=free, smoothness=smoothness)
        return estimate

    def _smoothness(self, estimate: Estimate) -> float:
        """Weight of second differences in time: less for motions that are lively, or seen few times a second."""
        terms = self.config.terms
        if len(estimate.postures) < 3:
            return terms.smoothness
        changes = _second_differences(estimate).square().mean(dim=1).median()
        return min(terms.smoothness, terms.liveliness / max(float(changes), 1e-12))

    def refined_apart(self, estimate: Estimate, seen: Observed, *, free: Free) -> Estimate:
        """Frames that have nothing to do with each other but what they share, after steps together."""
        return self._settled(self._together(estimate, seen, free), seen, free)

    def apart(self, seen: Observed, starts: Sequence[Postures], begin: Estimate, *, free: Free) -> Estimate:
        """Of frames that are no neighbours the candidates with the least energy, then ``refined_apart``."""
        candidates = self._stepped_starts(seen, starts, begin, free)
        estimate = self._chosen(candidates, self._energies(seen, candidates).argmin(dim=1))
        return self.refined_apart(estimate, seen, free=free)

    def deviation(self, estimate: Estimate, seen: Observed) -> Tensor:  # [B]
        """Of neighbours in time; see ``Stepper.deviation``."""
        return self.coarse.deviation(estimate, seen, self.config.final_scales[-1], smoothness=self._smoothness(estimate))

    def _together(self, estimate: Estimate, seen: Observed, free: Free, smoothness: float = 0.0, last: float = 0.0) -> Estimate:
        """Steps of middling fineness; the last one has a smoothness of its own."""
        scales = self.config.joint_scales
        for number, scale in enumerate(scales, 1):
            weight = last if number == len(scales) else smoothness
            estimate = self.middle.step(estimate, seen, scale, free=free, smoothness=weight)
        return estimate

    def _motion_energy(self, estimate: Estimate, seen: Observed, smoothness: float) -> float:
        """Of the frames and their second differences [squared box]."""
        scale, terms = self.config.choice_scale, self.config.terms
        bending = float(_second_differences(estimate).square().sum())
        return float(self.energy(estimate, seen, scale).sum()) + smoothness * scale**2 / terms.count * bending

    def shape_energy(self, estimate: Estimate, seen: Observed) -> float:
        """Median of the frames' energies and the shape's prior: which of several shapes explains most frames.

        In squared boxes of the beginning, and with one scale in them: in those of the estimate a scene that is thought larger would be
        explained better.
        """
        scale, terms = self.config.choice_scale / estimate.unit, self.config.terms
        prior = terms.shape * scale**2 / terms.count * float(estimate.shape.square().sum())
        return estimate.unit**2 * (float(self.energy(estimate, seen, scale).median()) + prior / len(seen))

    def _stepped_starts(self, seen: Observed, starts: Sequence[Postures], begin: Estimate, free: Free) -> list[Estimate]:
        found = []
        for rank in range(len(starts[0])):
            postures = Postures.joined([start[rank : rank + 1] for start in starts])
            estimate = replace(begin, postures=self._put_there(postures, begin, seen))
            for scale in self.config.start_scales:
                estimate = self.coarse.step(estimate, seen, scale, free=free)
            found.append(estimate)
        return found

    def _put_there(self, postures: Postures, begin: Estimate, seen: Observed) -> Postures:
        """With places so that what faces the camera has the middle of the depth's box, and its median depth."""
        vertices = self.coarse.motion.whole(begin.shape, replace(postures, places=torch.zeros_like(postures.places)))
        facing = surface_normals(vertices, self.model.faces)[..., 2] < 0
        places = [place_before(vertices[frame][facing[frame]], depth) for frame, depth in enumerate(seen.points / begin.unit)]
        return replace(postures, places=torch.stack(places))

    def _energies(self, seen: Observed, candidates: Sequence[Estimate]) -> Tensor:  # [B, C]
        last = self.config.start_scales[-1]
        return torch.stack([self.energy(candidate, seen, last) for candidate in candidates], dim=1)

    def _points(self, estimate: Estimate) -> Tensor:  # [B, v, 3]
        return self.coarse.motion.whole(estimate.shape, estimate.postures)[:, self.path_points]

    def _path(self, seen: Observed, candidates: Sequence[Estimate]) -> Estimate:
        points = torch.stack([self._points(candidate) for candidate in candidates], dim=1)
        return self._chosen(candidates, cheapest_path(self._energies(seen, candidates), points, self.config.path))

    def _chosen(self, candidates: Sequence[Estimate], choice: Tensor) -> Estimate:
        every = [candidates[int(rank)].postures[frame : frame + 1] for frame, rank in enumerate(choice)]
        shape = torch.stack([candidate.shape for candidate in candidates]).mean(dim=0)
        units = torch.tensor([candidate.unit for candidate in candidates], dtype=torch.float64)
        return Estimate(shape, Postures.joined(every), float(units.log().mean().exp()))

    def _tracked(self, estimate: Estimate, seen: Observed, before: Postures | None) -> Estimate:
        best = int(self.energy(estimate, seen, self.config.choice_scale).argmin())
        anchors = [best if before is None else len(before) - 1, len(seen) // 2, 0, len(seen) - 1][: self.config.anchors]
        runs = [tracked(estimate, seen, anchor, self.coarse, self.energy, self.config) for anchor in anchors]
        return self._least(runs) if runs else estimate

    @staticmethod
    def _least(found: Sequence[tuple[Estimate, float]]) -> Estimate:
        return min(found, key=lambda pair: pair[1])[0]

    def _with_new_limbs(self, estimate: Estimate, seen: Observed) -> Estimate:
        """Where depth is left over, limbs are drawn to it; what that mends is handed on to the neighbours."""
        config = self.config
        for _ in range(config.limb_rounds):
            mended = self.limbs.mended(estimate, seen, self.coarse, config)
            if mended is None:
                break
            own, drawn = (float(self.energy(one, seen, config.choice_scale).mean()) for one in (estimate, mended.estimate))
            runs = [tracked(mended.estimate, seen, frame, self.coarse, self.energy, config) for frame in mended.frames]
            estimate = self._least([(estimate, own), (mended.estimate, drawn), *runs])
        return estimate

    def _spread(self, estimate: Estimate, seen: Observed, candidates: Sequence[Estimate]) -> Tensor:  # [B]
        """Distance from the best candidate that is something else, where it explains the depth nearly as well."""
        config = self.config
        own = self._points(estimate)
        apart = torch.stack([_distance(self._points(replace(other, shape=estimate.shape)), own) for other in candidates], dim=1)
        energies = self._energies(seen, candidates).masked_fill(apart < config.different, torch.inf)
        has_other = energies.isfinite().any(dim=1)
        other = replace(self._chosen(candidates, energies.argmin(dim=1)), shape=estimate.shape, unit=estimate.unit)
        for scale in config.track_scales:
            other = self.coarse.step(other, seen, scale, free=HELD)
        scale = config.choice_scale
        theirs, mine = (self.energy(one, seen, scale) for one in (other, estimate))
        distance = _distance(self._points(other), own)
        is_rival = has_other & (theirs <= mine + config.rival * scale**2) & (distance >= config.different)
        return torch.where(is_rival, distance, torch.zeros(()))


def _second_differences(estimate: Estimate) -> Tensor:  # [B - 2, P]
    poses = estimate.postures.poses
    return poses[2:] - 2 * poses[1:-1] + poses[:-2]


def _distance(points: Tensor, others: Tensor) -> Tensor:  # [B, v, 3] -> [B]
    """Root mean square over the points."""
    return (points - others).square().sum(dim=-1).mean(dim=-1).sqrt()
