"""A body's shape and its poses from a depth sequence: Gauss-Newton steps on the codes of a skinned model."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.fit_config import FitConfig
from recon_cli.systems.npm.fit_steps import Estimate, Stepper
from recon_cli.systems.npm.observed import Observed
from recon_cli.systems.npm.postures import Postures
from recon_cli.systems.npm.tracking import best_tracked, cheapest_path
from recon_cli.systems.npm.training_views import TrainingViews
from recon_cli.systems.npm.vertex_motion import surface_normals

LARGEST_CODE = 3.0
"""Codes of a start are cut off here [deviations]: training poses in the tails are no place to begin from."""
PATH_POINTS = 300


class Fitter:
    """Fits one model.

    Args:
        model: the body.
        views: of its training bodies, to begin from.
        config: how.
        seed: of the choice of vertices.
    """

    def __init__(self, model: BodyModel, views: TrainingViews, config: FitConfig, *, seed: int) -> None:
        self.model, self.views, self.config = model, views, config
        order = torch.randperm(len(model.vertices), generator=torch.Generator().manual_seed(seed))[: config.vertices]
        self.fine = Stepper(model, config.terms, order)
        self.middle = Stepper(model, config.terms, order[: max(1, config.vertices * 7 // 13)])
        self.coarse = Stepper(model, config.terms, order[: max(1, config.vertices * 4 // 13)])
        self.path_points = order[:PATH_POINTS]

    def window(self, seen: Observed, starts: list[Postures], shape: Tensor, *, with_shape: bool) -> Estimate:
        """Neighbouring frames together."""
        config = self.config
        estimate = self.begun(seen, starts, shape, with_shape=with_shape)
        for scale in config.joint_scales:
            estimate = self.middle.step(estimate, seen, scale, with_shape=with_shape, smoothness=config.terms.smoothness / 2)
        best = int(self.middle.energy(estimate, seen, config.joint_scales[-1]).argmin())
        anchors = [best, len(seen) // 2][: config.anchors]
        estimate = best_tracked(estimate, seen, anchors, self.coarse, self.middle, config)
        for scale in config.final_scales:
            estimate = self.fine.step(estimate, seen, scale, with_shape=with_shape, smoothness=config.terms.smoothness)
        return estimate

    def begun(self, seen: Observed, starts: list[Postures], shape: Tensor, *, with_shape: bool) -> Estimate:
        """The cheapest path through what steps from every start lead to."""
        candidates = []
        for rank in range(self.config.starts):
            postures = Postures.joined([start[rank : rank + 1] for start in starts])
            estimate = Estimate(shape, self.put_there(postures, shape, seen))
            for scale in self.config.start_scales:
                estimate = self.coarse.step(estimate, seen, scale, with_shape=with_shape)
            candidates.append(estimate)
        last = self.config.start_scales[-1]
        energies = torch.stack([self.coarse.energy(candidate, seen, last) for candidate in candidates], dim=1)
        points = torch.stack([self.coarse.motion.whole(c.shape, c.postures)[:, self.path_points] for c in candidates], dim=1)
        path = cheapest_path(energies, points, self.config.path)
        every = [candidates[int(choice)].postures[frame : frame + 1] for frame, choice in enumerate(path)]
        return Estimate(torch.stack([candidate.shape for candidate in candidates]).mean(dim=0), Postures.joined(every))

    def put_there(self, postures: Postures, shape: Tensor, seen: Observed) -> Postures:
        """With places so that what faces the camera has the middle of the depth's box, and its median depth."""
        vertices = self.coarse.motion.whole(shape, postures)
        facing = surface_normals(vertices, self.model.faces)[..., 2] < 0
        places = []
        for frame in range(len(seen)):
            body, depth = vertices[frame][facing[frame]], seen.points[frame]
            place = (depth.amin(dim=0) + depth.amax(dim=0) - body.amin(dim=0) - body.amax(dim=0)) / 2
            place[2] = depth[:, 2].median() - body[:, 2].median()
            places.append(place)
        return Postures(postures.poses, postures.roots, postures.places + torch.stack(places))

    def starts(self, points: Tensor, up: Tensor) -> Postures:
        """Of one frame's depth points."""
        found, _ = self.views.nearest(points, up, self.config.starts)
        return Postures(found.poses.clamp(-LARGEST_CODE, LARGEST_CODE), found.roots, found.places)
