"""Soft coverage and depth blending (Liu et al. 2019, Soft Rasterizer: A Differentiable Renderer for Image-based 3D Reasoning).

Conventions as in PyTorch3D: only the K nearest faces within a blur radius of a pixel take part; the attributes of a
pixel beside a face are those of the clipped barycentric coordinates; distances are in units of half the shorter image
side; depth z enters as (far - z) / (far - near).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.render.protocol import RenderSettings

# Least weight of the background, epsilon of the paper, as PyTorch3D sets it.
_EPSILON = 1e-10


@dataclass(frozen=True)
class SoftPixels:
    """P pixels with at least one face, K slots each.

    Attributes:
        color: shape [P, K, 3].
        depth: z-depth [scene units], shape [P, K].
        normal: shape [P, K, 3].
        distance: signed squared distance to the face's outline, positive inside, in units of half the shorter image side
            squared, shape [P, K].
        is_used: which slots hold a face, shape [P, K].
    """

    color: Tensor  # [P, K, 3]
    depth: Tensor  # [P, K]
    normal: Tensor  # [P, K, 3]
    distance: Tensor  # [P, K]
    is_used: Tensor  # [P, K]


def blend(pixels: SoftPixels, settings: RenderSettings) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Colour [P, 3], depth [P], normal [P, 3] and silhouette [P].

    Depth and normal are means with the weights of the faces, the background left out; normals come back at their
    blended length.
    """
    # D_j = sigmoid(delta_j d_j² / sigma): the probability that face j covers the pixel.
    coverage = torch.sigmoid(pixels.distance / settings.sigma) * pixels.is_used
    silhouette = 1 - torch.prod(1 - coverage, dim=-1)  # 1 - prod_j (1 - D_j)
    weights, background = depth_weights(coverage, pixels, settings)
    total = weights.sum(dim=-1)
    behind = torch.tensor(settings.background, dtype=weights.dtype, device=weights.device)
    color = ((weights[..., None] * pixels.color).sum(1) + background[:, None] * behind) / (total + background)[:, None]
    share = weights / total.clamp(min=torch.finfo(weights.dtype).tiny)[:, None]
    return color, (share * pixels.depth).sum(-1), (share[..., None] * pixels.normal).sum(1), silhouette


def depth_weights(coverage: Tensor, pixels: SoftPixels, settings: RenderSettings) -> tuple[Tensor, Tensor]:
    """w_j ~ D_j exp(z_j / gamma) [P, K] and the background's exp(epsilon / gamma) [P], both over exp(max z / gamma)."""
    near, far = settings.depth_range
    z = (far - pixels.depth) / (far - near) * pixels.is_used
    highest = z.amax(dim=-1).clamp(min=_EPSILON)
    weights = coverage * torch.exp((z - highest[:, None]) / settings.gamma)
    return weights, torch.exp((_EPSILON - highest) / settings.gamma).clamp(min=_EPSILON)
