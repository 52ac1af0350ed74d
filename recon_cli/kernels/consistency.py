"""Geometric consistency of depth maps: which depths of a view do its neighbours confirm, which do they contradict?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import UsageError
from recon_cli.kernels.launch import launch_bands

STEEPEST = 10.0
"""Tangent of the largest tilt against the picture that is not an edge."""


@dataclass(frozen=True)
class Agreement:
    """When two depths agree.

    Attributes:
        pixels: largest distance of a point from its pixel after going to the other view's surface and back [px].
        relative: largest difference of the depths, as a share of the depth.
        gap: a neighbour looks through a point when it sees farther than this share of the depth behind it.
        tilt: tangent of the largest tilt against the picture; steeper steps between neighbouring pixels are edges.
    """

    pixels: float = 1.0
    relative: float = 0.002
    gap: float = 0.01
    tilt: float = STEEPEST


@dataclass(frozen=True)
class Votes:
    """What the neighbours of a view say of each of its pixels; 0 where the view has no depth.

    Attributes:
        mean: weighted mean of the view's depth and the agreeing ones, z [scene units], shape [H, W], float32.
        support: sum of the weights of that mean, shape [H, W], float32.
        agreeing: neighbours that see the same surface, shape [H, W], uint8.
        conflicting: neighbours that look through the point, shape [H, W], uint8.
    """

    mean: Tensor  # [H, W]
    support: Tensor  # [H, W]
    agreeing: Tensor  # [H, W]
    conflicting: Tensor  # [H, W]


def count_votes(
    view: int,
    neighbours: Sequence[int],
    cameras: Cameras,
    depth: Sequence[Tensor],  # C of [H, W]
    confidence: Sequence[Tensor] | None = None,  # C of [H, W]
    *,
    agreement: Agreement = Agreement(),
) -> Votes:
    """Ask the neighbours of a view about its depths.

    A neighbour's surface is interpolated in 1 / z, which is exact on planes, and met by the ray of the pixel: on
    slanted surfaces the mean is that of depths at the same pixel. A depth's weight is its confidence: on made-up rigs the
    error across the surface hardly depends on the angle of view. The mean is robust (Tukey's biweight).

    Args:
        view: index of the view whose pixels are judged.
        neighbours: indices of at most 16 other views.
        cameras: all cameras, float64.
        depth: all maps, z [scene units], 0 where nothing is known; a NaN counts as 0.
        confidence: weights in [0, 1]; None counts every depth as 1.
        agreement: when depths agree.

    Raises:
        UsageError: too many neighbours.
    """
    from recon_cli.kernels import consistency_votes as kernels

    if len(neighbours) > kernels.MAXIMUM_NEIGHBOURS:
        raise UsageError(f"{len(neighbours)} neighbours of a view, expected at most {kernels.MAXIMUM_NEIGHBOURS}")
    own = depth[view]
    height, width = own.shape
    device = own.device
    limits = kernels.Limits()
    limits.pixels, limits.relative, limits.gap = agreement.pixels, agreement.relative, agreement.gap
    votes = Votes(
        torch.empty(height, width, device=device),
        torch.empty(height, width, device=device),
        torch.empty(height, width, dtype=torch.uint8, device=device),
        torch.empty(height, width, dtype=torch.uint8, device=device),
    )
    arguments = (
        own.flatten(),
        _ones(own) if confidence is None else confidence[view].float().flatten(),
        width,
        *_packed(neighbours, depth, confidence, device),
        *relative_projections(cameras, view, neighbours, device),
        edge_shares(cameras, agreement.tilt)[list(neighbours)].to(device),
        limits,
        *(image.view(-1) for image in (votes.mean, votes.support, votes.agreeing, votes.conflicting)),
    )
    launch_bands(kernels.count_votes, height * width, arguments, device=device)
    return votes


def relative_projections(
    cameras: Cameras, view: int, neighbours: Sequence[int], device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:  # [K, 9], [K, 3], [K, 3]
    """How a pixel p = (u, v, 1) at depth z goes to each neighbour: q = z M p + t, with pixel q_xy / q_z and depth q_z.

    Returns:
        M row by row, t, and M⁻¹ t, which leads back: z' p' = r z p + (r - 1) M⁻¹ t for a neighbour's depth r q_z.
    """
    local = cameras.to("cpu", torch.float64)
    turned, moved = local[view].pixel_maps(local.chosen(neighbours))
    back = torch.linalg.solve(turned, moved)
    return tuple(part.flatten(1).to(device, torch.float32) for part in (turned, moved, back))  # pyright: ignore[reportReturnType]


def edge_shares(cameras: Cameras, tilt: float = STEEPEST) -> Tensor:  # [C] float32
    """The step between neighbouring pixels, as a share of the depth, from which on it is an edge: a pixel spans z / f."""
    return (tilt / cameras.K[:, 0, 0].cpu()).clamp(max=0.5).float()


def _ones(image: Tensor) -> Tensor:  # [H W]
    return torch.ones(image.numel(), device=image.device)


def _packed(
    neighbours: Sequence[int], depth: Sequence[Tensor], confidence: Sequence[Tensor] | None, device: torch.device
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The neighbours' maps, which may differ in size, one after the other, with their starts and sizes."""
    sizes = [tuple(int(side) for side in depth[i].shape[::-1]) for i in neighbours]
    starts, total = [], 0
    for width, height in sizes:
        starts.append(total)
        total += width * height
    empty = torch.empty(0, device=device)
    all_depth = torch.cat([empty, *(depth[i].flatten() for i in neighbours)])
    return (
        all_depth,
        _ones(all_depth) if confidence is None else torch.cat([empty, *(confidence[i].float().flatten() for i in neighbours)]),
        torch.tensor(starts, dtype=torch.int32, device=device),
        torch.tensor(sizes, dtype=torch.int32, device=device).reshape(-1, 2),
    )
