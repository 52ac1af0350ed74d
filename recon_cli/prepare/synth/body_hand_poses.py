"""Poses of hands, and their grasps."""

from __future__ import annotations

import numpy as np

from recon_cli.prepare.synth.body_hand import FINGERS
from recon_cli.prepare.synth.body_motion import Gait
from recon_cli.prepare.synth.body_pose import angles_of, draw_deviations, share, swung, within_limits
from recon_cli.prepare.synth.body_skeleton import Skeleton

Array = np.ndarray

CURL, ASIDE = 0, 1


def hand_poses(skeleton: Skeleton, count: int, generator: np.random.Generator) -> Array:  # [count, J, 3]
    """Angles [rad] of hands that open, curl, point and count."""
    deviations = draw_deviations(skeleton, count, generator)
    for piece in (1, 2):
        share(skeleton, deviations, tuple(f"{finger}_{piece}" for finger in FINGERS), 0.55)
    share(skeleton, deviations, ("thumb_1", "thumb_2", "thumb_3"), 0.6)
    angles = angles_of(skeleton, deviations)
    for finger in FINGERS:
        # The last two joints of a finger share a tendon: they bend together.
        middle, last = (angles[:, skeleton.find(f"{finger}_{piece}"), CURL] for piece in (2, 3))
        last[...] = 0.35 * last + 0.5 * middle
    return within_limits(skeleton, angles)


def hand_grasp(skeleton: Skeleton, generator: np.random.Generator) -> Gait:
    """Fingers that close and open in turn, again and again."""
    pace, start, delay = generator.uniform(0.6, 1.3), generator.uniform(0, 2 * np.pi), generator.uniform(-0.9, 0.9)
    reach, nod = generator.uniform(30, 72), generator.uniform(0, 14)

    def angles(times: Array) -> Array:
        phase = start + 2 * np.pi * pace * times
        swings: dict[tuple[str, int], Array] = {("palm", CURL): nod * np.sin(phase + 1.0)}
        for k, finger in enumerate(FINGERS):
            closed = 0.5 - 0.5 * np.cos(phase - delay * k)
            for piece, share_of_reach in ((1, 0.8), (2, 1.0), (3, 0.6)):
                swings[f"{finger}_{piece}", CURL] = share_of_reach * reach * closed
        closed = 0.5 - 0.5 * np.cos(phase)
        for piece, share_of_reach in ((1, 0.2), (2, 0.3), (3, 0.5)):
            swings[f"thumb_{piece}", CURL] = share_of_reach * reach * closed
        return swung(skeleton, len(times), swings)

    return angles
