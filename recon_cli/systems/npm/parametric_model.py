"""What a fit, an interpolation and a transfer ask of a model, whatever it is made of."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from recon_cli.core.mesh import Mesh
from recon_cli.systems.npm.box import Box


class ParametricModel(Protocol):
    """Spaces of shape and pose (Palafox et al. 2021): a shape code gives a signed distance, shape and pose code a flow; lengths in boxes.

    A body in a scene is ``root @ (x + flow(x) - pivot) + place`` of the points x of its canonical surface.
    """

    @property
    def box(self) -> Box:
        """Unit and origin of the canonical bodies."""
        ...

    @property
    def shape_size(self) -> int:
        """Length S of a shape code."""
        ...

    @property
    def pose_size(self) -> int:
        """Length P of a pose code."""
        ...

    def distance(self, shape: Tensor, points: Tensor) -> Tensor:  # [S], [N, 3] -> [N]
        """Signed distance of points from the canonical body of a shape, negative inside [box]; differentiable."""
        ...

    def flow(self, shape: Tensor, pose: Tensor, points: Tensor) -> Tensor:  # [S], [B, P], [B, N, 3] -> [B, N, 3]
        """Displacements that take points near the canonical surface into poses, in the body's own axes [box]; differentiable."""
        ...

    def pivot(self, shape: Tensor) -> Tensor:  # [S] -> [3]
        """The point of the canonical body that a root orientation turns about [box]."""
        ...

    def surface(self, shape: Tensor) -> Mesh:  # [S]
        """The closed canonical surface of a shape [box]; its vertices are points that ``flow`` may take."""
        ...
