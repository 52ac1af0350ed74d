"""What a depth sensor makes of exact depth: noise, and pixels without an answer, alone, in blobs and along edges."""

from __future__ import annotations

import numpy as np

Array = np.ndarray

BLOB = 1.3
"""Standard deviation of the smoothing that makes blobs of lost pixels [px]."""
EDGE_BIAS = 0.8
"""How much sooner pixels at edges are lost, in standard deviations."""


def sensed_depth(
    depth: Array,  # [H, W] float32
    *,
    noise: float,
    missing: float,
    jump: float,
    generator: np.random.Generator,
) -> Array:  # [H, W] float32
    """A noisy depth map with holes; 0 stays 0.

    Args:
        depth: exact depth [m], 0 where nothing is seen.
        noise: standard deviation [m].
        missing: share of the pixels with depth that are lost, half of them alone, half in blobs and along edges.
        jump: difference between neighbours that makes an edge [m].
        generator: draws noise and holes.
    """
    is_seen = depth > 0
    noisy = np.where(is_seen, depth + noise * generator.standard_normal(depth.shape), 0.0).astype(np.float32)
    lost = round(missing * int(is_seen.sum()))
    kept = is_seen & ~_clustered(depth, is_seen, lost // 2, jump, generator)
    alone = generator.choice(np.flatnonzero(kept), lost - lost // 2, replace=False)
    kept.reshape(-1)[alone] = False
    return np.where(kept, noisy, np.float32(0.0))


def _clustered(depth: Array, is_seen: Array, count: int, jump: float, generator: np.random.Generator) -> Array:  # [H, W] bool
    """The pixels where smoothed noise, raised at edges, is largest."""
    from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter

    is_edge = maximum_filter(depth, 3) - minimum_filter(depth, 3) > jump
    waves = gaussian_filter(generator.standard_normal(depth.shape), BLOB)
    score = np.where(is_seen, waves / waves.std() + EDGE_BIAS * is_edge, -np.inf).reshape(-1)
    chosen = np.zeros(depth.size, dtype=bool)
    chosen[np.argsort(-score, kind="stable")[:count]] = True
    return chosen.reshape(depth.shape)
