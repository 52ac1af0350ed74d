"""Transforms in text files: four lines of four numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.io.atomic import PathText
from recon_cli.io.streams import read_bytes

_EXPECTED = "a text file of 4 x 4 numbers"


def read_transform(path: PathText) -> Tensor:  # [4, 4] float64
    """A transform; lines beginning with # and empty lines are passed over, commas count as spaces.

    Raises:
        InputError: the file is missing, holds anything but 4 x 4 finite numbers, the last row is not 0 0 0 1, or it has no inverse.
    """
    text = read_bytes(path, expected=_EXPECTED)[:10_000].decode("utf-8", errors="replace")
    rows = [line.replace(",", " ").split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    try:
        matrix = torch.tensor([[float(word) for word in row] for row in rows], dtype=torch.float64)
    except ValueError as error:
        raise InputError(f"holds {' '.join(str(error).split())[:120]}; expected {_EXPECTED}", path=path) from error
    if matrix.shape != (4, 4) or not bool(torch.isfinite(matrix).all()):
        raise InputError(f"holds numbers of shape {list(matrix.shape)}, expected {_EXPECTED}, all finite", path=path)
    if matrix[3].tolist() != [0.0, 0.0, 0.0, 1.0] or float(torch.linalg.det(matrix)) == 0.0:
        raise InputError("is no transform: the last row is not 0 0 0 1, or it has no inverse", path=path)
    return matrix
