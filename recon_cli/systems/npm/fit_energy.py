"""How well bodies explain the depth, to choose between them: the energy of the steps at all vertices.

Steps look at some vertices. Their spacing alone would make up most of such an energy, and a hand that is missed would hardly show.
"""

from __future__ import annotations

from torch import Tensor

from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.fit_config import TermsConfig
from recon_cli.systems.npm.fit_steps import Estimate
from recon_cli.systems.npm.fit_terms import SILHOUETTE_REACH, beside, nearest_facing
from recon_cli.systems.npm.observed import Observed
from recon_cli.systems.npm.vertex_motion import surface_normals


class Energy:
    """Of one model's bodies.

    Args:
        model: the body.
        config: of the terms.
    """

    def __init__(self, model: BodyModel, config: TermsConfig) -> None:
        self.model, self.config = model, config

    def __call__(self, estimate: Estimate, seen: Observed, scale: float) -> Tensor:  # [B]
        """Of the data and the pose code's prior [squared box]; every distance counts up to some scales [box].

        Times count / (2 scale²) it is a negative logarithm of a likelihood.
        """
        config, postures = self.config, estimate.postures
        vertices = self._vertices(estimate)
        energy = config.pose * scale**2 / config.count * postures.poses.square().sum(dim=-1)
        here = seen.scaled(1 / estimate.unit)
        if config.depth:
            gaps, normals = self._gaps(vertices, here.points)
            squared = (gaps * normals).sum(dim=-1).square() + config.sliding * gaps.square().sum(dim=-1)
            energy = energy + config.depth * squared.clamp(max=(config.reach * scale) ** 2).mean(dim=1)
        if config.silhouette:
            squared = beside(vertices, here, config).squared.clamp(max=(SILHOUETTE_REACH[0] * scale) ** 2)
            energy = energy + config.silhouette * squared.mean(dim=1)
        return energy

    def left_over(self, estimate: Estimate, seen: Observed, distance: float) -> Tensor:  # [B, N]
        """Which depth points are this far from the surface that faces the camera [box]."""
        gaps, _ = self._gaps(self._vertices(estimate), seen.points / estimate.unit)
        return gaps.norm(dim=-1) > distance

    def _vertices(self, estimate: Estimate) -> Tensor:  # [B, V, 3]
        postures = estimate.postures
        shapes = estimate.shape[None].expand(len(postures), -1)
        return self.model.posed(shapes, postures.poses, postures.roots, postures.places)

    def _gaps(self, vertices: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:  # [B, V, 3], [B, N, 3] -> [B, N, 3], [B, N, 3]
        """From the nearest vertex that faces the camera to every point, and the normal there."""
        normals = surface_normals(vertices, self.model.faces)
        rows = nearest_facing(vertices, normals, points)[..., None].expand(-1, -1, 3)
        return points - vertices.gather(1, rows), normals.gather(1, rows)
