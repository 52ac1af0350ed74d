"""Memory that is free goes back to the system."""

from __future__ import annotations

import ctypes
import gc


def give_back_memory() -> None:
    """Return freed blocks to the system, where the C library keeps them for later (glibc).

    Maps of some megabytes come from its heap once a few have been freed, and stay in the process after they are gone: between two
    stages of a run that is gigabytes.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
