"""A closed tube of three parts along x that bends at two joints: bodies whose skin is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.mesh import Mesh
from recon_cli.systems.npm.box import Box
from recon_cli.systems.npm.skinning import Pose, Tree, rotation, skinned
from recon_cli.systems.npm.template import Registered

TREE = Tree((-1, 0, 1))


def tube(length: float = 1.0, radius: float = 0.08, rings: int = 41, segments: int = 12) -> Mesh:
    """From x = -length / 2 to length / 2, counter-clockwise from outside, float64; a little flat, so that it has a side."""
    angle = 2 * math.pi * torch.arange(segments, dtype=torch.float64) / segments
    ring = torch.stack([torch.zeros_like(angle), 0.8 * radius * angle.cos(), radius * angle.sin()], dim=1)
    along = torch.linspace(-0.5, 0.5, rings, dtype=torch.float64) * length
    axis = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    body = (along[:, None, None] * axis + ring).reshape(-1, 3)
    ends = torch.stack([(along[0] - 0.5 * radius) * axis, (along[-1] + 0.5 * radius) * axis])
    index = torch.arange(rings * segments).reshape(rings, segments)
    a, b = index[:-1], index[:-1].roll(-1, 1)
    c, d = index[1:], index[1:].roll(-1, 1)
    sides = torch.cat([torch.stack([a, b, d], -1).reshape(-1, 3), torch.stack([a, d, c], -1).reshape(-1, 3)])
    first, last = rings * segments, rings * segments + 1
    caps = [torch.stack([torch.full((segments,), first), index[0].roll(-1), index[0]], 1)]
    caps.append(torch.stack([torch.full((segments,), last), index[-1], index[-1].roll(-1)], 1))
    return Mesh(torch.cat([body, ends]), torch.cat([sides, *caps]))


@dataclass(frozen=True)
class Tubes:
    """Tubes of several lengths in several poses, and the truth about them."""

    registered: Registered
    joints: Tensor  # [I, 3, 3]
    weights: Tensor  # [V, 3]
    poses: Pose


def tubes(*, identities: int = 3, poses: int = 12, softness: float = 0.03, seed: int = 0) -> Tubes:
    """Bodies with the same vertices; ``softness`` is the width over which a joint hands over from one part to the next."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.linspace(0.8, 1.0, identities, dtype=torch.float64)
    meshes = [tube(float(length)) for length in lengths]
    canonical = torch.stack([mesh.vertices for mesh in meshes])
    share = canonical[0, :, 0] / lengths[0]
    bends = torch.stack([torch.full_like(share, -1.0), torch.sigmoid((share + 0.17) / softness), torch.sigmoid((share - 0.2) / softness)])
    weights = torch.stack([1 - bends[1], bends[1] - bends[2], bends[2]], dim=1).clamp(min=0)
    place = torch.stack([-lengths / 2, -0.17 * lengths, 0.2 * lengths], dim=1)
    joints = torch.cat([place[..., None], torch.zeros(identities, 3, 2, dtype=torch.float64)], dim=-1)
    owner = torch.arange(identities).repeat_interleave(poses)
    turns = torch.randn(len(owner), 3, 3, generator=generator, dtype=torch.float64) * torch.tensor([0.2, 0.7, 0.7])[:, None]
    root = joints[owner, 0] + 0.1 * torch.randn(len(owner), 3, generator=generator, dtype=torch.float64)
    pose = Pose(TREE.composed(rotation(turns)), root)
    posed = skinned(canonical[owner], weights, pose, joints[owner], TREE)
    registered = Registered(
        box=Box(torch.zeros(3, dtype=torch.float64), 1.0),
        template=Mesh(canonical.mean(dim=0).float(), meshes[0].faces),
        canonical=canonical.float(),
        posed=posed.float(),
        identity=owner,
        error=torch.zeros(identities),
    )
    return Tubes(registered, joints, weights, pose)
