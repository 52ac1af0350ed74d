"""Where the taps of the learned prior fall in other views."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.kernels.prior_embedding import TAP_STEP


def sources_from_reference(cameras: Cameras, view: int, sources: Sequence[int]) -> Tensor:  # [K, 3, 4]
    """Homogeneous pixels of the sources from (column, row, 1, 1 / z) of a view: linear, since z times the first three is the point."""
    turned, moved = cameras[view].pixel_maps(cameras.chosen(sources))
    return torch.cat([turned, moved[..., None]], dim=2)


def tap_offsets() -> Tensor:  # [T, 2]
    """Offsets [px] of the taps from the pixel, row by row."""
    steps = torch.tensor([-TAP_STEP, 0, TAP_STEP], dtype=torch.float32)
    return torch.cartesian_prod(steps, steps).flip(1)


def project_taps(
    source_from_reference: Tensor,  # [3, 4]
    size: tuple[int, int],
    pixels: Tensor,  # [P, 2] int32
    depth: Tensor,  # [P, S]
    slopes: Tensor,  # [P, 2]
    *,
    offsets: Tensor | None = None,  # [T, 2]
) -> tuple[Tensor, Tensor]:  # [P, S, T, 2], [P, S] bool
    """Positions [px] of the taps in a source of ``size`` (width, height), and whether the point itself lies inside it.

    ``offsets`` [px] are those of the network's taps unless others are given.
    """
    offsets = (tap_offsets() if offsets is None else offsets).to(depth)
    lift, shift = source_from_reference[:, :3], source_from_reference[:, 3]
    centre = torch.cat([pixels + 0.5, torch.ones_like(depth[:, :1])], dim=1) @ lift.T  # [P, 3]
    centre = centre[:, None] + shift / depth[..., None]  # [P, S, 3]
    moved = offsets @ lift[:, :2].T + (slopes @ offsets.T)[..., None] * shift  # [P, T, 3]
    place = centre[:, :, None] + moved[:, None]  # [P, S, T, 3]
    behind = centre[..., 2:]
    bound = torch.tensor(size).to(depth)
    inside = (centre[..., :2] >= 0) & (centre[..., :2] < behind * bound)
    is_seen = inside.all(dim=-1) & (behind[..., 0] > 0) & (depth > 0)
    # A steep surface may pass behind the source within the grid of taps; there the taps pile up at its border.
    away = torch.maximum(place[..., 2:], 0.01 * behind[:, :, None].clamp(min=1e-12))
    return place[..., :2] / away, is_seen
