"""What every photo-consistency prior takes and gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor


class PhotoConsistency(Protocol):
    """How well the pictures agree about points on the rays of one view (Zins et al. 2022, C_Φ of Eq. 2)."""

    def scores(
        self,
        view: int,
        sources: Sequence[int],
        pixels: Tensor,  # [P, 2] int32, column and row
        depth: Tensor,  # [P, S] float32, z in the view's camera [scene units]
        slopes: Tensor | None = None,  # [P, 2] float32, change of 1 / z per pixel along x and y
    ) -> Tensor:  # [P, S] float32
        """Scores in [0, 1], 1 where all pictures agree.

        Args:
            view: the view whose rays are sampled.
            sources: the views it is compared with, any number.
            pixels: foreground pixels of the view.
            depth: depths of S points on each pixel's ray.
            slopes: the surface's tilt, for priors that compare patches; None faces the camera.
        """
        ...
