"""What a training of a body model came to, in numbers: for training.json, the record and the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recon_cli.core.closest_points import ClosestPoints
from recon_cli.run.npm_bodies import JoinedBodies
from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.learning import Learned, model_error
from recon_cli.systems.npm.network_training import TrainedNetworks

MEASURED = 16
"""Training poses that a model of networks is measured on."""


def figures(trained: Learned | TrainedNetworks, bodies: JoinedBodies, poses: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """All figures; lengths in boxes, whose side in scene units is ``box``.

    Args:
        trained: model and codes.
        bodies: what it was trained on.
        poses: identity and number of every training pose.
    """
    model = trained.model
    common = {
        "box": model.box.side,
        "identities": len(trained.shapes),
        "poses": len(trained.poses),
        "shape_size": model.shape_size,
        "pose_size": model.pose_size,
    }
    means, farthest = zip(*(_shape_error(trained, bodies, identity) for identity in range(len(trained.shapes))), strict=True)
    common |= {"shape_error": sum(means) / len(means), "farthest": dict(zip(bodies.names, farthest, strict=True))}
    if isinstance(trained, Learned):
        return {"model": "skinned", **common, **_of_skinned(trained, bodies.names)}
    return {"model": "networks", **common, **_of_networks(trained, bodies, poses)}


def _shape_error(trained: Learned | TrainedNetworks, bodies: JoinedBodies, identity: int) -> tuple[float, float]:
    """Mean and largest distance of the vertices of an identity from the surface that its code stands for [box].

    What the model does not reach, such as a tail, is seen from the body's side alone.
    """
    model, shape = trained.model, trained.shapes[identity]
    points = model.box.inside(bodies.canonical(identity).vertices)
    if isinstance(model, BodyModel):
        surface = model.surface(shape)
        distance = (ClosestPoints(surface)(points).on(surface.vertices.double()) - points).norm(dim=-1)
    else:
        with torch.no_grad():
            distance = model.distance(shape, points.to(shape)).abs()
    return float(distance.mean()), float(distance.max())


def variance_shares(model: BodyModel) -> tuple[list[float], list[float]]:
    """How much of the surface's variance the first 1, 2, … numbers of shape and of pose hold, in [0, 1].

    A number's variance is the squared move of the surface by one deviation of it, that of a pose at the mean body.
    """
    mean = torch.zeros(model.pose_size + 1, model.pose_size)
    mean[1:] = torch.eye(model.pose_size)
    shape, count = torch.zeros(model.shape_size), len(mean)
    joints = model.canonical_joints(shape)
    root, place = torch.eye(3).expand(count, 3, 3), joints[:1].expand(count, 3)
    posed = model.posed(shape.expand(count, -1), mean, root, place)
    return _cumulative(model.shape_basis), _cumulative(posed[1:] - posed[:1])


def _cumulative(moves: Tensor) -> list[float]:  # [C, V, 3] -> [C]
    variance = moves.double().square().sum(dim=(1, 2))
    return (variance.cumsum(0) / variance.sum().clamp(min=1e-30)).tolist()


def _of_skinned(learned: Learned, names: Sequence[str]) -> dict[str, Any]:
    model, error = learned.model, model_error(learned)
    shape, pose = variance_shares(model)
    return {
        "parts": len(model.tree),
        "parents": list(model.tree.parents),
        "turning": len(model.turn_basis),
        "vertices": len(model.vertices),
        "faces": len(model.faces),
        "registration_error": float(learned.registration_error.mean()),
        "skin_error": list(learned.skin_error),
        "model_error": float(error.mean()),
        "shape_variance": shape,
        "pose_variance": pose,
        "registration_errors": dict(zip(names, learned.registration_error.tolist(), strict=True)),
        "model_errors": error.tolist(),
    }


def _of_networks(trained: TrainedNetworks, bodies: JoinedBodies, poses: Sequence[tuple[int, int]]) -> dict[str, Any]:
    some = torch.linspace(0, len(poses) - 1, min(MEASURED, len(poses))).round().long().unique().tolist()
    errors = {str(pose): _network_error(trained, bodies, pose, *poses[pose]) for pose in some}
    return {
        "model_error": sum(errors.values()) / len(errors),
        "model_errors": errors,
        "shape_losses": trained.shape_losses.tolist(),
        "pose_losses": trained.pose_losses.tolist(),
    }


def _network_error(trained: TrainedNetworks, bodies: JoinedBodies, pose: int, identity: int, number: int) -> float:
    """Mean distance of the canonical vertices, carried by the flow, from where they are in a training pose [box]."""
    model = trained.model
    device = trained.shapes.device
    points = model.box.inside(bodies.canonical(identity).vertices).float().to(device)
    shape = trained.shapes[identity]
    with torch.no_grad():
        moved = points + model.flow(shape, trained.poses[pose][None], points[None])[0] - model.pivot(shape)
    placed = moved.cpu() @ trained.roots[pose].cpu().T + trained.places[pose].cpu()
    return float((placed - model.box.inside(bodies.posed(identity, number))).norm(dim=-1).mean())
