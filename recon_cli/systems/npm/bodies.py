"""Registered bodies: what a model is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

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
