"""Random poses: normal angles about those at ease, within the limits of the joints, and what poses of all families share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recon_cli.prepare.synth.body_skeleton import Skeleton, twin

Array = np.ndarray

LIVELINESS = (0.5, 1.3)
"""Range of the factor on the spread of a whole pose: some are calm, some reach far."""
FAR = 2.2
"""Standard deviations beyond which no angle is drawn."""


def draw_deviations(skeleton: Skeleton, count: int, generator: np.random.Generator) -> Array:  # [count, J, 3]
    """Deviations from the angles at ease, over their spread."""
    drawn = np.clip(generator.standard_normal((count, len(skeleton), 3)), -FAR, FAR)
    return drawn * generator.uniform(*LIVELINESS, (count, 1, 1))


def share(skeleton: Skeleton, deviations: Array, names: Sequence[str], amount: float) -> None:
    """Let bones bend together, in place: a share of their deviations becomes that of the first."""
    first = deviations[:, skeleton.find(names[0])]
    for name in names[1:]:
        own = deviations[:, skeleton.find(name)]
        own[...] = amount * first + np.sqrt(1 - amount**2) * own


def pair_up(skeleton: Skeleton, deviations: Array, names: Sequence[str], chosen: Array) -> None:
    """Give right bones the deviations of their left twins, in place, in the chosen poses."""
    for name in names:
        deviations[chosen, skeleton.find(twin(name))] = deviations[chosen, skeleton.find(name)]


def within_limits(skeleton: Skeleton, angles: Array) -> Array:  # [T, J, 3] -> [T, J, 3]
    """The nearest angles [rad] that the joints allow."""
    return np.clip(angles, skeleton.low, skeleton.high)


def angles_of(skeleton: Skeleton, deviations: Array) -> Array:  # [T, J, 3] -> [T, J, 3]
    """Angles [rad] of deviations, within the limits."""
    return within_limits(skeleton, skeleton.usual + skeleton.spread * deviations)


def swung(skeleton: Skeleton, count: int, swings: dict[tuple[str, int], Array]) -> Array:  # [count, J, 3]
    """Angles [rad] at ease but for some that are given [degrees], by bone and axis; a value for every frame, or one."""
    angles = np.repeat(skeleton.usual[None], count, axis=0)
    for (name, axis), value in swings.items():
        angles[:, skeleton.find(name), axis] = np.radians(value)
    return within_limits(skeleton, angles)
