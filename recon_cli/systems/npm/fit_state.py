"""What a fit knows between two windows, and keeps in a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.systems.npm.postures import Postures

NAMES = ("poses", "roots", "places")
SCORES = ("spread", "deviation", "energy", "residual", "unexplained", "overhang")


@dataclass(frozen=True)
class FitState:
    """What is known so far; T frames that show a body.

    Attributes:
        shape: code, shape [S].
        unit: of the boxes, in those of the beginning.
        postures: of the frames, those that were not solved yet as they come.
        scores: rows named by ``SCORES``, shape [6, T].
        done: windows solved, then windows settled.
        known: of the frames that the shape was found in.
    """

    shape: Tensor
    unit: float
    postures: Postures
    scores: Tensor
    done: int
    known: Postures

    def tensors(self) -> dict[str, Tensor]:
        state = {"shape": self.shape, "unit": torch.tensor(self.unit, dtype=torch.float64), "scores": self.scores}
        return state | {"done": torch.tensor(self.done)} | _named(self.postures, "") | _named(self.known, "known.")

    @staticmethod
    def of(tensors: Mapping[str, Tensor]) -> FitState:
        postures, known = (Postures(*(tensors[group + name] for name in NAMES)) for group in ("", "known."))
        return FitState(tensors["shape"], float(tensors["unit"]), postures, tensors["scores"], int(tensors["done"]), known)


def _named(postures: Postures, group: str) -> dict[str, Tensor]:
    return {group + name: getattr(postures, name) for name in NAMES}
