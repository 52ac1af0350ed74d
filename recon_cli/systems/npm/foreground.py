"""A body told from what stands around it, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recon_cli.systems.npm.backdrop import EXTENT, FEWEST, GAP, Backdrop, extent, is_near

Array = np.ndarray

JUMP = 0.17
"""Difference in depth that parts two things in front of the backdrop [lengths of the body]: an arm is before its trunk, too."""
STRAY = 1.0
"""How far a body gets from one frame to the next at most [lengths of the body]."""
STILL = 0.9
"""Share of a thing's pixels with the backdrop's depth when nothing of it moves."""


@dataclass(frozen=True)
class Thing:
    """A connected piece of a depth map.

    Attributes:
        middle: median of its points in the camera's axes [scene units], shape [3].
        pixels: their number.
        is_still: whether it lies where it is always.
    """

    middle: Array
    pixels: int
    is_still: bool


def find_body(depth: Array, backdrop: Backdrop, before: Thing | None) -> tuple[Array, Thing | None]:  # [H, W] -> [H, W] bool
    """Where the body is in a depth map.

    Args:
        depth: z-depth [scene units], 0 where there is none.
        backdrop: what is around it.
        before: the body in the frame before, or None in the first one.

    Returns:
        Its pixels, and what it is; no pixel and None where there is no body.
    """
    labels, count = backdrop.pieces(backdrop.without(depth), depth, jump=JUMP)
    found = [(label, _thing(labels == label, depth, backdrop)) for label in range(count) if _fits(labels == label, depth, backdrop)]
    scores = [_score(thing, before, backdrop.length) for _, thing in found]
    if not scores or max(scores) <= 0:
        return np.zeros(depth.shape, dtype=bool), None
    label, thing = found[int(np.argmax(scores))]
    inside = _with_neighbours(labels, label, thing, depth, backdrop)
    return inside, _thing(inside, depth, backdrop)


def _fits(inside: Array, depth: Array, backdrop: Backdrop) -> bool:
    return extent(backdrop.points(inside, depth)) < EXTENT * backdrop.length


def _thing(inside: Array, depth: Array, backdrop: Backdrop) -> Thing:
    still = np.abs(depth[inside] - backdrop.far[inside]) < backdrop.slack(depth[inside])
    return Thing(np.median(backdrop.points(inside, depth), axis=0), int(inside.sum()), float(still.mean()) > STILL)


def _score(thing: Thing, before: Thing | None, length: float) -> float:
    """How likely a thing is the body: large, and where it was; what never moves only where nothing else does."""
    if before is None:
        return thing.pixels * (0.1 if thing.is_still else 1.0)
    away = float(np.linalg.norm(thing.middle - before.middle)) / (STRAY * length)
    is_other = away > 1 or (thing.is_still and not before.is_still)
    return 0.0 if is_other else thing.pixels * float(np.exp(-((3 * away) ** 2)))


def _with_neighbours(labels: Array, label: int, body: Thing, depth: Array, backdrop: Backdrop) -> Array:  # [H, W] bool
    """The body with the smaller pieces whose link to it something hides."""
    inside = labels == label
    sizes = np.bincount(labels[labels >= 0])
    others = (labels >= 0) & ~inside & (sizes < body.pixels / 2)[labels]
    if not others.any():
        return inside
    is_small = (sizes < FEWEST)[labels[others]]  # specks of the floor are beside the feet
    link = backdrop.linked(inside, others, depth)
    link[is_small] = is_near(backdrop.points(inside, depth), backdrop.points(others, depth)[is_small], GAP * backdrop.length)
    belongs = np.bincount(labels[others][link], minlength=len(sizes)) > 0
    return inside | (others & belongs[labels])
