"""The frames a system works on, whatever they are stored in."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Frames(Protocol):
    """T images of one size, decoded when asked for; forward order is the cheap one."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Tensor:  # [H, W, 3] uint8 for colour, [H, W] uint8 (0 or 255) for masks
        ...
