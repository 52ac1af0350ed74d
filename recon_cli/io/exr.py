"""Depth maps and other channels of numbers in OpenEXR files, bit for bit.

NaN, infinities and negative zero come back as they were. What "nothing seen" is (0 by convention, NaN in some files) is left to the reader.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.io.atomic import OUTPUT_FAILURES, PathText, atomic_path, write_error
from recon_cli.io.library_words import library_words
from recon_cli.io.streams import existing_file

_EXPECTED = "an OpenEXR file"
_CHANNELS = ("Z", "Y", "R")  # in this order of preference; only Z is written
_MAGIC = b"\x76\x2f\x31\x01"
_LARGEST = 2**28  # pixels; a compressed file of some bytes can announce any number of them


def read_depth(path: PathText) -> Tensor:  # [H, W]
    """The channel Z (or else Y, or R, or the only one) of an OpenEXR file as float32; half floats are widened, which is exact.

    Raises:
        InputError: the file is missing, cut short, damaged, too large, or has no such channel.
    """
    return torch.from_numpy(_depth_channel(path, _checked_channels(path)))


def read_channels(path: PathText, names: Sequence[str]) -> Tensor:  # [H, W, D]
    """The channels of these names, in this order, as float32; half floats are widened, which is exact.

    Raises:
        InputError: as ``read_depth``.
    """
    channels = _checked_channels(path)
    planes = [channels.get(name) for name in names]
    if any(plane is None or plane.ndim != 2 or plane.dtype.kind != "f" for plane in planes):
        raise InputError(f"has the channels {_described(channels)}; expected floats in {', '.join(names)}", path=path)
    return torch.from_numpy(np.stack([np.asarray(plane, dtype=np.float32) for plane in planes], axis=-1))


def write_depth(path: PathText, depth: Tensor | np.ndarray) -> None:  # [H, W]
    """Write a depth map [scene units] as the channel Z, 32-bit float.

    Raises:
        InputError: it is not a map of floating values, the disk is full, or the place is not writable.
    """
    values = depth.detach().cpu().numpy() if isinstance(depth, Tensor) else np.asarray(depth)
    if values.ndim != 2 or 0 in values.shape or values.dtype.kind != "f":
        raise InputError(f"an array of {values.dtype} and shape {list(values.shape)} is no depth map, expected floats [H, W]", path=path)
    _write(path, {"Z": np.ascontiguousarray(values, dtype=np.float32)})


def write_channels(path: PathText, values: Tensor | np.ndarray, names: Sequence[str], *, half: bool = False) -> None:  # [H, W, D]
    """Write one channel a name, 32-bit or 16-bit float.

    Raises:
        InputError: there is not one plane of floating values a name, the disk is full, or the place is not writable.
    """
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    if array.ndim != 3 or 0 in array.shape or array.dtype.kind != "f" or array.shape[2] != len(names):
        raise InputError(f"an array of {array.dtype} and shape {list(array.shape)}, expected floats [H, W, {len(names)}]", path=path)
    scalar = np.float16 if half else np.float32
    _write(path, {name: np.ascontiguousarray(array[..., index], dtype=scalar) for index, name in enumerate(names)})


def _checked_channels(path: PathText) -> dict[str, np.ndarray]:
    file = existing_file(path, expected=_EXPECTED)
    with open(file, "rb") as stream:
        if stream.read(len(_MAGIC)) != _MAGIC:
            raise InputError(f"does not begin like {_EXPECTED}", path=path, hint="give a .exr file of depths")
    words: list[str] = []
    try:
        # The decoder prints what is wrong with a file, and often raises a consequence of it alone.
        with library_words() as words:
            return _read_channels(str(file))
    except InputError:
        raise
    except Exception as error:  # damaged bytes are met with errors of several types
        reason = _reason(words, str(file)) or " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"cannot be read as {_EXPECTED}: {reason}", path=path, hint="copy or write the file again") from error


def _reason(words: Sequence[str], file: str) -> str:
    """The first sentence that the library printed, without the path and without the name of its kind of error."""
    first = words[0].removeprefix(f"{file}: ") if words else ""
    return " ".join(re.sub(r"^\(EXR_ERR_\w+\) ", "", first).split())[:200]


def _read_channels(path: str) -> dict[str, np.ndarray]:
    import OpenEXR

    # The header alone first: pixels are allocated from the size that it announces.
    with OpenEXR.File(path, header_only=True) as file:
        lower, upper = file.header()["dataWindow"]
        width, height = (int(upper[axis]) - int(lower[axis]) + 1 for axis in (0, 1))
        if width * height > _LARGEST:
            raise InputError(f"announces {width}x{height} pixels, expected at most {_LARGEST}", path=path, hint="scale the map down")
    with OpenEXR.File(path, separate_channels=True) as file:
        return {name: channel.pixels for name, channel in file.channels().items()}


def _depth_channel(path: PathText, channels: Mapping[str, np.ndarray]) -> np.ndarray:  # [H, W]
    name = next((name for name in _CHANNELS if name in channels), None)
    if name is None and len(channels) == 1:
        name = next(iter(channels))
    pixels = channels[name] if name is not None else None
    if pixels is None or pixels.ndim != 2 or pixels.dtype.kind != "f":
        raise InputError(
            f"has the channels {_described(channels)}; expected floats in one of {', '.join(_CHANNELS)}",
            path=path,
            hint="name the depth channel Z",
        )
    return np.array(pixels, dtype=np.float32)


def _described(channels: Mapping[str, np.ndarray]) -> str:
    return ", ".join(f"{key} ({value.dtype})" for key, value in sorted(channels.items()))[:200] or "none"


def _write(path: PathText, channels: Mapping[str, np.ndarray]) -> None:
    with atomic_path(path) as temporary:
        try:
            _write_channels(str(temporary), channels)
        except RuntimeError as error:
            raise write_error(path, _as_os_error(error)) from error


def _write_channels(path: str, channels: Mapping[str, np.ndarray]) -> None:
    import OpenEXR

    # Run-length coding: on a 1080p map with a sixth of it covered, 17 ms and 1.6 MB; ZIPS 40 ms and 1.5 MB, PIZ 59 ms and 1.2 MB.
    header = {"compression": OpenEXR.RLE_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, dict(channels)) as file:
        file.write(path)


def _as_os_error(error: RuntimeError) -> OSError:
    # The library knows the system's reason only as the text at the end of its message.
    text = str(error)
    code = next((code for code in sorted(OUTPUT_FAILURES) if os.strerror(code) in text), 0)
    return OSError(code, text)
