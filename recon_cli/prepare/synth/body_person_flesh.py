"""Flesh and clothes of people, on the bones of their skeletons. Lengths are shares of the stature."""

from __future__ import annotations

import numpy as np

from recon_cli.prepare.synth.body_anatomy import Anatomy
from recon_cli.prepare.synth.body_skeleton import Skeleton
from recon_cli.prepare.synth.body_solid import Cone, Lump, Primitive

Array = np.ndarray


def person_flesh(p: dict, skeleton: Skeleton) -> list[Primitive]:
    """Middle and left side of a person."""
    at = Anatomy(skeleton)
    return [*_trunk(p, at), *_head(p["head"], at), *_arm(p, at), *_leg(p, at), *_clothes(p, at)]


def _trunk(p: dict, at: Anatomy) -> list[Primitive]:
    g, hips, chest = p["girth"], p["hips"] * np.sqrt(p["girth"]), p["shoulders"] * p["girth"] ** 0.7
    belly, bust = p["belly"], p["bust"]
    return [
        Lump("pelvis", at.on("pelvis", 0.2, z=-0.004), (0.082 * hips, 0.058, 0.054 * g)),
        Lump("left_thigh", at.on("left_thigh", 0.03, x=-0.006, z=-0.03 * g), (0.044 * hips, 0.046, 0.042 * g)),
        Lump("spine_1", at.on("spine_1", 0.4, z=0.006), (0.068 * g, 0.062, 0.05 * g)),
        Lump("spine_1", at.on("spine_1", 0.1, z=0.016 + 0.036 * belly), (0.056 * g, 0.062, (0.036 + 0.014 * belly) * g)),
        Lump("spine_2", at.on("spine_2", 0.4, z=0.006), (0.07 * (0.5 * g + 0.5 * chest), 0.066, 0.053 * g)),
        Lump("spine_3", at.on("spine_3", 0.2, z=0.004), (0.082 * chest, 0.072, 0.058 * g**0.8)),
        Lump("spine_3", at.on("spine_3", 0.55, x=0.045 * chest, z=0.004), (0.045, 0.05, 0.044)),
        Lump("spine_3", at.on("spine_3", 0.15, x=0.04, z=0.044 + 0.008 * bust), (0.034, 0.034, 0.016 + 0.024 * bust)),
        Cone("spine_3", at.on("spine_3", 0.98, z=0.002), at.on("left_clavicle", 0.75, y=-0.004), 0.03, 0.027),
        at.along("left_clavicle", (0.03, 0.034), (0.3, 1.0), y=-0.006),
        at.along("neck", (0.032 * np.sqrt(g), 0.03 * np.sqrt(g)), (-0.3, 1.2)),
    ]


def _head(size: float, at: Anatomy) -> list[Primitive]:
    return [
        Lump("head", at.on("head", 0.55, z=0.004), (0.043 * size, 0.062 * size, 0.052 * size)),
        Lump("head", at.on("head", 0.62, z=-0.01), (0.045 * size, 0.046 * size, 0.05 * size)),
        Cone("head", at.on("head", 0.12, z=0.016), at.on("head", 0.08, z=0.03), 0.03 * size, 0.021 * size),
        Cone("head", at.on("head", 0.48, z=0.046 * size), at.on("head", 0.34, z=0.058 * size), 0.007, 0.01),
    ]


def _arm(p: dict, at: Anatomy) -> list[Primitive]:
    m = p["muscle"] * p["girth"] ** 0.6
    hand = 1.0 + 0.5 * (p["arms"] - 1)
    palm = [
        Cone("left_hand", at.on("left_hand", 0.1, z=z), at.on("left_hand", 0.95, z=1.3 * z), 0.014 * hand, 0.0105 * hand)
        for z in (-0.013, 0.0, 0.013)
    ]
    return [
        at.along("left_upper_arm", (0.031 * m, 0.024 * m)),
        Lump("left_upper_arm", at.on("left_upper_arm", 0.1, x=0.004), (0.032 * m, 0.036 * m, 0.032 * m)),
        at.along("left_upper_arm", (0.018 * m, 0.018 * m), (0.38, 0.7), z=0.011),
        at.along("left_forearm", (0.025 * m, 0.0165)),
        at.along("left_forearm", (0.022 * m, 0.018 * m), (0.15, 0.4), z=0.006),
        *palm,
        Cone("left_hand", at.on("left_hand", 0.15, z=0.016), at.on("left_hand", 0.5, z=0.045), 0.012 * hand, 0.0105 * hand),
    ]


