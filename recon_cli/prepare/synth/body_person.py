"""People: proportions and skeletons in an A pose. Lengths are shares of the stature; y up, facing +z, the left side at +x."""

from __future__ import annotations

import numpy as np

from recon_cli.prepare.synth.body_skeleton import Bone, Skeleton, Vector, assembled, vector

Array = np.ndarray

CLOTHES = ("none", "skirt", "coat", "wide trousers", "wide sleeves")
X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
BACK_X, BACK_Y, BACK_Z = (-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)


def draw_person(generator: np.random.Generator) -> dict[str, float | str]:
    """Proportions of a person; those that go together in people go together here.

    Lengths of limbs and widths are factors on those of an average adult, ``stature`` is in metres, ``frame`` runs from narrow shoulders
    over wide hips (0) to the opposite (1).
    """
    frame = float(generator.uniform())
    stature = float(np.clip(1.64 + 0.12 * frame + 0.065 * generator.standard_normal(), 1.5, 1.95))
    girth = float(np.clip(np.exp(0.15 * generator.standard_normal()), 0.78, 1.4))
    legs = float(np.clip(1 + 0.08 * (stature - 1.7) + 0.022 * generator.standard_normal(), 0.94, 1.06))
    return {
        "stature": stature,
        "frame": frame,
        "girth": girth,
        "belly": float(np.clip(1.6 * (girth - 1) + 0.25 * generator.standard_normal() + 0.15, 0.0, 1.0)),
        "muscle": float(np.clip(0.95 + 0.12 * frame + 0.07 * generator.standard_normal(), 0.85, 1.25)),
        "legs": legs,
        "arms": float(np.clip(1 + 0.5 * (legs - 1) + 0.025 * generator.standard_normal(), 0.94, 1.07)),
        "shoulders": float(0.94 + 0.12 * frame + 0.1 * (girth - 1) + 0.02 * generator.standard_normal()),
        "hips": float(1.06 - 0.1 * frame + 0.02 * generator.standard_normal()),
        "bust": float(np.clip(0.9 - 1.1 * frame + 0.2 * generator.standard_normal() + 0.6 * (girth - 1), 0.0, 1.0)),
        "head": float((1.72 / stature) ** 0.6 * np.clip(1 + 0.03 * generator.standard_normal(), 0.93, 1.07)),
        "clothes": str(generator.choice(CLOTHES, p=(0.46, 0.16, 0.14, 0.12, 0.12))),
    }


def person_skeleton(p: dict) -> Skeleton:
    """20 bones of a person of these proportions."""
    hip = (0.052 * p["hips"], 0.525 * p["legs"], 0.0)
    knee = (0.063 * p["hips"], 0.285 * p["legs"], 0.006)
    ankle = (0.072 * p["hips"], 0.042, -0.008)
    waist = hip[1] + 0.045
    rise = 0.84 - waist
    spine: list[Vector] = [(0.0, waist + share * rise, z) for share, z in ((0.0, -0.005), (0.3, -0.008), (0.6, -0.014), (1.0, -0.012))]
    return assembled([*_trunk(hip, spine, p["head"]), *_arm(spine[3], p), *_leg(hip, knee, ankle)])


def _trunk(hip: Vector, spine: list[Vector], head: float) -> list[Bone]:
    skull = (0.0, spine[3][1] + 0.04, 0.0)
    bends = {"low": (-12.0, -13.0, -14.0), "high": (27.0, 13.0, 14.0), "usual": (3.0, 0.0, 0.0), "spread": (8.0, 5.0, 6.0)}
    nods = {"low": (-20.0, -15.0, -28.0), "high": (25.0, 15.0, 28.0), "usual": (3.0, 0.0, 0.0), "spread": (9.0, 6.0, 13.0)}
    return [
        Bone("pelvis", "", (0.0, hip[1] + 0.01, 0.0), spine[0], X, BACK_Z),
        Bone("spine_1", "pelvis", spine[0], spine[1], X, BACK_Z, **bends),
        Bone("spine_2", "spine_1", spine[1], spine[2], X, BACK_Z, **bends),
        Bone("spine_3", "spine_2", spine[2], spine[3], X, BACK_Z, **bends),
        Bone("neck", "spine_3", spine[3], skull, X, BACK_Z, **nods),
        Bone("head", "neck", skull, (0.0, skull[1] + 0.11 * head, 0.01), X, BACK_Z, **nods),
    ]


def _arm(neck: Vector, p: dict) -> list[Bone]:
    """The left arm, 45 degrees down, the thumb in front."""
    shoulder = np.array([0.112 * p["shoulders"], neck[1] - 0.03, -0.012])
    along = np.array([np.sqrt(0.5), -np.sqrt(0.5), 0.0])
    elbow = shoulder + 0.172 * p["arms"] * along
    wrist = elbow + 0.148 * p["arms"] * along
    tip = wrist + 0.1 * p["arms"] * along
    forward = (float(along[1]), float(-along[0]), 0.0)  # brings the arm to the front
    shoulder, elbow, wrist, tip = (vector(point) for point in (shoulder, elbow, wrist, tip))
    collar = (0.02, neck[1] - 0.028, 0.0)
    return [
        Bone(
            "left_clavicle", "spine_3", collar, shoulder, BACK_Y, Z, (-10.0, -6.0, 0.0), (16.0, 20.0, 0.0), (0.0, 0.0, 0.0), (5.0, 5.0, 0.0)
        ),
        Bone(
            "left_upper_arm",
            "left_clavicle",
            shoulder,
            elbow,
            forward,
            Z,
            (-35.0, -38.0, -45.0),
            (105.0, 85.0, 45.0),
            (18.0, -20.0, 0.0),
            (30.0, 24.0, 16.0),
        ),
        Bone(
            "left_forearm",
            "left_upper_arm",
            elbow,
            wrist,
            forward,
            Z,
            (0.0, 0.0, -45.0),
            (125.0, 0.0, 45.0),
            (38.0, 0.0, 0.0),
            (30.0, 0.0, 18.0),
        ),
        Bone(
            "left_hand", "left_forearm", wrist, tip, forward, Z, (-20.0, -45.0, 0.0), (20.0, 45.0, 0.0), (0.0, -5.0, 0.0), (7.0, 14.0, 0.0)
        ),
    ]


def _leg(hip: Vector, knee: Vector, ankle: Vector) -> list[Bone]:
    toes = (ankle[0] + 0.01, 0.018, ankle[2] + 0.105)
    return [
        Bone("left_thigh", "pelvis", hip, knee, BACK_X, Z, (-20.0, -12.0, -20.0), (95.0, 38.0, 28.0), (14.0, 3.0, 2.0), (20.0, 8.0, 9.0)),
        Bone("left_shin", "left_thigh", knee, ankle, X, BACK_Z, (0.0, 0.0, 0.0), (115.0, 0.0, 0.0), (16.0, 0.0, 0.0), (18.0, 0.0, 0.0)),
        Bone("left_foot", "left_shin", ankle, toes, BACK_X, Z, (-32.0, -8.0, -10.0), (18.0, 8.0, 10.0), (0.0, 0.0, 0.0), (10.0, 3.0, 4.0)),
    ]
