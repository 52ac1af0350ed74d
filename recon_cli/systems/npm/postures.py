"""Where bodies are and how they hold themselves: what a fit looks for in every frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from recon_cli.systems.npm.skinning import rotation


@dataclass(frozen=True)
class Postures:
    """Of B frames, in the camera's axes and units of the box.

    Attributes:
        poses: codes, shape [B, P].
        roots: orientations, shape [B, 3, 3].
        places: of the root's joint, shape [B, 3].
    """

    poses: Tensor
    roots: Tensor
    places: Tensor

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: slice | Sequence[int] | Tensor) -> Postures:
        chosen = torch.as_tensor(index) if isinstance(index, Sequence) else index
        return Postures(self.poses[chosen], self.roots[chosen], self.places[chosen])

    @staticmethod
    def joined(parts: Sequence[Postures]) -> Postures:
        """One after the other."""
        return Postures(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Postures)))

    def stepped(self, change: Tensor) -> Postures:  # [B, 6 + P]
        """After a small turn of the root (camera's axes), a move, and a change of the code."""
        return Postures(self.poses + change[:, 6:], rotation(change[:, :3]) @ self.roots, self.places + change[:, 3:6])

    def replaced(self, index: Sequence[int] | Tensor, other: Postures) -> Postures:
        """With some frames exchanged."""
        chosen = torch.as_tensor(index)
        return Postures(*(getattr(self, field.name).index_copy(0, chosen, getattr(other, field.name)) for field in fields(Postures)))

    def carried_on(self, before: Postures, share: float) -> Postures:
        """What comes after this when it came after ``before`` and keeps a share of its speed; the orientation stays."""
        return Postures(self.poses + share * (self.poses - before.poses), self.roots, self.places + share * (self.places - before.places))
