"""Poses of quadrupeds, and their walk and trot."""

from __future__ import annotations

import numpy as np

from recon_cli.prepare.synth.body_motion import Gait
from recon_cli.prepare.synth.body_pose import angles_of, draw_deviations, pair_up, share, swung
from recon_cli.prepare.synth.body_skeleton import Skeleton

Array = np.ndarray

FORELEG = ("left_upper_foreleg", "left_forearm", "left_forefoot", "left_forepaw")
HINDLEG = ("left_thigh", "left_shin", "left_hindfoot", "left_hindpaw")
NOD, TURN = 0, 1
WALK = {"left_hind": 0.0, "left_fore": 0.25, "right_hind": 0.5, "right_fore": 0.75}
TROT = {"left_hind": 0.0, "right_fore": 0.0, "right_hind": 0.5, "left_fore": 0.5}
"""When in a stride each leg swings."""


def quadruped_poses(skeleton: Skeleton, count: int, generator: np.random.Generator) -> Array:  # [count, J, 3]
    """Angles [rad] of standing, stepping, looking, stretching animals."""
    deviations = draw_deviations(skeleton, count, generator)
    share(skeleton, deviations, ("spine_1", "spine_2", "spine_3"), 0.85)
    share(skeleton, deviations, ("neck_1", "neck_2"), 0.7)
    share(skeleton, deviations, ("tail_1", "tail_2", "tail_3", "tail_4"), 0.7)
    pair_up(skeleton, deviations, FORELEG, generator.uniform(size=count) < 0.2)
    pair_up(skeleton, deviations, HINDLEG, generator.uniform(size=count) < 0.2)
    return angles_of(skeleton, deviations)


def quadruped_gait(skeleton: Skeleton, generator: np.random.Generator) -> Gait:
    """A walk or a trot: each leg is lifted while it swings to the front."""
    order = WALK if generator.uniform() < 0.5 else TROT
    pace, start = generator.uniform(0.8, 1.5), generator.uniform(0, 2 * np.pi)
    stride, lift, sway, nod = generator.uniform(12, 24), generator.uniform(28, 52), generator.uniform(1, 5), generator.uniform(1, 6)
    carriage, wag = generator.uniform(-12, 15), generator.uniform(0, 16)

    def angles(times: Array) -> Array:
        phase = start + 2 * np.pi * pace * times
        swings = {(f"spine_{k}", TURN): sway * np.sin(phase + 0.3 * k) for k in (1, 2, 3)}
        swings |= {(f"tail_{k}", TURN): wag * np.sin(phase - 0.6 * k) for k in (1, 2, 3, 4)}
        swings |= {(f"neck_{k}", NOD): carriage + nod * np.sin(2 * phase) for k in (1, 2)}
        for side in ("left", "right"):
            fore, hind = (phase + 2 * np.pi * order[f"{side}_{end}"] for end in ("fore", "hind"))
            swings |= _foreleg_swings(side, fore, stride, lift) | _hindleg_swings(side, hind, stride, lift)
        return swung(skeleton, len(times), swings)

    return angles


def _foreleg_swings(side: str, phase: Array, stride: float, lift: float) -> dict[tuple[str, int], Array]:
    raised = np.maximum(np.cos(phase), 0.0) ** 2  # while the leg comes to the front
    return {
        (f"{side}_upper_foreleg", NOD): stride * np.sin(phase),
        (f"{side}_forearm", NOD): 0.9 * lift * raised,
        (f"{side}_forefoot", NOD): 2 + 1.3 * lift * raised,
        (f"{side}_forepaw", NOD): -8 * raised,
    }


def _hindleg_swings(side: str, phase: Array, stride: float, lift: float) -> dict[tuple[str, int], Array]:
    raised = np.maximum(np.cos(phase), 0.0) ** 2
    return {
        (f"{side}_thigh", NOD): stride * np.sin(phase) + 0.3 * lift * raised,
        (f"{side}_shin", NOD): 0.8 * lift * raised,
        (f"{side}_hindfoot", NOD): 0.6 * lift * raised,
        (f"{side}_hindpaw", NOD): -10 * raised,
    }
