"""What is around a body and does not move, in depth maps of a still camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recon_cli.systems.npm.floor import Plane, find_floor, find_walls

Array = np.ndarray

SAMPLED = 16
"""Frames that are enough to learn a backdrop from."""
FLOOR_POINTS = 20_000
RIM, FULL_RIM = 0.03, 0.2
"""Width of the picture's rim as a share of the shorter side; share of it with depth from which on there is more than a body."""
FULL_PICTURE = 0.6
"""Share of the picture with depth that says the same."""
FAR = 0.9
"""Share of the frames that show a pixel no farther than the scene behind the body."""
JUMP, SLANT = 0.08, 2.0
"""Difference in depth that parts two neighbours: [lengths of the body], and more where a surface may be slanted [sizes of a pixel]."""
BEHIND = (0.015, 0.008)
"""How near to the backdrop a depth counts as that: [lengths of the body], [share of the depth]."""
NOISY = 4.0
"""What the sensor's noise adds to it [standard deviations]."""
GAP = 0.1
"""Distance at which a piece still belongs to the body [lengths of the body]."""
BESIDE, REACH = 2, 0.5
"""How near to the body's pixels [px], and then to the body in space [lengths of the body], a piece belongs to it: a leg behind a trunk."""
EXTENT = 2.0
"""Things that are larger than this are no body [lengths of the body]."""
SAME = 0.75
"""Share of its pixels, over the frames, that do not change where a thing is furniture."""
SMALLEST, FEWEST = 3, 20
"""Pixels of a piece; of a thing, such as a body."""


@dataclass(frozen=True)
class Backdrop:
    """Floor, walls and still scene.

    Attributes:
        floor: the plane that the body stands on, or None where none was found.
        walls: planes that everything is in front of.
        far: depth of the scene with nothing before it [scene units], 0 where it is not known, shape [H, W].
        is_behind: where ``far`` is known to be the scene and no body, shape [H, W].
        rays: points at depth 1 of the pixels' centres, shape [H, W, 3].
        length: of the body [scene units].
        noise: standard deviation of the depth at depth 1; that of stereo and patterned light grows with the square.
    """

    floor: Plane | None
    walls: tuple[Plane, ...]
    far: Array
    is_behind: Array
    rays: Array
    length: float
    noise: float = 0.0

    def without(self, depth: Array) -> Array:  # [H, W] -> [H, W] bool
        """Where a depth map shows neither floor nor walls nor what is behind the body."""
        kept = (depth > 0) & ~(self.is_behind & (depth > self.far - self.slack(depth)))
        points = self.rays * depth[..., None]
        for plane in (*([] if self.floor is None else [self.floor]), *self.walls):
            kept &= plane.is_above(points)
        return kept

    def points(self, inside: Array, depth: Array) -> Array:  # [H, W] bool, [H, W] -> [N, 3]
        """Points of a depth map in the camera's axes [scene units]."""
        return self.rays[inside] * depth[inside, None]

    def slack(self, depth: Array) -> Array:
        """How near to the backdrop a depth counts as that [scene units]."""
        return BEHIND[0] * self.length + BEHIND[1] * depth + NOISY * self.noise * depth**2

    def linked(self, body: Array, others: Array, depth: Array) -> Array:  # [H, W] bool, [H, W] bool, [H, W] -> [N] bool
        """Which of the other pixels are near a body in space, or beside it in the picture and not far: something hides the link."""
        from scipy.ndimage import binary_dilation

        points, candidates = self.points(body, depth), self.points(others, depth)
        found: Array = is_near(points, candidates, GAP * self.length)
        beside: Array = np.asarray(binary_dilation(body, iterations=BESIDE))[others]
        found[beside] |= is_near(points, candidates[beside], REACH * self.length)
        return found

    def pieces(self, kept: Array, depth: Array, *, jump: float = JUMP) -> tuple[Array, int]:  # -> [H, W], number of things
        """Connected parts of a depth map, the largest first: neighbours of very different depth are apart; -1 is no part.

        The first ones, as many as the number says, are large enough to be things.
        """
        pixel = float(np.abs(self.rays[0, 1, 0] - self.rays[0, 0, 0])) if self.rays.shape[1] > 1 else 0.0
        return connected(kept, depth, jump * self.length + SLANT * pixel * depth)


def has_background(depth: Array) -> bool:  # [H, W]
    """Whether a depth map shows more than one body alone: its rim, or most of it, has depth."""
    seen = depth > 0
    width = max(1, round(RIM * min(depth.shape)))
    rim = np.ones_like(seen)
    rim[width:-width, width:-width] = False
    return bool(seen[rim].mean() > FULL_RIM or seen.mean() > FULL_PICTURE)


def learn_backdrop(
    depths: Sequence[Array],  # [H, W] each
    K: Array,  # [3, 3]
    *,
    length: float,
    up: Array | None = None,  # [3]
    seed: int = 0,
) -> Backdrop:
    """Floor, walls and the still scene behind a body.

    What lies farthest in nearly all frames is behind the body where it passes; where a body stays, that is the body itself. So of the
    farthest depths the scene is what is connected to the picture's rim, or is larger than a body, or stands apart and never changes.

    Args:
        depths: some frames of the sequence, spread over it [scene units], 0 where there is no depth.
        K: intrinsics [px].
        length: of the body [scene units].
        up: the direction that is up in the camera's axes, where it is known.
        seed: of the search for the floor.
    """
    rays = pixel_rays(K, depths[0].shape)
    points, generator = _some_points(depths, rays), np.random.default_rng(seed)
    floor = find_floor(points, length=length, up=up, generator=generator)
    walls = find_walls(points if floor is None else points[floor.is_above(points)], length=length, floor=floor, generator=generator)
    far = _farthest(depths)
    backdrop = Backdrop(floor, walls, far, np.zeros(far.shape, dtype=bool), rays, length, _noise(depths))
    labels, count = backdrop.pieces(backdrop.without(far), far)
    is_scene = np.array([_is_scene(labels == thing, backdrop) for thing in range(count)], dtype=bool)
    is_scene |= _is_furniture(labels, is_scene, backdrop, _unchanged(depths, backdrop))
    return replace(backdrop, is_behind=np.isin(labels, np.flatnonzero(is_scene)))


