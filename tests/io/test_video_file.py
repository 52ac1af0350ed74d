from __future__ import annotations

import threading
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recon_cli.core.errors import InputError
from recon_cli.io.video_file import VideoFile, to_rgb

WIDTH, HEIGHT, COUNT = 48, 32, 23


def numbered(number: int, *, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:  # [H, W, 3]
    """A picture that spells its number in six black or white bars."""
    frame = np.full((height, width, 3), 90, np.uint8)
    for bit in range(6):
        frame[: height // 2, bit * 8 : bit * 8 + 8] = 235 if number >> bit & 1 else 20
    return frame


def spelled(frame: torch.Tensor) -> int:
    return sum(int(float(frame[4:12, bit * 8 + 2 : bit * 8 + 6].float().mean()) > 128) << bit for bit in range(6))


def encode(
    path: Path, frames: list[np.ndarray], *, codec="libx264", file_format=None, source="rgb24", pixels="yuv420p", muxer=None, **options
):
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w", format=file_format, options=muxer or {}) as container:
        stream = container.add_stream(
            codec, rate=Fraction(25), options={key.replace("_", "-"): str(value) for key, value in options.items()}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        for number, pixels_of_frame in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels_of_frame, format=source)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    encode(path, [numbered(i) for i in range(COUNT)], g=7, bf=2, crf=10, muxer={"movflags": "+faststart"})
    return path


KINDS = {
    "b-frames.mp4": {"g": 7, "bf": 3},
    "open.mp4": {"x264_params": "keyint=6:min-keyint=6:open-gop=1:bframes=3:scenecut=0"},
    "intra.mkv": {"g": 1},
    "one-key.mov": {"g": 250},
    "packed.avi": {"codec": "mpeg4", "bf": 2, "g": 6},
    "bare.h264": {"file_format": "h264", "g": 7, "bf": 2},
    "motion.avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "fragments.mp4": {"g": 5, "muxer": {"movflags": "frag_keyframe+empty_moov"}},
}


@pytest.mark.parametrize("name", KINDS)
def test_any_order_gives_the_frames_of_forward_order(tmp_path, name):
    encode(tmp_path / name, [numbered(i) for i in range(COUNT)], **KINDS[name])
    video = VideoFile(tmp_path / name)
    assert (len(video), video.width, video.height, video.fps) == (COUNT, WIDTH, HEIGHT, 25.0)
    forward = [video.read_frame(i) for i in range(COUNT)]
    assert [spelled(frame) for frame in forward] == list(range(COUNT))
    for i in [*np.random.default_rng(0).integers(0, COUNT, 30), COUNT - 1, 0, COUNT - 1, COUNT - 2, 6, 7, 5, 12, 11]:
        assert torch.equal(video.read_frame(int(i)), forward[i]), i


def test_forward_order_decodes_each_frame_once(clip, monkeypatch):
    video = VideoFile(clip)
    restarts = []
    monkeypatch.setattr(video, "_restart", lambda key: restarts.append(key))
    assert [spelled(video.read_frame(i)) for i in range(COUNT)] == list(range(COUNT))
    assert restarts == []


def test_a_long_jump_starts_at_the_nearest_keyframe(clip, monkeypatch):
    video, restarts = VideoFile(clip), []
    restart = video._restart
    monkeypatch.setattr(video, "_restart", lambda key: (restarts.append(key), restart(key)))
    assert [spelled(video.read_frame(i)) for i in (2, 16, 20, 15)] == [2, 16, 20, 15]
    assert restarts == [14, 14]


def test_threads_may_share_a_file(clip):
    video, wrong = VideoFile(clip), []

    def read(seed: int) -> None:
        for i in np.random.default_rng(seed).integers(0, COUNT, 40):
            if spelled(video.read_frame(int(i))) != i:
                wrong.append(int(i))

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# Kr and Kb of the matrices (ITU-R BT.601, BT.709, BT.2020).
WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
COLOURS = np.array([[200, 40, 60], [30, 180, 50], [50, 60, 210], [220, 200, 30], [128, 128, 128], [250, 250, 250]], np.float64)


def to_yuv(rgb: np.ndarray, matrix: str, *, full: bool) -> np.ndarray:  # [3, H, W]
    red, blue = WEIGHTS[matrix]
    luma = rgb @ np.array([red, 1 - red - blue, blue])
    chroma = [(rgb[..., 2] - luma) / (2 * (1 - blue)), (rgb[..., 0] - luma) / (2 * (1 - red))]
    scale, offset = ((1, 1), 0) if full else ((219 / 255, 224 / 255), 16)
    return np.rint(np.stack([luma * scale[0] + offset, *(c * scale[1] + 128 for c in chroma)]))


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("number", "matrix"), [(2, "bt601"), (6, "bt601"), (5, "bt601"), (1, "bt709"), (9, "bt2020")])
def test_colours_follow_the_matrix_and_range_of_the_file(tmp_path, number, matrix, full):
    rgb = np.repeat(np.repeat(COLOURS[None], 16, axis=0), 8, axis=1)  # [16, 48, 3]
    planes = to_yuv(rgb, matrix, full=full).astype(np.uint8).reshape(-1, rgb.shape[1])
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.codec_context.color_range, stream.codec_context.colorspace = 2 if full else 1, number
        stream.width, stream.height, stream.pix_fmt = 48, 16, "yuv444p"
        frame = av.VideoFrame.from_ndarray(planes.reshape(3, 16, 48), format="yuv444p")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    error = VideoFile(path).read_frame(0).numpy().astype(float) - rgb
    assert np.abs(error).max() <= 2
    assert np.abs(error.mean(axis=(0, 1))).max() <= 0.5


@pytest.mark.parametrize("full", [False, True])
def test_ten_bits(full):
    rgb = np.repeat(np.repeat(COLOURS[None], 16, axis=0), 8, axis=1)
    planes = np.rint(to_yuv(rgb, "bt709", full=full) * (1023 / 255 if full else 4)).astype(np.uint16)
    frame = av.VideoFrame(48, 16, "yuv444p10le")
    for channel, plane in enumerate(frame.planes):
        rows = np.zeros((16, plane.line_size // 2), np.uint16)
        rows[:, :48] = planes[channel]
        plane.update(rows.tobytes())
    frame.colorspace, frame.color_range = 1, 2 if full else 1
    assert np.abs(to_rgb(frame).astype(float) - rgb).max() <= 2


def test_conversion_of_subsampled_chroma_has_no_shift(tmp_path):
    noise = np.random.default_rng(0).integers(30, 220, (12, 16, 3)).astype(np.uint8)
    smooth = np.kron(noise, np.ones((16, 16, 1), np.uint8))
    encode(tmp_path / "a.mkv", [smooth], qp=0)
    error = VideoFile(tmp_path / "a.mkv").read_frame(0).numpy().astype(float) - smooth
    assert np.abs(error[4::16, 4::16]).max() <= 3
    assert np.abs(error[4::16, 4::16].mean(axis=(0, 1))).max() < 1.2


@pytest.mark.parametrize(("matrix", "turn"), [((0, 1, -1, 0), -1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)])
def test_rotation_of_a_phone_is_applied(clip, tmp_path, matrix, turn):
    # The track header maps (x, y) to (a x + c y, b x + d y), y down (ISO/IEC 14496-12); turn counts quarter turns anticlockwise.
    data = bytearray(clip.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (value * 65536 for value in matrix)
    for offset, value in zip((0, 4, 12, 16), (a, b, c, d)):
        data[place + offset : place + offset + 4] = value.to_bytes(4, "big", signed=True)
    (tmp_path / "turned.mp4").write_bytes(data)
    video, expected = VideoFile(tmp_path / "turned.mp4"), torch.rot90(VideoFile(clip).read_frame(5), turn)
    assert (video.height, video.width) == tuple(expected.shape[:2])
    assert torch.equal(video.read_frame(5), expected)


def test_a_change_of_size_names_the_frame(tmp_path):
    encode(tmp_path / "a.h264", [numbered(0)] * 4, file_format="h264", bf=0)
    encode(tmp_path / "b.h264", [numbered(0, width=64, height=64)] * 4, file_format="h264", bf=0)
    (tmp_path / "ab.h264").write_bytes((tmp_path / "a.h264").read_bytes() + (tmp_path / "b.h264").read_bytes())
    video = VideoFile(tmp_path / "ab.h264")
    assert len(video) == 8
    with pytest.raises(InputError, match="frame 4 is 64x64 px, expected 48x32 px"):
        video.read_frame(4)
    assert video.read_frame(3).shape == (HEIGHT, WIDTH, 3)


def test_names_that_look_like_protocols(clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "http:a.mp4").write_bytes(clip.read_bytes())
    assert len(VideoFile("http:a.mp4")) == COUNT


def test_files_cut_short(clip, tmp_path):
    data = clip.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 6 // 10])
    with pytest.raises(InputError, match=rf"cut short: \d+ of {COUNT} frames"):
        VideoFile(tmp_path / "cut.mp4")
    encode(tmp_path / "late.mp4", [numbered(i) for i in range(COUNT)])
    (tmp_path / "late.mp4").write_bytes((tmp_path / "late.mp4").read_bytes()[:-300])
    with pytest.raises(InputError, match=r"holds no frame|cannot be read"):
        VideoFile(tmp_path / "late.mp4")


def test_files_that_are_no_video(clip, tmp_path):
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{clip}\n#EXT-X-ENDLIST\n"
    concatenation = f"ffconcat version 1.0\nfile '{clip}'\n"
    contents = {"text.mp4": "hello", "text.txt": "hello\n" * 100, "list.m3u8": playlist, "list.ffconcat": concatenation, "empty.mp4": ""}
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
        with pytest.raises(InputError, match="video file") as caught:
            VideoFile(tmp_path / name)
        assert caught.value.path == str(tmp_path / name)
        assert caught.value.hint
    for path in (tmp_path / "none.mp4", tmp_path):
        with pytest.raises(InputError, match="video file"):
            VideoFile(path)


def test_sound_alone(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match="no pictures"):
        VideoFile(tmp_path / "a.mp4")


@settings(max_examples=60, deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 255)), max_size=5), cut=st.none() | st.integers(0, 100_000))
def test_damaged_files_raise_input_errors_or_read(tmp_path_factory, clip, edits, cut):
    data = bytearray(clip.read_bytes())
    for place, value in edits:
        data[place % len(data)] = value
    path = tmp_path_factory.mktemp("fuzz") / "a.mp4"
    path.write_bytes(data if cut is None else data[: cut % len(data)])
    with suppress(InputError):
        video = VideoFile(path)
        for i in {0, len(video) // 2, len(video) - 1}:
            assert video.read_frame(i).shape == (video.height, video.width, 3)
