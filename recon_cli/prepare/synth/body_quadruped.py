"""Quadrupeds: proportions and skeletons, standing. Lengths are shares of the trunk's; y up, facing +z, the left side at +x."""

from __future__ import annotations

import numpy as np

from recon_cli.prepare.synth.body_skeleton import Bone, Skeleton, Vector, assembled, vector

X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
BACK_X, BACK_Y, BACK_Z = (-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)

HIPS, SHOULDERS = -0.42, 0.42
"""Where the legs hang on the trunk, along z."""


def draw_quadruped(generator: np.random.Generator) -> dict[str, float | str]:
    """Proportions of a quadruped, from stocky (0) to slender (1); what goes together in animals goes together here.

    ``length`` is the longest side of the box around it in metres, ``legs`` the height of the back over the trunk's length, angles are
    degrees above the horizon.
    """
    slender = float(generator.uniform())
    legs = float(0.68 + 0.5 * slender + 0.05 * generator.standard_normal())
    return {
        "length": float(np.clip(np.exp(generator.uniform(np.log(0.42), np.log(1.58)) + 0.05 * slender), 0.4, 1.6)),
        "slender": slender,
        "legs": float(np.clip(legs, 0.62, 1.25)),
        "girth": float(np.clip(1.35 - 0.35 * slender + 0.09 * generator.standard_normal(), 0.85, 1.5)),
        "thickness": float(np.clip(1.25 - 0.38 * slender + 0.06 * generator.standard_normal(), 0.78, 1.4)),
        "belly": float(generator.uniform(0.0, 1.0)),
        "neck": float(np.clip(0.3 + 0.32 * slender * generator.uniform(0.3, 1.0) + 0.03 * generator.standard_normal(), 0.26, 0.62)),
        "neck_rise": float(np.clip(22 + 35 * slender + 8 * generator.standard_normal(), 12.0, 65.0)),
        "head": float(np.clip(1.15 - 0.2 * slender + 0.08 * generator.standard_normal(), 0.85, 1.35)),
        "snout": float(generator.uniform(0.75, 1.25)),
        "ears": float(generator.uniform(0.6, 1.4)),
        "tail": float(generator.uniform(0.25, 0.8)),
        "tail_rise": float(generator.uniform(-65.0, 15.0)),
        "crouch": float(np.clip(1.0 + 0.2 * generator.standard_normal(), 0.6, 1.4)),
        "width": float(np.clip(1.3 - 0.35 * slender + 0.05 * generator.standard_normal(), 0.85, 1.4)),
    }


def quadruped_skeleton(p: dict) -> Skeleton:
    """27 bones of a quadruped of these proportions."""
    back = p["legs"]
    return assembled([*_trunk(p, back), *_tail(p, back), *_foreleg(p, back), *_hindleg(p, back)])


def _trunk(p: dict, back: float) -> list[Bone]:
    spine: list[Vector] = [(0.0, back - drop, z) for drop, z in ((0.0, -0.38), (0.01, -0.12), (0.015, 0.14), (0.0, 0.4))]
    rise = np.radians(p["neck_rise"])
    up = np.array([0.0, np.sin(rise), np.cos(rise)])
    middle, end = (vector(np.array(spine[3]) + share * p["neck"] * up) for share in (0.5, 1.0))
    nose = vector(np.array(end) + 0.3 * p["head"] * np.array([0.0, -0.34, 0.94]))
    # Along z, nodding down turns about x; turning to the left turns about y; the twist is about -z.
    bends = {"low": (-9.0, -11.0, -8.0), "high": (12.0, 11.0, 8.0), "usual": (0.0, 0.0, 0.0), "spread": (4.5, 5.0, 3.0)}
    nods = {"low": (-28.0, -28.0, -12.0), "high": (38.0, 28.0, 12.0), "usual": (0.0, 0.0, 0.0), "spread": (13.0, 11.0, 4.0)}
    return [
        Bone("pelvis", "", (0.0, back - 0.02, HIPS), spine[0], X, Y),
        Bone("spine_1", "pelvis", spine[0], spine[1], X, Y, **bends),
        Bone("spine_2", "spine_1", spine[1], spine[2], X, Y, **bends),
        Bone("spine_3", "spine_2", spine[2], spine[3], X, Y, **bends),
        Bone("neck_1", "spine_3", spine[3], middle, X, Y, **nods),
        Bone("neck_2", "neck_1", middle, end, X, Y, **nods),
        Bone("head", "neck_2", end, nose, X, Y, **nods),
    ]


