"""Skins: how much of each bone's motion every vertex follows, and where that brings it."""

from __future__ import annotations

import numpy as np
import torch

from recon_cli.core.topology import adjacency
from recon_cli.prepare.synth.body_skeleton import Placed, Skeleton
from recon_cli.prepare.synth.body_solid import Solid

Array = np.ndarray

SHARPNESS = 1.4
"""Width of the seam between primitives over that of the weights' softmax."""
LARGEST_COUNT = 4
"""Bones that may move one vertex."""
ROUNDS = 4
"""Rounds of smoothing over the mesh: creases of about as many edges are round."""


def skin_weights(solid: Solid, skeleton: Skeleton, vertices: Array, faces: Array) -> Array:  # [V, J]
    """Weights that sum to 1, at most four a vertex: the softmax of the bones' distances, smoothed over the mesh.

    A vertex follows the bone that it is nearest to and the bones that hang together with it, so that an arm beside the trunk or the other
    leg never pulls.

    Args:
        solid: flesh of the bones; in the frame of the vertices.
        skeleton: the tree of bones.
        vertices: positions at rest, shape [V, 3].
        faces: vertex indices, shape [F, 3].
    """
    distances = solid.of_bones(vertices, skeleton.names)
    nearest = distances.argmin(axis=1)
    is_near = skeleton.steps_apart()[nearest] <= 1
    logits = np.where(is_near, (distances.min(axis=1, keepdims=True) - distances) * SHARPNESS / solid.seam, -np.inf)
    weights = np.exp(logits)
    weights /= weights.sum(axis=1, keepdims=True)
    average = _averaging(faces, len(vertices))
    for _ in range(ROUNDS):
        weights = 0.5 * weights + 0.5 * (average @ weights)
    return _strongest(weights)


def skinned(placed: Placed, weights: Array, vertices: Array) -> Array:  # [V, J], [V, 3] or [T, V, 3] -> [T, V, 3]
    """Linear blend skinning of vertices at rest [m], which may differ from frame to frame."""
    offsets = placed.joints - (placed.rotations @ placed.rest[..., None])[..., 0]  # [T, J, 3]
    rotations = np.einsum("vj,tjab->tvab", weights, placed.rotations, optimize=True)
    return (rotations @ np.broadcast_to(vertices, (len(offsets), *vertices.shape[-2:]))[..., None])[..., 0] + weights @ offsets


def _averaging(faces: Array, count: int):
    """The sparse matrix that takes the mean over the neighbours of every vertex."""
    from scipy.sparse import diags_array

    graph = adjacency(torch.from_numpy(faces), count)
    return diags_array(1 / np.asarray(graph.sum(axis=1)).reshape(-1)) @ graph


def _strongest(weights: Array) -> Array:
    limit = -np.sort(-weights, axis=1)[:, LARGEST_COUNT : LARGEST_COUNT + 1]
    # What is left is lessened by the first weight that is not: none jumps where two bones change places.
    kept = np.maximum(weights - limit, 0.0)
    return kept / kept.sum(axis=1, keepdims=True)
