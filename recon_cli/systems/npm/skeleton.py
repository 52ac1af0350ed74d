"""The tree that joins rigid parts, and where its joints are (after Schaefer and Yuksel 2007; Le and Deng 2014)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.topology import edges as edges_of
from recon_cli.systems.npm.skinning import Pose, Tree

RIDGE = 0.05
"""How firmly a joint is held to the border of its parts, beside a pose that bends it by a radian: what no pose bends stays there."""


@dataclass(frozen=True)
class Skeleton:
    """A tree of parts, its joints in every identity, and the poses.

    Attributes:
        tree: of the K parts.
        label: part of every template vertex, shape [V].
        joints: in the canonical pose [box], shape [I, K, 3]; the root's is the middle of its part.
        poses: the training poses.
        gap: mean distance [box] between what a part and its parent make of their joint, shape [K]; 0 for the root.
    """

    tree: Tree
    label: Tensor
    joints: Tensor
    poses: Pose
    gap: Tensor


def find_skeleton(
    canonical: Tensor,  # [I, V, 3]
    posed: Tensor,  # [P, V, 3]
    identity: Tensor,  # [P]
    faces: Tensor,  # [F, 3]
    label: Tensor,  # [V]
) -> Skeleton:
    """Join the parts by the tree whose joints gape least over all poses.

    Where two parts meet, the joint of an identity is the point that both motions take to nearly the same place in all of its poses.

    Args:
        canonical: the surface of every identity [box].
        posed: the surface in every pose [box].
        identity: whose each pose is.
        faces: of the template.
        label: part of every vertex.
    """
    count = int(label.max()) + 1
    rotations, translations = _motions(canonical, posed, identity, label, count)
    middles = torch.stack([canonical[:, label == part].mean(dim=1) for part in range(count)], dim=1)  # [I, K, 3]
    joints = {
        pair: _joint(rotations[:, list(pair)], translations[:, list(pair)], identity, border)
        for pair, border in _borders(canonical, faces, label, middles, count).items()
    }
    root = int((middles.mean(dim=0) - canonical.mean(dim=(0, 1))).norm(dim=-1).argmin())
    order, parents = _spanning_tree({pair: float(gap) for pair, (_, gap) in joints.items()}, root, count)
    number = {part: place for place, part in enumerate(order)}
    edges = [(min(part, parents[part]), max(part, parents[part])) for part in order[1:]]
    positions = torch.stack([middles[:, root]] + [joints[edge][0] for edge in edges], dim=1)
    orientations = rotations[:, order]
    base = (orientations[:, 0] @ positions[identity, 0, :, None])[..., 0] + translations[:, order[0]]
    return Skeleton(
        tree=Tree(tuple([-1] + [number[parents[part]] for part in order[1:]])),
        label=torch.tensor([number[part] for part in range(count)])[label],
        joints=positions,
        poses=Pose(orientations, base),
        gap=torch.tensor([0.0] + [float(joints[edge][1]) for edge in edges]),
    )


def _motions(canonical: Tensor, posed: Tensor, identity: Tensor, label: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Best rotation [P, K, 3, 3] and translation [P, K, 3] of every part in every pose (Umeyama 1991)."""
    rotations, translations = [], []
    for part in range(count):
        before, after = canonical[:, label == part].double(), posed[:, label == part].double()
        middle, goal = before.mean(dim=1)[identity], after.mean(dim=1)
        left, _, right = torch.linalg.svd((after - goal[:, None]).mT @ (before[identity] - middle[:, None]))
        flip = torch.linalg.det(left @ right).sign()
        left = left * torch.stack([torch.ones_like(flip), torch.ones_like(flip), flip], dim=-1)[:, None]
        rotations.append(left @ right)
        translations.append(goal - (rotations[-1] @ middle[..., None])[..., 0])
    return torch.stack(rotations, dim=1).to(posed), torch.stack(translations, dim=1).to(posed)


def _borders(canonical: Tensor, faces: Tensor, label: Tensor, middles: Tensor, count: int) -> dict[tuple[int, int], Tensor]:
    """Middle [I, 3] of the border of every two parts that share one; pieces without a border hang on the nearest part of another."""
    edges = edges_of(faces)
    pairs, order = label[edges].sort(dim=1)
    edges = edges.gather(1, order)
    borders = {}
    for first, second in pairs[pairs[:, 0] != pairs[:, 1]].unique(dim=0).tolist():
        ends = edges[(pairs[:, 0] == first) & (pairs[:, 1] == second)].flatten().unique()
        borders[first, second] = canonical[:, ends].mean(dim=1)
    return _connected(borders, middles, count)


def _connected(borders: dict[tuple[int, int], Tensor], middles: Tensor, count: int) -> dict[tuple[int, int], Tensor]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    far = torch.cdist(middles.mean(dim=0), middles.mean(dim=0))
    while True:
        rows, columns = np.array(list(borders), dtype=np.int64).reshape(-1, 2).T
        pieces, piece = connected_components(coo_array((np.ones(len(rows)), (rows, columns)), shape=(count, count)), directed=False)
        if pieces == 1:
            return borders
        apart = torch.from_numpy(piece[:, None] != piece[None])
        first, second = divmod(int(torch.where(apart, far, torch.inf).argmin()), count)
        first, second = min(first, second), max(first, second)
        borders[first, second] = (middles[:, first] + middles[:, second]) / 2


def _joint(rotations: Tensor, translations: Tensor, identity: Tensor, border: Tensor) -> tuple[Tensor, Tensor]:
    """The joint of two parts in every identity, shape [I, 3], and its mean gap.

    Args:
        rotations: of both, shape [P, 2, 3, 3].
        translations: of both, shape [P, 2, 3].
        identity: whose each pose is, shape [P].
        border: where they meet, shape [I, 3].
    """
    turn, shift = rotations[:, 0] - rotations[:, 1], translations[:, 0] - translations[:, 1]
    poses = torch.bincount(identity, minlength=len(border)).clamp(min=1).to(turn)
    ridge = RIDGE * poses[:, None, None] * torch.eye(3).to(turn)
    matrix = torch.zeros(len(border), 3, 3).to(turn).index_add_(0, identity, turn.mT @ turn) + ridge
    right = torch.zeros(len(border), 3).to(turn).index_add_(0, identity, -(turn.mT @ shift[..., None])[..., 0])
    joint = torch.linalg.solve(matrix, right + (ridge @ border[..., None])[..., 0])
    gap = ((turn @ joint[identity, :, None])[..., 0] + shift).norm(dim=-1)
    return joint, gap.mean() if len(gap) else torch.zeros(())


def _spanning_tree(gaps: dict[tuple[int, int], float], root: int, count: int) -> tuple[list[int], dict[int, int]]:
    """Parts in the order in which they are reached from the root by the smallest gap, and the parent of each (Prim)."""
    order, parents = [root], {root: -1}
    while len(order) < count:
        _, pair = min((gap, pair) for pair, gap in gaps.items() if (pair[0] in parents) != (pair[1] in parents))
        parent, part = pair if pair[0] in parents else pair[::-1]
        parents[part] = parent
        order.append(part)
    return order, parents
