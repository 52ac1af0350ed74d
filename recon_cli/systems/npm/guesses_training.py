"""Where fits of a model begin, learned from its training bodies."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.config import ViewsConfig
from recon_cli.systems.npm.depth_encoder import train_encoder
from recon_cli.systems.npm.first_guesses import FirstGuesses
from recon_cli.systems.npm.learning import Learned
from recon_cli.systems.npm.postures import Postures
from recon_cli.systems.npm.training_views import TrainingViews
from recon_cli.systems.npm.vertex_motion import VertexMotion

POINTS = 200
"""Vertices by which the reach of a code's numbers is told."""


def learn_guesses(learned: Learned, config: ViewsConfig, *, seed: int) -> FirstGuesses:
    """Of a learned model."""
    axis = "xyz".index(config.up[1])
    up = torch.eye(3)[axis] * (1.0 if config.up[0] == "+" else -1.0)
    views = TrainingViews.of(learned.posed, learned.roots, learned.poses, up=up, sides=config.sides, axes=config.axes)
    encoder = train_encoder(views, code_reach(learned.model), config.encoder, seed=seed) if config.has_encoder else None
    return FirstGuesses(views, encoder)


def code_reach(model: BodyModel) -> Tensor:  # [P]
    """How far each number of a pose code moves the mean body's surface, root mean square [box]."""
    vertices = torch.arange(0, len(model.vertices), max(1, len(model.vertices) // POINTS))
    mean = Postures(torch.zeros(1, model.pose_size), torch.eye(3)[None], torch.zeros(1, 3))
    moved = VertexMotion(model, vertices)(torch.zeros(model.shape_size), mean, with_shape=False)
    return moved.by_posture[0, :, :, 6:].square().sum(dim=1).mean(dim=0).sqrt()
