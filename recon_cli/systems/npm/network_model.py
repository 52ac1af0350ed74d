"""A learned body whose spaces of shape and pose are networks (Palafox et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.systems.npm.box import Box
from recon_cli.systems.npm.networks import Perceptron
from recon_cli.systems.npm.zero_level import zero_level

CHUNK = 1 << 14
"""Vertices that are put onto the surface at once."""


@dataclass(frozen=True)
class NetworkModel:
    """Shape and pose spaces of one kind of body as a ``ParametricModel``, in units of its box.

    Attributes:
        box: unit and origin.
        distances: shape code and point to signed distance.
        flows: shape code, then pose code, and point to displacement.
        resolution: cells along the box in which a surface is looked for.
        reach: half the side of the cube that surfaces lie in [box].
    """

    box: Box
    distances: Perceptron
    flows: Perceptron
    resolution: int
    reach: float

    @property
    def shape_size(self) -> int:
        """Length S of a shape code."""
        return self.distances.form.code

    @property
    def pose_size(self) -> int:
        """Length P of a pose code."""
        return self.flows.form.code - self.shape_size

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.distances.weights[0].device

    def to(self, device: torch.device | str) -> NetworkModel:
        """The same model on another device."""
        return replace(self, distances=self.distances.to(device), flows=self.flows.to(device))

    def distance(self, shape: Tensor, points: Tensor) -> Tensor:  # [S], [N, 3] -> [N]
        """Signed distance of points from the canonical body of a shape, negative inside [box]; of use up to the clamp of the training."""
        return self.distances(points[None], shape[None])[0, :, 0]

    def flow(self, shape: Tensor, pose: Tensor, points: Tensor) -> Tensor:  # [S], [B, P], [B, N, 3] -> [B, N, 3]
        """Displacements that take points near the canonical surface into poses, in the body's own axes [box]."""
        return self.flows(points, torch.cat([shape.expand(len(pose), -1), pose], dim=1))

    def pivot(self, shape: Tensor) -> Tensor:  # [S] -> [3]
        """The point of the canonical body that a root orientation turns about [box]: the origin, whatever the shape."""
        return shape.new_zeros(3)

    def surface(self, shape: Tensor) -> Mesh:  # [S]
        """The closed canonical surface of a shape [box], float32, on the model's device.

        The largest piece of the level where the network says 0, by surface nets on a grid, then moved along the network's gradient by at
        most half a cell so that it says 0 at the vertices too.

        Raises:
            InputError: there is no such level: the code is far from those of the training.
        """
        code = shape.detach().to(self.device, torch.float32)
        cells = max(1, round(2 * self.reach * self.resolution))
        mesh = zero_level(lambda points: self.distance(code, points), reach=self.reach, cells=cells, device=self.device)
        if not len(mesh.faces):
            raise InputError(
                f"a shape code of length {float(code.norm()):.3g} has no surface in the box",
                hint="take a code of the training or one between such codes",
            )
        chunks = mesh.vertices.to(self.device).split(CHUNK)
        vertices = torch.cat([self._onto_surface(code, points, self.reach / cells) for points in chunks])
        return Mesh(vertices, mesh.faces.to(self.device))

    def _onto_surface(self, shape: Tensor, points: Tensor, most: float) -> Tensor:  # [S], [N, 3] -> [N, 3]
        """A step of Newton's along the gradient, of at most this length."""
        points = points.detach().requires_grad_(True)
        with torch.enable_grad():
            distance = self.distance(shape, points)
            (gradient,) = torch.autograd.grad(distance.sum(), points)
        squared = gradient.square().sum(dim=-1).clamp(min=torch.finfo(gradient.dtype).tiny)
        step = -(distance / squared).detach()[:, None] * gradient
        length = step.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(step.dtype).tiny)
        return points.detach() + step * (most / length).clamp(max=1.0)
