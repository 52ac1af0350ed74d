"""Names in the order that people count in."""

from __future__ import annotations

import re


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key that orders ``frame9`` before ``frame10``, and words before numbers; only 0 to 9 are digits."""
    parts = re.findall(r"([0-9]+)|([^0-9]+)", name)
    return [(int(digits), "") if digits else (-1, text) for digits, text in parts]
