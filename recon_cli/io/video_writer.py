"""H.264 films in mp4 files: what every browser and player shows, and the same bytes for the same frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from types import TracebackType

import numpy as np
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.io.atomic import OUTPUT_FAILURES, PathText, atomic_path, write_error
from recon_cli.io.video_file import scaling_graph

_BT709 = 1  # ITU-T H.273: matrix, transfer and primaries share the number
_LIMITED = 1
# The encoder's output depends on its number of threads, so that is not left to the machine.
_THREADS = 2
# x264's lookahead reads memory that was never written (the PyAV wheels' libx264, found by encoding the same frames again and again): the
# picture hardly changes, the bytes do. Without a lookahead they stay.
_NO_LOOKAHEAD = "rc-lookahead=0:mbtree=0:weightp=0:scenecut=0:b-adapt=0"


class VideoWriter:
    """A context manager that writes frames to an mp4 file, which appears when the block ends well.

    H.264, yuv420p, BT.709 and limited range, all named in the file. Odd sizes are padded by repeating the last column or row, since chroma
    has half the resolution.

    Args:
        path: the file.
        fps: frames per second.
        width, height: size of the frames [px].
        crf: x264's quality, 0 (lossless) to 51; lower is better and larger.
        preset: x264's speed, "ultrafast" to "veryslow".

    Raises:
        InputError: the size, rate or preset makes no sense, no frame was written, the disk is full, or the place is not writable.
    """

    def __init__(self, path: PathText, fps: float, width: int, height: int, *, crf: int = 18, preset: str = "veryfast") -> None:
        if not (0 < fps < 100_000) or width < 1 or height < 1:
            raise InputError(f"a film of {width}x{height} px and {fps} frames per second cannot be", path=path)
        self.path, self.width, self.height = path, width, height
        self.count = 0
        self._rate = Fraction(fps).limit_denominator(100_000)
        self._options = {"crf": str(crf), "preset": preset, "x264-params": _NO_LOOKAHEAD}
        self._place = ExitStack()

    def __enter__(self) -> VideoWriter:
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(self.path))
            with _told_as(self.path):
                self._open(str(temporary))
            self._place = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._place:
            if error is not None:
                with suppress(Exception):
                    self._container.close()
                raise error
            if not self.count:
                raise InputError("no frame was written to this film", path=self.path)
            with _told_as(self.path):
                self._container.mux(self._stream.encode(None))
                self._container.close()

    def append(self, frame: Tensor | np.ndarray) -> None:  # [H, W, 3]
        """Encode one uint8 sRGB frame.

        Raises:
            InputError: its type or size is another than that of the film, or the disk is full.
        """
        pixels = frame.detach().cpu().numpy() if isinstance(frame, Tensor) else np.asarray(frame)
        if pixels.dtype != np.uint8 or pixels.shape != (self.height, self.width, 3):
            raise InputError(
                f"frame {self.count} is {pixels.dtype} {list(pixels.shape)}, expected uint8 [{self.height}, {self.width}, 3]",
                path=self.path,
            )
        with _told_as(self.path):
            self._encode(pixels)
        self.count += 1

    def _open(self, temporary: str) -> None:
        import av

        options = {"movflags": "+faststart", "fflags": "+bitexact"}
        self._container = av.open(f"file:{temporary}", "w", format="mp4", options=options)
        width, height = self.width + self.width % 2, self.height + self.height % 2
        self._stream = self._container.add_stream("libx264", rate=self._rate, options=self._options)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        context = self._stream.codec_context
        context.thread_count = _THREADS
        context.time_base = 1 / self._rate
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        self._graph = scaling_graph("rgb24", "yuv420p", width, height, options="out_color_matrix=bt709:out_range=tv")

    def _encode(self, pixels: np.ndarray) -> None:
        from av import VideoFrame

        padded = np.pad(pixels, ((0, self.height % 2), (0, self.width % 2), (0, 0)), mode="edge")
        self._graph.push(VideoFrame.from_ndarray(padded, format="rgb24"))
        frame = self._graph.pull()
        frame.pts, frame.time_base = self.count, 1 / self._rate
        self._container.mux(self._stream.encode(frame))


@contextmanager
def _told_as(path: PathText) -> Iterator[None]:
    from av.error import FFmpegError

    try:
        yield
    except FFmpegError as error:
        code = error.errno or 0
        if code in OUTPUT_FAILURES:
            raise write_error(path, OSError(code, error.strerror)) from error
        reason = f"cannot be encoded: {error.strerror}"
        raise InputError(reason, path=path, hint="check the frame size, crf and preset, and that PyAV has libx264") from error
