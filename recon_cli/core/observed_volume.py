"""The part of space in which a reference scan is complete."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.errors import InputError


@dataclass(frozen=True)
class ObservedVolume:
    """A grid of cells that the scanner observed (Aanæs et al. 2016; an ObsMask file of the DTU data set).

    Attributes:
        is_observed: cells, bool, shape [X, Y, Z]; cell (i, j, k) is centred on ``box[0] + resolution * (i, j, k)``.
        box: lowest and highest corner [scene units], shape [2, 3].
        resolution: distance between the centres of two cells [scene units].

    Raises:
        InputError: a shape does not fit, the box is turned inside out, or the resolution is not positive.
    """

    is_observed: Tensor  # [X, Y, Z] bool
    box: Tensor  # [2, 3]
    resolution: float

    def __post_init__(self) -> None:
        if self.is_observed.ndim != 3 or not self.is_observed.numel() or self.box.shape != (2, 3):
            shapes = f"{list(self.is_observed.shape)} and a box {list(self.box.shape)}"
            raise InputError(f"an observed volume of shape {shapes}; expected [X, Y, Z] and [2, 3]")
        if not bool(torch.isfinite(self.box).all()) or bool((self.box[1] <= self.box[0]).any()):
            raise InputError(f"the box of the observed volume runs from {self.box[0].tolist()} to {self.box[1].tolist()}")
        if not 0.0 < self.resolution < float("inf"):
            raise InputError(f"the observed volume has cells of {self.resolution:g}; expected a positive size")

    def grown_box(self, below: float, above: float) -> Tensor:  # [2, 3]
        """The box with its lowest corner lowered and its highest raised [scene units]."""
        return torch.stack([self.box[0].double() - below, self.box[1].double() + above])

    def contains(self, points: Tensor) -> Tensor:  # [N, 3] -> [N] bool
        """Whether the cell whose centre is nearest to a point is observed; outside the grid none is."""
        place = ((points.double() - self.box[0].double()) / self.resolution).round().long()
        extent = torch.tensor(self.is_observed.shape)
        is_in_grid = ((place >= 0) & (place < extent)).all(dim=-1)
        inside = place.clamp(min=0).minimum(extent - 1)
        return is_in_grid & self.is_observed[inside[:, 0], inside[:, 1], inside[:, 2]]
