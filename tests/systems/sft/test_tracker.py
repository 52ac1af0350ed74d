"""The tracker on a sheet whose motion is known: accuracy, resuming, determinism, divergence."""

import pytest
import torch

from recon_cli.core.errors import NumericsError, StoppedError
from recon_cli.core.hooks import NoHooks
from recon_cli.systems.sft.config import TrackingConfig
from recon_cli.systems.sft.tracker import Tracker, barycentric_grid, track
from tests.systems.sft.waving import SIDE, waving


class Recorder(NoHooks):
    """Keeps the last checkpoint and asks for a stop after some frames."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after, self.calls, self.state = stop_after, 0, {}

    def checkpoint(self, tensors, numbers) -> None:
        self.state = {name: tensor.clone() for name, tensor in tensors.items()}
        self.calls += 1

    def should_stop(self) -> bool:
        return self.calls == self.stop_after


@pytest.fixture(scope="module")
def clip():
    return waving()


def make(clip, **changes) -> Tracker:
    inputs = clip.inputs
    reference = (inputs.frames[0].numpy(), inputs.masks[0].numpy())
    config = TrackingConfig(**changes)
    return Tracker(
        inputs.template.vertices, inputs.template.faces, inputs.camera, reference, config=config, fps=inputs.fps, device=torch.device("cpu")
    )


def follow(clip, hooks=None, resume=None, **changes):
    return track(make(clip, **changes), clip.inputs.frames, clip.inputs.masks, hooks=hooks or NoHooks(), resume=resume)


def test_error_is_a_small_share_of_the_motion(clip):
    found = follow(clip).positions
    error = (found - clip.truth).norm(dim=-1).mean(dim=1)
    motion = (clip.truth - clip.truth[0]).norm(dim=-1).mean(dim=1)
    assert float(motion[-1]) > 0.08 * SIDE
    assert float(error.max()) < 0.01 * SIDE
    assert torch.equal(found[0], clip.truth[0])


def test_sheet_keeps_its_size(clip):
    assert float(follow(clip).curves["strain"].max()) < 0.02


def test_rerun_is_bit_identical(clip):
    assert torch.equal(follow(clip).positions, follow(clip).positions)


def test_stopped_fit_resumes_to_the_same_bits(clip):
    recorder = Recorder(stop_after=3)
    with pytest.raises(StoppedError, match="after frame 3"):
        follow(clip, recorder)
    assert recorder.state["positions"].shape[0] == 4
    resumed = follow(clip, resume=recorder.state)
    whole = follow(clip)
    assert torch.equal(resumed.positions, whole.positions)
    for name, curve in whole.curves.items():
        assert torch.equal(resumed.curves[name], curve)


def test_divergence_names_the_frame_and_keeps_the_state_before(clip, monkeypatch):
    tracker, recorder = make(clip), Recorder()
    honest = tracker.solve_frame
    monkeypatch.setattr(tracker, "solve_frame", lambda *a: (honest(*a)[0] * (float("nan") if recorder.calls == 2 else 1.0), honest(*a)[1]))
    with pytest.raises(NumericsError, match="frame 3"):
        track(tracker, clip.inputs.frames, clip.inputs.masks, hooks=recorder)
    assert torch.isfinite(recorder.state["positions"]).all()
    assert recorder.state["positions"].shape[0] == 3


def test_empty_mask_coasts_on_inertia(clip):
    masks = clip.inputs.masks.images.clone()
    masks[4] = 0
    changed = type(clip.inputs.masks)(masks)
    found = track(make(clip), clip.inputs.frames, changed, hooks=NoHooks())
    assert float(found.curves["seen"][4]) == 0.0
    assert float((found.positions[-1] - clip.truth[-1]).norm(dim=-1).mean()) < 0.02 * SIDE


@pytest.mark.parametrize("per_edge", [1, 2, 3, 5])
def test_samples_are_spread_evenly(per_edge):
    grid = barycentric_grid(per_edge)
    assert grid.shape == (per_edge**2, 3)
    assert float(grid.min()) > 0
    torch.testing.assert_close(grid.sum(dim=1), torch.ones(per_edge**2, dtype=torch.float64))
    torch.testing.assert_close(grid.mean(dim=0), torch.full((3,), 1 / 3, dtype=torch.float64))
