"""What a fit begins with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.systems.npm.parametric_model import ParametricModel


@dataclass(frozen=True)
class Start:
    """A body of one shape in T frames, in the camera's axes: ``root @ (x + flow(x) - pivot) + place``, times ``unit``.

    Attributes:
        shape: code, shape [S].
        poses: codes, shape [T, P].
        roots: orientations, from the body's axes to the camera's, shape [T, 3, 3].
        places: where the pivot is [box], shape [T, 3].
        unit: scene units of the depth a box.
    """

    shape: Tensor
    poses: Tensor
    roots: Tensor
    places: Tensor
    unit: float

    def __len__(self) -> int:
        return len(self.poses)

    def check(self, model: ParametricModel, frames: int) -> None:
        """Refuse a start that is not one of this model in so many frames.

        Raises:
            InputError: a shape differs, a number is not finite, or the unit is no length.
        """
        expected = {
            "shape": (model.shape_size,),
            "poses": (frames, model.pose_size),
            "roots": (frames, 3, 3),
            "places": (frames, 3),
        }
        for name, shape in expected.items():
            value = getattr(self, name)
            if tuple(value.shape) != shape:
                raise InputError(
                    f"the start's {name} have shape {list(value.shape)}, expected {list(shape)}: are they of another model or sequence?"
                )
            if not bool(torch.isfinite(value).all()):
                raise InputError(f"the start's {name} have a NaN or infinite number")
        if not 0 < self.unit < float("inf"):
            raise InputError(f"the start's unit is {self.unit}, expected the scene units of a box")
