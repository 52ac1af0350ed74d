"""Frames of a video file by number, through PyAV.

Forward access decodes each frame once; any other jumps to the nearest keyframe before it. Both give the same pixels. Frames are found by
their time stamps, which the packets tell without decoding; a file whose time stamps do not tell frames apart is decoded once to be counted.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.errors import InputError, ReconError
from recon_cli.io.atomic import PathText
from recon_cli.io.streams import existing_file

_EXPECTED = "a video file (mp4, mkv, webm, avi, …)"
# Only demuxers of one file of moving pictures: ffmpeg also reads text as a video, and playlists that name other files.
_FORMATS = "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,h264,hevc,ogg,flv,asf,gif,yuv4mpegpipe,ivf,nut,m4v,dv,mxf,obu"
_LARGEST = 2**28  # pixels
_EXHAUSTED = 2**62
# Matrix coefficients by their number in ITU-T H.273. A file that names none is taken as BT.601, by which ffmpeg turns pictures to video: on
# an unmarked 1080p clip with its lossless frames beside it, BT.601 is off by at most 0.3 of 255 levels in a channel's mean, BT.709 by 2.8.
_MATRICES = {1: "bt709", 4: "fcc", 5: "bt470", 6: "smpte170m", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
_DEFAULT_MATRIX = "bt601"
_RANGES = {1: "tv", 2: "pc"}
# Without exact rounding and full-resolution chroma, swscale darkens every channel by 1 of 255 levels and takes the nearest chroma sample.
EXACT_SCALING = "flags=bicubic+accurate_rnd+full_chroma_int+bitexact"


@dataclass(frozen=True)
class _Survey:
    """What a file holds: time stamps in the order of showing, and the numbers of the frames that decoding can start from."""

    times: tuple[int, ...]
    keys: tuple[int, ...]
    count: int


class VideoFile:
    """The frames of a video file; safe to read from several threads, one at a time.

    A rotation that the file asks for is applied, as players do.

    Raises:
        InputError: the file is missing, empty, cut short or no video.
    """

    def __init__(self, path: PathText) -> None:
        self.path = existing_file(path, expected=_EXPECTED)
        self._lock = threading.Lock()
        self._decoded: Iterator[Any] = iter(())
        self._next = _EXHAUSTED
        with _told_as(self.path):
            self._survey = _survey(self.path)
            self._container, self._stream = _open(self.path)
            if not self._survey.count:
                raise InputError(f"holds no frame, expected {_EXPECTED}", path=self.path, hint="open it in a player; make or copy it again")
            frame = self._first_frame()
            rate = self._stream.average_rate or self._stream.guessed_rate
        self._stored_size = (frame.width, frame.height)
        self._quarter_turns = round(getattr(frame, "rotation", 0) / 90) % 4
        self.width, self.height = self._stored_size[::-1] if self._quarter_turns % 2 else self._stored_size
        self.fps = float(rate) if rate else None

    def __len__(self) -> int:
        return self._survey.count

    def read_frame(self, index: int) -> Tensor:  # [H, W, 3]
        """Frame ``index`` (from 0) as uint8 sRGB.

        Raises:
            InputError: the frame is damaged or of another size than the first.
        """
        with self._lock, _told_as(self.path, frame=index):
            frame = self._frame_at(index)
            if frame is None or frame.is_corrupt:
                raise InputError(
                    f"frame {index} is damaged", path=self.path, hint="choose other frames with --start and --stop, or make the video again"
                )
            if (frame.width, frame.height) != self._stored_size:
                width, height = self._stored_size
                raise InputError(
                    f"frame {index} is {frame.width}x{frame.height} px, expected {width}x{height} px as in frame 0", path=self.path
                )
            pixels = torch.from_numpy(to_rgb(frame))
        return torch.rot90(pixels, self._quarter_turns).contiguous() if self._quarter_turns else pixels

    def _first_frame(self) -> Any:
        frame = self._frame_at(0)
        if frame is None and self._survey.times:
            # The packets' time stamps are not those of the frames, so they find nothing.
            self._survey = _Survey((), (), _count_by_decoding(self.path))
            frame = self._frame_at(0) if self._survey.count else None
        if frame is None:
            raise InputError(f"has no frame that can be decoded, expected {_EXPECTED}", path=self.path, hint="make or copy the video again")
        if frame.width * frame.height > _LARGEST:
            raise InputError(f"has frames of {frame.width}x{frame.height} px, expected at most {_LARGEST} pixels", path=self.path)
        self._restart(0)  # so that the first real access goes forward from here
        return frame

    def _frame_at(self, index: int) -> Any | None:
        keys = self._survey.keys
        if self._next <= index and bisect_right(keys, self._next) == bisect_right(keys, index):
            frame = self._forward_to(index)
            if frame is not None:
                return frame
        # An open group of pictures starts to decode properly only at the keyframe before its own.
        before = keys[: bisect_right(keys, index)]
        for key in dict.fromkeys([*before[:-4:-1], 0]):
            self._restart(key)
            frame = self._forward_to(index)
            if frame is not None:
                return frame
        return None

    def _forward_to(self, index: int) -> Any | None:
        position = self._next
        # Until the frame is found nothing is known of where the decoder stands: it may raise.
        self._next = _EXHAUSTED
        for frame in self._decoded:
            if self._survey.times:
                position = bisect_left(self._survey.times, frame.pts) if frame.pts is not None else -1
                if not (0 <= position < len(self._survey.times) and self._survey.times[position] == frame.pts):
                    continue
            if position >= index:
                self._next = position + 1
                return frame if position == index else None
            position += 1
        return None

    def _restart(self, key: int) -> None:
        if self._survey.times:
            self._container.seek(self._survey.times[key], stream=self._stream, backward=True)
        else:
            self._container.close()
            self._container, self._stream = _open(self.path)
        self._decoded = self._container.decode(self._stream)
        self._next = key


def to_rgb(frame: Any) -> np.ndarray:  # [H, W, 3]
    """Decoded pixels as uint8 sRGB, by the matrix and range that the frame names."""
    matrix = _MATRICES.get(int(frame.colorspace), _DEFAULT_MATRIX)
    levels = _RANGES.get(int(frame.color_range), "auto")
    # The graph is told both outright; a frame that says them too would make it warn of a change.
    frame.colorspace, frame.color_range = 2, 0
    graph = _conversion(threading.get_ident(), frame.format.name, frame.width, frame.height, matrix, levels)
    graph.push(frame)
    return graph.pull().to_ndarray()


@lru_cache(maxsize=8)
def _conversion(thread: int, pixel_format: str, width: int, height: int, matrix: str, levels: str) -> Any:
    """A filter graph to RGB; one a thread, since a graph carries state."""
    return scaling_graph(pixel_format, "rgb24", width, height, options=f"in_color_matrix={matrix}:in_range={levels}")


def scaling_graph(source_format: str, target_format: str, width: int, height: int, *, options: str) -> Any:
    """A filter graph from one pixel format to another; ``options`` are swscale's for matrix and range."""
    from av.filter import Graph

    graph = Graph()
    source = graph.add("buffer", f"video_size={width}x{height}:pix_fmt={source_format}:time_base=1/1000:pixel_aspect=1/1")
    scale = graph.add("scale", f"{EXACT_SCALING}:{options}")
    target = graph.add("format", target_format)
    sink = graph.add("buffersink")
    source.link_to(scale)
    scale.link_to(target)
    target.link_to(sink)
    graph.configure()
    return graph


