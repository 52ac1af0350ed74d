"""Which direction is up for a body, in the camera's axes."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from recon_cli.core.errors import UsageError
from recon_cli.systems.npm.floor import Plane

UpChoice = Literal["auto", "camera", "+x", "-x", "+y", "-y", "+z", "-z"]
CHOICES = get_args(UpChoice)


def given_up(choice: str, camera_from_world: Tensor) -> Tensor | None:  # [4, 4] -> [3]
    """The direction that a choice names, in the camera's axes, of length 1, float64.

    Args:
        choice: an axis of the world with its sign, "camera" for the picture's own upward direction, or "auto".
        camera_from_world: of the camera.

    Returns:
        The direction; None for "auto".

    Raises:
        UsageError: the choice is none of ``CHOICES``.
    """
    if choice not in CHOICES:
        raise UsageError(f"{choice!r} is no upward direction; expected one of {', '.join(CHOICES)}")
    if choice == "auto":
        return None
    if choice == "camera":
        return torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64)
    axis = camera_from_world[:3, "xyz".index(choice[1])].double()
    return torch.nn.functional.normalize(axis if choice[0] == "+" else -axis, dim=0)


def up_direction(given: Tensor | None, floor: Plane | None) -> Tensor | None:  # [3]
    """The given direction, or else the floor's normal, or None where neither is known."""
    if given is not None or floor is None:
        return given
    return torch.from_numpy(floor.normal)
