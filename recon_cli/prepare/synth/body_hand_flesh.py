"""Flesh of hands, on the bones of their skeletons, and what of it is soft. Lengths are shares of the hand's."""

from __future__ import annotations

import numpy as np

from recon_cli.prepare.synth.body_anatomy import Anatomy
from recon_cli.prepare.synth.body_hand import BASES, FINGERS, STUB
from recon_cli.prepare.synth.body_skeleton import Skeleton, even
from recon_cli.prepare.synth.body_soft import Bulge, Jiggle, SoftField
from recon_cli.prepare.synth.body_solid import Cone, Lump, Primitive

THICKNESS = {"index": 0.047, "middle": 0.049, "ring": 0.046, "little": 0.04}
"""Radii at the bases of the fingers."""


def hand_flesh(p: dict, skeleton: Skeleton) -> tuple[Primitive, ...]:
    """All of a hand."""
    at = Anatomy(skeleton)
    return (*_palm(p, at), *(part for finger in FINGERS for part in _finger(finger, p, at)), *_thumb(p, at))


def hand_soft(p: dict, skeleton: Skeleton, generator: np.random.Generator) -> tuple[SoftField, ...]:
    """Balls of thumb and hand, and finger pads that swell as the fingers curl; softer in some than in others."""
    s = float(generator.uniform(0.7, 1.3) * p["plump"])
    palm = ("palm", "thumb_1")
    pads = [Bulge(f"{finger}_pad", f"{finger}_1", f"{finger}_2", (0.0, 0.0, 1.0), 0.5, 0.22, 0.014 * s, 80.0) for finger in FINGERS]
    return (
        Jiggle("ball_of_thumb", "thumb_1", 0.4, (0.0, 0.0, 0.05), even(0.075), (0.008 * s, 0.01 * s, 0.014 * s), palm, 5.0),
        Jiggle("ball_of_hand", "palm", 0.35, (-0.11, 0.0, 0.05), even(0.08), (0.008 * s, 0.01 * s, 0.013 * s), palm, 5.0),
        Bulge("thumb_muscle", "thumb_1", "thumb_2", (0.0, 0.0, 1.0), 0.5, 0.25, 0.018 * s, 42.0),
        *pads,
    )


def _palm(p: dict, at: Anatomy) -> list[Primitive]:
    w, t = p["width"], p["plump"] * p["flatness"]
    rays: list[Primitive] = [
        Cone("palm", (0.62 * x * w, STUB + 0.05, 0.0), (x * w, STUB + y - 0.02, -0.004), 0.066 * t, 0.056 * t) for x, y in BASES
    ]
    return [
        *rays,
        Cone("forearm", at.on("forearm", 0.0, x=0.03), at.on("forearm", 1.0, x=0.025), 0.085 * p["plump"], 0.068 * p["plump"]),
        Cone("forearm", at.on("forearm", 0.0, x=-0.03), at.on("forearm", 1.0, x=-0.025), 0.085 * p["plump"], 0.068 * p["plump"]),
        Lump("palm", at.on("palm", 0.35, x=-0.085 * w, z=0.022), (0.055 * w, 0.13, 0.045 * t)),
        Lump("palm", at.on("palm", 0.86, z=0.014), (0.15 * w, 0.075, 0.05 * t)),
        Lump("palm", at.on("palm", 0.5), (0.15 * w, 0.2, 0.06 * t)),
        Cone("palm", (0.07 * w, STUB + 0.3, 0.008), (0.11 * w, STUB + 0.2, 0.02), 0.055 * t, 0.055 * t),
    ]


def _finger(name: str, p: dict, at: Anatomy) -> list[Primitive]:
    radii = THICKNESS[name] * p["plump"] * np.linspace(1.0, p["taper"], 4)
    return [at.along(f"{name}_{k + 1}", (radii[k], radii[k + 1]), (0.0, 1.0 if k < 2 else 0.82)) for k in range(3)]


def _thumb(p: dict, at: Anatomy) -> list[Primitive]:
    t = p["plump"]
    return [
        at.along("thumb_1", (0.075 * t, 0.06 * t)),
        Lump("thumb_1", at.on("thumb_1", 0.4, x=-0.02, z=0.012), even(0.075 * t)),
        at.along("thumb_2", (0.058 * t, 0.05 * t)),
        at.along("thumb_3", (0.05 * t, 0.04 * t), (0.0, 0.8)),
    ]
