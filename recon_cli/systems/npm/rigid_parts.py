"""Parts of a surface that move almost rigidly, found by merging small patches (after Schaefer and Yuksel 2007)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.topology import edges as edges_of
from recon_cli.systems.npm.config import SkinConfig


def rigid_parts(
    canonical: Tensor,  # [P, V, 3]
    posed: Tensor,  # [P, V, 3]
    template: Tensor,  # [V, 3]
    faces: Tensor,  # [F, 3]
    config: SkinConfig,
) -> Tensor:  # [V]
    """Label every vertex with its part, 0 to K - 1.

    The surface is cut into patches of equal reach. The two neighbours whose union is explained best by one rigid motion a pose are merged,
    again and again, until that would add more than ``config.merging`` and there are at most ``config.parts``.

    Args:
        canonical: the surface in the canonical pose, of the identity of each pose [box].
        posed: the same points in the poses [box].
        template: the mean shape [box].
        faces: of the template.
        config: of the skin.
    """
    edges = edges_of(faces)
    patch = _patches(template, edges, config.patches)
    moments = _Moments.of(canonical.double(), posed.double(), patch)
    label = _merged(moments, _neighbours(edges, patch), config, total=posed.shape[0] * posed.shape[1])
    return torch.from_numpy(np.unique(label, return_inverse=True)[1])[patch]


def _patches(vertices: Tensor, edges: Tensor, count: int) -> Tensor:  # [V, 3], [E, 2] -> [V]
    """Each vertex's nearest of ``count`` vertices along the edges; each of these is as far as can be from those before it."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra

    points = vertices.double()
    centres, distance = [0], (points - points[0]).norm(dim=-1)
    while len(centres) < min(count, len(points)):
        centres.append(int(distance.argmax()))
        distance = torch.minimum(distance, (points - points[centres[-1]]).norm(dim=-1))
    length = (points[edges[:, 0]] - points[edges[:, 1]]).norm(dim=-1).clamp(min=1e-12).numpy()
    graph = coo_array((length, (edges[:, 0].numpy(), edges[:, 1].numpy())), shape=(len(points),) * 2).tocsr()
    _, _, source = dijkstra(graph, directed=False, indices=np.array(centres), min_only=True, return_predecessors=True)
    stray = source < 0  # a piece of the surface without a centre of its own
    if stray.any():
        nearest = torch.cdist(points[torch.from_numpy(stray)], points[centres]).argmin(dim=1)
        source[stray] = np.array(centres)[nearest.numpy()]
    return torch.from_numpy(np.unique(source, return_inverse=True)[1])


def _neighbours(edges: Tensor, patch: Tensor) -> set[tuple[int, int]]:
    pairs = patch[edges].sort(dim=1).values
    pairs = pairs[pairs[:, 0] != pairs[:, 1]].unique(dim=0)
    return {(int(a), int(b)) for a, b in pairs.tolist()}


@dataclass(frozen=True)
class _Moments:
    """Sums over the vertices of patches, in every pose: all that the best rigid motion and its error depend on.

    Attributes:
        count: of vertices, shape [S, 1].
        before: sum of canonical positions, shape [S, P, 3].
        after: sum of posed positions, shape [S, P, 3].
        product: sum of their outer products, shape [S, P, 3, 3].
        square: sum of both squared lengths, shape [S, P].
    """

    count: Tensor
    before: Tensor
    after: Tensor
    product: Tensor
    square: Tensor

    @staticmethod
    def of(canonical: Tensor, posed: Tensor, patch: Tensor) -> _Moments:
        count = int(patch.max()) + 1

        def summed(values: Tensor) -> Tensor:  # [P, V, ...] -> [S, P, ...]
            values = values.transpose(0, 1)
            return torch.zeros(count, *values.shape[1:], dtype=values.dtype).index_add_(0, patch, values)

        return _Moments(
            count=torch.bincount(patch, minlength=count)[:, None].double(),
            before=summed(canonical),
            after=summed(posed),
            product=summed(canonical[..., :, None] * posed[..., None, :]),
            square=summed(canonical.square().sum(-1) + posed.square().sum(-1)),
        )

    def chosen(self, index: Tensor) -> _Moments:
        return _Moments(*(value[index] for value in vars(self).values()))

    def __add__(self, other: _Moments) -> _Moments:
        return _Moments(*(one + two for one, two in zip(vars(self).values(), vars(other).values(), strict=True)))

    def error(self) -> Tensor:  # [S]
        """Summed squared distance that the best rigid motion of every pose leaves."""
        count = self.count[..., None]
        centred = self.product - self.before[..., :, None] * self.after[..., None, :] / count[..., None]
        singular = torch.linalg.svdvals(centred)
        alike = singular[..., 0] + singular[..., 1] + torch.linalg.det(centred).sign() * singular[..., 2]
        spread = self.square - (self.before.square().sum(-1) + self.after.square().sum(-1)) / self.count
        return (spread - 2 * alike).clamp(min=0).sum(dim=-1)


def _merged(moments: _Moments, neighbours: set[tuple[int, int]], config: SkinConfig, *, total: int) -> np.ndarray:  # [S]
    """The part of every patch."""
    label = np.arange(len(moments.count))
    error = moments.error()
    pairs = sorted(neighbours)
    cost = dict(zip(pairs, _costs(moments, error, pairs), strict=True))
    parts = len(label)
    while cost:
        (kept, gone), added = min(cost.items(), key=lambda item: (item[1], item[0]))
        if parts <= config.parts and (added / total) ** 0.5 > config.merging:
            break
        union = moments.chosen(torch.tensor([kept])) + moments.chosen(torch.tensor([gone]))
        for own, new in zip(vars(moments).values(), vars(union).values(), strict=True):
            own[kept] = new[0]
        error[kept] = union.error()[0]
        label[label == gone] = kept
        around = {b if a in (kept, gone) else a for a, b in cost if {a, b} & {kept, gone}} - {kept, gone}
        cost = {pair: value for pair, value in cost.items() if not {*pair} & {kept, gone}}
        pairs = [(min(kept, other), max(kept, other)) for other in sorted(around)]
        cost.update(zip(pairs, _costs(moments, error, pairs), strict=True))
        parts -= 1
    return label


def _costs(moments: _Moments, error: Tensor, pairs: list[tuple[int, int]]) -> list[float]:
    """What merging each pair adds to the error."""
    costs = []
    for start in range(0, len(pairs), 64):
        first, second = torch.tensor(pairs[start : start + 64]).unbind(dim=1)
        added = (moments.chosen(first) + moments.chosen(second)).error() - error[first] - error[second]
        costs += added.clamp(min=0).tolist()  # rounding makes less than nothing of a union that moves rigidly
    return costs
