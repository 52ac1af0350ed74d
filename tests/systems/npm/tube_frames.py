"""Depth sequences of tubes whose truth is known, and a model of tubes to fit to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from recon_cli.kernels.rasterize import rasterize
from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.config import SpaceConfig
from recon_cli.systems.npm.first_guesses import FirstGuesses
from recon_cli.systems.npm.postures import Postures
from recon_cli.systems.npm.skin import Skin
from recon_cli.systems.npm.skinning import Pose, rotation
from recon_cli.systems.npm.spaces import body_model
from recon_cli.systems.npm.training_views import TrainingViews
from tests.systems.npm.tube import TREE, tubes

SIZE = 96
UP = torch.tensor([0.0, -1.0, 0.0])
INTRINSICS = torch.tensor([[110.0, 0, SIZE / 2], [0, 110.0, SIZE / 2], [0, 0, 1]], dtype=torch.float64)


@cache
def learned_tubes() -> tuple[BodyModel, Tensor, FirstGuesses]:
    """A model, shape codes of its identities, and where fits begin; tubes lie along x, y is up."""
    bodies = tubes(identities=6, poses=40)
    poses = Pose(bodies.poses.orientations.float(), bodies.poses.root.float())
    skin = Skin(TREE, bodies.joints.float(), bodies.weights.float(), poses, ())
    model, shapes, codes = body_model(bodies.registered, skin, SpaceConfig(shape=3, joints=6, soft=0))
    views = TrainingViews.of(bodies.registered.posed, poses.orientations[:, 0], codes, up=torch.tensor([0.0, 1.0, 0.0]), sides=8, axes=24)
    return model, shapes, FirstGuesses(views, None)


@dataclass(frozen=True)
class TubeFrames:
    """Depth of a tube that bends as time goes on.

    Attributes:
        maps: shape [T, H, W].
        vertices: the truth in the camera's axes [scene units], shape [T, V, 3].
        up: as ``DepthFrames`` has it.
    """

    maps: Tensor
    vertices: Tensor
    up: Tensor | None = None
    K: Tensor = INTRINSICS  # pyright: ignore

    def __len__(self) -> int:
        return len(self.maps)

    def depth(self, frame: int) -> Tensor:
        return self.maps[frame]


def tube_frames(count: int, *, unit: float = 1.0, up: Tensor | None = UP) -> TubeFrames:
    """A tube of the third identity, seen from the front; ``unit`` scene units a box."""
    model, shapes, guesses = learned_tubes()
    time = torch.linspace(0, 1, count)[:, None]
    start, end = guesses.views.poses[5].clamp(-1, 1), guesses.views.poses[33].clamp(-1, 1)
    level = rotation(torch.tensor([[math.pi, 0.0, 0.0]]))
    roots = rotation(0.2 * time * torch.tensor([0.0, 1.0, 0.0])) @ level
    places = torch.cat([-0.35 + 0.1 * time, 0.05 * time, torch.full_like(time, 1.6)], dim=1)
    postures = Postures(torch.lerp(start.expand(count, -1), end.expand(count, -1), time), roots, places)
    vertices = model.posed(shapes[2].expand(count, -1), postures.poses, postures.roots, postures.places) * unit
    return TubeFrames(torch.stack([_depth(points, model.faces) for points in vertices]), vertices, up)


def _depth(points: Tensor, faces: Tensor) -> Tensor:
    at = points[:, :2] / points[:, 2:] * INTRINSICS.diagonal()[:2].float() + INTRINSICS[:2, 2].float()
    return rasterize(torch.cat([at, points[:, 2:]], dim=1), faces, SIZE, SIZE).depth[..., 0]
