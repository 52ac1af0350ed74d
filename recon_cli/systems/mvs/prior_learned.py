"""The learned photo-consistency as a prior of the SRDF energy (Zins et al. 2022, Section 3.3 and Fig. 6)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor

from recon_cli.core.errors import UsageError
from recon_cli.core.scene import Scene
from recon_cli.kernels.prior_embedding import CHANNELS, EMBEDDED, embed_source, pool_sources
from recon_cli.systems.mvs.prior_geometry import sources_from_reference
from recon_cli.systems.mvs.prior_network import PriorNetwork

CHUNK = 2**21
"""Comparisons of a point with a source that are held at a time; each takes 36 bytes."""

KEPT_BYTES = 2**29
"""Bytes of features that are kept unless another limit is given: 34 views of 1600 x 1200."""


class LearnedPrior:
    """``PhotoConsistency`` by a trained network.

    Features are computed when a view is first asked for and kept, ``CHANNELS`` bytes a pixel, in ``memory`` bytes at most: the views that
    were not asked for longest are forgotten.

    Args:
        scene: the pictures.
        network: trained weights.
        device: where to compute.
        memory: bytes of features to keep; the views of one call are kept whatever they need. None keeps all.
    """

    def __init__(self, scene: Scene, network: PriorNetwork, device: torch.device | str = "cpu", *, memory: int | None = KEPT_BYTES) -> None:
        self._scene, self._device, self._limit = scene, torch.device(device), memory
        self._network = network.to(self._device).eval()
        self._embedding, self._pooling = network.embedding_layer(), network.pooling_layer()
        self._features: OrderedDict[int, Tensor] = OrderedDict()

    @property
    def memory(self) -> int:
        """Bytes of features that are held now."""
        return sum(features.numel() for features in self._features.values())

    def memory_of_all(self) -> int:
        """Bytes of the features of all views."""
        return CHANNELS * int(self._scene.cameras.size.prod(dim=1).sum())

    def scores(
        self,
        view: int,
        sources: Sequence[int],
        pixels: Tensor,  # [P, 2] int32, column and row
        depth: Tensor,  # [P, S] float32, z in the view's camera [scene units]
        slopes: Tensor | None = None,  # [P, 2] float32
    ) -> Tensor:  # [P, S] float32
        """Scores in [0, 1], near 1 on the surface; 0 where no source sees a point, or where there is no source.

        Raises:
            UsageError: a pixel lies outside the view.
        """
        width, height = self._scene.cameras.size[view].tolist()
        if len(pixels) and not bool(((pixels >= 0) & (pixels < torch.tensor([width, height]).to(pixels))).all()):
            raise UsageError(f"a pixel lies outside view {view}, which is {width}x{height}")
        if not len(sources) or not depth.numel():
            return torch.zeros_like(depth)
        own, *others = self._features_of([view, *sources])
        maps = sources_from_reference(self._scene.cameras, view, sources).to(self._device, torch.float32)
        slopes = torch.zeros_like(depth[:, :1]).expand(-1, 2) if slopes is None else slopes
        pixels, depth, slopes = (values.to(self._device) for values in (pixels.int(), depth.float(), slopes.float()))
        rows = max(1, CHUNK // (len(sources) * depth.shape[1]))
        parts = [
            self._chunk(own, others, maps, *(values[first : first + rows] for values in (pixels, depth, slopes)))
            for first in range(0, len(pixels), rows)
        ]
        return torch.cat(parts)

    def _chunk(self, own: Tensor, others: Sequence[Tensor], maps: Tensor, pixels: Tensor, depth: Tensor, slopes: Tensor) -> Tensor:
        embeddings = depth.new_empty(len(others), *depth.shape, EMBEDDED + 1)
        for k, other in enumerate(others):
            embed_source(own, other, maps[k], pixels, depth, slopes, self._embedding, out=embeddings[k])
        return pool_sources(embeddings.flatten(1, 2), self._pooling).reshape(depth.shape)

    def _features_of(self, views: Sequence[int]) -> list[Tensor]:  # each [H, W, CHANNELS] int8
        for view in views:
            if view not in self._features:
                self._features[view] = self._network.quantised_features(self._scene.images[view].to(self._device))
            self._features.move_to_end(view)
        wanted = set(views)
        while self._limit is not None and self.memory > self._limit and len(self._features) > len(wanted):
            oldest = next(view for view in self._features if view not in wanted)
            del self._features[oldest]
        return [self._features[view] for view in views]
