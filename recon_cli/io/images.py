"""Pictures and masks: PNG, JPEG and whatever else Pillow reads, 8 and 16 bits a channel.

Alpha is dropped from colours as stored, without compositing. An EXIF orientation is applied, so row 0 is on top as a viewer shows it; a
camera calibrated on the unrotated sensor image does not fit such a picture.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.errors import InputError, ReconError
from recon_cli.io.atomic import PathText, write_bytes
from recon_cli.io.streams import existing_file

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
_WRITERS: dict[str, dict[str, Any]] = {
    ".png": {"compress_level": 4},
    ".jpg": {"quality": 95, "subsampling": 0},
    ".jpeg": {"quality": 95, "subsampling": 0},
}
_EXPECTED = "a picture (PNG, JPEG, TIFF, …)"
_LARGEST = 2**28  # pixels; a compressed file of some bytes can announce any number of them
_MASK_THRESHOLD = 128


def read_image(path: PathText) -> Tensor:  # [H, W, 3]
    """A picture as float32 sRGB in [0, 1]; gray is repeated, alpha dropped.

    Raises:
        InputError: the file is missing, damaged, too large, or no picture of 8 or 16 bits a channel.
    """
    pixels = _colour(_read_pixels(path))
    largest = np.float32(np.iinfo(pixels.dtype).max)
    return torch.from_numpy(pixels.astype(np.float32) / largest)


def read_frame(path: PathText, *, upright: bool = True) -> Tensor:  # [H, W, 3]
    """A picture as uint8 sRGB; 16 bits are rounded to 8, gray is repeated, alpha dropped.

    Args:
        path: the file.
        upright: whether to apply the EXIF orientation; without it the pixels come as the sensor saw them.

    Raises:
        InputError: as ``read_image``.
    """
    return _frame(_read_pixels(path, upright=upright))


def read_cutout(path: PathText) -> tuple[Tensor, Tensor | None]:  # [H, W, 3], [H, W]
    """A picture as ``read_frame`` gives it, and the mask in its alpha channel.

    The mask is uint8, 255 where alpha is at least half of the largest value and 0 elsewhere; None where there is no alpha channel, or it
    is opaque everywhere.

    Raises:
        InputError: as ``read_image``.
    """
    pixels = _read_pixels(path)
    alpha = _alpha(pixels if pixels.ndim == 3 else pixels[..., None])
    return _frame(pixels), None if alpha is None else torch.from_numpy(mask_of(alpha))


def read_mask(path: PathText) -> Tensor:  # [H, W]
    """A mask as uint8, 0 outside and 255 inside.

    Inside is where the alpha channel (if it is not opaque everywhere) or else any colour channel is at least half of the largest value; in
    a lossless picture of zeros and ones, the ones are inside.

    Raises:
        InputError: as ``read_image``.
    """
    pixels = _read_pixels(path)
    lossless = Path(path).suffix.lower() not in (".jpg", ".jpeg", ".webp")
    return torch.from_numpy(mask_of(pixels, binary=lossless))


def read_levels(path: PathText) -> Tensor:  # [H, W]
    """The levels of a lossless picture of one channel and 16 bits, float32 (which holds them exactly); such pictures store depths.

    Raises:
        InputError: as ``read_image``, or the picture has colours or 8 bits, which hold no depth.
    """
    pixels = _read_pixels(path, upright=False)
    if pixels.ndim != 2 or pixels.dtype != np.uint16:
        channels = 1 if pixels.ndim == 2 else pixels.shape[-1]
        bits = 8 * pixels.dtype.itemsize
        why = "8 bits cannot be depth" if bits == 8 else "as depths have"
        raise InputError(
            f"has {channels} channel{'s' * (channels > 1)} of {bits} bits, expected one of 16: {why}",
            path=path,
            hint="give the depth maps themselves, not coloured pictures of them",
        )
    return torch.from_numpy(pixels.astype(np.float32))


def mask_of(
    pixels: np.ndarray,  # [H, W] or [H, W, 1 to 4]
    *,
    binary: bool = False,
) -> np.ndarray:  # [H, W]
    """The mask, uint8 0 or 255, that integer pixels hold; the rule is that of ``read_mask``.

    Args:
        pixels: uint8 or uint16.
        binary: whether pixels of only 0 and 1 are a mask in full range.
    """
    channels = pixels if pixels.ndim == 3 else pixels[..., None]
    largest = np.iinfo(channels.dtype).max
    alpha = _alpha(channels)
    if alpha is not None:
        channels = alpha
    elif channels.shape[-1] in (2, 4):
        channels = channels[..., :-1]
    level = channels.max(axis=-1)
    threshold = 1 if binary and level.max(initial=0) == 1 else _MASK_THRESHOLD * (largest // 255)
    return np.where(level >= threshold, np.uint8(255), np.uint8(0))


def image_size(path: PathText) -> tuple[int, int]:
    """(width, height) [px] as ``read_image`` would give them, from the header alone.

    Raises:
        InputError: the file is missing, damaged or no picture.
    """
    with _opened(path) as file:
        metadata = file.metadata(index=0, exclude_applied=False)
        width, height = _checked_size(path, metadata)
        return (height, width) if metadata.get("Orientation", 1) in (5, 6, 7, 8) else (width, height)


def image_orientation(path: PathText) -> int:
    """The EXIF orientation of a picture, 1 to 8; 1 where it has none. From 5 on, width and height change places.

    Raises:
        InputError: the file is missing, damaged or no picture.
    """
    with _opened(path) as file:
        return int(file.metadata(index=0, exclude_applied=False).get("Orientation", 1))


def write_image(path: PathText, array: np.ndarray | Tensor) -> None:  # [H, W], [H, W, 1] or [H, W, 3]
    """Write a PNG or JPEG (by suffix); uint8 as it is, floating values in [0, 1] clipped and rounded to 8 bits.

    Raises:
        InputError: the suffix is unknown, a value is NaN, the shape fits no picture, or the place is not writable.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _WRITERS:
        raise InputError(
            f"pictures are not written as {suffix or 'files without a suffix'!r}", path=path, hint="name the file .png or .jpg"
        )
    write_bytes(path, _encode(array, suffix, path))


