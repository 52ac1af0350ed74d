"""Soft parts of quadrupeds."""

from __future__ import annotations

import numpy as np

from recon_cli.prepare.synth.body_skeleton import Skeleton, even
from recon_cli.prepare.synth.body_soft import Breath, Bulge, Jiggle, SoftField

TRUNK = ("pelvis", "spine_1", "spine_2", "spine_3")


def quadruped_soft(p: dict, skeleton: Skeleton, generator: np.random.Generator) -> tuple[SoftField, ...]:
    """Belly, dewlap, haunches, muscles and breath of a quadruped, softer in some than in others."""
    s = float(generator.uniform(0.9, 1.5))
    belly = (0.5 + 0.5 * p["belly"]) * s
    sided = [
        Jiggle(
            "left_haunch", "left_thigh", 0.25, (0.06, 0.0, -0.03), even(0.08), (0.008 * s, 0.013 * s, 0.01 * s), ("pelvis", "left_thigh")
        ),
        Bulge("left_thigh_muscle", "left_thigh", "left_shin", (1.0, 0.0, 0.0), 0.5, 0.25, 0.018 * s, 40.0),
        Bulge("left_gaskin", "left_shin", "left_hindfoot", (0.0, 0.0, -1.0), 0.3, 0.18, 0.014 * s, 40.0),
        Bulge("left_shoulder_muscle", "left_upper_foreleg", "left_forearm", (1.0, 0.0, 0.0), 0.45, 0.25, 0.018 * s, 55.0),
    ]
    middle = [
        Jiggle(
            "belly",
            "spine_2",
            0.2,
            (0.0, -0.21 * p["girth"], 0.0),
            (0.1, 0.07, 0.15),
            (0.012 * belly, 0.022 * belly, 0.01 * belly),
            TRUNK,
            2.3,
        ),
        Jiggle("dewlap", "neck_1", 0.6, (0.0, -0.1, 0.0), even(0.07), (0.012 * s, 0.01 * s, 0.008 * s), ("neck_1", "neck_2"), 2.2),
        Breath("chest", "spine_3", 0.2, (0.0, -0.15, 0.0), (0.2, 0.1, 0.15), (0.0, -0.01 * s, 0.0), TRUNK, generator.uniform(0.3, 0.9)),
    ]
    return (*middle, *sided, *(field.mirrored() for field in sided))
