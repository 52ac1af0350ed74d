"""What the report of a multi-view stereo run shows, gathered from the run's own files at a small size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from recon_cli.core.camera_sizes import shrunk
from recon_cli.core.depth_maps import DepthIntervals, DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.core.scene import Scene
from recon_cli.run.mvs_fuse import FusedViews, share_of_object
from recon_cli.run.mvs_maps import read_run_maps
from recon_cli.run.mvs_outputs import depth_range
from recon_cli.run.mvs_page import ViewShown
from recon_cli.run.mvs_reprojection import Reprojection, reproject, sampled, small_views
from recon_cli.systems.mvs.config import ViewsConfig
from recon_cli.systems.mvs.views import neighbour_views

_SIDE, _REPROJECTION_SIDE, _NEIGHBOURS = 176, 256, 2


@dataclass(frozen=True)
class _Thumb:
    depth: Tensor  # [H, W]
    confidence: Tensor  # [H, W]
    found: float


def shown_views(scene: Scene, out: Path, fused: FusedViews | None, config: ViewsConfig) -> tuple[list[ViewShown], tuple[float, float]]:
    """Every view as the page shows it, and the depths that the colours stand for.

    Args:
        scene: the views of the run, in the order of its maps.
        out: the run's results; maps are read one after the other.
        fused: what the filter kept, or None.
        config: which views are neighbours.
    """
    sizes = shrunk(scene.cameras, _SIDE).size.tolist()
    thumbs, raw = [], []
    side = shrunk(scene.cameras, _REPROJECTION_SIDE)
    for view, name in enumerate(scene.cameras.names):
        maps = read_run_maps(out, [name])
        found = share_of_object(scene.chosen([view]), maps, 0)
        confidence = maps.confidence[0] if maps.confidence is not None else torch.ones_like(maps.depth[0])
        thumbs.append(_Thumb(sampled(maps.depth[0], *sizes[view]), sampled(confidence, *sizes[view]), found))
        raw.append(sampled(maps.depth[0], *side.size[view].tolist()))
    depth = fused.maps.depth if fused is not None else raw
    reprojections = _reprojections(scene, DepthMaps(fused.maps.cameras if fused is not None else side, tuple(depth)), config)
    views = []
    for view, (name, thumb) in enumerate(zip(scene.cameras.names, thumbs, strict=True)):
        kept = None if fused is None else sampled(fused.maps.depth[view].cpu(), *sizes[view]).numpy()
        share = None if fused is None else fused.kept[view]
        arrays = thumb.depth.numpy(), thumb.confidence.numpy()
        views.append(ViewShown(name, *arrays, thumb.found, share, reprojections.get(view), kept))
    return views, depth_range([thumb.depth for thumb in thumbs])


def _reprojections(scene: Scene, maps: DepthMaps, config: ViewsConfig) -> Mapping[int, Reprojection]:
    """Each view with its best neighbours warped into it; nothing where views do not overlap."""
    pictures, small = small_views(scene, maps, side=_REPROJECTION_SIDE)
    try:
        neighbours = neighbour_views(DepthIntervals(small.cameras, small.depth, small.depth), config)
    except InputError:
        return {}
    chosen = {view: [other for other in row if other >= 0][:_NEIGHBOURS] for view, row in enumerate(neighbours.tolist())}
    return {view: reproject(pictures, small, view, others) for view, others in chosen.items() if others}
