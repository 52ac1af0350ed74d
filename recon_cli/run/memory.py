"""Memory that is free goes back to the system."""

from __future__ import annotations

import ctypes
import gc

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of glibc's mallopt
_BLOCK = 2**20


def hold_maps_apart() -> None:
    """Take blocks of a megabyte and more from the system, which gets them back when they are freed (glibc).

    Its threshold grows with what is freed, up to 32 MB: maps of some megabytes then come from the heap and leave holes there. At full
    size the fusion of scan 24 peaks at 2.9 GB instead of 3.8.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _BLOCK)
        mallopt(_TRIM_THRESHOLD, _BLOCK)


def give_back_memory() -> None:
    """Return freed blocks of the heap to the system, where the C library keeps them for later (glibc)."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
