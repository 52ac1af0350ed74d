"""What is known of one view while it is being solved, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.kernels.patch_search import NOTHING


@dataclass(frozen=True)
class Planes:
    """A view's hypotheses at one resolution.

    Attributes:
        planes: inverse depth and its change per pixel along x and y, shape [H, W, 3], float32.
        costs: 1 - NCC in [0, 2]; ``NOTHING`` off the object, shape [H, W], float32.
    """

    planes: Tensor
    costs: Tensor

    @property
    def is_known(self) -> Tensor:  # [H, W] bool
        """Where there is a hypothesis."""
        return (self.costs < NOTHING) & (self.planes[..., 0] > 0)

    def depth(self) -> Tensor:  # [H, W]
        """z [scene units], 0 where nothing is known."""
        inverse = self.planes[..., 0]
        return torch.where(self.is_known, 1 / inverse.clamp(min=1e-30), torch.zeros_like(inverse))

    def with_depth(self, pixels: Tensor, depth: Tensor, costs: Tensor | None = None) -> Planes:
        """The same slopes with other depths [scene units] at some pixels, given as row * W + column."""
        planes, own_costs = self.planes.clone(), self.costs.clone()
        planes.view(-1, 3)[pixels.long(), 0] = 1 / depth
        if costs is not None:
            own_costs.view(-1)[pixels.long()] = costs
        return replace(self, planes=planes, costs=own_costs)

    def normals(self, camera: Cameras) -> Tensor:  # [H, W, 3]
        """Unit normals in world axes on the camera's side, 0 where nothing is known.

        A plane n · X = 1 has inverse depth nᵀ K⁻¹ p at pixel p, so n = Kᵀ (du, dv, w - du x - dv y).
        """
        height, width = self.costs.shape
        x = torch.arange(width, device=self.costs.device) + 0.5
        y = (torch.arange(height, device=self.costs.device) + 0.5)[:, None]
        du, dv = self.planes[..., 1], self.planes[..., 2]
        coefficients = torch.stack([du, dv, self.planes[..., 0] - du * x - dv * y], dim=-1)
        world_from_picture = (camera.K[0] @ camera.camera_from_world[0, :3, :3]).to(coefficients)
        normals = torch.nn.functional.normalize(-coefficients @ world_from_picture, dim=-1, eps=1e-30)
        return torch.where(self.is_known[..., None], normals, torch.zeros_like(normals))

    def confidence(self) -> Tensor:  # [H, W]
        """NCC of the best sources, from 0 to 1."""
        return torch.where(self.is_known, (1 - self.costs).clamp(0, 1), torch.zeros_like(self.costs))


def depth_maps(estimates: list[Planes], cameras: Cameras) -> DepthMaps:
    """Maps of finished views."""
    return DepthMaps(
        cameras,
        tuple(estimate.depth() for estimate in estimates),
        tuple(estimate.normals(cameras[index]) for index, estimate in enumerate(estimates)),
        tuple(estimate.confidence() for estimate in estimates),
    )