def encode_png(array: np.ndarray | Tensor) -> bytes:  # [H, W], [H, W, 1] or [H, W, 3]
    """The bytes of a PNG file; values as in ``write_image``.

    Raises:
        InputError: a value is NaN or the shape fits no picture.
    """
    return _encode(array, ".png", None)


def _encode(array: np.ndarray | Tensor, suffix: str, path: PathText | None) -> bytes:
    import imageio.v3 as imageio

    data = imageio.imwrite("<bytes>", _eight_bits(array, path), extension=suffix, plugin="pillow", **_WRITERS[suffix])
    assert isinstance(data, bytes)
    return data


def _eight_bits(array: np.ndarray | Tensor, path: PathText | None) -> np.ndarray:
    pixels = array.detach().cpu().numpy() if isinstance(array, Tensor) else np.asarray(array)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] == 3)) or 0 in pixels.shape:
        raise InputError(f"an array of shape {list(pixels.shape)} is no picture, expected [H, W], [H, W, 1] or [H, W, 3]", path=path)
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype.kind == "f":
        if not bool(np.isfinite(pixels).all()):
            raise InputError("a picture has NaN or infinite values", path=path, hint="replace them before writing")
        return np.rint(np.clip(pixels, 0.0, 1.0) * 255.0).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise InputError(f"a picture has type {pixels.dtype}, expected uint8 or floating values in [0, 1]", path=path)
    return np.ascontiguousarray(pixels)


