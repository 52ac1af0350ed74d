from __future__ import annotations

import os
import resource
import subprocess
import sys

import av
import numpy as np
import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.io.video_file import VideoFile
from recon_cli.io.video_writer import VideoWriter


def pictures(width: int, height: int, count: int = 5) -> list[np.ndarray]:
    """Smooth colours that move."""
    y, x = np.mgrid[:height, :width] / 40
    waves = [np.stack([np.sin(x + t / 3), np.cos(y - t / 5), np.sin(x + y)], axis=-1) for t in range(count)]
    return [(128 + 100 * wave).astype(np.uint8) for wave in waves]


def write(path, frames, *, fps=25.0, **options) -> None:
    height, width = frames[0].shape[:2]
    with VideoWriter(path, fps, width, height, **options) as writer:
        for frame in frames:
            writer.append(frame)


@pytest.mark.parametrize(("width", "height"), [(64, 48), (63, 47), (1, 1), (17, 64)])
def test_frames_come_back_nearly_the_same(tmp_path, width, height):
    frames = pictures(width, height)
    write(tmp_path / "a.mp4", frames, crf=4)
    video = VideoFile(tmp_path / "a.mp4")
    assert (len(video), video.width, video.height) == (5, width + width % 2, height + height % 2)
    for i, frame in enumerate(frames):
        error = video.read_frame(i)[:height, :width].double() - torch.from_numpy(frame).double()
        assert error.abs().mean() < 2.5
        assert error.mean(dim=(0, 1)).abs().max() < (0.8 if width > 1 else 2)


def test_the_file_is_what_browsers_play(tmp_path):
    write(tmp_path / "a.mp4", pictures(64, 48), fps=29.97)
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt, context.colorspace, context.color_range) == ("h264", "yuv420p", 1, 1)
        assert float(container.streams.video[0].average_rate) == pytest.approx(29.97, rel=1e-6)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_the_same_frames_are_the_same_bytes_in_every_process(tmp_path):
    program = (
        "import sys, numpy as np; from recon_cli.io.video_writer import VideoWriter\n"
        "with VideoWriter(sys.argv[1], 25, 64, 48) as w:\n"
        "    for i in range(8): w.append(np.random.default_rng(i).integers(0, 255, (48, 64, 3), dtype=np.uint8))"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.mp4")], check=True)
    write(tmp_path / "b.mp4", [np.random.default_rng(i).integers(0, 255, (48, 64, 3), dtype=np.uint8) for i in range(8)])
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize(("width", "height"), [(180, 96), (100, 50), (192, 96)])
def test_what_was_in_memory_before_does_not_show(tmp_path, width, height):
    """x264's lookahead read unwritten memory: between 1 and 9 in 10 films differed."""
    generator = np.random.default_rng(0)

    def film(frames: np.ndarray) -> bytes:
        with VideoWriter(tmp_path / "film.mp4", 30.0, frames.shape[2], frames.shape[1]) as writer:
            for frame in frames:
                writer.append(frame)
        return (tmp_path / "film.mp4").read_bytes()

    frames = generator.integers(0, 255, (4, height, width, 3), dtype=np.uint8)
    others = [generator.integers(0, 255, (2, *size, 3), dtype=np.uint8) for size in ((240, 320), (50, 100), (123, 341))]
    found = set()
    for turn in range(20):
        film(others[turn % 3])
        found.add(film(frames))
    assert len(found) == 1


def test_quality_is_a_choice(tmp_path):
    frames = [np.random.default_rng(i).integers(0, 255, (64, 64, 3), dtype=np.uint8) for i in range(4)]
    write(tmp_path / "fine.mp4", frames, crf=10)
    write(tmp_path / "coarse.mp4", frames, crf=40, preset="ultrafast")
    assert (tmp_path / "coarse.mp4").stat().st_size < (tmp_path / "fine.mp4").stat().st_size / 2


def test_tensors_are_frames_too(tmp_path):
    frame = pictures(64, 48)[0]
    write(tmp_path / "a.mp4", [torch.from_numpy(frame)] * 2)
    write(tmp_path / "b.mp4", [frame] * 2)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_nothing_remains_of_a_failure(tmp_path):
    def fail() -> None:
        with VideoWriter(tmp_path / "a.mp4", 25, 64, 48) as writer:
            writer.append(pictures(64, 48)[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with pytest.raises(InputError, match="no frame was written"), VideoWriter(tmp_path / "a.mp4", 25, 64, 48):
        pass
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("frame", [np.zeros((48, 64), np.uint8), np.zeros((48, 64, 3)), np.zeros((64, 48, 3), np.uint8)])
def test_frames_that_do_not_fit(tmp_path, frame):
    with (
        pytest.raises(InputError, match=r"frame 0 is .*expected uint8 \[48, 64, 3\]"),
        VideoWriter(tmp_path / "a.mp4", 25, 64, 48) as writer,
    ):
        writer.append(frame)


@pytest.mark.parametrize("settings", [{"fps": 0.0}, {"fps": float("nan")}, {"preset": "warp"}])
def test_settings_that_make_no_film(tmp_path, settings):
    with pytest.raises(InputError) as caught:
        write(tmp_path / "a.mp4", pictures(64, 48), **settings)
    assert caught.value.path == str(tmp_path / "a.mp4")
    assert os.listdir(tmp_path) == []


def test_the_size_limit_of_the_process(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = [np.random.default_rng(i).integers(0, 255, (128, 128, 3), dtype=np.uint8) for i in range(20)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(InputError, match="size limit"):
            write(tmp_path / "a.mp4", noise, crf=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == []
