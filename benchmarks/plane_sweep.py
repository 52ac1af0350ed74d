"""Depth maps by plane sweep: the classical method that the others are measured against.

Fronto-parallel planes at equal steps of inverse depth (Collins 1996); NCC in a square window; of each pixel's neighbours the better half
(Kang et al. 2001); the best plane wins, and a parabola through its score and its two neighbours' gives the place between planes. The
range of depths may come from a visual hull. Everything is torch, at full resolution, on any device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthIntervals, DepthMaps
from recon_cli.core.scene import Scene
from recon_cli.systems.mvs.config import ViewsConfig
from recon_cli.systems.mvs.views import neighbour_views

_GREY = (0.299, 0.587, 0.114)
_NOISE = 1.0  # grey levels; added to the variances, so that flat windows do not correlate by chance
_FEWEST, _MOST = 16, 1024  # planes


@dataclass(frozen=True)
class _Source:
    """A picture to compare with: pixel in it = (ray + inverse depth * shift), homogeneous."""

    picture: Tensor  # [h, w]
    rays: Tensor  # [3, H, W]
    shift: tuple[float, ...]  # three


@dataclass(frozen=True)
class _Reference:
    """The part of a view that is searched."""

    picture: Tensor  # [H, W]
    low: Tensor  # [H, W], smallest inverse depth; larger than ``high`` where there is nothing to search
    high: Tensor  # [H, W]
    rows: slice
    columns: slice


def plane_sweep(
    scene: Scene,
    intervals: DepthIntervals,
    *,
    planes: int | None = None,
    neighbours: int = 6,
    window: int = 7,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> DepthMaps:
    """Depth and confidence (the score of the best plane, clipped at 0) of every view, on the object's pixels.

    Args:
        scene: the views.
        intervals: where each pixel's surface may lie, at any resolution.
        planes: number of planes; None takes as many as make steps of at most half a pixel in every neighbour, which is
            3 % better than one pixel and as good as a third.
        neighbours: views that each view is compared with.
        window: side of the window [px], odd.
        device: where to compute; the maps come back to the CPU.
        progress: told how many views are done.
    """
    order = neighbour_views(intervals, ViewsConfig(neighbours=neighbours)).tolist()
    depths, confidences = [], []
    for view in range(len(scene)):
        sources = [source for source in order[view] if source >= 0]
        depth, confidence = _sweep_view(scene, intervals, view, sources, planes, window, torch.device(device))
        depths.append(depth)
        confidences.append(confidence)
        progress(view + 1, len(scene))
    return DepthMaps(scene.cameras, tuple(depths), confidence=tuple(confidences))


def _sweep_view(
    scene: Scene, intervals: DepthIntervals, view: int, sources: Sequence[int], planes: int | None, window: int, device: torch.device
) -> tuple[Tensor, Tensor]:  # [H, W], [H, W]
    depth, confidence = (torch.zeros(scene.images[view].shape[:2]) for _ in range(2))
    reference = _reference(scene, intervals, view, window // 2, device)
    if reference is None or not sources:
        return depth, confidence
    is_searched = reference.low <= reference.high
    low, high = float(reference.low[is_searched].min()), float(reference.high[is_searched].max())
    compared = [_source(scene, view, source, reference, 2 / (low + high), device) for source in sources]
    count = planes or _plane_count(compared, low, high)
    levels = torch.linspace(low, high, count, dtype=torch.float64).tolist()
    place, score = _best_plane(reference, compared, levels, window)
    is_found = is_searched & (score > 0)
    inverse = (low + place * ((high - low) / max(count - 1, 1))).clamp(min=reference.low, max=reference.high)
    box = reference.rows, reference.columns
    depth[box] = torch.where(is_found, 1 / inverse.clamp(min=1e-30), 0.0).cpu()
    confidence[box] = torch.where(is_found, score.clamp(0, 1), 0.0).cpu()
    return depth, confidence


def _best_plane(
    reference: _Reference, sources: Sequence[_Source], levels: Sequence[float], window: int
) -> tuple[Tensor, Tensor]:  # [H, W], [H, W]
    """Place of the best plane, with the fraction of the parabola, and its score."""
    mean, variance = _moments(reference.picture, window)
    best = torch.full_like(reference.picture, -math.inf)
    index, before, after, last = (torch.zeros_like(best) for _ in range(4))
    # Half a step beyond the interval still counts: the surface lies between planes.
    margin = 0.5 * (levels[-1] - levels[0]) / max(len(levels) - 1, 1)
    for place, inverse in enumerate(levels):
        scores = torch.stack([_score(reference.picture, mean, variance, source, inverse, window) for source in sources])
        score = _mean_of_best(scores, math.ceil(len(sources) / 2))
        after = torch.where((index == place - 1) & (place > 0), score, after)
        is_better = (score > best) & (inverse >= reference.low - margin) & (inverse <= reference.high + margin)
        best, index = torch.where(is_better, score, best), torch.where(is_better, float(place), index)
        before = torch.where(is_better, last, before)
        after = torch.where(is_better, -math.inf, after)
        last = score
    bend = before - 2 * best + after
    offset = 0.5 * (before - after) / torch.where(bend < 0, bend, -1.0)
    is_inner = torch.isfinite(before + after) & (bend < 0) & (index > 0)
    return index + torch.where(is_inner, offset.clamp(-0.5, 0.5), 0.0), best


def _score(picture: Tensor, mean: Tensor, variance: Tensor, source: _Source, inverse: float, window: int) -> Tensor:  # [H, W]
    """NCC with the source's picture warped through a plane; -1 outside it."""
    x, y, depth = (source.rays[axis] + inverse * source.shift[axis] for axis in range(3))
    is_before = depth > 0
    scale = torch.where(is_before, 2 / depth, 0.0)
    # From -1 to 1 across the picture, as grid_sample takes them.
    x, y = (x * scale / source.picture.shape[1] - 1).clamp_(-2, 2), (y * scale / source.picture.shape[0] - 1).clamp_(-2, 2)
    is_inside = is_before & (torch.maximum(x.abs(), y.abs()) <= 1)
    places = torch.stack([x, y], dim=-1)[None]
    sampled = F.grid_sample(source.picture[None, None], places, padding_mode="border", align_corners=False)[0, 0]
    sums = _box_means(torch.stack([sampled, sampled * sampled, sampled * picture]), window)
    spread = (sums[1] - sums[0] * sums[0]).clamp(min=0) + _NOISE**2
    ncc = (sums[2] - sums[0] * mean) / (spread * variance).sqrt()
    return torch.where(is_inside, ncc, -1.0)


