"""Derivatives of vertices by everything a fit may change, against finite differences."""

from __future__ import annotations

import torch

from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.config import SpaceConfig
from recon_cli.systems.npm.postures import Postures
from recon_cli.systems.npm.skin import Skin
from recon_cli.systems.npm.skinning import Pose, rotation
from recon_cli.systems.npm.spaces import body_model
from recon_cli.systems.npm.vertex_motion import VertexMotion
from tests.systems.npm.tube import TREE, tubes


def tube_model() -> tuple[BodyModel, torch.Tensor, torch.Tensor]:
    bodies = tubes(identities=4, poses=10)
    poses = Pose(bodies.poses.orientations.float(), bodies.poses.root.float())
    skin = Skin(TREE, bodies.joints.float(), bodies.weights.float(), poses, ())
    return body_model(bodies.registered, skin, SpaceConfig(shape=3, joints=5, soft=2))


def some_postures(model: BodyModel, count: int, seed: int) -> Postures:
    generator = torch.Generator().manual_seed(seed)
    poses = 0.7 * torch.randn(count, model.pose_size, generator=generator)
    return Postures(poses, rotation(torch.randn(count, 3, generator=generator)), torch.randn(count, 3, generator=generator))


def test_points_are_the_models() -> None:
    model, shapes, _ = tube_model()
    vertices = torch.tensor([0, 7, 100, 300])
    postures = some_postures(model, 3, 0)
    motion = VertexMotion(model, vertices)
    moved = motion(shapes[1], postures)
    torch.testing.assert_close(moved.points, motion.points(shapes[1], postures), atol=2e-6, rtol=0)


def test_derivatives_are_those_of_finite_differences() -> None:
    model, shapes, _ = tube_model()
    vertices = torch.arange(0, len(model.vertices), 17)
    postures, shape, step = some_postures(model, 2, 1), shapes[2], 1e-3
    motion = VertexMotion(model, vertices)
    moved = motion(shape, postures)
    for unknown in range(6 + model.pose_size):
        change = torch.zeros(2, 6 + model.pose_size)
        change[:, unknown] = step
        slope = (motion.points(shape, postures.stepped(change)) - motion.points(shape, postures.stepped(-change))) / (2 * step)
        torch.testing.assert_close(moved.by_posture[..., unknown], slope, atol=2e-3, rtol=0)
    for unknown in range(model.shape_size):
        change = step * torch.eye(model.shape_size)[unknown]
        slope = (motion.points(shape + change, postures) - motion.points(shape - change, postures)) / (2 * step)
        torch.testing.assert_close(moved.by_shape[..., unknown], slope, atol=2e-3, rtol=0)
