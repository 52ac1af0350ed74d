"""Which of two tubes explains the depth, and where depth is left over; ends that are put right by it."""

from __future__ import annotations

from dataclasses import replace

import torch

from recon_cli.systems.npm.fit_config import FitConfig
from recon_cli.systems.npm.fit_energy import Energy
from recon_cli.systems.npm.fit_steps import Estimate, Stepper
from recon_cli.systems.npm.limbs import Limbs
from recon_cli.systems.npm.observed import Observed, observed
from recon_cli.systems.npm.postures import Postures
from recon_cli.systems.npm.skinning import rotation
from tests.systems.npm.tube_frames import learned_tubes, tube_frames

CONFIG = FitConfig()


def true_tube() -> tuple[Estimate, Observed]:
    """The truth of ``tube_frames(2)``'s frames, and what is seen of them."""
    _, shapes, guesses = learned_tubes()
    frames = tube_frames(2)
    time = torch.tensor([[0.0], [1.0]])
    start, end = (guesses.views.poses[number].clamp(-1, 1) for number in (5, 33))
    roots = rotation(0.2 * time * torch.tensor([0.0, 1.0, 0.0])) @ rotation(torch.tensor([[torch.pi, 0.0, 0.0]]))
    places = torch.cat([-0.35 + 0.1 * time, 0.05 * time, torch.full_like(time, 1.6)], dim=1)
    seen = [observed(frames.depth(frame), frames.K, unit=1.0, points=400, longest=96, seed=frame) for frame in range(2)]
    return Estimate(shapes[2], Postures(torch.lerp(start.expand(2, -1), end.expand(2, -1), time), roots, places)), Observed.joined(seen)


def bent(estimate: Estimate) -> Estimate:
    """With the end of the tube turned away in the first frame; what it hangs on stays."""
    model, _, _ = learned_tubes()
    turned = torch.zeros(len(model.tree) - 1, 3)
    turned[-1, 2] = 1.0
    basis = model.turn_basis.flatten(1)  # [P, 3 (K - 1)]
    change = torch.linalg.lstsq(basis.T, turned.flatten()[:, None]).solution[:, 0]
    poses = estimate.postures.poses.clone()
    poses[0, : len(change)] += change
    return replace(estimate, postures=replace(estimate.postures, poses=poses))


def test_the_true_tube_has_the_least_energy_and_leaves_nothing_over() -> None:
    model, _, _ = learned_tubes()
    energy = Energy(model, CONFIG.terms)
    true, seen = true_tube()
    wrong = bent(true)
    assert float(energy.left_over(true, seen, 0.03).float().mean()) < 0.01
    left = energy.left_over(wrong, seen, 0.03)
    assert float(left[0].float().mean()) > 0.1
    assert torch.equal(left[1], energy.left_over(true, seen, 0.03)[1])
    own, other = energy(true, seen, 0.012), energy(wrong, seen, 0.012)
    assert float(other[0]) > 10 * float(own[0])
    assert float(other[1]) == float(own[1])


def test_energy_is_in_boxes_of_the_estimate() -> None:
    model, _, _ = learned_tubes()
    energy = Energy(model, CONFIG.terms)
    true, seen = true_tube()
    torch.testing.assert_close(energy(replace(true, unit=2.5), seen.scaled(2.5), 0.012), energy(true, seen, 0.012), rtol=1e-3, atol=1e-9)


def test_an_end_is_led_back_to_the_depth_that_it_leaves_over() -> None:
    model, _, _ = learned_tubes()
    energy = Energy(model, CONFIG.terms)
    true, seen = true_tube()
    wrong = bent(true)
    limbs = Limbs(model, CONFIG.terms, energy)
    stepper = Stepper(model, CONFIG.terms, torch.arange(0, len(model.vertices), 2))
    mended = limbs.mended(wrong, seen, stepper, CONFIG)
    assert mended is not None
    assert mended.frames == (0,)
    before, after = (float(energy.left_over(one, seen, 0.03)[0].float().mean()) for one in (wrong, mended.estimate))
    assert after < 0.3 * before
    assert limbs.mended(true, seen, stepper, CONFIG) is None