def _moments(picture: Tensor, window: int) -> tuple[Tensor, Tensor]:
    sums = _box_means(torch.stack([picture, picture * picture]), window)
    return sums[0], (sums[1] - sums[0] * sums[0]).clamp(min=0) + _NOISE**2


def _box_means(maps: Tensor, window: int) -> Tensor:  # [D, H, W] -> [D, H, W]
    """Means over a square window; beyond the border its pixels are repeated. A pooling layer takes eight times as long on a CPU."""
    half, (height, width) = window // 2, maps.shape[1:]
    padded = F.pad(maps[None], (half, half, half, half), mode="replicate")[0]
    along = padded[..., :width].clone()
    for shift in range(1, window):
        along += padded[..., shift : shift + width]
    total = along[:, :height].clone()
    for shift in range(1, window):
        total += along[:, shift : shift + height]
    return total.div_(window**2)


def _mean_of_best(scores: Tensor, count: int) -> Tensor:  # [K, H, W] -> [H, W]
    """Mean of the ``count`` largest; by exchanges between whole maps, as sorting each pixel's few scores takes far longer."""
    maps, total = list(scores), torch.zeros_like(scores[0])
    for _ in range(count):
        largest = maps[0]
        for place in range(1, len(maps)):
            largest, maps[place - 1] = torch.maximum(largest, maps[place]), torch.minimum(largest, maps[place])
        maps.pop()
        total += largest
    return total / count


def _reference(scene: Scene, intervals: DepthIntervals, view: int, margin: int, device: torch.device) -> _Reference | None:
    low, high = _inverse_range(intervals, view, scene.images[view].shape[:2])
    is_searched = (high > 0) & scene.mask(view).cpu()
    if not bool(is_searched.any()):
        return None
    low = torch.where(is_searched, low, math.inf)
    rows, columns = (_extent(is_searched.any(dim=axis), margin) for axis in (1, 0))
    grey = _grey(scene.images[view])
    grey, low, high = (part[rows, columns].to(device) for part in (grey, low, high))
    return _Reference(grey, low, high, rows, columns)


