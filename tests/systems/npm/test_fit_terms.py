"""What pulls at a body."""

from __future__ import annotations

import torch

from recon_cli.systems.npm.fit_config import TermsConfig
from recon_cli.systems.npm.fit_terms import depth_pulls, outside_pulls, pulls
from recon_cli.systems.npm.observed import observed
from recon_cli.systems.npm.postures import Postures
from recon_cli.systems.npm.vertex_motion import VertexMotion
from tests.systems.npm.tube_frames import learned_tubes, tube_frames


def test_depth_points_pull_as_strongly_as_they_weigh():
    model, shapes, guesses = learned_tubes()
    frames = tube_frames(1)
    seen = observed(frames.depth(0), frames.K, unit=1.0, points=200, longest=64, seed=0)
    posture = Postures(guesses.views.poses[:1], torch.diag(torch.tensor([1.0, -1.0, -1.0]))[None], torch.tensor([[-0.3, 0.05, 1.6]]))
    moved = VertexMotion(model, torch.arange(0, len(model.vertices), 3))(shapes[2], posture)
    whole, half = (depth_pulls(moved, seen, TermsConfig(depth=weight), 0.02) for weight in (1.0, 0.5))
    none = pulls(moved, seen, TermsConfig(depth=0.0), 0.02)
    outside = outside_pulls(moved.points, seen, TermsConfig(), 0.02)
    assert float(whole.forces.abs().max()) > 0
    for name in ("weights", "forces"):
        assert torch.allclose(getattr(half, name), 0.5 * getattr(whole, name))
        assert torch.equal(getattr(none, name), getattr(outside, name))
