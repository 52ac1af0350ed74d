from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from recon_cli.core.errors import InputError, UsageError
from recon_cli.io import video as video_module
from recon_cli.io.images import write_image
from recon_cli.io.video import Video, VideoWriter, check_same, open_masks, open_video

REAL = Path(__file__).parents[2] / "../shared/data/phi_sft_s1"


def gray(value: int, *, width: int = 40, height: int = 24) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Twelve frames whose values are ten times their numbers; the names sort otherwise as text."""
    for i in range(12):
        write_image(tmp_path / "frames" / f"f{i}.png", gray(10 * i))
    (tmp_path / "frames" / "notes.txt").write_text("no picture")
    (tmp_path / "frames" / ".hidden.png").write_text("no picture")
    return tmp_path / "frames"


@pytest.fixture
def film(tmp_path) -> Path:
    with VideoWriter(tmp_path / "film.mp4", 25, 40, 24) as writer:
        for i in range(12):
            writer.append(gray(10 * i))
    return tmp_path / "film.mp4"


def levels(video: Video) -> list[int]:
    return [round(float(frame.float().mean()) / 10) for frame in video]


@pytest.mark.parametrize("source", ["folder", "film"])
def test_ranges(request, source):
    path = request.getfixturevalue(source)
    assert levels(open_video(path)) == list(range(12))
    assert levels(open_video(path, start=2, stop=9, stride=3)) == [2, 5, 8]
    assert levels(open_video(path, start=10, stop=100)) == [10, 11]
    video = open_video(path, start=1, stride=5)
    assert (len(video), video.width, video.height, video.source_size) == (3, 40, 24, (40, 24))
    assert round(float(video[-1].float().mean())) in (109, 110, 111)
    with pytest.raises(IndexError):
        video[3]
    with pytest.raises(InputError, match="has 12 frames"):
        open_video(path, start=12)


@pytest.mark.parametrize("chosen", [{"start": -1}, {"stride": 0}, {"start": 3, "stop": 3}, {"max_size": 0}])
def test_ranges_that_make_no_sense(folder, chosen):
    with pytest.raises(UsageError, match="expected"):
        open_video(folder, **chosen)


def test_rates(folder, film):
    assert open_video(folder).fps is None
    assert open_video(film, stride=5).fps == 25.0


def test_what_a_caller_writes_does_not_stay(folder):
    video = open_video(folder)
    video[1].fill_(77)
    assert int(video[1].float().mean()) == 10


def test_one_picture_is_a_video_of_one_frame(folder):
    video = open_video(folder / "f3.png")
    assert len(video) == 1
    assert torch.equal(video[0], torch.full((24, 40, 3), 30, dtype=torch.uint8))


def test_a_frame_is_read_once_while_it_is_the_last(folder, monkeypatch):
    opened = []
    read = video_module.read_frame
    monkeypatch.setattr(video_module, "read_frame", lambda path: (opened.append(Path(path).name), read(path))[1])
    video = open_video(folder)
    assert opened == []
    for i in (0, 0, 1, 1, 0):
        video[i]
    assert opened == ["f0.png", "f1.png", "f0.png"]


@pytest.mark.parametrize(("max_size", "expected"), [(20, (20, 12)), (7, (7, 4)), (1, (1, 1)), (40, (40, 24)), (999, (40, 24))])
def test_sizes(folder, film, max_size, expected):
    for video in (open_video(folder, max_size=max_size), open_masks(folder, max_size=max_size), open_video(film, max_size=max_size)):
        assert (video.width, video.height) == expected
        assert tuple(video[3].shape[:2]) == expected[::-1]
        assert video.source_size == (40, 24)


def test_shrinking_averages_about_the_image_corner(tmp_path):
    stripes = np.zeros((32, 64, 3), np.uint8)
    stripes[:, ::2] = 200  # finer than the small image can show
    write_image(tmp_path / "stripes.png", stripes)
    small = open_video(tmp_path / "stripes.png", max_size=16)[0]
    assert small.float()[:, 1:-1].sub(100).abs().max() <= 1
    ramp = np.repeat(np.repeat((np.arange(64) * 4)[None, :, None], 32, axis=0), 3, axis=2).astype(np.uint8)
    write_image(tmp_path / "ramp.png", ramp)
    # The centre (i + 0.5) of a small pixel is 4 (i + 0.5) in the large image, whose pixel centres are at j + 0.5.
    expected = 4 * (4 * (torch.arange(16) + 0.5) - 0.5)
    small = open_video(tmp_path / "ramp.png", max_size=16)[0]
    assert small[3, 1:-1, 0].sub(expected[1:-1]).abs().max() <= 1


def test_masks_are_binary(folder, film, tmp_path):
    disc = ((np.mgrid[:32, :64] - np.array([16, 32])[:, None, None]) ** 2).sum(0) < 150
    write_image(tmp_path / "disc.png", disc)
    full, small = open_masks(tmp_path / "disc.png")[0], open_masks(tmp_path / "disc.png", max_size=16)[0]
    assert full.dtype == torch.uint8
    assert torch.equal(full > 0, torch.from_numpy(disc))
    assert small.unique().tolist() == [0, 255]
    assert abs(int((small > 0).sum()) - disc.sum() / 16) <= 3
    # 120 and 130 lie on either side of the threshold.
    with VideoWriter(tmp_path / "masks.mp4", 25, 40, 24) as writer:
        writer.append(gray(110))
        writer.append(gray(145))
    assert [mask.unique().tolist() for mask in open_masks(tmp_path / "masks.mp4")] == [[0], [255]]
    assert [mask.shape for mask in open_masks(folder, stop=2)] == [(24, 40)] * 2


def test_frames_and_masks_fit_together(folder, film, tmp_path):
    check_same(open_video(film), open_masks(folder))
    with pytest.raises(InputError, match="11 masks but 12 frames") as caught:
        check_same(open_video(film), open_masks(folder, start=1))
    assert caught.value.path == str(folder)
    write_image(tmp_path / "small.png", gray(0, width=8, height=8))
    with pytest.raises(InputError, match=r"masks are 8x8 px but the frames in .* are 40x24 px"):
        check_same(open_video(film, stop=1, max_size=8), open_masks(tmp_path / "small.png"))


def test_a_frame_of_another_size_is_named(folder):
    write_image(folder / "f7.png", gray(0, width=41))
    with pytest.raises(InputError, match="is 41x24 px, expected 40x24 px") as caught:
        open_video(folder)
    assert caught.value.path == str(folder / "f7.png")
    assert len(open_video(folder, stop=7)) == 7


def test_folders_that_are_no_video(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no pictures") as caught:
        open_video(tmp_path / "empty")
    assert caught.value.hint
    write_image(folder / "f7.jpg", gray(0))
    with pytest.raises(InputError, match=r"both f7\.jpg and f7\.png"):
        open_video(folder)
    (folder / "f7.jpg").unlink()
    (folder / "f7.png").write_bytes(b"")
    with pytest.raises(InputError, match="empty") as caught:
        open_video(folder)
    assert caught.value.path == str(folder / "f7.png")


def test_a_file_that_is_missing(tmp_path):
    for name in ("none.mp4", "none", "none.png"):
        with pytest.raises(InputError, match="does not exist"):
            open_video(tmp_path / name)


@pytest.mark.data
@pytest.mark.skipif(not REAL.is_dir(), reason="the recorded sequence is not in ../shared/data/phi_sft_s1")
def test_a_recorded_clip_has_the_colours_of_its_lossless_frames():
    clip, lossless, masks = open_video(REAL / "clip.mp4"), open_video(REAL / "frames"), open_masks(REAL / "masks")
    check_same(clip, masks)
    check_same(lossless, masks)
    assert (len(clip), clip.width, clip.height) == (50, 1920, 1080)
    for t in (0, 7):
        error = (clip[t].double() - lossless[t].double())[masks[t] > 0]  # [N, 3]
        assert error.mean(dim=0).abs().max() < 0.35
        assert 10 * torch.log10(255**2 / error.square().mean()) > 33.5
