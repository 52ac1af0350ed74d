"""Contact: how deep parts of a body that do not hang together sink into each other in a pose."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recon_cli.prepare.synth.body_skeleton import Placed, Skeleton
from recon_cli.prepare.synth.body_solid import Lump, Primitive, Solid

Array = np.ndarray

FIRMNESS = 0.92
"""Radii of the capsules over those of the flesh: skin gives a little."""


@dataclass(frozen=True)
class Capsules:
    """Stand-ins for K parts of a body at rest, and the pairs of them that must keep clear of each other.

    Attributes:
        bones: the bone that carries each, shape [K].
        starts: first ends [m], shape [K, 3].
        ends: second ends [m], shape [K, 3].
        radii: [m], shape [K].
        pairs: indices of parts, shape [M, 2].
        slack: how deep the parts of a pair are in each other at rest [m], shape [M].
    """

    bones: Array  # [K]
    starts: Array  # [K, 3]
    ends: Array  # [K, 3]
    radii: Array  # [K]
    pairs: Array  # [M, 2]
    slack: Array  # [M]

    def moved(self, scale: float, shift: Array) -> Capsules:
        """At scale * position + shift."""
        lengths = {"radii": scale * self.radii, "slack": scale * self.slack}
        return replace(self, starts=scale * self.starts + shift, ends=scale * self.ends + shift, **lengths)

    def depths(self, placed: Placed) -> Array:  # [T]
        """How much deeper than at rest the worst pair of each frame is [m]; 0 where all keep clear."""
        starts, ends = placed.carried(self.starts, self.bones), placed.carried(self.ends, self.bones)
        first, second = self.pairs.T
        gaps = segment_distances(starts[:, first], ends[:, first], starts[:, second], ends[:, second])
        inside = self.radii[first] + self.radii[second] - gaps - self.slack
        return np.maximum(inside, 0.0).max(axis=1, initial=0.0)

    def lowest(self, placed: Placed) -> Array:  # [T]
        """Smoothed height of the lowest part of each frame [m], a little below the true one."""
        radii = self.radii / FIRMNESS
        heights = np.concatenate([placed.carried(end, self.bones)[..., 1] - radii for end in (self.starts, self.ends)], axis=1)
        least = heights.min(axis=1, keepdims=True)
        width = 0.2 * float(self.radii.mean())
        return least[:, 0] - width * np.log(np.exp((least - heights) / width).sum(axis=1))


def capsules_of(solid: Solid, skeleton: Skeleton) -> Capsules:
    """A capsule for every part that is not cloth; parts of bones that meet in a joint may touch, and so may a bone and its grandparent."""
    parts = [part for part in solid.parts if not part.is_cloth]
    bones = np.array([skeleton.names.index(part.bone) for part in parts])
    spans = [_span(part) for part in parts]
    starts, ends = np.array([start for start, _, _ in spans]), np.array([end for _, end, _ in spans])
    radii = FIRMNESS * np.array([radius for _, _, radius in spans])
    first, second = np.triu_indices(len(parts), k=1)
    kept = ~_may_touch(skeleton)[bones[first], bones[second]]
    first, second = first[kept], second[kept]
    gaps = segment_distances(starts[first], ends[first], starts[second], ends[second])
    slack = np.maximum(radii[first] + radii[second] - gaps, 0.0)
    return Capsules(bones, starts, ends, radii, np.stack([first, second], axis=-1), slack)


def segment_distances(a: Array, b: Array, c: Array, d: Array) -> Array:  # [..., 3] each -> [...]
    """Distances between the segments a b and c d."""
    along, across, between = b - a, d - c, a - c
    aa, cc, ac = (along**2).sum(-1) + 1e-12, (across**2).sum(-1) + 1e-12, (along * across).sum(-1)
    af, cf = (along * between).sum(-1), (across * between).sum(-1)
    s = np.clip((ac * cf - af * cc) / np.maximum(aa * cc - ac * ac, 1e-12), 0.0, 1.0)
    t = np.clip((ac * s + cf) / cc, 0.0, 1.0)
    s = np.clip((ac * t - af) / aa, 0.0, 1.0)
    return np.linalg.norm(between + s[..., None] * along - t[..., None] * across, axis=-1)


def _span(part: Primitive) -> tuple[Array, Array, float]:
    if not isinstance(part, Lump):
        return np.array(part.start), np.array(part.end), 0.5 * (part.start_radius + part.end_radius)
    radii, longest = np.array(part.radii), int(np.argmax(part.radii))
    radius = float(np.delete(radii, longest).mean())
    reach = np.eye(3)[longest] * (radii[longest] - radius)
    return np.array(part.centre) - reach, np.array(part.centre) + reach, radius


def _may_touch(skeleton: Skeleton) -> Array:  # [J, J]
    steps = skeleton.steps_apart()
    touching = steps <= 1
    for j, parent in enumerate(skeleton.parents):
        if parent > 0:
            grand = skeleton.parents[parent]
            touching[j, grand] = touching[grand, j] = True
    return touching
