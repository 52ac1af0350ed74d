"""Frames of a clip as numbered pictures."""

from __future__ import annotations

import os

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.io.images import read_frame
from recon_cli.prepare.frames import write_frames


class Clip:
    """Frames in memory; number ``broken`` cannot be read."""

    def __init__(self, count: int, broken: int | None = None) -> None:
        self.images = torch.randint(0, 256, (count, 12, 18, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
        self.width, self.height, self.broken = 18, 12, broken

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        if index == self.broken:
            raise InputError("frame is damaged")
        return self.images[index]


def test_every_frame_is_written_losslessly_under_its_number(tmp_path):
    clip, told = Clip(3), []
    write_frames(clip, tmp_path / "frames", progress=lambda done, total: told.append((done, total)))
    assert sorted(os.listdir(tmp_path / "frames")) == ["000000.png", "000001.png", "000002.png"]
    for index in range(3):
        assert torch.equal(read_frame(tmp_path / "frames" / f"{index:06d}.png"), clip[index])
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_jpeg_is_near(tmp_path):
    clip = Clip(1)
    clip.images = (torch.arange(18)[:, None] * 5 + torch.arange(12)).T[None, :, :, None].expand(1, 12, 18, 3).to(torch.uint8)
    write_frames(clip, tmp_path / "frames", suffix="jpg")
    assert (read_frame(tmp_path / "frames" / "000000.jpg").float() - clip[0].float()).abs().max() < 8


def test_a_damaged_frame_leaves_nothing_behind(tmp_path):
    with pytest.raises(InputError, match="damaged"):
        write_frames(Clip(3, broken=2), tmp_path / "frames")
    assert os.listdir(tmp_path) == []


def test_no_frames_are_refused(tmp_path):
    with pytest.raises(InputError, match="no frames"):
        write_frames(Clip(0), tmp_path / "frames")
