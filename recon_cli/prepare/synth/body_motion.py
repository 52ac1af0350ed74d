"""Motion of bodies: independent poses, or smooth sequences of key poses and gaits, free of contact and no faster than the living."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from recon_cli.prepare.synth.body_figure import Body
from recon_cli.prepare.synth.body_rotations import headings
from recon_cli.prepare.synth.body_skeleton import Placed, Skeleton, placed

Array = np.ndarray
Gait = Callable[[Array], Array]
"""Times [T] in seconds to angles [T, J, 3] in radians."""
Poses = Callable[[Skeleton, int, np.random.Generator], Array]
"""Skeleton, count and generator to angles [count, J, 3] in radians."""
Gaits = Callable[[Skeleton, np.random.Generator], Gait]
"""Skeleton and generator to a periodic motion."""

FPS = 30.0
KEY_TIMES = (0.4, 0.8)
"""Range of the time between key poses [s]."""
GAIT_SHARE = 0.5
"""Share of the smooth sequences that are gaits."""
GAIT_POSES = 0.3
"""Share of the scattered poses that are taken from gaits."""
LARGEST_DEPTH = 0.006
"""How deep parts may sink into each other, over the body's size."""
PULL = 0.9
"""Factor on a pose's angles in every round of pulling it back."""
ROUNDS = 40
CALM = 0.85
"""Factor on the way between key poses, or on a gait's swing, in every round of calming."""


@dataclass(frozen=True)
class Repertoire:
    """How a family moves.

    Attributes:
        poses: draws poses.
        gaits: draws periodic motions.
        is_grounded: whether the lowest part stays on the ground.
        tilts: largest turn about y, nod about x and lean about z of the root [rad].
        fastest: largest speed of a joint or a bone's end, over the body's size [1/s].
    """

    poses: Poses
    gaits: Gaits
    is_grounded: bool
    tilts: tuple[float, float, float]
    fastest: float


@dataclass(frozen=True)
class Motion:
    """T frames of a body.

    Attributes:
        angles: of the joints [rad], shape [T, J, 3].
        placed: its bones in the world.
        times: [s], shape [T]; None where the frames do not follow each other.
        is_gait: whether it is periodic.
    """

    angles: Array  # [T, J, 3]
    placed: Placed
    times: Array | None  # [T]
    is_gait: bool = False


@dataclass(frozen=True)
class _Path:
    """Where the root goes: rotations [T, 3, 3] and steps [T, 3] in metres."""

    turns: Array
    steps: Array


def scattered(body: Body, repertoire: Repertoire, frames: int, generator: np.random.Generator, root: np.random.Generator) -> Motion:
    """Independent poses, each with a root turn of its own; poses in contact are drawn again, then pulled back to the pose at rest."""
    angles = _draw_mixed(body, repertoire, frames, generator)
    for _ in range(6):
        bad = np.flatnonzero(_is_touching(body, angles))
        if not len(bad):
            break
        angles[bad] = repertoire.poses(body.skeleton, len(bad), generator)
    while (bad := _is_touching(body, angles)).any():
        angles[bad] *= PULL
    yaw, nod, lean = (limit * root.uniform(-1, 1, frames) for limit in repertoire.tilts)
    steps = 0.06 * body.scale * root.uniform(-1, 1, (frames, 3))
    return Motion(angles, _rooted(body, repertoire, angles, _Path(headings(yaw, nod, lean), steps)), None)


def smooth(body: Body, repertoire: Repertoire, frames: int, generator: np.random.Generator, root: np.random.Generator) -> Motion:
    """A sequence at 30 frames a second: a gait, or key poses."""
    times = np.arange(frames) / FPS
    path = _draw_path(body, repertoire, times, root)
    is_gait = bool(generator.uniform() < GAIT_SHARE)
    angles = repertoire.gaits(body.skeleton, generator)(times) if is_gait else _between_keys(body, repertoire, times, generator)
    angles = _cleared(body, angles)
    whole = _rooted(body, repertoire, angles, path)
    for _ in range(ROUNDS):
        if largest_speed(body, whole) <= repertoire.fastest * body.scale:
            break
        middle = angles.mean(axis=0)
        angles = _cleared(body, middle + CALM * (angles - middle))
        whole = _rooted(body, repertoire, angles, path)
    return Motion(angles, whole, times, is_gait)


MOTIONS = {"smooth": smooth, "scattered": scattered}