def _leg(p: dict, at: Anatomy) -> list[Primitive]:
    m = (0.5 + 0.5 * p["muscle"]) * p["girth"] ** 0.7
    return [
        at.along("left_thigh", (0.05 * m, 0.034 * m)),
        at.along("left_thigh", (0.044 * m, 0.036 * m), (0.12, 0.55), x=0.008, z=0.006),
        at.along("left_shin", (0.034 * m, 0.0215)),
        at.along("left_shin", (0.029 * m, 0.024 * m), (0.18, 0.42), z=-0.013),
        Cone("left_foot", at.on("left_foot", 0.0, y=-0.019, z=-0.014), at.on("left_foot", 0.65, y=0.0), 0.022, 0.021),
        Cone("left_foot", at.on("left_foot", 0.0, y=-0.004), at.on("left_foot", 0.7), 0.023, 0.019),
        Cone("left_foot", at.on("left_foot", 0.55, x=-0.006), at.on("left_foot", 1.0, x=-0.008), 0.019, 0.0165),
        Cone("left_foot", at.on("left_foot", 0.55, x=0.008), at.on("left_foot", 0.92, x=0.01), 0.019, 0.0165),
    ]


def _clothes(p: dict, at: Anatomy) -> list[Primitive]:
    worn = {"skirt": _skirt, "coat": _coat, "wide trousers": _trousers, "wide sleeves": _sleeves}
    return worn[p["clothes"]](p, at) if p["clothes"] in worn else []


def _skirt(p: dict, at: Anatomy, length: float = 0.62, width: float = 1.0) -> list[Primitive]:
    """Two bells on the thighs and one between them on the pelvis, so that it follows a stride."""
    wide = 0.062 * width * p["girth"] ** 0.6
    bell = at.along("left_thigh", (0.85 * wide, wide), (0.06, length), x=0.008)
    low = at.on("left_thigh", length - 0.04)
    middle = Cone("pelvis", at.on("pelvis", 0.0), (0.0, low[1], 0.0), 0.05, 0.9 * wide, is_cloth=True)
    return [Cone(bell.bone, bell.start, bell.end, bell.start_radius, bell.end_radius, is_cloth=True), middle]


def _coat(p: dict, at: Anatomy) -> list[Primitive]:
    g, chest = p["girth"], p["shoulders"] * p["girth"] ** 0.7
    return [
        *_skirt(p, at, length=0.42, width=1.06),
        Lump("spine_3", at.on("spine_3", 0.2), (0.094 * chest, 0.08, 0.07 * g), is_cloth=True),
        Lump("spine_2", at.on("spine_2", 0.3), (0.088 * g, 0.075, 0.07 * g), is_cloth=True),
        Lump("spine_1", at.on("spine_1", 0.2), (0.09 * g, 0.08, 0.075 * g), is_cloth=True),
    ]


def _trousers(p: dict, at: Anatomy) -> list[Primitive]:
    m = p["girth"] ** 0.5
    return [
        Cone("left_thigh", at.on("left_thigh", 0.15), at.on("left_thigh", 1.0), 0.05 * m, 0.043 * m, is_cloth=True),
        Cone("left_shin", at.on("left_shin", 0.0), at.on("left_shin", 0.86), 0.043 * m, 0.05 * m, is_cloth=True),
    ]


def _sleeves(p: dict, at: Anatomy) -> list[Primitive]:
    m = p["girth"] ** 0.4
    return [
        Cone("left_upper_arm", at.on("left_upper_arm", 0.1), at.on("left_upper_arm", 1.0), 0.035 * m, 0.033 * m, is_cloth=True),
        Cone("left_forearm", at.on("left_forearm", 0.0), at.on("left_forearm", 0.72), 0.032 * m, 0.042 * m, is_cloth=True),
    ]
