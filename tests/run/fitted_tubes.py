"""A bending tube before a depth camera: its model, a sequence of its depth, and the fit that is the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import StoppedError
from recon_cli.core.mesh import Mesh
from recon_cli.render.depth import mesh_depths
from recon_cli.run.npm_model_file import write_model
from recon_cli.run.npm_outputs import FittedBody
from recon_cli.systems.npm.first_guesses import FirstGuesses
from recon_cli.systems.npm.fitted import Fitted, FrameQuality
from recon_cli.systems.npm.training_views import TrainingViews
from tests.run.depth_sequences import write_sequence
from tests.systems.npm.tube_model import soft_tubes

UPRIGHT = torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""The tube's length, its x, is up."""


def quality(frames: int, doubtful: tuple[int, ...] = ()) -> FrameQuality:
    """Good numbers, but for doubtful frames, which are not explained; no deviation was computed."""
    is_doubtful = torch.zeros(frames, dtype=torch.bool)
    is_doubtful[list(doubtful)] = True
    small = torch.full((frames,), 0.004)
    return FrameQuality(small, torch.where(is_doubtful, 0.2, 0.01), small, small, torch.full((frames,), torch.nan), is_doubtful)


@dataclass(frozen=True)
class TubeSequence:
    """The true fit, the camera, and where model and depth lie."""

    truth: FittedBody
    camera: Cameras
    model: Path
    depth: Path


def tube_sequence(folder: Path, *, frames: int = 4, doubtful: tuple[int, ...] = ()) -> TubeSequence:
    """Write a model and a scene folder of a tube that bends about in front of a camera that looks down a little."""
    model, shapes, poses = soft_tubes(dtype=torch.float32)
    roots, places = UPRIGHT.expand(frames, 3, 3), torch.tensor([0.0, 0.5, 2.0]).expand(frames, 3)
    fitted = Fitted(
        shapes[0],
        poses[:frames],
        roots,
        places,
        model.box.side,
        torch.tensor([0.0, -1.0, 0.0]),
        torch.zeros(frames),
        quality(frames, doubtful),
    )
    truth = FittedBody(model, fitted)
    K = torch.tensor([[[110.0, 0, 50], [0, 110.0, 60], [0, 0, 1]]], dtype=torch.float64)
    world = torch.tensor([[[1.0, 0, 0, 0.1], [0, -0.8, -0.6, 0.2], [0, 0.6, -0.8, 2.0], [0, 0, 0, 1]]], dtype=torch.float64)
    camera = Cameras(K, world, torch.tensor([[100, 120]]), ("depth",))
    still = Cameras(K, torch.eye(4, dtype=torch.float64)[None], camera.size)
    depths = [mesh_depths(Mesh(vertices, truth.faces), still).depth[0].numpy() for _, vertices in truth.posed()]
    posed = model.posed(shapes[:1].expand(frames, -1), poses[:frames], roots, torch.zeros(frames, 3))
    views = TrainingViews.of(posed, roots, poses[:frames], up=fitted.up, sides=4, axes=8)
    write_model(folder / "model.safetensors", model, starts=FirstGuesses(views, None).tensors())
    return TubeSequence(truth, camera, folder / "model.safetensors", write_sequence(folder / "scene", depths, camera=camera))


class StandIn:
    """Takes the place of a solver: returns what it was given, and can be stopped after its first checkpoint."""

    def __init__(self, fitted: Fitted) -> None:
        self.fitted = fitted
        self.calls: list[Mapping[str, object]] = []

    def __call__(self, model, frames, recipe, *, is_scale_known, seed, hooks, resume, device) -> Fitted:
        depths = [frames.depth(frame) for frame in range(len(frames))]
        self.calls.append({"depths": depths, "known": is_scale_known, "seed": seed, "resume": resume})
        done = 0 if resume is None else int(resume["done"])
        for frame in range(done, len(frames)):
            hooks.progress(frame + 1, len(frames), spread=0.5)
            hooks.checkpoint({"done": torch.tensor(frame + 1)}, {})
            if hooks.should_stop():
                raise StoppedError("stopped", hint="run the same command again with --resume to go on")
        return self.fitted


def moved(fitted: Fitted, by: Tensor) -> Fitted:  # [3]
    """The same body elsewhere."""
    return replace(fitted, places=fitted.places + by)
