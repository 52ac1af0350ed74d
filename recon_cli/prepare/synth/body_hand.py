"""Right hands: proportions and skeletons, fingers straight up and spread, the palm facing +z, the thumb at +x.

Lengths are shares of the length from the wrist to the tip of the middle finger; a stub of the forearm comes before it.
"""

from __future__ import annotations

import numpy as np

from recon_cli.prepare.synth.body_skeleton import Bone, Skeleton, Vector, assembled, vector

X, BACK_Z = (1.0, 0.0, 0.0), (0.0, 0.0, -1.0)

STUB = 0.22
"""Length of the stub of the forearm."""
WHOLE = 1.0 + STUB
"""Length of stub and hand."""
FINGERS = ("index", "middle", "ring", "little")
BASES = ((0.125, 0.47), (0.042, 0.485), (-0.042, 0.465), (-0.118, 0.425))
"""Where the fingers begin, x and y from the wrist."""
LENGTHS = (0.455, 0.5, 0.465, 0.365)
SPREADS = (11.0, 2.0, -8.0, -19.0)
"""Directions of the fingers, from straight up towards the thumb [degrees]."""
PIECES = (0.46, 0.29, 0.25)
"""Shares of the bones of a finger."""


def draw_hand(generator: np.random.Generator) -> dict[str, float | str]:
    """Proportions of a hand, most of them factors on those of an average adult's; ``length`` is that from the wrist to the tip [m]."""
    length = float(np.clip(0.185 + 0.012 * generator.standard_normal(), 0.16, 0.21))
    plump = float(np.clip(1 + 0.09 * generator.standard_normal(), 0.82, 1.22))
    return {
        "length": length,
        "plump": plump,
        "width": float(np.clip(1 + 0.4 * (plump - 1) + 0.04 * generator.standard_normal(), 0.9, 1.14)),
        "fingers": float(np.clip(1 + 0.035 * generator.standard_normal(), 0.92, 1.08)),
        "taper": float(generator.uniform(0.7, 0.86)),
        "spread": float(generator.uniform(0.95, 1.25)),
        "thumb": float(np.clip(1 + 0.06 * generator.standard_normal(), 0.88, 1.12)),
        "thumb_opening": float(generator.uniform(38.0, 56.0)),
        "flatness": float(generator.uniform(0.85, 1.15)),
        **{finger: float(np.clip(1 + 0.03 * generator.standard_normal(), 0.93, 1.07)) for finger in FINGERS},
    }


def hand_skeleton(p: dict) -> Skeleton:
    """17 bones of a hand of these proportions: the stub, the palm, and three of every finger."""
    wrist: Vector = (0.0, STUB, 0.0)
    bend = {"low": (-45.0, -18.0, -6.0), "high": (50.0, 22.0, 6.0), "usual": (0.0, 0.0, 0.0), "spread": (17.0, 8.0, 2.0)}
    bones = [
        Bone("forearm", "", (0.0, 0.02, 0.0), wrist, X, BACK_Z),
        Bone("palm", "forearm", wrist, (0.0, STUB + 0.46, 0.0), X, BACK_Z, **bend),
    ]
    for k, finger in enumerate(FINGERS):
        bones += _finger(
            finger, (BASES[k][0] * p["width"], STUB + BASES[k][1]), LENGTHS[k] * p["fingers"] * p[finger], SPREADS[k] * p["spread"]
        )
    return assembled([*bones, *_thumb(p)])


def _finger(name: str, base: tuple[float, float], length: float, spread: float) -> list[Bone]:
    tilt = np.radians(spread)
    along = np.array([np.sin(tilt), np.cos(tilt), 0.0])
    curl = vector(np.array([np.cos(tilt), -np.sin(tilt), 0.0]))  # brings the tip towards the palm
    start, parent, bones = np.array([*base, 0.0]), "palm", []
    ranges = (
        ((-14.0, -9.0, 0.0), (82.0, 9.0, 0.0), (16.0, 0.0, 0.0), (22.0, 4.0, 0.0)),
        ((0.0, 0.0, 0.0), (95.0, 0.0, 0.0), (20.0, 0.0, 0.0), (25.0, 0.0, 0.0)),
        ((0.0, 0.0, 0.0), (62.0, 0.0, 0.0), (12.0, 0.0, 0.0), (15.0, 0.0, 0.0)),
    )
    for k, share in enumerate(PIECES):
        end = start + share * length * along
        bones.append(Bone(f"{name}_{k + 1}", parent, vector(start), vector(end), curl, BACK_Z, *ranges[k]))
        parent, start = f"{name}_{k + 1}", end
    return bones


def _thumb(p: dict) -> list[Bone]:
    tilt = np.radians(p["thumb_opening"])
    along = np.array([np.sin(tilt), np.cos(tilt), 0.22])
    along /= np.linalg.norm(along)
    # It bends across the palm and is brought before it by a turn towards +z.
    curl = np.cross(along, np.array([-0.75, 0.0, 0.66]))
    curl /= np.linalg.norm(curl)
    axes = vector(curl), vector(np.cross(along, curl))
    start, parent, bones = np.array([0.085 * p["width"], STUB + 0.1, 0.03]), "palm", []
    ranges = (
        ((-12.0, -14.0, -8.0), (26.0, 16.0, 12.0), (4.0, 0.0, 0.0), (9.0, 6.0, 4.0)),
        ((-6.0, 0.0, 0.0), (48.0, 0.0, 0.0), (10.0, 0.0, 0.0), (13.0, 0.0, 0.0)),
        ((-8.0, 0.0, 0.0), (65.0, 0.0, 0.0), (14.0, 0.0, 0.0), (18.0, 0.0, 0.0)),
    )
    for k, length in enumerate((0.24, 0.19, 0.15)):
        end = start + length * p["thumb"] * along
        bones.append(Bone(f"thumb_{k + 1}", parent, vector(start), vector(end), *axes, *ranges[k]))
        parent, start = f"thumb_{k + 1}", end
    return bones
