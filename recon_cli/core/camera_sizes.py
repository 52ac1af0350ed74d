"""Cameras at smaller sizes."""

from __future__ import annotations

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import UsageError


def shrunk_size(width: int, height: int, max_size: int | None) -> tuple[int, int]:
    """(width, height) [px] with the longest side at most ``max_size`` and nearly the same aspect; None keeps the size."""
    longest = max(width, height)
    if max_size is None or longest <= max_size:
        return width, height
    return max(1, round(width * max_size / longest)), max(1, round(height * max_size / longest))


def shrunk(cameras: Cameras, max_size: int | None) -> Cameras:
    """The same views, each with a longest side of at most ``max_size`` [px]; cameras that are smaller, or all for None, stay.

    Raises:
        UsageError: ``max_size`` is not positive.
    """
    if max_size is not None and max_size < 1:
        raise UsageError(f"a largest size of {max_size} px; expected at least 1")
    return cameras.with_sizes([shrunk_size(width, height, max_size) for width, height in cameras.size.tolist()])
