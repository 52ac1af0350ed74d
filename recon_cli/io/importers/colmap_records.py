"""What COLMAP's three files hold, however they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ColmapCamera:
    """A line of the cameras file."""

    number: int
    model: int
    size: tuple[int, int]
    parameters: Sequence[float]


@dataclass(frozen=True)
class ColmapImage:
    """A picture of the images file; ``quaternion`` (w, x, y, z) and ``translation`` are camera from world."""

    name: str
    camera: int
    quaternion: Sequence[float]
    translation: Sequence[float]


@dataclass(frozen=True)
class ColmapPoints:
    """The points file: positions, shape [N, 3], and 8-bit colours, shape [N, 3]."""

    positions: np.ndarray
    colors: np.ndarray
