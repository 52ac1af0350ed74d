"""Processes that train one network together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed

Item = TypeVar("Item")


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is; one alone where ``torch.distributed`` was not set up.

    Attributes:
        rank: number of this process; 0 writes and is asked whether to stop.
        count: number of processes.
    """

    rank: int = 0
    count: int = 1

    @staticmethod
    def current() -> Ranks:
        """As ``torch.distributed`` has them."""
        if distributed.is_available() and distributed.is_initialized():
            return Ranks(distributed.get_rank(), distributed.get_world_size())
        return Ranks()

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """What of a batch is this process's to do."""
        return items[self.rank :: self.count]

    def summed(self, values: Tensor) -> Tensor:  # [N] -> [N]
        """Sum over all processes in the order of their ranks, so that it is the same everywhere and every time."""
        if self.count == 1:
            return values
        parts = [torch.empty_like(values) for _ in range(self.count)]
        distributed.all_gather(parts, values.contiguous())
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def told(self, is_so: bool, device: torch.device) -> bool:
        """What process 0 says."""
        if self.count == 1:
            return is_so
        said = torch.tensor([float(is_so)], device=device)
        distributed.broadcast(said, src=0)
        return bool(said.item())
