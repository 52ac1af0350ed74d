"""What is known before the first step: which frames show a body, which way is up, how large a box is, and where every frame begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.systems.npm.depth_frames import DepthFrames
from recon_cli.systems.npm.first_guesses import FirstGuesses
from recon_cli.systems.npm.observed import depth_points
from recon_cli.systems.npm.postures import Postures
from recon_cli.systems.npm.training_views import Begun

LARGEST_CODE = 3.0
"""Codes of a start are cut off here [deviations]: training poses in the tails are no place to begin from."""
LOOKED_AT = 8
"""Frames by which the up direction is told."""
CAMERA_UPS = ((0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (-1.0, 0.0, 0.0))
"""Which way may be up in the camera's axes where nobody says: the camera was level, or turned onto a side or its head."""


def present_frames(frames: DepthFrames) -> list[int]:
    """Frames in which there is a body.

    Raises:
        InputError: there is none.
    """
    found = [frame for frame in range(len(frames)) if bool((frames.depth(frame) > 0).any())]
    if not found:
        raise InputError(f"none of {len(frames)} depth maps has a pixel of a body", hint="check what was removed as background")
    return found


def spread_over(items: Sequence[int], most: int) -> list[int]:
    """At most so many of them, evenly."""
    if len(items) <= most:
        return list(items)
    return [items[(2 * index + 1) * len(items) // (2 * most)] for index in range(most)]


@dataclass(frozen=True)
class Beginning:
    """Of a sequence.

    Attributes:
        up: which way is up in the camera's axes, shape [3].
        unit: scene units a box.
    """

    up: Tensor
    unit: float


def beginning(frames: DepthFrames, present: Sequence[int], guesses: FirstGuesses, unit: float | None) -> Beginning:
    """Up direction and unit, where they are not given.

    The up direction is the one of four whose training views are most like the frames; the unit makes the frames as large as these views.
    """
    looked_at = [depth_points(frames.depth(frame), frames.K.float()) for frame in spread_over(present, LOOKED_AT)]
    ups = [torch.tensor(up) for up in CAMERA_UPS] if frames.up is None else [frames.up.float()]
    found = [[guesses.views.nearest(guesses.views.seen(points, up), 1) for points in looked_at] for up in ups]
    least = min(range(len(ups)), key=lambda index: sum(float(begun.distances[0]) for begun in found[index]))
    units = torch.tensor([float(begun.units[0]) for begun in found[least]])
    return Beginning(ups[least], float(units.median()) if unit is None else unit)


def starts_of(begun: Begun) -> Postures:
    """Postures to step from."""
    found = begun.postures
    return Postures(found.poses.clamp(-LARGEST_CODE, LARGEST_CODE), found.roots, found.places)


def place_before(body: Tensor, depth: Tensor) -> Tensor:  # [V, 3], [N, 3] -> [3]
    """The move that gives what faces the camera of a body the middle of the depth's box, and its median depth."""
    place = (depth.amin(dim=0) + depth.amax(dim=0) - body.amin(dim=0) - body.amax(dim=0)) / 2
    place[2] = depth[:, 2].median() - body[:, 2].median()
    return place