def largest_speed(body: Body, whole: Placed) -> float:
    """Of the ends of the bones, between one frame and the next [m/s]."""
    ends = whole.carried(body.skeleton.tails, np.arange(len(body.skeleton)))
    return float(np.linalg.norm(np.diff(ends, axis=0), axis=-1).max(initial=0.0) * FPS)


def _draw_mixed(body: Body, repertoire: Repertoire, frames: int, generator: np.random.Generator) -> Array:
    angles = repertoire.poses(body.skeleton, frames, generator)
    for t in np.flatnonzero(generator.uniform(size=frames) < GAIT_POSES):
        angles[t] = repertoire.gaits(body.skeleton, generator)(generator.uniform(0, 2, 1))[0]
    return angles


def _between_keys(body: Body, repertoire: Repertoire, times: Array, generator: np.random.Generator) -> Array:
    """Monotone cubic curves through key poses: they stay between their keys, so within the limits of the joints."""
    from scipy.interpolate import PchipInterpolator

    count = int(times[-1] / KEY_TIMES[0]) + 3
    # The first key lies before the first frame: the motion is under way when the sequence begins.
    at = np.cumsum(generator.uniform(*KEY_TIMES, count)) - KEY_TIMES[1]
    keys = repertoire.poses(body.skeleton, count, generator)
    while (bad := _is_touching(body, keys)).any():
        keys[bad] *= PULL
    for k in range(1, count):
        keys[k] = _calmed(body, keys[k - 1], keys[k], (at[k] - at[k - 1]) * repertoire.fastest * body.scale)
    return PchipInterpolator(at, keys)(times)


def _calmed(body: Body, start: Array, end: Array, longest: float) -> Array:  # [J, 3], [J, 3] -> [J, 3]
    """A pose on the way from one to another whose ends of bones have about the longest way [m] that there is time for."""
    for _ in range(ROUNDS):
        stations = np.linspace(0, 1, 4)[:, None, None]
        whole = placed(body.skeleton, start + stations * (end - start), np.broadcast_to(np.eye(3), (4, 3, 3)))
        ends = whole.carried(body.skeleton.tails, np.arange(len(body.skeleton)))
        way = np.linalg.norm(np.diff(ends, axis=0), axis=-1).sum(axis=0).max()
        if 1.6 * way <= longest:  # a cubic curve's largest speed is half as much again as its mean
            break
        end = start + CALM * (end - start)
    return end


def _cleared(body: Body, angles: Array) -> Array:
    """Pull frames in contact, and smoothly the frames around them, towards the pose at rest until nothing touches."""
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    factors = np.ones(len(angles))
    for _ in range(ROUNDS):
        # A running mean of running minima is nowhere above what it came from.
        evened = uniform_filter1d(minimum_filter1d(factors, 11, mode="nearest"), 11, mode="nearest")
        pulled = evened[:, None, None] * angles
        bad = _is_touching(body, pulled)
        if not bad.any():
            return pulled
        factors[bad] *= PULL
    return pulled


def _is_touching(body: Body, angles: Array) -> Array:  # [T]
    still = np.broadcast_to(np.eye(3), (len(angles), 3, 3))
    return body.capsules.depths(placed(body.skeleton, angles, still)) > LARGEST_DEPTH * body.scale


def _draw_path(body: Body, repertoire: Repertoire, times: Array, generator: np.random.Generator) -> _Path:
    """Slow waves: the largest turn and step take seconds."""

    def wave(count: int, reach: Array | float) -> Array:  # [T, count]
        rates, phases = generator.uniform(0.08, 0.25, (2, count)), generator.uniform(0, 2 * np.pi, (2, count))
        angle = 2 * np.pi * rates * times[:, None, None] + phases
        return reach * (0.7 * np.sin(angle[:, 0]) + 0.3 * np.sin(2 * angle[:, 1]))

    yaw, nod, lean = wave(3, np.array(repertoire.tilts)).T
    return _Path(headings(yaw, nod, lean), wave(3, 0.06 * body.scale))


def _rooted(body: Body, repertoire: Repertoire, angles: Array, path: _Path) -> Placed:
    whole = placed(body.skeleton, angles, path.turns)
    steps = path.steps.copy()
    if repertoire.is_grounded:
        steps[:, 1] = -body.capsules.lowest(whole)
    return replace(whole, joints=whole.joints + steps[:, None])
