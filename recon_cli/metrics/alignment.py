"""One transform that moves a whole predicted sequence onto its reference."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recon_cli.core.closest_points import ClosestPoints
from recon_cli.core.nearest import finite_array
from recon_cli.core.points import PointSet
from recon_cli.core.procrustes import Similarity, procrustes
from recon_cli.metrics.chamfer import surface_points
from recon_cli.metrics.frame_pairs import Surface

FRAMES = 8
"""Most frames that an alignment looks at, evenly spaced."""

_KEPT = 0.9
"""Share of the pairs, the nearest ones, that count."""

_POINTS, _ROUNDS = 500, 100
"""Points of each side of a frame, and most rounds."""

_FIRST_FRAMES, _FIRST_POINTS = 2, 150
"""The same for the comparison of starts, which all get some rounds; the best of them get more."""

_FIRST_ROUNDS, _MORE_ROUNDS, _FINALISTS = 10, 25, 4

_DOUBT = 0.5
"""Another start replaces the identity only where its squared distance is below this share: bodies are nearly symmetric."""

_HOW = (
    f"by ICP between the nearest points of both surfaces, both ways, the nearest {_KEPT:.0%} of the pairs, over up to {FRAMES} frames; "
    "from the identity, or from the best turn by right angles where that halves the squared distance"
)

PROTOCOLS = {
    "none": "no alignment",
    "rigid": f"one rigid motion of the prediction for the whole sequence, {_HOW}",
    "similarity": f"one rotation, translation and scale of the prediction for the whole sequence, {_HOW}",
}


@dataclass(frozen=True)
class _Frame:
    """Points of both sides of a frame, and functions that give the nearest points of either side."""

    predicted: Tensor  # [N, 3]
    reference: Tensor  # [M, 3]
    nearest_predicted: Callable[[Tensor], Tensor]
    nearest_reference: Callable[[Tensor], Tensor]

    def thinned(self, count: int) -> _Frame:
        """The first points only: they are in random order."""
        return replace(self, predicted=self.predicted[:count], reference=self.reference[:count])


def evenly_spaced(frames: Sequence[int], count: int = FRAMES) -> list[int]:
    """At most ``count`` of the frame numbers, the first one among them."""
    return [frames[k * len(frames) // count] for k in range(count)] if len(frames) > count else list(frames)


def sequence_motion(pairs: Sequence[tuple[Surface, Surface]], *, with_scale: bool, seed: int = 0) -> Similarity:
    """One transform of all predicted surfaces onto their references: trimmed ICP (Chetverikov et al. 2002) over all frames at once.

    Every round pairs points of each side with the nearest points of the other side, in every frame, keeps the nearest pairs and solves
    for the best transform of all. Pairs run both ways because a prediction that shrank to a point would be near the reference
    everywhere, but not the reference near it. Surfaces should be closed: a flat sheet that is a little too small lies in the larger one,
    and the rim that is missing is among the pairs left out.

    Args:
        pairs: predicted and reference surface of the frames to look at [scene units].
        with_scale: whether the transform may scale.
        seed: of the points that are paired.

    Raises:
        InputError: a surface has no points or no area, or a coordinate is not finite.
    """
    frames = [_frame(predicted, reference, seed) for predicted, reference in pairs]
    return _icp(frames, _best_start(frames, with_scale), with_scale, _ROUNDS)[0]


def _frame(predicted: Surface, reference: Surface, seed: int) -> _Frame:
    return _Frame(_some_points(predicted, seed), _some_points(reference, seed), _nearest_on(predicted), _nearest_on(reference))


def _some_points(surface: Surface, seed: int) -> Tensor:  # [N, 3]
    points = surface_points(surface, samples=_POINTS, seed=seed)
    return points[torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))[:_POINTS]]


def _nearest_on(surface: Surface) -> Callable[[Tensor], Tensor]:
    """A function from points [N, 3] to the nearest points [N, 3] of a surface."""
    if isinstance(surface, PointSet):
        from scipy.spatial import KDTree

        points = finite_array(surface.points, "points")
        tree = KDTree(points, balanced_tree=False)
        return lambda queries: torch.from_numpy(points[tree.query(queries.numpy())[1]])
    closest, vertices = ClosestPoints(surface), surface.vertices.detach().cpu().double()
    return lambda queries: closest(queries).on(vertices)


def _best_start(frames: Sequence[_Frame], with_scale: bool) -> Similarity:
    """The identity, unless another start leads to much nearer surfaces."""
    few = [frame.thinned(_FIRST_POINTS) for frame in frames[:: max(1, len(frames) // _FIRST_FRAMES)][:_FIRST_FRAMES]]
    tried = [_icp(few, start, with_scale, _FIRST_ROUNDS) for start in _turned_starts(few, with_scale)]
    finalists = [Similarity.identity(), *(motion for motion, _ in sorted(tried, key=_error)[:_FINALISTS])]
    first, *others = (_icp(few, start, with_scale, _MORE_ROUNDS) for start in finalists)
    best = min(others, key=_error)
    return best[0] if _error(best) < _DOUBT * _error(first) else first[0]


def _error(found: tuple[Similarity, float]) -> float:
    return found[1]


def _turned_starts(frames: Sequence[_Frame], with_scale: bool) -> list[Similarity]:
    """All 24 turns by right angles about the prediction's centre, onto the reference's centre and, with scale, to its size."""
    predicted, reference = (torch.cat([getattr(frame, side) for frame in frames]) for side in ("predicted", "reference"))
    centre, target = predicted.mean(dim=0), reference.mean(dim=0)
    scale = float((reference - target).norm() / (predicted - centre).norm()) if with_scale else 1.0
    return [Similarity(turn, target - scale * turn @ centre, scale) for turn in _right_turns()]


def _right_turns() -> list[Tensor]:  # 24 of [3, 3]
    axes = torch.eye(3, dtype=torch.float64)
    signed = (
        torch.tensor(signs, dtype=torch.float64)[:, None] * axes[list(order)]
        for order in itertools.permutations(range(3))
        for signs in itertools.product((1, -1), repeat=3)
    )
    return [turn for turn in signed if float(torch.linalg.det(turn)) > 0]


def _icp(frames: Sequence[_Frame], start: Similarity, with_scale: bool, rounds: int) -> tuple[Similarity, float]:
    """Transform and its mean squared distance of the pairs that count; ends when that falls by less than a millionth."""
    motion, last = start, float("inf")
    for _ in range(rounds):
        sources, targets = _pairs(frames, motion)
        error = float((motion(sources) - targets).square().sum(dim=-1).mean())
        if error >= last * (1 - 1e-6):
            break
        last = error
        motion = procrustes(sources, targets, with_scale=with_scale)
    return motion, last


def _pairs(frames: Sequence[_Frame], motion: Similarity) -> tuple[Tensor, Tensor]:  # [P, 3], [P, 3]
    """Points of the prediction, not moved, and of the reference that are nearest after the motion, both ways, the worst left out."""
    back = motion.inverse()
    there = [(frame.predicted, frame.nearest_reference(motion(frame.predicted))) for frame in frames]
    from_there = [(frame.nearest_predicted(back(frame.reference)), frame.reference) for frame in frames]
    kept = [_nearest_pairs(way, motion) for way in (there, from_there)]
    return torch.cat([sources for sources, _ in kept]), torch.cat([targets for _, targets in kept])


def _nearest_pairs(way: Sequence[tuple[Tensor, Tensor]], motion: Similarity) -> tuple[Tensor, Tensor]:
    sources, targets = (torch.cat(points) for points in zip(*way, strict=True))
    squared = (motion(sources) - targets).square().sum(dim=-1)
    kept = torch.argsort(squared, stable=True)[: max(1, round(_KEPT * len(squared)))]
    return sources[kept], targets[kept]
