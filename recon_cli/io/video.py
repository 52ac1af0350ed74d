"""Videos and their masks: a folder of pictures or a video file, seen alike."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from recon_cli.core.errors import InputError, UsageError
from recon_cli.core.natural_order import natural_key
from recon_cli.io.atomic import PathText
from recon_cli.io.images import IMAGE_SUFFIXES, image_size, mask_of, read_frame, read_mask
from recon_cli.io.video_file import VideoFile
from recon_cli.io.video_writer import VideoWriter

__all__ = ["Video", "VideoWriter", "check_same", "open_masks", "open_video"]


class _Source(Protocol):
    width: int
    height: int
    fps: float | None

    def __len__(self) -> int: ...

    def read_frame(self, index: int) -> Tensor: ...

    def read_mask(self, index: int) -> Tensor: ...


class Video:
    """T frames of one size, decoded when asked for; forward order is the cheap one. Implements ``core.frames.Frames``.

    Attributes:
        path: the folder or file.
        width, height: size of the frames [px], after ``max_size``.
        source_size: (width, height) as stored [px].
        fps: frames per second of the whole file, whatever the stride; None for a folder.
        is_mask: whether the frames are masks.
    """

    def __init__(self, path: Path, source: _Source, indices: Sequence[int], *, max_size: int | None, is_mask: bool) -> None:
        self.path = path
        self.fps = source.fps
        self.is_mask = is_mask
        self.source_size = (source.width, source.height)
        self.width, self.height = _shrunk(source.width, source.height, max_size)
        self._source = source
        self._indices = indices
        self._lock = threading.Lock()
        self._last: tuple[int, Tensor] | None = None

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Tensor:  # [H, W, 3] uint8, or [H, W] uint8 (0 or 255) for masks
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"frame {index} of {count}")
        index %= count
        with self._lock:
            if self._last is None or self._last[0] != index:
                self._last = (index, self._read(self._indices[index]))
            # A copy, so that whoever writes into a frame does not change it for the next.
            return self._last[1].clone()

    def _read(self, number: int) -> Tensor:
        pixels = self._source.read_mask(number) if self.is_mask else self._source.read_frame(number)
        if (self.width, self.height) == self.source_size:
            return pixels
        return _resized_mask(pixels, self.width, self.height) if self.is_mask else _resized(pixels, self.width, self.height)


def open_video(path: PathText, *, start: int = 0, stop: int | None = None, stride: int = 1, max_size: int | None = None) -> Video:
    """Frames ``start:stop:stride`` of a video file, of a folder of pictures in natural order (2 before 10), or of one picture.

    Args:
        path: the file or folder; hidden files and files that are no pictures are passed over.
        start: first frame.
        stop: the frame after the last one; None, or a number past the end, is the end.
        stride: 1 takes every frame, 2 every second one, ….
        max_size: longest side [px]; larger frames are shrunk with antialiasing, smaller ones kept.

    Raises:
        InputError: the file or folder is missing, empty, damaged, no video, or ends before ``start``; the pictures differ in size.
        UsageError: the range or size makes no sense.
    """
    return _open(path, _Range(start, stop, stride, max_size), is_mask=False)


def open_masks(path: PathText, *, start: int = 0, stop: int | None = None, stride: int = 1, max_size: int | None = None) -> Video:
    """Masks, 0 outside and 255 inside, by the rule of ``images.read_mask``; arguments and errors as for ``open_video``."""
    return _open(path, _Range(start, stop, stride, max_size), is_mask=True)


def check_same(frames: Video, masks: Video) -> None:
    """Check that there is one mask a frame, of the same size.

    Raises:
        InputError: the numbers or the sizes differ.
    """
    if len(frames) != len(masks):
        raise InputError(
            f"{len(masks)} masks but {len(frames)} frames in {frames.path}",
            path=masks.path,
            hint="give one mask a frame, in the same order",
        )
    if frames.source_size != masks.source_size:
        theirs, ours = ("{}x{}".format(*size) for size in (frames.source_size, masks.source_size))
        raise InputError(
            f"the masks are {ours} px but the frames in {frames.path} are {theirs} px",
            path=masks.path,
            hint="make masks of the frames' size",
        )


class _Range:
    """Which frames, and how large."""

    def __init__(self, start: int, stop: int | None, stride: int, max_size: int | None) -> None:
        if start < 0 or stride < 1 or (stop is not None and stop <= start):
            chosen = f"start {start}, stop {'the end' if stop is None else stop}, stride {stride}"
            raise UsageError(f"{chosen} chooses no frames; expected 0 <= start < stop and a stride of at least 1")
        if max_size is not None and max_size < 1:
            raise UsageError(f"a largest size of {max_size} px; expected at least 1")
        self.start, self.stop, self.stride, self.max_size = start, stop, stride, max_size

    def of(self, count: int, path: Path) -> range:
        if self.start >= count:
            raise InputError(f"has {count} frames, so there is none from number {self.start} on", path=path, hint="lower --start")
        return range(self.start, count if self.stop is None else min(self.stop, count), self.stride)


def _open(path: PathText, chosen: _Range, *, is_mask: bool) -> Video:
    place = Path(path)
    if place.is_dir() or place.suffix.lower() in IMAGE_SUFFIXES:
        files = _pictures(place) if place.is_dir() else [place]
        source: _Source = _PictureFolder([files[i] for i in chosen.of(len(files), place)])
        return Video(place, source, range(len(source)), max_size=chosen.max_size, is_mask=is_mask)
    source = _VideoSource(place)
    return Video(place, source, chosen.of(len(source), place), max_size=chosen.max_size, is_mask=is_mask)


class _VideoSource(VideoFile):
    def read_mask(self, index: int) -> Tensor:  # [H, W]
        return torch.from_numpy(mask_of(self.read_frame(index).numpy()))


class _PictureFolder:
    """Pictures of one size, whose headers are all read before the first is decoded."""

    fps: float | None = None

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files
        self.width, self.height = image_size(files[0])
        for file in files[1:]:
            width, height = image_size(file)
            if (width, height) != (self.width, self.height):
                raise InputError(
                    f"is {width}x{height} px, expected {self.width}x{self.height} px as {files[0].name}",
                    path=file,
                    hint="make all frames the same size, or move other pictures out of the folder",
                )

    def __len__(self) -> int:
        return len(self.files)

    def read_frame(self, index: int) -> Tensor:  # [H, W, 3]
        return read_frame(self.files[index])

    def read_mask(self, index: int) -> Tensor:  # [H, W]
        return read_mask(self.files[index])


def _pictures(folder: Path) -> list[Path]:
    try:
        files = [file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")]
    except OSError as error:
        raise InputError(f"cannot be listed: {error.strerror}", path=folder, hint="check the permissions of the folder") from error
    if not files:
        raise InputError(
            "holds no pictures, expected a folder of frames", path=folder, hint=f"put {', '.join(IMAGE_SUFFIXES[:3])} files in it"
        )
    files.sort(key=lambda file: (natural_key(file.stem), file.name))
    for first, second in pairwise(files):
        if first.stem == second.stem:
            raise InputError(f"holds both {first.name} and {second.name}", path=folder, hint="keep one picture a frame in the folder")
    return files


def _shrunk(width: int, height: int, max_size: int | None) -> tuple[int, int]:
    longest = max(width, height)
    if max_size is None or longest <= max_size:
        return width, height
    return max(1, round(width * max_size / longest)), max(1, round(height * max_size / longest))


def _resized(pixels: Tensor, width: int, height: int) -> Tensor:  # [H, W, 3]
    planes = pixels.permute(2, 0, 1)[None]
    small = torch.nn.functional.interpolate(planes, (height, width), mode="bilinear", antialias=True, align_corners=False)
    return small[0].permute(1, 2, 0).contiguous()


def _resized_mask(pixels: Tensor, width: int, height: int) -> Tensor:  # [H, W]
    small = _resized(pixels[..., None], width, height)[..., 0]
    return torch.where(small >= 128, 255, 0).to(torch.uint8)
