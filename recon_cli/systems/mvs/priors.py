"""The photo-consistency priors that need no training: slanted patches, and the median colour of Eq. 4."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recon_cli.core.depth_maps import DepthIntervals
from recon_cli.core.scene import Scene
from recon_cli.kernels.patch_search import PictureSet, relate
from recon_cli.kernels.sample_scores import median_scores, patch_costs
from recon_cli.systems.mvs.config import SearchConfig, SrdfConfig
from recon_cli.systems.mvs.search import level_problem


class PatchPrior:
    """exp(-(1 - NCC) / scale) of the window about a pixel, slanted by the surface, in the best of its sources."""

    def __init__(self, pictures: PictureSet, level: int, intervals: DepthIntervals, search: SearchConfig, scale: float) -> None:
        self._pictures, self._level, self._intervals, self._search, self._scale = pictures, level, intervals, search, scale

    def costs(
        self,
        view: int,
        sources: Sequence[int],
        pixels: Tensor,  # [P, 2] int32
        depth: Tensor,  # [P, S]
        slopes: Tensor | None = None,  # [P, 2]
    ) -> Tensor:  # [P, S]
        """1 - NCC in [0, 2]."""
        usable = [int(source) for source in sources if source >= 0][: self._search.sources]
        problem = level_problem(self._pictures, view, self._level, usable, self._intervals, self._search)
        planes = torch.zeros(len(pixels), 3, dtype=torch.float32, device=depth.device)
        if slopes is not None:
            planes[:, 1:] = slopes
        width = problem.ranges.shape[1]
        places = (pixels[:, 1] * width + pixels[:, 0]).to(torch.int32).contiguous()
        return patch_costs(problem, places, planes, (1 / depth).to(torch.float32).contiguous())

    def scores(self, view: int, sources: Sequence[int], pixels: Tensor, depth: Tensor, slopes: Tensor | None = None) -> Tensor:
        """See ``PhotoConsistency``."""
        return torch.exp(-self.costs(view, sources, pixels, depth, slopes) / self._scale)


class MedianPrior:
    """Distances of single colours to their median over all views of the group (Eq. 4)."""

    def __init__(self, scene: Scene, pictures: PictureSet, level: int, config: SrdfConfig, device: torch.device) -> None:
        """``scene`` holds the pictures at the size of this level."""
        counts = torch.tensor([image.shape[0] * image.shape[1] for image in scene.images])
        starts = counts.cumsum(0) - counts
        self._colors = torch.cat([image.reshape(-1, 3) for image in scene.images]).to(device).contiguous()
        self._places = torch.cat([starts[:, None], scene.cameras.size], dim=1).to(device)
        self._pictures, self._level, self._config = pictures, level, config

    def scores(self, view: int, sources: Sequence[int], pixels: Tensor, depth: Tensor, slopes: Tensor | None = None) -> Tensor:
        """See ``PhotoConsistency``; the view itself is one of the observations, and slopes do not matter."""
        observers = [view, *sources][:16]
        _, rotations, translations = relate(self._pictures, view, self._level, [(observer, self._level) for observer in observers])
        return median_scores(
            self._colors,
            self._places[observers].contiguous(),
            rotations,
            translations,
            (pixels.to(torch.float32) + 0.5).contiguous(),
            (1 / depth).to(torch.float32).contiguous(),
            variance=self._config.color_variance,
            occlusion=self._config.color_occlusion,
        )
