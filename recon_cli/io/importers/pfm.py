"""Portable float maps: rows from bottom to top, a negative scale for little endian; one channel here."""

from __future__ import annotations

import re

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.io.atomic import PathText
from recon_cli.io.streams import deliver_bytes, read_bytes

_HEADER = re.compile(rb"Pf\s+(\d{1,9})\s+(\d{1,9})\s+([-+0-9.eE]{1,40})\s")
_HINT = "expected `Pf`, width, height and scale, then 4 bytes a pixel; export it again"


def read_pfm(path: PathText) -> Tensor:  # [H, W]
    """The values of a one-channel float map, float32, row 0 on top; the size of the header's scale is not applied.

    Raises:
        InputError: the file is missing, cut short, or no one-channel PFM.
    """
    data = read_bytes(path, expected="a PFM file")
    match = _HEADER.match(data[:256])
    if match is None:
        seen = "has three channels" if data.startswith(b"PF") else f"starts with {data[:16]!r}"
        raise InputError(f"{seen}, expected a PFM file of one channel", path=path, hint=_HINT)
    width, height, scale = int(match[1]), int(match[2]), _scale(match[3])
    if width < 1 or height < 1 or scale == 0:
        raise InputError(f"has a header of {width}x{height} and scale {match[3].decode()}", path=path, hint=_HINT)
    size = len(data) - match.end()
    if size != width * height * 4:
        raise InputError(f"holds {size} bytes of values, expected {width * height * 4} for {width}x{height}", path=path, hint=_HINT)
    values = np.frombuffer(data, dtype="<f4" if scale < 0 else ">f4", offset=match.end()).reshape(height, width)
    return torch.from_numpy(values[::-1].astype(np.float32))


def write_pfm(path: PathText, values: Tensor) -> None:  # [H, W]
    """Write a one-channel float map in little endian, or to standard output for ``-``; float32 comes back bit for bit.

    Raises:
        InputError: the shape is not [H, W], or the place is not writable.
    """
    if values.ndim != 2 or 0 in values.shape:
        raise InputError(f"an array of shape {list(values.shape)} is no map, expected [H, W]", path=path)
    height, width = values.shape
    rows = values.detach().cpu().to(torch.float32).numpy()[::-1].astype("<f4")
    deliver_bytes(path, f"Pf\n{width} {height}\n-1.0\n".encode() + rows.tobytes())


def _scale(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