def _open(path: Path) -> tuple[Any, Any]:
    import av

    # The prefix keeps a colon in a name from being read as a protocol.
    container = av.open(f"file:{path}", options={"protocol_whitelist": "file", "format_whitelist": _FORMATS})
    if not container.streams.video:
        raise InputError(f"has no pictures, expected {_EXPECTED}", path=path, hint="give a video, not a sound file")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    return container, stream


def _survey(path: Path) -> _Survey:
    container, stream = _open(path)
    with container:
        entries = len(getattr(stream, "index_entries", ())) if "mp4" in container.format.name else 0
        packets = [packet for packet in container.demux(stream) if packet.size]
        if len(packets) < entries or (entries and any(packet.is_corrupt for packet in packets)):
            raise InputError(
                f"is cut short: {len(packets)} of {entries} frames are there", path=path, hint="copy or download the file again"
            )
        shown = sorted((packet.pts, packet.is_keyframe) for packet in packets if packet.pts is not None and not packet.is_discard)
    times = tuple(time for time, _ in shown)
    if any(packet.pts is None for packet in packets) or len(set(times)) < len(times):
        return _Survey((), (), _count_by_decoding(path))
    return _Survey(times, tuple(index for index, (_, is_key) in enumerate(shown) if is_key), len(times))


def _count_by_decoding(path: Path) -> int:
    container, stream = _open(path)
    with container:
        return sum(1 for _ in container.decode(stream))


@contextmanager
def _told_as(path: Path, *, frame: int | None = None) -> Iterator[None]:
    try:
        yield
    except ReconError:
        raise
    except Exception as error:  # decoders meet damaged bytes with errors of every type
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200] or type(error).__name__
        place = f" at frame {frame}" if frame is not None else ""
        raise InputError(
            f"cannot be read as {_EXPECTED}{place}: {reason}", path=path, hint="open it in a player; make or copy it again"
        ) from error
