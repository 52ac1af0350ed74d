"""Registered bodies: what a model is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from torch import Tensor

from recon_cli.core.mesh import Mesh


class Bodies(Protocol):
    """Identities, each with a closed mesh in the canonical pose and the same vertices in other poses [scene units]."""

    @property
    def names(self) -> Sequence[str]:
        """Of the identities."""
        ...

    def canonical(self, identity: int) -> Mesh:
        """The closed mesh of an identity in the canonical pose."""
        ...

    def pose_count(self, identity: int) -> int:
        """Number of poses of an identity."""
        ...

    def posed(self, identity: int, pose: int) -> Tensor:
        """The canonical mesh's vertices in a pose, shape [V, 3]."""
        ...


def poses_taken(bodies: Bodies, identity: int, most: int) -> list[int]:
    """Poses of an identity that a training takes which takes at most so many in all: as many of each, evenly spread."""
    count = bodies.pose_count(identity)
    share = min(count, max(1, most // len(bodies.names)))
    return [int(pose) for pose in np.unique(np.linspace(0, count - 1, share).round())] if count else []


def all_poses_taken(bodies: Bodies, most: int) -> list[tuple[int, int]]:
    """Identity and number of every pose that such a training takes."""
    return [(identity, pose) for identity in range(len(bodies.names)) for pose in poses_taken(bodies, identity, most)]