def _tail(p: dict, back: float) -> list[Bone]:
    sway = {"low": (-30.0, -30.0, 0.0), "high": (30.0, 30.0, 0.0), "usual": (0.0, 0.0, 0.0), "spread": (11.0, 14.0, 0.0)}
    bones, parent, start = [], "pelvis", np.array([0.0, back + 0.02, -0.5])
    for k in range(4):
        # Each piece hangs a little more than the one before it.
        rise = np.radians(p["tail_rise"] - 7 * k)
        end = start + 0.25 * p["tail"] * np.array([0.0, np.sin(rise), -np.cos(rise)])
        bones.append(Bone(f"tail_{k + 1}", parent, vector(start), vector(end), X, Y, **sway))
        parent, start = f"tail_{k + 1}", end
    return bones


def _foreleg(p: dict, back: float) -> list[Bone]:
    x, c = 0.105 * p["width"], p["crouch"]
    points: list[Vector] = [
        (x, back - 0.17, 0.36),
        (x + 0.015, 0.56 * back - 0.02, 0.36 - 0.1 * c),
        (x + 0.01, 0.235 * back, 0.36 - 0.03 * c),
        (x + 0.01, 0.045, 0.36 - 0.015 * c),
        (x + 0.01, 0.03, 0.45),
    ]
    upper = ((-32.0, -7.0, -8.0), (38.0, 12.0, 8.0), (0.0, 0.0, 0.0), (13.0, 3.5, 3.0))
    lower = ((-20.0, 0.0, 0.0), (70.0, 0.0, 0.0), (0.0, 0.0, 0.0), (17.0, 0.0, 0.0))
    wrist = ((-6.0, 0.0, 0.0), (75.0, 0.0, 0.0), (2.0, 0.0, 0.0), (16.0, 0.0, 0.0))
    paw = ((-35.0, -5.0, 0.0), (30.0, 5.0, 0.0), (0.0, 0.0, 0.0), (9.0, 2.0, 0.0))
    return [
        Bone("left_upper_foreleg", "spine_3", points[0], points[1], BACK_X, Z, *upper),  # swings to the front
        Bone("left_forearm", "left_upper_foreleg", points[1], points[2], BACK_X, Z, *lower),  # the elbow brings it forward
        Bone("left_forefoot", "left_forearm", points[2], points[3], X, BACK_Z, *wrist),  # the wrist brings it back
        Bone("left_forepaw", "left_forefoot", points[3], points[4], BACK_X, Z, *paw),
    ]


def _hindleg(p: dict, back: float) -> list[Bone]:
    x, c = 0.095 * p["width"], p["crouch"]
    points: list[Vector] = [
        (x, back - 0.12, HIPS),
        (x + 0.02, 0.52 * back, HIPS + 0.12 * c),
        (x + 0.01, 0.27 * back, HIPS - 0.13 * c),
        (x + 0.01, 0.045, HIPS - 0.07 * c),
        (x + 0.01, 0.03, HIPS - 0.07 * c + 0.1),
    ]
    thigh = ((-28.0, -7.0, -8.0), (42.0, 14.0, 8.0), (0.0, 0.0, 0.0), (13.0, 3.5, 3.0))
    shin = ((-22.0, 0.0, 0.0), (45.0, 0.0, 0.0), (0.0, 0.0, 0.0), (14.0, 0.0, 0.0))
    hock = ((-25.0, 0.0, 0.0), (45.0, 0.0, 0.0), (0.0, 0.0, 0.0), (13.0, 0.0, 0.0))
    paw = ((-30.0, -5.0, 0.0), (35.0, 5.0, 0.0), (0.0, 0.0, 0.0), (9.0, 2.0, 0.0))
    return [
        Bone("left_thigh", "pelvis", points[0], points[1], BACK_X, Z, *thigh),  # swings to the front
        Bone("left_shin", "left_thigh", points[1], points[2], X, BACK_Z, *shin),  # the knee brings it back
        Bone("left_hindfoot", "left_shin", points[2], points[3], BACK_X, Z, *hock),  # the hock brings it forward
        Bone("left_hindpaw", "left_hindfoot", points[3], points[4], BACK_X, Z, *paw),
    ]
