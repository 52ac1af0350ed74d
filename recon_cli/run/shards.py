"""Parts of a job that machines compute apart and that together are the whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from recon_cli.core.errors import UsageError

Item = TypeVar("Item")


@dataclass(frozen=True)
class Shard:
    """Part ``index`` of ``count``, numbered from 1; 1 of 1 is the whole job."""

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str | None) -> Shard:
        """The part that ``--shard i/N`` names; the whole job where there is no such flag.

        Raises:
            UsageError: the text is not of that form, or i is not from 1 to N.
        """
        if text is None:
            return cls()
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f"--shard {text}: expected i/N with i from 1 to N", hint="--shard 1/4 is the first of four parts")
        return cls(int(match[1]), int(match[2]))

    def part_of(self, items: Sequence[Item]) -> list[Item]:
        """Every ``count``-th item, beginning with this part's own; the parts of all shards are disjoint and complete."""
        return list(items[self.index - 1 :: self.count])

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"
