"""Poses of people, and their walk."""

from __future__ import annotations

import numpy as np

from recon_cli.prepare.synth.body_motion import Gait
from recon_cli.prepare.synth.body_pose import angles_of, draw_deviations, pair_up, share, swung, within_limits
from recon_cli.prepare.synth.body_skeleton import Skeleton, twin

Array = np.ndarray

ARM = ("left_clavicle", "left_upper_arm", "left_forearm", "left_hand")
LEG = ("left_thigh", "left_shin", "left_foot")
FLEXION, ABDUCTION, TWIST = 0, 1, 2


def person_poses(skeleton: Skeleton, count: int, generator: np.random.Generator) -> Array:  # [count, J, 3]
    """Angles [rad] of standing, reaching, striding, crouching people."""
    deviations = draw_deviations(skeleton, count, generator)
    share(skeleton, deviations, ("spine_1", "spine_2", "spine_3"), 0.8)
    share(skeleton, deviations, ("neck", "head"), 0.5)
    pair_up(skeleton, deviations, ARM, generator.uniform(size=count) < 0.25)
    pair_up(skeleton, deviations, LEG, generator.uniform(size=count) < 0.25)
    angles = angles_of(skeleton, deviations)
    _crouch(skeleton, angles, np.where(generator.uniform(size=count) < 0.15, generator.uniform(20, 70, count), 0.0))
    for side in (LEG, tuple(twin(name) for name in LEG)):
        _bend_knee(skeleton, angles, *side)
    return within_limits(skeleton, angles)


def person_walk(skeleton: Skeleton, generator: np.random.Generator) -> Gait:
    """A walk: legs and arms swing against each other, the trunk sways."""
    pace, start = generator.uniform(0.7, 1.05), generator.uniform(0, 2 * np.pi)  # strides a second
    stride, swing, lift = generator.uniform(16, 28), generator.uniform(10, 32), generator.uniform(40, 62)
    elbow, lean, spread = generator.uniform(12, 45), generator.uniform(0, 5), generator.uniform(-33, -22)

    def angles(times: Array) -> Array:
        phase = start + 2 * np.pi * pace * times
        swings: dict[tuple[str, int], Array] = {("spine_1", FLEXION): np.full_like(times, lean)}
        for part, amount in (("spine_1", -2.0), ("spine_2", 3.0), ("spine_3", 4.0)):
            swings[part, TWIST] = amount * np.sin(phase)
        for side, own in (("left", phase), ("right", phase + np.pi)):
            forward = np.sin(own)
            swings[f"{side}_thigh", FLEXION] = 6 + stride * forward
            # The knee bends most while the leg comes to the front, and a little under the body's weight.
            swings[f"{side}_shin", FLEXION] = 8 + lift * np.maximum(np.cos(own + 0.3), 0.0) ** 2 + 6 * np.maximum(forward, 0.0) ** 2
            swings[f"{side}_foot", FLEXION] = 4 * forward - 12 * np.maximum(np.cos(own + 1.0), 0.0) ** 2
            swings[f"{side}_upper_arm", FLEXION] = 4 - swing * forward
            swings[f"{side}_upper_arm", ABDUCTION] = np.full_like(times, spread)
            swings[f"{side}_forearm", FLEXION] = elbow - 0.4 * swing * forward
        return swung(skeleton, len(times), swings)

    return angles


def _crouch(skeleton: Skeleton, angles: Array, degrees: Array) -> None:
    """Bend both hips further, in place, and the trunk over them."""
    for name in ("left_thigh", "right_thigh"):
        angles[:, skeleton.find(name), FLEXION] += np.radians(degrees)
    for name in ("spine_1", "spine_2"):
        angles[:, skeleton.find(name), FLEXION] += np.radians(0.12 * degrees)


def _bend_knee(skeleton: Skeleton, angles: Array, thigh: str, shin: str, foot: str) -> None:
    """Bend the knee with the hip, in place, and the foot so that its sole stays nearly level."""
    hip = np.maximum(angles[:, skeleton.find(thigh), FLEXION], 0.0)
    knee = angles[:, skeleton.find(shin), FLEXION]
    knee += 1.2 * np.maximum(hip - np.radians(10), 0.0)
    angles[:, skeleton.find(foot), FLEXION] += np.clip(0.5 * (knee - hip), np.radians(-15), np.radians(15))
