"""The unit in which models work, and how files say it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh


@dataclass(frozen=True)
class Box:
    """The frame in which lengths have no unit: the box's longest side is 1 and its middle the origin.

    Attributes:
        middle: of the boxes of all canonical meshes [scene units], shape [3].
        side: longest side of any of them [scene units].
    """

    middle: Tensor  # [3] float64
    side: float

    def inside(self, points: Tensor) -> Tensor:  # [..., 3] -> [..., 3]
        """Points in scene units, in the box's."""
        return (points.double() - self.middle.to(points.device)) / self.side

    def outside(self, points: Tensor) -> Tensor:  # [..., 3] -> [..., 3]
        """Points in the box's units, in scene units."""
        return points.double() * self.side + self.middle.to(points.device)

    @staticmethod
    def around(meshes: Sequence[Mesh]) -> Box:
        """Of canonical meshes.

        Raises:
            InputError: none of them has an extent.
        """
        low = torch.stack([mesh.vertices.double().amin(dim=0) for mesh in meshes])
        high = torch.stack([mesh.vertices.double().amax(dim=0) for mesh in meshes])
        side = float((high - low).max())
        if not side > 0:
            raise InputError("no canonical mesh has an extent; expected bodies")
        return Box((low.amin(dim=0) + high.amax(dim=0)) / 2, side)

    def text(self) -> str:
        """For a file."""
        return json.dumps({"middle": self.middle.tolist(), "side": self.side})

    @staticmethod
    def of(texts: Mapping[str, str], *, path: str) -> Box:
        """What a file's texts say under ``box``.

        Raises:
            InputError: they say nothing, or no length.
        """
        try:
            said = json.loads(texts["box"])
            middle, side = torch.tensor(said["middle"], dtype=torch.float64), float(said["side"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError("has no box, which says how large it is", path=path, hint="copy or train it again") from error
        if middle.shape != (3,) or not bool(torch.isfinite(middle).all()) or not 0 < side < float("inf"):
            raise InputError(f"has a box of side {side}, expected a positive length", path=path, hint="copy or train it again")
        return Box(middle, side)
