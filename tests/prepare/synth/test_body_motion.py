"""Motion keeps to the joints' limits, out of contact, and to the speed of the living."""

from __future__ import annotations

import numpy as np
import pytest

from recon_cli.prepare.synth.body_families import FAMILIES
from recon_cli.prepare.synth.body_motion import LARGEST_DEPTH, largest_speed
from recon_cli.prepare.synth.body_rotations import quaternions, swing_after_twist

BOTH = [(family, motion) for family in FAMILIES for motion in ("scattered", "smooth")]


@pytest.mark.parametrize(("family", "motion"), BOTH)
def test_joints_keep_to_their_limits(moved_body, family, motion):
    moved = moved_body(family, motion=motion, frames=12)
    skeleton, angles = moved.body.skeleton, moved.motion.angles
    assert bool(((angles >= skeleton.low - 1e-9) & (angles <= skeleton.high + 1e-9)).all())
    assert float(np.abs(angles).max()) > 0.2


@pytest.mark.parametrize(("family", "motion"), BOTH)
def test_parts_keep_clear_of_each_other(moved_body, family, motion):
    body, motion = (moved := moved_body(family, motion=motion, frames=12)).body, moved.motion
    assert float(body.capsules.depths(motion.placed).max()) <= LARGEST_DEPTH * body.scale + 1e-9


def test_knees_and_elbows_are_hinges(moved_body):
    moved = moved_body("people", motion="scattered", frames=12)
    skeleton = moved.body.skeleton
    turns = quaternions(swing_after_twist(moved.motion.angles, skeleton.axes))
    knee = turns[:, skeleton.find("left_shin")]
    np.testing.assert_allclose(knee[:, 2:], 0.0, atol=1e-12)
    assert (knee[:, 1] >= 0).all()  # it bends backwards
    assert (np.degrees(2 * np.arccos(np.clip(knee[:, 0], -1, 1))) <= 115.001).all()
    np.testing.assert_array_equal(moved.motion.angles[:, skeleton.find("right_forearm"), 1], 0.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_smooth_motion_is_smooth_and_no_faster_than_the_living(moved_body, family):
    for seed in range(3):
        moved = moved_body(family, seed, motion="smooth", frames=12)
        fastest = FAMILIES[family].repertoire.fastest * moved.body.scale
        assert largest_speed(moved.body, moved.motion.placed) <= fastest + 1e-9
        steps = np.linalg.norm(np.diff(moved.positions, axis=0), axis=-1)
        assert 0 < steps.max() * 30 < 1.25 * fastest + 1.0  # soft parts swing on top
        assert fastest < 4.1


def test_both_gaits_and_key_poses_are_drawn(moved_body):
    kinds = {moved_body("hands", seed, motion="smooth", frames=12).motion.is_gait for seed in range(8)}
    assert kinds == {True, False}


def test_people_stay_on_the_ground_near_the_origin(moved_body):
    for kind in ("scattered", "smooth"):
        positions = moved_body("people", motion=kind, frames=12).positions
        assert np.abs(positions[..., 1].min(axis=1)).max() < 0.05
        assert np.abs(positions.mean(axis=1)[:, [0, 2]]).max() < 0.5


@pytest.mark.parametrize("family", FAMILIES)
def test_scattered_poses_are_independent(moved_body, family):
    angles = moved_body(family, motion="scattered", frames=12).motion.angles
    assert np.abs(np.diff(angles, axis=0)).max(axis=(1, 2)).min() > 0.1
    roots = moved_body(family, motion="scattered", frames=12).motion.placed.rotations[:, 0]
    assert np.abs(np.diff(roots, axis=0)).max(axis=(1, 2)).min() > 0.01
