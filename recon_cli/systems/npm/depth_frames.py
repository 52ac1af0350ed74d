"""Depth sequences as a fit takes them."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class DepthFrames(Protocol):
    """Depth maps of a body from one still camera; a frame is read when it is asked for."""

    @property
    def K(self) -> Tensor:  # [3, 3]
        """Intrinsics of the camera [px]."""
        ...

    @property
    def up(self) -> Tensor | None:  # [3]
        """Direction in the camera's axes that is up for the body, of length 1; None where it is not known."""
        ...

    def __len__(self) -> int:
        """Number T of frames."""
        ...

    def depth(self, frame: int) -> Tensor:  # [H, W] float32
        """z-depth of the body [scene units], 0 where there is none of it; no NaN, nothing infinite."""
        ...