def _inverse_range(intervals: DepthIntervals, view: int, size: Sequence[int]) -> tuple[Tensor, Tensor]:  # [H, W], [H, W]
    """Smallest and largest inverse depth of every pixel, the widest of those around it; 0 where there is none."""
    near, far = intervals.near[view].float().cpu(), intervals.far[view].float().cpu()
    is_known = far > 0
    low = torch.where(is_known, 1 / far.clamp(min=1e-30), math.inf)
    high = torch.where(is_known, 1 / near.clamp(min=1e-30), 0.0)
    low, high = -F.max_pool2d(-low[None], 3, 1, 1)[0], F.max_pool2d(high[None], 3, 1, 1)[0]
    both = torch.stack([torch.where(high > 0, low, 0.0), high])
    found = F.interpolate(both[None], size=tuple(size), mode="nearest")[0]
    return found[0], found[1]


def _source(scene: Scene, view: int, source: int, reference: _Reference, depth: float, device: torch.device) -> _Source:
    """The source's picture, halved until its pixels are no finer on the surface than 2/3 of the reference's."""
    picture, camera = _grey(scene.images[source]), scene.cameras[source]
    seen_from = float((camera.world_from_camera[0, :3, 3] - _middle(scene.cameras[view], depth)).norm())
    ratio = (float(camera.K[0, 0, 0]) / seen_from) / (float(scene.cameras.K[view, 0, 0]) / depth)
    while ratio > 1.5 and min(picture.shape) >= 32:
        size = -(-picture.shape[0] // 2), -(-picture.shape[1] // 2)
        picture = F.interpolate(picture[None, None], size=size, mode="bilinear", antialias=True, align_corners=False)[0, 0]
        camera, ratio = camera.resized(size[1], size[0]), ratio / 2
    rays, shift = _relation(scene.cameras[view], camera, reference)
    return _Source(picture.to(device), rays.float().to(device), tuple(shift.tolist()))


def _middle(camera: Cameras, depth: float) -> Tensor:  # [3]
    centre = camera.size.double() / 2
    return camera.unproject(centre[None], torch.tensor([[depth]], dtype=torch.float64))[0, 0]


def _relation(camera: Cameras, other: Cameras, reference: _Reference) -> tuple[Tensor, Tensor]:  # [3, H, W], [3]
    """Homogeneous pixel in the other camera of a point at inverse depth w: rays + w * shift."""
    relative = other.camera_from_world[0].double() @ camera.world_from_camera[0].double()
    K = other.K[0].double()
    row = torch.arange(reference.rows.start, reference.rows.stop, dtype=torch.float64) + 0.5
    column = torch.arange(reference.columns.start, reference.columns.stop, dtype=torch.float64) + 0.5
    y, x = torch.meshgrid(row, column, indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)], dim=-1)
    rays = pixels @ (K @ relative[:3, :3] @ torch.linalg.inv(camera.K[0].double())).T
    return rays.permute(2, 0, 1).contiguous(), K @ relative[:3, 3]


def _plane_count(sources: Sequence[_Source], low: float, high: float) -> int:
    """Planes whose steps are at most half a pixel in every source, for the pixel in the middle."""
    longest = 0.0
    for source in sources:
        middle = source.rays[:, source.rays.shape[1] // 2, source.rays.shape[2] // 2].cpu()
        ends = [middle + inverse * torch.tensor(source.shift) for inverse in (low, high)]
        pixels = [end[:2] / end[2].clamp(min=1e-12) for end in ends]
        longest = max(longest, float((pixels[1] - pixels[0]).norm()))
    return min(max(math.ceil(2 * longest) + 1, _FEWEST), _MOST)


def _extent(is_used: Tensor, margin: int) -> slice:
    places = torch.nonzero(is_used)[:, 0]
    return slice(max(int(places[0]) - margin, 0), min(int(places[-1]) + 1 + margin, len(is_used)))


def _grey(image: Tensor) -> Tensor:  # [H, W, 3] uint8 -> [H, W] float32
    """Levels around zero, so that the squares keep their digits."""
    return image.cpu().float() @ torch.tensor(_GREY) - 128.0
