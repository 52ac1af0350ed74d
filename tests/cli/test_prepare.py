"""What `recon prepare` writes and prints."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import torch

from recon_cli.cli.app import run
from recon_cli.io.exr import write_depth
from recon_cli.io.images import read_frame, read_mask
from recon_cli.io.video import VideoWriter


def _frames(count: int = 6) -> np.ndarray:  # [T, 48, 64, 3]
    """A bright square that moves to the right over black."""
    frames = np.zeros((count, 48, 64, 3), dtype=np.uint8)
    for t in range(count):
        frames[t, 10:34, 8 + 4 * t : 32 + 4 * t] = (220, 180, 140)
    return frames


@pytest.fixture
def clip(tmp_path):
    with VideoWriter(tmp_path / "clip.mp4", 25, 64, 48, crf=4) as video:
        for frame in _frames():
            video.append(frame)
    return tmp_path / "clip.mp4"


def test_frames_are_those_of_the_clip(clip, tmp_path, capsys):
    assert run(["prepare", "frames", str(clip), "-o", str(tmp_path / "frames"), "--start", "1", "--stop", "6", "--stride", "2"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'frames'}\n"
    assert sorted(os.listdir(tmp_path / "frames")) == ["000000.png", "000001.png", "000002.png"]
    for index, t in enumerate((1, 3, 5)):
        difference = read_frame(tmp_path / "frames" / f"{index:06d}.png").numpy().astype(int) - _frames()[t]
        assert np.abs(difference).mean() < 3


def test_frames_shrink_and_tell_in_json(clip, tmp_path, capsys):
    assert run(["prepare", "frames", str(clip), "-o", str(tmp_path / "f"), "--max-size", "32", "--format", "jpg", "--json", "-q"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"path": str(tmp_path / "f"), "count": 6, "width": 32, "height": 24}
    assert said.err == ""
    assert tuple(read_frame(tmp_path / "f" / "000005.jpg").shape) == (24, 32, 3)


@pytest.mark.parametrize("command", ["frames", "masks"])
def test_a_full_folder_is_refused_before_anything_is_read(tmp_path, command, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "000000.png").write_text("mine")
    assert run(["prepare", command, "no-clip.mp4", "-o", str(tmp_path / "out")]) == 3
    said = capsys.readouterr()
    assert "--overwrite" in said.err
    assert (tmp_path / "out" / "000000.png").read_text() == "mine"


@pytest.mark.parametrize("command", ["frames", "masks"])
def test_a_missing_clip_leaves_no_folder(tmp_path, command, capsys):
    assert run(["prepare", command, str(tmp_path / "no-clip.mp4"), "-o", str(tmp_path / "out")]) == 3
    assert "no-clip.mp4" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "choice", [[], ["--background", "auto"], ["--background", "black"], ["--background", "0,0,0", "--tolerance", "40"]]
)
def test_masks_by_background(clip, tmp_path, choice, capsys):
    assert run(["prepare", "masks", str(clip), "-o", str(tmp_path / "masks"), *choice]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'masks'}\n"
    for t in range(6):
        mask = read_mask(tmp_path / "masks" / f"{t:06d}.png") > 0
        truth = torch.from_numpy(_frames()[t, ..., 0] > 0)
        assert float((mask & truth).sum() / (mask | truth).sum()) > 0.9


def test_masks_by_chroma_key(tmp_path):
    frames = _frames()
    frames[frames[..., 0] == 0] = (10, 150, 70)
    with VideoWriter(tmp_path / "clip.mp4", 25, 64, 48, crf=4) as video:
        for frame in frames:
            video.append(frame)
    assert run(["prepare", "masks", str(tmp_path / "clip.mp4"), "-o", str(tmp_path / "masks"), "--chroma", "green"]) == 0
    mask, truth = read_mask(tmp_path / "masks" / "000003.png") > 0, torch.from_numpy(_frames()[3, ..., 0] > 0)
    assert float((mask & truth).sum() / (mask | truth).sum()) > 0.9


def test_masks_by_depth_need_no_clip_but_fit_it(clip, tmp_path, capsys):
    for t in range(6):
        depth = torch.full((48, 64), 4.0)
        depth[_frames()[t, ..., 0] > 0] = 1.2
        write_depth(tmp_path / "depth" / f"{t}.exr", depth)
    depth_options = ["--depth", str(tmp_path / "depth"), "--near", "0.5", "--far", "2"]
    assert run(["prepare", "masks", "-o", str(tmp_path / "masks"), *depth_options]) == 0
    for t in range(6):
        assert torch.equal(read_mask(tmp_path / "masks" / f"{t:06d}.png") > 0, torch.from_numpy(_frames()[t, ..., 0] > 0))
    assert run(["prepare", "masks", str(clip), "-o", str(tmp_path / "again"), *depth_options, "--stride", "2"]) == 0
    assert len(os.listdir(tmp_path / "again")) == 3
    os.remove(tmp_path / "depth" / "5.exr")
    assert run(["prepare", "masks", str(clip), "-o", str(tmp_path / "never"), *depth_options]) == 3
    assert "5 depth maps but 6 frames" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--chroma", "green", "--background", "black"], "exclude each other"),
        (["--background", "mauve"], "is no colour"),
        (["--depth", "depth"], "needs --far"),
        (["--depth", "depth", "--far", "2", "--max-size", "100"], "--max-size"),
        (["--keep", "0"], "--keep"),
    ],
)
def test_options_that_make_no_sense_are_exit_2(clip, tmp_path, options, words, capsys):
    assert run(["prepare", "masks", str(clip), "-o", str(tmp_path / "masks"), *options]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "masks").exists()


def test_masks_of_nothing_are_exit_2(tmp_path, capsys):
    assert run(["prepare", "masks", "-o", str(tmp_path / "masks")]) == 2
    assert "no VIDEO" in capsys.readouterr().err


def test_a_busy_background_is_exit_3_and_leaves_nothing(tmp_path, capsys):
    noise = np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3), dtype=np.uint8)
    with VideoWriter(tmp_path / "noise.mp4", 25, 64, 48, crf=4) as video:
        for frame in noise:
            video.append(frame)
    assert run(["prepare", "masks", str(tmp_path / "noise.mp4"), "-o", str(tmp_path / "masks")]) == 3
    assert "--chroma" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["noise.mp4"]
