"""Which depths are believed: those that other views confirm and do not contradict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.depth_maps import DepthMaps, cleaned_depth
from recon_cli.core.errors import StoppedError, UsageError
from recon_cli.core.hooks import Hooks, NoHooks
from recon_cli.kernels.bilateral import BilateralReach, bilateral
from recon_cli.kernels.consistency import Agreement, Votes, count_votes, edge_shares
from recon_cli.systems.mvs.config import FilterConfig


def filter_depths(
    maps: DepthMaps,
    neighbours: Tensor,  # [C, K] int64
    config: FilterConfig,
    *,
    hooks: Hooks = NoHooks(),
    images: Sequence[Tensor] | None = None,  # C of [H, W, 3] uint8
) -> tuple[DepthMaps, tuple[Tensor, ...]]:
    """Keep the depths that enough neighbours see too, as the mean of those that agree.

    Every view is judged by the maps as they came in, so the order of the views does not matter.

    Args:
        maps: depth maps; NaN, infinite and negative depths count as nothing.
        neighbours: views that each view asks, the best first, -1 where there are fewer; the first
            ``config.neighbours`` of them are asked.
        config: when depths agree, and how many must.
        hooks: told of every view, and which share of its depths the others confirm.
        images: pictures, whose colours guide the smoothing where it is switched on.

    Returns:
        The maps with 0 where a depth is not believed, and the number of agreeing views of every pixel of every map
        before the decision, C of shape [H, W], uint8. Confidences stay; where there were none, a depth's is the share
        of a full vote that it has.

    Raises:
        UsageError: ``neighbours`` does not fit the maps.
    """
    if neighbours.ndim != 2 or len(neighbours) != len(maps):
        raise UsageError(f"neighbours have shape {list(neighbours.shape)}, expected [{len(maps)}, K]")
    depth = _prepared(maps, config, images)
    edges = edge_shares(maps.cameras, config.tilt)
    kept, counts, confidences = [], [], []
    for view in range(len(maps)):
        if hooks.should_stop():
            raise StoppedError("stopped while filtering depth maps")
        asked = [int(i) for i in neighbours[view].tolist() if i >= 0 and i != view][: config.neighbours]
        agreement = Agreement(config.pixels, config.relative, config.gap, config.tilt)
        votes = count_votes(view, asked, maps.cameras, depth, maps.confidence, agreement=agreement)
        own = None if maps.confidence is None else maps.confidence[view].float()
        is_kept = _believed(depth[view], own, votes, config, float(edges[view]))
        kept.append(torch.where(is_kept, votes.mean if config.averaging else depth[view], 0.0))
        confidence = (votes.support / (1 + len(asked))).clamp(max=1.0) if own is None else own
        confidences.append(torch.where(is_kept, confidence, 0.0))
        counts.append(votes.agreeing)
        hooks.progress(view + 1, len(maps), confirmed=_share(is_kept, depth[view] > 0))
    normals = None if maps.normals is None else tuple(n * (d > 0)[..., None] for n, d in zip(maps.normals, kept, strict=True))
    return DepthMaps(maps.cameras, tuple(kept), normals, tuple(confidences)), tuple(counts)


def _prepared(maps: DepthMaps, config: FilterConfig, images: Sequence[Tensor] | None) -> list[Tensor]:
    """Maps without NaN, smoothed where asked."""
    clean = [cleaned_depth(depth).contiguous() for depth in maps.depth]
    if not config.bilateral_radius:
        return clean
    smooth = []
    for view, edge in enumerate(edge_shares(maps.cameras, config.tilt).tolist()):
        reach = BilateralReach(config.bilateral_radius, config.bilateral_depth, config.bilateral_color, edge)
        confidence = None if maps.confidence is None else maps.confidence[view]
        image = None if images is None else images[view]
        smooth.append(bilateral(clean[view], confidence=confidence, image=image, reach=reach))
    return smooth


def _believed(depth: Tensor, confidence: Tensor | None, votes: Votes, config: FilterConfig, edge: float) -> Tensor:  # [H, W] bool
    agreeing = votes.agreeing.to(torch.int16)
    needed = torch.full_like(agreeing, config.agreeing)
    if confidence is not None:
        needed += (confidence < config.doubtful).to(torch.int16)
    is_kept = (depth > 0) & (agreeing >= needed)
    if config.conflicts > 0:
        is_kept &= votes.conflicting.float() <= config.conflicts * (agreeing + (config.agreeing == 0)).float()
    if config.speckle > 1:
        is_kept &= ~_speckles(votes.mean * is_kept, edge=edge, largest=config.speckle - 1)
    return is_kept


def _speckles(depth: Tensor, *, edge: float, largest: int) -> Tensor:  # [H, W] -> [H, W] bool
    """Pixels of connected pieces of at most ``largest`` pixels; depth edges separate pieces."""
    from scipy import ndimage

    z = depth.cpu().numpy()
    # Links between pixels lie between them on a grid of twice the size, so that labelling a picture labels the graph.
    linked = np.zeros((2 * z.shape[0] - 1, 2 * z.shape[1] - 1), dtype=bool)
    linked[::2, ::2] = z > 0
    linked[::2, 1::2] = _is_joined(z[:, 1:], z[:, :-1], edge)
    linked[1::2, ::2] = _is_joined(z[1:], z[:-1], edge)
    labels = np.empty(linked.shape, dtype=np.int32)
    found = int(ndimage.label(linked, output=labels))  # type: ignore[arg-type]
    pixels = labels[::2, ::2]
    is_small = np.bincount(pixels.ravel(), minlength=found + 1) <= largest
    is_small[0] = False
    return torch.from_numpy(is_small[pixels]).to(depth.device)


def _is_joined(a: np.ndarray, b: np.ndarray, edge: float) -> np.ndarray:
    low = np.minimum(a, b)
    return (low > 0) & (np.maximum(a, b) - low <= edge * low)


def _share(part: Tensor, whole: Tensor) -> float:
    return float(part.sum()) / max(int(whole.sum()), 1)