def pixel_rays(K: Array, shape: tuple[int, ...]) -> Array:  # [3, 3] -> [H, W, 3]
    """Points at depth 1 of the pixels' centres in the camera's axes."""
    rows, columns = np.meshgrid(np.arange(shape[0]) + 0.5, np.arange(shape[1]) + 0.5, indexing="ij")
    return np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ np.linalg.inv(np.asarray(K, dtype=np.float64)).T


def connected(kept: Array, depth: Array, jump: Array) -> tuple[Array, int]:  # [H, W] bool, [H, W], [H, W] -> [H, W], count
    """Number the parts of a depth map from 0, the largest first; neighbours whose depths differ by more than ``jump`` are apart."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    nodes = int(kept.sum())
    index = np.full(depth.shape, -1)
    index[kept] = np.arange(nodes)
    below, right = np.s_[:-1, :], np.s_[:, :-1]
    pairs = []
    for first, second in ((below, np.s_[1:, :]), (right, np.s_[:, 1:])):
        joined = kept[first] & kept[second] & (np.abs(depth[first] - depth[second]) < jump[first])
        pairs.append(np.stack([index[first][joined], index[second][joined]]))
    rows, columns = np.concatenate(pairs, axis=1)
    graph = coo_matrix((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(nodes, nodes))
    count, labels = connected_components(graph, directed=False)
    sizes = np.bincount(labels, minlength=count)
    rank = np.empty(count, dtype=np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(count)
    rank[sizes < SMALLEST] = -1
    index[kept] = rank[labels]
    return index, int((sizes >= FEWEST).sum())


def is_near(points: Array, others: Array, distance: float) -> Array:  # [N, 3], [M, 3] -> [M] bool
    """Which of the others are within a distance of any of the points."""
    from scipy.spatial import KDTree

    return np.isfinite(KDTree(points).query(others, distance_upper_bound=distance)[0])


def extent(points: Array) -> float:  # [N, 3]
    """Longest side of the box around all points but the outermost hundredths."""
    return float(np.ptp(np.quantile(points, (0.01, 0.99), axis=0), axis=0).max())


def _is_scene(inside: Array, backdrop: Backdrop) -> bool:
    """Whether a thing lies along the picture's rim for a sixth of a side (not the lower one, where legs are cut), or is very large."""
    if max(inside[0].mean(), inside[:, 0].mean(), inside[:, -1].mean()) > 1 / 6:
        return True
    return extent(backdrop.points(inside, backdrop.far)) > EXTENT * backdrop.length


def _is_furniture(labels: Array, is_scene: Array, backdrop: Backdrop, unchanged: Array) -> Array:  # [N] bool
    """Which of the things stand apart from what changes most, and never change."""
    found = np.zeros(len(is_scene), dtype=bool)
    others = np.flatnonzero(~is_scene)
    if not len(others):
        return found
    changes = [float((1 - unchanged)[labels == thing].sum()) for thing in others]
    body = labels == others[int(np.argmax(changes))]
    for thing in others:
        inside = labels == thing
        is_apart = not backdrop.linked(body, inside, backdrop.far).any()
        found[thing] = is_apart and float(unchanged[inside].mean()) > SAME
    return found


def _unchanged(depths: Sequence[Array], backdrop: Backdrop) -> Array:  # [H, W]
    """In which share of the frames that see it a pixel shows the farthest depth."""
    seen = np.maximum(sum((depth > 0).astype(np.int64) for depth in depths), 1)
    slack = backdrop.slack(backdrop.far)
    return sum(((depth > 0) & (np.abs(depth - backdrop.far) < slack)).astype(np.int64) for depth in depths) / seen


def _noise(depths: Sequence[Array]) -> float:
    """Standard deviation of the depth over the square of the depth, from what most pixels do over the frames; 0 for fewer than three."""
    if len(depths) < 3:
        return 0.0
    stack = np.stack([np.where(depth > 0, depth, np.nan) for depth in depths])[:, ::2, ::2]
    stack = stack[:, np.isfinite(stack).sum(axis=0) >= 3]
    if not stack.shape[1]:
        return 0.0
    middle = np.nanmedian(stack, axis=0)
    return float(1.4826 * np.median(np.nanmedian(np.abs(stack - middle), axis=0) / middle**2))


def _farthest(depths: Sequence[Array]) -> Array:  # [H, W]
    """The depth that nearly all frames' are not beyond, of those that have one at the pixel; 0 where there is none."""
    stack = np.sort(np.stack(depths), axis=0)  # [T, H, W]; pixels without depth come first
    count = (stack > 0).sum(axis=0)
    place = len(stack) - 1 - np.floor((1 - FAR) * np.maximum(count - 1, 0)).astype(np.int64)
    return np.take_along_axis(stack, place[None], axis=0)[0]


def _some_points(depths: Sequence[Array], rays: Array) -> Array:  # [N, 3]
    """Points of all frames, evenly over their pixels."""
    total = sum(int((depth > 0).sum()) for depth in depths)
    step = max(1, total // FLOOR_POINTS)
    return np.concatenate([(rays[depth > 0] * depth[depth > 0][:, None])[::step] for depth in depths])
