"""Skins: rigid where they should be, smooth at the joints, exact at rest."""

from __future__ import annotations

import numpy as np
import pytest

from recon_cli.prepare.synth.body_families import FAMILIES
from recon_cli.prepare.synth.body_skeleton import placed
from recon_cli.prepare.synth.body_skin import skinned


@pytest.mark.parametrize("family", FAMILIES)
def test_at_most_four_weights_that_sum_to_one(moved_body, family):
    weights = moved_body(family, motion="scattered", frames=12).body.weights
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-12)
    assert weights.min() >= 0
    assert (weights > 0).sum(axis=1).max() <= 4


@pytest.mark.parametrize("family", FAMILIES)
def test_the_pose_at_rest_and_a_turn_of_the_root_are_rigid(moved_body, family):
    body = moved_body(family, motion="scattered", frames=12).body
    turn = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    whole = placed(body.skeleton, np.zeros((2, len(body.skeleton), 3)), np.stack([np.eye(3), turn]))
    still, turned = skinned(whole, body.weights, body.vertices)
    np.testing.assert_allclose(still, body.vertices, atol=1e-12)
    root = body.skeleton.heads[0]
    np.testing.assert_allclose(turned, (body.vertices - root) @ turn.T + root, atol=1e-12)


def test_an_arm_moves_no_trunk_and_a_hand_moves_as_one(moved_body):
    body = moved_body("people", motion="scattered", frames=12).body
    skeleton = body.skeleton
    angles = np.zeros((1, len(skeleton), 3))
    angles[0, skeleton.find("left_upper_arm")] = (0.8, -0.3, 0.2)
    angles[0, skeleton.find("left_forearm"), 0] = 1.0
    whole = placed(skeleton, angles, np.eye(3)[None])
    moved = np.linalg.norm(skinned(whole, body.weights, body.vertices)[0] - body.vertices, axis=1)
    on_trunk = body.weights[:, [skeleton.find(name) for name in ("pelvis", "spine_1", "head")]].sum(axis=1) > 0.5
    assert moved[on_trunk].max() < 0.002
    hand = body.weights[:, skeleton.find("left_hand")] > 0.999
    assert hand.sum() > 30
    before, after = body.vertices[hand], skinned(whole, body.weights, body.vertices)[0][hand]
    apart = [np.linalg.norm(points[:, None] - points[None], axis=-1) for points in (before, after)]
    np.testing.assert_allclose(apart[0], apart[1], atol=1e-4)
    assert moved[hand].min() > 0.2


def test_vertices_at_rest_may_differ_from_frame_to_frame(moved_body):
    moved = moved_body("hands", motion="scattered", frames=12)
    body, whole = moved.body, moved.motion.placed
    once = skinned(whole, body.weights, body.vertices)
    again = skinned(whole, body.weights, np.repeat(body.vertices[None], len(once), axis=0))
    np.testing.assert_array_equal(once, again)
