"""Fits of tubes: what was rendered is found again, whatever the length of the sequence and whatever is not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from recon_cli.core.closest_points import ClosestPoints
from recon_cli.core.errors import InputError, NumericsError, StoppedError
from recon_cli.core.hooks import NoHooks
from recon_cli.core.mesh import Mesh
from recon_cli.systems.npm.fit import fit
from recon_cli.systems.npm.fit_config import FitConfig
from recon_cli.systems.npm.fitted import Fitted
from tests.systems.npm.tube_frames import TubeFrames, learned_tubes, tube_frames

SMALL = FitConfig(points=300, vertices=300, window=5, overlap=2, shape_frames=6)


def error(fitted: Fitted, frames: TubeFrames) -> Tensor:
    """Mean distance from the true surface [scene units], shape [T]: a tube that spins about its axis is hardly another."""
    model, _, _ = learned_tubes()
    count = len(frames)
    found = model.posed(fitted.shape.expand(count, -1), fitted.poses, fitted.roots, fitted.places) * fitted.unit
    feet = [ClosestPoints(Mesh(true, model.faces))(points).on(true) for points, true in zip(found, frames.vertices, strict=True)]
    return (torch.stack(feet) - found).norm(dim=-1).mean(dim=1)


@pytest.mark.parametrize("count", [1, 6, 11])
def test_a_tube_is_found_again(count: int) -> None:
    model, _, guesses = learned_tubes()
    frames = tube_frames(count)
    fitted = fit(model, guesses, frames, SMALL)
    assert float(error(fitted, frames).mean()) < 0.015
    assert float(fitted.quality.residual.max()) < 0.006
    assert fitted.unit == model.box.side
    assert bool((fitted.quality.deviation > 0).all())


def test_frames_without_a_body_take_what_lies_between() -> None:
    model, _, guesses = learned_tubes()
    frames = tube_frames(8)
    maps = frames.maps.clone()
    maps[[0, 3]] = 0
    fitted = fit(model, guesses, replace(frames, maps=maps), SMALL)
    assert float(error(fitted, frames).max()) < 0.04
    assert fitted.quality.is_doubtful[[0, 3]].all()
    assert bool(fitted.quality.residual[[0, 3]].isnan().all())


def test_an_unknown_scale_is_found() -> None:
    model, _, guesses = learned_tubes()
    frames = tube_frames(6, unit=250.0)
    fitted = fit(model, guesses, frames, SMALL, is_scale_known=False)
    assert fitted.unit == pytest.approx(250.0, rel=0.25)
    assert float(error(fitted, frames).max()) < 0.012 * 250


def test_an_unknown_up_direction_is_found() -> None:
    model, _, guesses = learned_tubes()
    fitted = fit(model, guesses, tube_frames(5, up=None), SMALL)
    assert float(error(fitted, tube_frames(5)).max()) < 0.02


class Stopping(NoHooks):
    """Stops after some windows and keeps the last state."""

    def __init__(self, after: int) -> None:
        self.left, self.state = after, None

    def checkpoint(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, float]) -> None:
        self.state, self.left = {name: value.clone() for name, value in tensors.items()}, self.left - 1

    def should_stop(self) -> bool:
        return self.left <= 0


@pytest.mark.parametrize("after", [1, 3])
def test_a_stopped_fit_goes_on_to_the_same_bytes(after: int) -> None:
    model, _, guesses = learned_tubes()
    frames = tube_frames(8)
    whole = fit(model, guesses, frames, SMALL)
    hooks = Stopping(after)
    with pytest.raises(StoppedError):
        fit(model, guesses, frames, SMALL, hooks=hooks)
    resumed = fit(model, guesses, frames, SMALL, resume=hooks.state)
    for name in ("shape", "poses", "roots", "places", "energy"):
        assert torch.equal(getattr(whole, name), getattr(resumed, name)), name


def test_depth_of_nothing_is_refused() -> None:
    model, _, guesses = learned_tubes()
    frames = tube_frames(2)
    with pytest.raises(InputError, match="none of 2 depth maps"):
        fit(model, guesses, replace(frames, maps=torch.zeros_like(frames.maps)), SMALL)


def test_weights_that_leave_no_solution_are_told() -> None:
    model, _, guesses = learned_tubes()
    terms = SMALL.terms.model_copy(update={"smoothness": 1e30, "liveliness": 1e30})
    with pytest.raises(NumericsError, match="step of the fit"):
        fit(model, guesses, tube_frames(5), SMALL.model_copy(update={"terms": terms}))