@contextmanager
def _opened(path: PathText) -> Iterator[Any]:
    """The imageio file of a picture; whatever its decoder raises becomes an InputError."""
    import imageio.v3 as imageio

    file = existing_file(path, expected=_EXPECTED)
    try:
        # Pillow warns of harmless oddities in metadata and of large pictures; the size is checked here instead.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open(file, "rb") as stream, imageio.imopen(stream, "r", plugin="pillow") as opened:
                yield opened
    except ReconError:
        raise
    except Exception as error:  # decoders meet damaged bytes with errors of every type
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"cannot be read as {_EXPECTED}: {reason}", path=path, hint="open it in a viewer; convert it to PNG or copy it again"
        ) from error


def _checked_size(path: PathText, metadata: dict[str, Any]) -> tuple[int, int]:
    width, height = metadata["shape"]
    if width * height > _LARGEST:
        raise InputError(f"announces {width}x{height} pixels, expected at most {_LARGEST}", path=path, hint="scale the picture down")
    return width, height


def _read_pixels(path: PathText, *, upright: bool = True) -> np.ndarray:  # [H, W] or [H, W, 1 to 4], uint8 or uint16
    with _opened(path) as file:
        metadata = file.metadata(index=0, exclude_applied=False)
        _checked_size(path, metadata)
        pixels = file.read(index=0, mode=_target_mode(metadata), rotate=upright)
        deep_channels = _deep_channels(path)
        if deep_channels:
            pixels = _read_deep_png(path, metadata, deep_channels)
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype.kind != "u" or pixels.dtype.itemsize > 2:
        raise InputError(
            f"has {pixels.dtype} values ({metadata['mode']}), expected 8 or 16 bits a channel", path=path, hint="convert it to an 8-bit PNG"
        )
    return pixels.astype(pixels.dtype.newbyteorder("="))


def _target_mode(metadata: dict[str, Any]) -> str | None:
    mode = metadata["mode"]
    if mode in ("P", "PA"):
        return "RGBA" if mode == "PA" or "transparency" in metadata else "RGB"
    return "RGB" if mode in ("CMYK", "YCbCr", "HSV", "LAB", "RGBX") else None


def _frame(pixels: np.ndarray) -> Tensor:  # [H, W, 3] uint8
    pixels = _colour(pixels)
    if pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    return torch.from_numpy(np.ascontiguousarray(pixels))


def _alpha(channels: np.ndarray) -> np.ndarray | None:  # [H, W, 1 to 4] -> [H, W, 1]
    """The alpha channel, where there is one that is not opaque everywhere."""
    if channels.shape[-1] not in (2, 4) or bool((channels[..., -1] == np.iinfo(channels.dtype).max).all()):
        return None
    return channels[..., -1:]


def _colour(pixels: np.ndarray) -> np.ndarray:  # [H, W, 3]
    channels = pixels if pixels.ndim == 3 else pixels[..., None]
    return np.repeat(channels[..., :1], 3, axis=-1) if channels.shape[-1] < 3 else channels[..., :3]


def _deep_channels(path: PathText) -> int:
    """Channels of a PNG of 16 bits and more than one channel, which Pillow would cut to 8 bits; 0 for any other file."""
    with open(path, "rb") as file:
        header = file.read(26)
    if len(header) < 26 or not header.startswith(b"\x89PNG") or header[24] != 16:
        return 0
    return {2: 3, 4: 2, 6: 4}.get(header[25], 0)  # colour types RGB, gray + alpha, RGBA


def _read_deep_png(path: PathText, metadata: dict[str, Any], channels: int) -> np.ndarray:
    import av

    if metadata.get("Orientation", 1) != 1:
        raise InputError("is a 16-bit colour PNG with an EXIF orientation", path=path, hint="rotate its pixels and remove the tag")
    with av.open(str(path), format="png_pipe") as container:
        frame = next(container.decode(video=0))
        plane = frame.planes[0]
        rows = np.frombuffer(memoryview(plane), dtype=">u2").reshape(frame.height, plane.line_size // 2)  # pyright: ignore
        return rows[:, : frame.width * channels].reshape(frame.height, frame.width, channels).astype(np.uint16)
