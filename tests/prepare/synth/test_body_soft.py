"""Soft parts move vertices beyond what skinning does, by centimetres, and leave the others alone."""

from __future__ import annotations

import numpy as np
import pytest

from recon_cli.prepare.synth.body_families import FAMILIES
from recon_cli.prepare.synth.body_oscillator import oscillated
from recon_cli.prepare.synth.body_skin import skinned


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["scattered", "smooth"])
def test_soft_individuals_leave_their_skin_and_rigid_ones_do_not(moved_body, family, kind):
    soft, rigid = (moved_body(family, 2, motion=kind, frames=10, soft=share) for share in (1.0, 0.0))
    assert np.array_equal(soft.body.vertices, rigid.body.vertices)
    assert np.array_equal(soft.motion.angles, rigid.motion.angles)
    by_bones = skinned(rigid.motion.placed, rigid.body.weights, rigid.body.vertices)
    assert rigid.soft == {}
    np.testing.assert_array_equal(rigid.positions, by_bones.astype(np.float32))
    moves = np.linalg.norm(soft.positions - by_bones, axis=-1).max() / soft.body.box_side
    assert 0.002 < moves < 0.035  # of a person: 0.4 to 6 cm
    assert all(np.abs(values).max() <= 1.0 for values in soft.soft.values())


def test_muscles_swell_with_the_joint(moved_body):
    moved = moved_body("people", 2, motion="scattered", frames=10, soft=1.0)
    bend = moved.motion.angles[:, moved.body.skeleton.find("left_forearm"), 0]
    assert np.array_equal(np.argsort(bend), np.argsort(moved.soft["left_biceps"][:, 0]))


def test_a_share_of_the_individuals_is_soft(moved_body):
    kinds = {bool(moved_body("hands", seed, motion="smooth", frames=12).soft) for seed in range(8)}
    assert kinds == {True, False}


def test_a_pushed_oscillator_settles_where_its_spring_holds_it():
    settled = oscillated(np.full((200, 1), 5.0), 2.0, 0.5, np.zeros(1))
    assert settled[-1, 0] == pytest.approx(5.0 / (4 * np.pi) ** 2, rel=1e-3)


def test_a_free_oscillator_swings_at_its_rate_and_fades():
    frames, rate, damping = np.arange(60) / 30, 1.5, 0.05
    swing = oscillated(np.zeros((60, 1)), rate, damping, np.ones(1))[:, 0]
    slow = 2 * np.pi * rate * np.sqrt(1 - damping**2)
    drag = 2 * np.pi * rate * damping
    expected = np.exp(-drag * frames) * (np.cos(slow * frames) + drag / slow * np.sin(slow * frames))
    np.testing.assert_allclose(swing, expected, atol=0.03)
