"""MATLAB files of the DTU data set: ObsMask (what the scanner observed) and Plane (what lies above the table)."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.observed_volume import ObservedVolume
from recon_cli.io.atomic import PathText
from recon_cli.io.streams import existing_file

_EXPECTED = "a MATLAB file (.mat)"
_LARGEST = 2**30  # cells; a compressed file of some bytes can announce any number of them


def read_observed_volume(path: PathText) -> ObservedVolume:
    """The variables ObsMask, BB and Res of an ObsMask file.

    Raises:
        InputError: the file is missing, damaged, not from MATLAB 5 to 7.2, or a variable is missing or has the wrong shape.
    """
    values = _read_variables(path, {"ObsMask": 3, "BB": 2, "Res": 2})
    box, resolution = values["BB"], values["Res"]
    if box.shape != (2, 3) or resolution.size != 1:
        raise InputError(f"has BB {list(box.shape)} and Res {list(resolution.shape)}; expected [2, 3] and one number", path=path)
    is_observed = torch.from_numpy(np.ascontiguousarray(values["ObsMask"] != 0))
    try:
        return ObservedVolume(is_observed, torch.from_numpy(box.astype(np.float64)), float(resolution.reshape(-1)[0]))
    except InputError as error:
        raise InputError(error.message, path=path) from error


def read_ground_plane(path: PathText) -> Tensor:  # [4] float64
    """The variable P of a Plane file: (a, b, c, d), and a point is above where a x + b y + c z + d > 0.

    Raises:
        InputError: as ``read_observed_volume``.
    """
    plane = _read_variables(path, {"P": 2})["P"]
    if plane.size != 4 or not bool(np.isfinite(plane.astype(np.float64)).all()) or not np.any(plane.reshape(-1)[:3]):
        raise InputError(f"has P of shape {list(plane.shape)}; expected four finite numbers, the first three not all 0", path=path)
    return torch.from_numpy(plane.astype(np.float64).reshape(4))


def _read_variables(path: PathText, dimensions: dict[str, int]) -> dict[str, np.ndarray]:
    """Numeric variables by name, each with this number of axes."""
    from scipy import io as matlab

    file = existing_file(path, expected=_EXPECTED)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            announced = {name: shape for name, shape, _ in matlab.whosmat(str(file))}
            _check_announced(path, announced, dimensions)
            found: dict[str, Any] = matlab.loadmat(str(file), variable_names=list(dimensions))
    except InputError:
        raise
    except NotImplementedError as error:
        raise InputError(
            "is a MATLAB 7.3 file (HDF5), expected an older one", path=path, hint="save it with `save -v7` in MATLAB"
        ) from error
    except Exception as error:  # the decoder meets damaged bytes with errors of several types
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"cannot be read as {_EXPECTED}: {reason}", path=path, hint="copy the file again") from error
    values = {name: np.asarray(found[name]) for name in dimensions}
    for name, value in values.items():
        if value.dtype.kind not in "uifb" or value.ndim != dimensions[name]:
            raise InputError(f"has {name} as {value.dtype} {list(value.shape)}, expected numbers with {dimensions[name]} axes", path=path)
    return values


def _check_announced(path: PathText, announced: dict[str, tuple[int, ...]], dimensions: dict[str, int]) -> None:
    """Before anything is allocated."""
    for name in dimensions:
        if name not in announced:
            found = ", ".join(sorted(announced))[:200] or "nothing"
            raise InputError(f"holds {found}; expected the variable {name}", path=path, hint="take ObsMask…_10.mat and Plane….mat")
        cells = float(np.prod([float(side) for side in announced[name]]))
        if cells > _LARGEST:
            raise InputError(f"announces {cells:.3g} cells in {name}, expected at most {_LARGEST}", path=path)
