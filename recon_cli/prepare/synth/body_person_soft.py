"""Soft parts of people."""

from __future__ import annotations

import numpy as np

from recon_cli.prepare.synth.body_skeleton import Skeleton, even
from recon_cli.prepare.synth.body_soft import Breath, Bulge, Hem, Jiggle, SoftField

TRUNK = ("pelvis", "spine_1", "spine_2", "spine_3")
HAUNCH = ("pelvis", "left_thigh", "right_thigh")
HEM_BONES = ("pelvis", "left_thigh", "right_thigh")


def person_soft(p: dict, skeleton: Skeleton, generator: np.random.Generator) -> tuple[SoftField, ...]:
    """Belly, breasts, haunches, muscles, breath and hems of a person, softer in some than in others."""
    s = float(generator.uniform(0.9, 1.5))
    belly = (0.5 + 0.5 * p["belly"]) * s
    breast = (0.45 + 0.55 * p["bust"]) * s
    sided = [
        Jiggle("left_breast", "spine_3", 0.15, (0.04, 0.0, 0.05), even(0.034), (0.005 * breast, 0.011 * breast, 0.006 * breast), TRUNK),
        Jiggle("left_haunch", "left_thigh", 0.05, (-0.006, 0.0, -0.045), even(0.04), (0.006 * s, 0.01 * s, 0.007 * s), HAUNCH, 3.0),
        Bulge("left_biceps", "left_upper_arm", "left_forearm", (0.0, 0.0, 1.0), 0.55, 0.2, 0.011 * s, 110.0),
        Bulge("left_quadriceps", "left_thigh", "left_shin", (0.0, 0.0, 1.0), 0.5, 0.2, 0.012 * s, 90.0),
        Bulge("left_calf", "left_shin", "left_shin", (0.0, 0.0, -1.0), 0.32, 0.15, 0.012 * s, 80.0),
        *_loose_ends(p["clothes"], s),
    ]
    middle = [
        Jiggle("belly", "spine_1", 0.1, (0.0, 0.0, 0.055), (0.055, 0.05, 0.05), (0.006 * belly, 0.013 * belly, 0.01 * belly), TRUNK, 2.2),
        Breath(
            "chest", "spine_3", 0.2, (0.0, 0.0, 0.04), (0.07, 0.06, 0.06), (0.0, 0.003 * s, 0.008 * s), TRUNK, generator.uniform(0.25, 0.5)
        ),
        *_hem(p["clothes"], skeleton),
    ]
    return (*middle, *sided, *(field.mirrored() for field in sided))


def _hem(clothes: str, skeleton: Skeleton) -> list[SoftField]:
    length = {"skirt": 0.62, "coat": 0.42}.get(clothes)
    if length is None:
        return []
    thigh = skeleton.find("left_thigh")
    hip, knee = skeleton.heads[thigh, 1], skeleton.tails[thigh, 1]
    return [Hem("hem", "pelvis", float(hip + 0.04), float(hip + length * (knee - hip) - 0.03), HEM_BONES)]


def _loose_ends(clothes: str, softness: float) -> list[Jiggle]:
    amplitude = even(0.011 * softness)
    if clothes == "wide sleeves":
        return [Jiggle("left_sleeve", "left_forearm", 0.65, (0.0, 0.0, 0.0), even(0.045), amplitude, ("left_forearm",), 1.8)]
    if clothes == "wide trousers":
        return [Jiggle("left_trouser", "left_shin", 0.7, (0.0, 0.0, 0.0), even(0.06), amplitude, ("left_shin",), 1.8)]
    return []
