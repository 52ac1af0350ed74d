"""Flesh of quadrupeds, on the bones of their skeletons. Lengths are shares of the trunk's."""

from __future__ import annotations

from recon_cli.prepare.synth.body_anatomy import Anatomy
from recon_cli.prepare.synth.body_skeleton import Skeleton
from recon_cli.prepare.synth.body_solid import Cone, Lump, Primitive


def quadruped_flesh(p: dict, skeleton: Skeleton) -> list[Primitive]:
    """Middle and left side of a quadruped."""
    at = Anatomy(skeleton)
    return [*_trunk(p, at), *_neck_and_head(p, at), *_tail(p, at), *_foreleg(p["thickness"], at), *_hindleg(p["thickness"], at)]


def _trunk(p: dict, at: Anatomy) -> list[Primitive]:
    g, w, belly = p["girth"], p["width"] * p["girth"] ** 0.5, p["belly"]
    return [
        Lump("pelvis", at.on("pelvis", 0.3, y=-0.06), (0.115 * w, 0.125 * g**0.5, 0.13)),
        Lump("spine_1", at.on("spine_1", 0.4, y=-0.09 * g), (0.115 * w, 0.125 * g, 0.19)),
        Lump("spine_2", at.on("spine_2", 0.2, y=-0.105 * g - 0.02 * belly), (0.125 * w, (0.13 + 0.025 * belly) * g, 0.22)),
        Lump("spine_2", at.on("spine_2", 0.8, y=-0.115 * g), (0.13 * w, 0.148 * g, 0.21)),
        Lump("spine_3", at.on("spine_3", 0.45, y=-0.115 * g), (0.125 * w, 0.155 * g, 0.2)),
        Lump("spine_3", at.on("spine_3", 0.85, y=-0.12), (0.095 * w, 0.11, 0.09)),
        Lump("spine_3", at.on("spine_3", 0.75, x=0.05 * w, y=-0.06), (0.055, 0.1, 0.09)),
    ]


def _neck_and_head(p: dict, at: Anatomy) -> list[Primitive]:
    t, h, s = p["thickness"], p["head"], p["snout"]
    return [
        at.along("neck_1", (0.1 * t, 0.078 * t), (-0.3, 1.0), y=-0.035),
        at.along("neck_2", (0.078 * t, 0.068 * t), (0.0, 1.0), y=-0.01),
        Lump("head", at.on("head", 0.12), (0.07 * h, 0.075 * h, 0.085 * h)),
        Cone("head", at.on("head", 0.25, y=-0.015 * h), at.on("head", 0.6 + 0.25 * s, y=-0.01 * h), 0.058 * h, 0.036 * h),
        Cone("head", at.on("head", -0.02, x=0.045 * h, y=0.05 * h), at.on("head", -0.2, x=0.068 * h, y=0.11 * h * p["ears"]), 0.036, 0.028),
    ]


def _tail(p: dict, at: Anatomy) -> list[Primitive]:
    t = 0.75 + 0.25 * p["thickness"]
    radii = [0.042 * t, 0.034 * t, 0.028 * t, 0.025 * t, 0.022 * t]
    return [at.along(f"tail_{k + 1}", (radii[k], radii[k + 1])) for k in range(4)]


def _foreleg(t: float, at: Anatomy) -> list[Primitive]:
    return [
        Lump("left_upper_foreleg", at.on("left_upper_foreleg", 0.2), (0.055 * t, 0.1, 0.075 * t)),
        at.along("left_upper_foreleg", (0.06 * t, 0.047 * t)),
        at.along("left_forearm", (0.047 * t, 0.032 * t)),
        at.along("left_forefoot", (0.033 * t, 0.029 * t)),
        Cone("left_forepaw", at.on("left_forepaw", 0.05), at.on("left_forepaw", 0.75, y=-0.004), 0.033 * t, 0.031 * t),
    ]


def _hindleg(t: float, at: Anatomy) -> list[Primitive]:
    return [
        Lump("left_thigh", at.on("left_thigh", 0.3, z=-0.01), (0.07 * t, 0.15, 0.115 * t)),
        at.along("left_thigh", (0.085 * t, 0.055 * t)),
        at.along("left_shin", (0.053 * t, 0.032 * t)),
        at.along("left_hindfoot", (0.032 * t, 0.028 * t)),
        Cone("left_hindpaw", at.on("left_hindpaw", 0.05), at.on("left_hindpaw", 0.75, y=-0.004), 0.033 * t, 0.031 * t),
    ]
