"""Skin weights: how much each part moves each vertex, by least squares under the rules of a mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.topology import adjacency
from recon_cli.systems.npm.skinning import Pose, Tree, carried

STEPS = 300
"""Of the accelerated projected gradient; the weights' error falls with the square of their number."""
SOFT_ROUNDS = 6
"""Times that the first weights, one or nothing, are evened out over the surface."""
CHUNK = 48


def neighbour_mean(faces: Tensor, count: int) -> Any:  # sparse [V, V]
    """The matrix that replaces what vertices carry by the mean of their neighbours'."""
    from scipy.sparse import diags_array

    graph = adjacency(faces, count)
    degree = np.maximum(graph.sum(axis=1), 1)
    return diags_array(1 / degree) @ graph


def first_weights(label: Tensor, faces: Tensor) -> Tensor:  # [V], [F, 3] -> [V, K]
    """One for the part of each vertex, evened out a little."""
    weights = torch.nn.functional.one_hot(label).float()
    mean = neighbour_mean(faces, len(label))
    for _ in range(SOFT_ROUNDS):
        weights = 0.5 * weights + 0.5 * torch.from_numpy(mean @ weights.numpy()).float()
    return weights


def fitted_weights(
    canonical: Tensor,  # [P, V, 3]
    posed: Tensor,  # [P, V, 3]
    joints: Tensor,  # [P, K, 3]
    tree: Tree,
    poses: Pose,
    start: Tensor,  # [V, K]
    faces: Tensor,  # [F, 3]
    *,
    bones: int,
    smoothness: float,
) -> Tensor:  # [V, K]
    """Weights of least squared distance between skinned and posed points [box]: not negative, of sum one, few a vertex.

    Args:
        canonical: points in the canonical pose.
        posed: where they are.
        joints: in the canonical pose.
        tree: of the parts.
        poses: of the parts.
        start: weights to begin with.
        faces: of the surface.
        bones: most parts a vertex; the heaviest stay.
        smoothness: weight of squared differences to the neighbours' mean.
    """
    products = _products(canonical, posed, joints, tree, poses)
    mean = neighbour_mean(faces, len(start))
    weights = _on_simplex(products, start, torch.ones_like(start, dtype=torch.bool), mean, smoothness)
    if bones >= weights.shape[1]:
        return weights
    kept = torch.zeros_like(weights, dtype=torch.bool).scatter(1, weights.topk(bones, dim=1).indices, True)
    return _on_simplex(products, weights, kept, mean, smoothness)


def _products(canonical: Tensor, posed: Tensor, joints: Tensor, tree: Tree, poses: Pose) -> Tensor:  # [V, K, K]
    """Mean products of the distances that the parts, each alone, would leave: the squared error is quadratic in weights of sum one."""
    total = torch.zeros(posed.shape[1], len(tree), len(tree))
    for begin in range(0, len(posed), CHUNK):
        chunk = slice(begin, begin + CHUNK)
        moved, _ = carried(canonical[chunk], poses[chunk], joints[chunk], tree)
        left = (moved - posed[chunk][:, :, None]).permute(1, 2, 0, 3).flatten(2)  # [V, K, 3 P]
        total += left @ left.mT
    return total / max(1, len(posed))


def _on_simplex(products: Tensor, start: Tensor, allowed: Tensor, mean: Any, smoothness: float) -> Tensor:  # [V, K]
    """Nesterov's accelerated projected gradient, every vertex with the step that its own products allow."""
    bound = torch.linalg.matrix_norm(products, ord="fro")[:, None] + 2 * smoothness
    weights = ahead = _projected(start, allowed)
    momentum = 1.0
    for _ in range(STEPS):
        slope = (products @ ahead[..., None])[..., 0]
        if smoothness:
            slope = slope + smoothness * (ahead - torch.from_numpy(mean @ ahead.numpy()).float())
        last, weights = weights, _projected(ahead - slope / bound, allowed)
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = weights + (momentum - 1) / following * (weights - last)
        momentum = following
    return weights


def _projected(values: Tensor, allowed: Tensor) -> Tensor:  # [V, K]
    """The nearest weights that are not negative and have sum one, zero where they are not allowed (Duchi et al. 2008)."""
    values = torch.where(allowed, values, torch.full_like(values, -1e6))
    falling = values.sort(dim=1, descending=True).values
    excess = falling.cumsum(dim=1) - 1
    place = torch.arange(1, values.shape[1] + 1)
    count = (falling * place > excess).sum(dim=1, keepdim=True)
    return (values - excess.gather(1, count - 1) / count).clamp(min=0)
