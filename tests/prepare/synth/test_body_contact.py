"""Distances between segments agree with a slow twin; crossing arms are in contact."""

from __future__ import annotations

import numpy as np

from recon_cli.prepare.synth.body_contact import segment_distances
from recon_cli.prepare.synth.body_skeleton import placed


def test_segment_distances_agree_with_many_points_on_them():
    a, b, c, d = np.random.default_rng(0).uniform(-1, 1, (4, 200, 3))
    along = np.linspace(0, 1, 101)[:, None, None]
    first, second = a + along * (b - a), c + along * (d - c)
    slow = np.linalg.norm(first[:, None] - second[None], axis=-1).min(axis=(0, 1))
    fast = segment_distances(a, b, c, d)
    assert (fast <= slow + 1e-9).all()
    np.testing.assert_allclose(fast, slow, atol=0.02)


def test_points_and_parallel_segments_have_distances_too():
    x, y, zero = np.eye(3)[0], np.eye(3)[1], np.zeros(3)
    assert segment_distances(zero, zero, x, x) == 1.0
    assert segment_distances(zero, x, y, x + y) == 1.0
    assert segment_distances(zero, x, 3 * x, 5 * x) == 2.0


def test_a_leg_in_the_other_is_deep_contact_and_the_pose_at_rest_is_none(moved_body):
    body = moved_body("people", motion="scattered", frames=12).body
    skeleton = body.skeleton
    angles = np.zeros((2, len(skeleton), 3))
    for side in ("left", "right"):
        angles[1, skeleton.find(f"{side}_thigh"), 1] = -0.4
    whole = placed(skeleton, angles, np.broadcast_to(np.eye(3), (2, 3, 3)))
    still, crossed = body.capsules.depths(whole)
    assert still < 1e-9
    assert crossed > 0.03
