"""Where fits of a model begin, learned from its training bodies."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recon_cli.core.sampling import sample_surface
from recon_cli.systems.npm.bodies import Bodies
from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.box import Box
from recon_cli.systems.npm.config import ViewsConfig
from recon_cli.systems.npm.depth_encoder import train_encoder
from recon_cli.systems.npm.first_guesses import FirstGuesses
from recon_cli.systems.npm.learning import Learned
from recon_cli.systems.npm.network_training import TrainedNetworks
from recon_cli.systems.npm.postures import Postures
from recon_cli.systems.npm.training_views import TrainingViews
from recon_cli.systems.npm.vertex_motion import VertexMotion

POINTS = 200
"""Vertices by which the reach of a code's numbers is told."""
SURFACE_POINTS = 2000
"""Of each identity, where identities have no vertices in common."""


def learn_guesses(
    trained: Learned | TrainedNetworks, bodies: Bodies, poses: Sequence[tuple[int, int]], config: ViewsConfig, *, seed: int
) -> FirstGuesses:
    """Of a trained model.

    Args:
        trained: the model and the codes of its poses.
        bodies: what it was trained on.
        poses: identity and number of each of its poses.
        config: of the views and the encoder.
        seed: of all draws.
    """
    up = torch.eye(3)["xyz".index(config.up[1])] * (1.0 if config.up[0] == "+" else -1.0)
    if isinstance(trained, Learned):
        posed, reach = trained.posed, code_reach(trained.model)
    else:
        posed, reach = _posed_points(bodies, poses, trained.model.box, seed), torch.ones(trained.poses.shape[1])
    codes = trained.poses.cpu()
    views = TrainingViews.of(posed, trained.roots.cpu(), codes, up=up, sides=config.sides, axes=config.axes)
    encoder = train_encoder(views, reach, config.encoder, seed=seed) if config.has_encoder else None
    return FirstGuesses(views, encoder)


def code_reach(model: BodyModel) -> Tensor:  # [P]
    """How far each number of a pose code moves the mean body's surface, root mean square [box]."""
    vertices = torch.arange(0, len(model.vertices), max(1, len(model.vertices) // POINTS))
    mean = Postures(torch.zeros(1, model.pose_size), torch.eye(3)[None], torch.zeros(1, 3))
    moved = VertexMotion(model, vertices)(torch.zeros(model.shape_size), mean, with_shape=False)
    return moved.by_posture[0, :, :, 6:].square().sum(dim=1).mean(dim=0).sqrt()


def _posed_points(bodies: Bodies, poses: Sequence[tuple[int, int]], box: Box, seed: int) -> Tensor:  # [P, N, 3]
    """Points of each identity's surface in its poses [box]."""
    drawn: dict[int, tuple[Tensor, Tensor]] = {}
    found = []
    for identity, number in poses:
        if identity not in drawn:
            mesh = bodies.canonical(identity)
            generator = torch.Generator().manual_seed(seed + identity)
            _, faces, weights = sample_surface(mesh.vertices, mesh.faces, SURFACE_POINTS, generator=generator)
            drawn[identity] = mesh.faces[faces], weights
        corners, weights = drawn[identity]
        vertices = box.inside(bodies.posed(identity, number))
        found.append((vertices[corners] * weights[..., None].double()).sum(dim=1).float())
    return torch.stack(found)
