"""How well a photo-consistency prior tells points on the surface from points off it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from recon_cli.core.scene import Scene
from recon_cli.systems.mvs.photo_consistency import PhotoConsistency
from recon_cli.systems.mvs.prior_config import SamplingConfig
from recon_cli.systems.mvs.prior_geometry import project_taps, sources_from_reference
from recon_cli.systems.mvs.prior_samples import PriorSamples, TrainingScene, TrainingScenes, draw_samples

EDGES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
"""Bounds [px of disparity] between which points off the surface are counted together."""
ROC_POINTS = 101


@dataclass(frozen=True)
class ScoredPoints:
    """Scores of points on the surface and of as many off it.

    Attributes:
        on: scores of the points on the surface, shape [N].
        off: scores of the points off it, on the same rays, shape [N].
        offset: how far off these are [px of disparity], shape [N].
    """

    on: Tensor
    off: Tensor
    offset: Tensor


@dataclass(frozen=True)
class PriorCurve:
    """A measured classification.

    Attributes:
        auc: area under the ROC curve: how often a point on the surface scores above one off it.
        accuracy: share of all points on the right side of ``threshold``.
        threshold: score above which a point counts as on the surface.
        false_positives, true_positives: the ROC curve, shares that rise from 0 to 1.
        bins: (least, largest) offset [px] of the points off the surface that the next two are about.
        bin_auc: area under the ROC curve of all points on the surface against these.
        bin_accuracy: mean of the shares of points on the surface and of these that are on the right side of ``threshold``.
        points: number of points, both kinds together.
    """

    auc: float
    accuracy: float
    threshold: float
    false_positives: tuple[float, ...]
    true_positives: tuple[float, ...]
    bins: tuple[tuple[float, float], ...]
    bin_auc: tuple[float, ...]
    bin_accuracy: tuple[float, ...]
    points: int


def scored_points(
    priors: Sequence[Callable[[Scene], PhotoConsistency]], scenes: TrainingScenes, config: SamplingConfig, *, batches: int, seed: int
) -> list[ScoredPoints]:
    """Points of all scenes, drawn as for training, scored by each of the priors; those that no source sees are left out.

    Args:
        priors: each makes a prior of a scene.
        scenes: pictures with exact depth.
        config: how points are drawn.
        batches: draws a scene, of ``config.pixels`` pixels each, with a reference and sources of their own.
        seed: of the draws.
    """
    generator = torch.Generator().manual_seed(seed)
    scored: list[list[ScoredPoints]] = [[] for _ in priors]
    for index in range(len(scenes)):
        item = scenes[index]
        made = [make(item.scene) for make in priors]
        for _ in range(batches):
            samples = draw_samples(item, config, generator)
            for prior, parts in zip(made, scored, strict=True):
                parts.append(score_samples(prior, item, samples))
    return [_joined(parts) for parts in scored]


def score_samples(prior: PhotoConsistency, item: TrainingScene, samples: PriorSamples) -> ScoredPoints:
    """One draw, scored."""
    both = seen_by_any(item.scene, samples).all(dim=1)
    pixels, depth, slopes = samples.pixels[both], samples.depth[both], samples.slopes[both]
    scores = prior.scores(samples.view, samples.sources, pixels, depth, slopes)
    return ScoredPoints(scores[:, 0], scores[:, 1], samples.offset[both].abs())


def seen_by_any(scene: Scene, samples: PriorSamples) -> Tensor:  # [P, S] bool
    """Whether some source has a point in its picture."""
    maps = sources_from_reference(scene.cameras, samples.view, samples.sources).float()
    sizes = [tuple(size) for size in scene.cameras.size[list(samples.sources)].tolist()]
    seen = [project_taps(m, size, samples.pixels, samples.depth, samples.slopes)[1] for m, size in zip(maps, sizes, strict=True)]
    return torch.stack(seen).any(dim=0)


def measured(points: ScoredPoints, *, threshold: float | None = 0.5) -> PriorCurve:
    """The classification that scores amount to; without a threshold, the one that is best for these very points."""
    threshold = best_threshold(points.on, points.off) if threshold is None else threshold
    edges = [(low, high) for low, high in pairwise(EDGES) if bool(_between(points.offset, low, high).any())]
    off = [points.off[_between(points.offset, low, high)] for low, high in edges]
    hit = float((points.on > threshold).double().mean())
    false, true = _roc(points.on, points.off)
    return PriorCurve(
        auc=area_under_roc(points.on, points.off),
        accuracy=0.5 * (hit + float((points.off <= threshold).double().mean())),
        threshold=threshold,
        false_positives=false,
        true_positives=true,
        bins=tuple(edges),
        bin_auc=tuple(area_under_roc(points.on, part) for part in off),
        bin_accuracy=tuple(0.5 * (hit + float((part <= threshold).double().mean())) for part in off),
        points=2 * len(points.on),
    )


def area_under_roc(on: Tensor, off: Tensor) -> float:  # [N], [M]
    """How often one of the first scores above one of the second; equal scores count half (Mann and Whitney 1947)."""
    ordered = off.double().sort().values
    below = torch.searchsorted(ordered, on.double())
    not_above = torch.searchsorted(ordered, on.double(), right=True)
    return float((below + not_above).double().mean() / (2 * len(off)))


def best_threshold(on: Tensor, off: Tensor) -> float:  # [N], [M]
    """The score with the most points on the right side of it."""
    candidates = torch.cat([on, off]).double().unique()
    hits = 1 - torch.searchsorted(on.double().sort().values, candidates, right=True) / len(on)
    rejected = torch.searchsorted(off.double().sort().values, candidates, right=True) / len(off)
    return float(candidates[(hits + rejected).argmax()])


def _roc(on: Tensor, off: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    levels = torch.linspace(0, 1, ROC_POINTS, dtype=torch.float64)
    ordered = off.double().sort().values
    # Quantiles of the points off the surface, so that false positives are evenly spread.
    cuts = ordered[((1 - levels) * (len(ordered) - 1)).round().long()]
    true = [float((on.double() > cut).double().mean()) for cut in cuts]
    false = [float((ordered > cut).double().mean()) for cut in cuts]
    return (0.0, *false, 1.0), (0.0, *true, 1.0)


def _between(values: Tensor, low: float, high: float) -> Tensor:
    return (values >= low) & (values < high)


def _joined(parts: Sequence[ScoredPoints]) -> ScoredPoints:
    return ScoredPoints(*(torch.cat([getattr(part, name) for part in parts]) for name in ("on", "off", "offset")))
