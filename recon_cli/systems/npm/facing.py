"""Which way bodies face: from behind a body is much like one from the front, and with a shape of its own it may hide that to the end."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from recon_cli.systems.npm.fit_steps import Estimate
from recon_cli.systems.npm.training_views import Half, TrainingViews

OTHERWISE = 1.0
"""Trace of the turn between two orientations that face another way: more than 90 degrees."""
SHARE = 0.25
"""Of the frames in which one of two solutions faces another way."""
CONTENDING = 2.0
"""Ways to face whose energy is at most so many times the least are not told apart by it."""


def ways_to_face(views: TrainingViews, points: Sequence[Tensor], up: Tensor) -> list[Half | None]:  # [N, 3] each, [3]
    """As each frame likes, all about as the frame that is most like its nearest training view, and all the other way."""
    seen = [views.seen(one, up) for one in points]
    nearest = [views.nearest(one, 1) for one in seen]
    surest = min(range(len(seen)), key=lambda index: float(nearest[index].distances[0]))
    reference = seen[surest].upright @ nearest[surest].postures.roots[0]
    return [None, Half(reference, is_opposite=False), Half(reference, is_opposite=True)]


def contenders(found: Sequence[Estimate], energies: Sequence[float]) -> list[int]:
    """Solutions that face different ways and explain the depth nearly as well, from the best on."""
    kept: list[int] = []
    for number in sorted(range(len(found)), key=lambda index: energies[index]):
        is_near = energies[number] <= CONTENDING * min(energies)
        if is_near and all(_face_differently(found[number], found[other]) for other in kept):
            kept.append(number)
    return kept


def _face_differently(estimate: Estimate, other: Estimate) -> bool:
    traces = (estimate.postures.roots * other.postures.roots).sum(dim=(1, 2))
    return float((traces < OTHERWISE).float().mean()) > SHARE
