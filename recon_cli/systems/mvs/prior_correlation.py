"""The plain baseline of the learned prior: normalised cross-correlation of slanted patches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recon_cli.core.scene import Scene
from recon_cli.systems.mvs.prior_geometry import project_taps, sources_from_reference
from recon_cli.systems.mvs.prior_network import read_features

REACH = 3  # pixels; every second one of 7 x 7
LEAST_VARIANCE = (2.0 / 255.0) ** 2


class CorrelationPrior:
    """``PhotoConsistency`` as the mean correlation of the better half of the sources, mapped from [-1, 1] to [0, 1]."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def scores(self, view: int, sources: Sequence[int], pixels: Tensor, depth: Tensor, slopes: Tensor | None = None) -> Tensor:  # [P, S]
        """Scores in [0, 1]; 0 where no source sees a point."""
        slopes = depth.new_zeros(len(pixels), 2) if slopes is None else slopes
        maps = sources_from_reference(self._scene.cameras, view, sources).float()
        own = self._patches(view, torch.eye(3, 4), pixels, torch.ones_like(depth[:, :1]), slopes)[0]
        values, seen = [], []
        for k, source in enumerate(sources):
            patches, is_seen = self._patches(source, maps[k], pixels, depth, slopes)
            values.append(_correlation(own, patches).masked_fill(~is_seen, -torch.inf))
            seen.append(is_seen)
        count = torch.stack(seen).sum(dim=0)
        ordered = torch.stack(values).sort(dim=0, descending=True).values  # [K, P, S]
        half = (count + 1) // 2
        is_best = torch.arange(len(ordered))[:, None, None] < half
        best = torch.where(is_best, ordered, torch.zeros_like(ordered)).sum(dim=0) / half.clamp(min=1)
        return torch.where(count > 0, 0.5 + 0.5 * best, torch.zeros_like(best))

    def _patches(self, view: int, source_map: Tensor, pixels: Tensor, depth: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
        grey = self._scene.images[view].float().mean(dim=-1)[None] / 255  # [1, H, W]
        size = (grey.shape[2], grey.shape[1])
        places, is_seen = project_taps(source_map, size, pixels, depth, slopes, offsets=_quincunx())
        return read_features(grey, places)[..., 0], is_seen


def _quincunx() -> Tensor:  # [25, 2]
    steps = torch.arange(-REACH, REACH + 1)
    grid = torch.cartesian_prod(steps, steps)
    return grid[(grid.sum(dim=1) % 2) == 0].float()


def _correlation(first: Tensor, second: Tensor) -> Tensor:  # [P, 1, T], [P, S, T] -> [P, S]
    first, second = first - first.mean(dim=-1, keepdim=True), second - second.mean(dim=-1, keepdim=True)
    variances = (first.square().mean(dim=-1) + LEAST_VARIANCE) * (second.square().mean(dim=-1) + LEAST_VARIANCE)
    return (first * second).mean(dim=-1) / variances.sqrt()
