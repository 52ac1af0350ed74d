"""What a result was made with: versions of recon and its libraries, the system, the devices."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from recon_cli import __version__

LIBRARIES = ("torch", "warp-lang", "open3d", "numpy", "scipy", "scikit-image", "av", "OpenEXR", "pydantic", "typer", "pytorch3d")


def versions() -> dict[str, Any]:
    """Version of each library (None where it is not installed), the system, and the devices that torch sees."""
    return {
        "recon": __version__,
        "python": platform.python_version(),
        **{name: _installed(name) for name in LIBRARIES},
        "system": platform.platform(),
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "devices": devices(),
    }


def devices() -> list[str]:
    """Names that ``--device`` takes on this machine, each GPU with its product name."""
    import torch

    found = ["cpu"]
    if torch.cuda.is_available():
        found += [f"cuda:{n} ({torch.cuda.get_device_name(n)})" for n in range(torch.cuda.device_count())]
    return found


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
