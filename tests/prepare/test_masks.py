"""Masks by background colour, chroma key and depth."""

from __future__ import annotations

import colorsys
from pathlib import Path

import numpy as np
import pytest
import torch

from recon_cli.core.errors import InputError, UsageError
from recon_cli.core.masks import keep_largest as core_keep_largest
from recon_cli.io.exr import write_depth
from recon_cli.io.images import read_frame, read_mask
from recon_cli.prepare.masks import (
    ColorMasks,
    DepthMasks,
    MaskSettings,
    WatchedMasks,
    hue,
    keep_largest,
    parse_color,
    segment,
    segment_depth,
)

S1 = Path(__file__).resolve().parents[2] / "../shared/data/phi_sft_s1"


def _frame(background: tuple[int, int, int], noise: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """A red square with a hole of background and a stray blob, over a noisy background; and the square's mask without the hole."""
    frame = torch.tensor(background, dtype=torch.uint8).expand(60, 80, 3).clone()
    frame[10:50, 20:60] = torch.tensor([210, 60, 50], dtype=torch.uint8)
    frame[25:30, 30:35] = torch.tensor(background, dtype=torch.uint8)
    frame[52:56, 70:76] = torch.tensor([210, 60, 50], dtype=torch.uint8)
    shift = torch.randint(-noise, noise + 1, frame.shape, generator=torch.Generator().manual_seed(0))
    expected = torch.zeros(60, 80, dtype=torch.uint8)
    expected[10:50, 20:60] = 255
    return (frame.int() + shift).clamp(0, 255).to(torch.uint8), expected


@pytest.mark.parametrize("background", [(0, 0, 0), (90, 120, 200), (255, 255, 255)])
def test_the_border_tells_the_background(background):
    frame, expected = _frame(background)
    assert torch.equal(segment(frame, MaskSettings()), expected)


def test_a_given_background_needs_no_uniform_border():
    frame, expected = _frame((0, 0, 0))
    # A bright curtain along three sides, not touching the square.
    curtain = torch.ones(60, 80, dtype=torch.bool)
    curtain[6:, 10:65] = False
    frame[curtain] = torch.randint(60, 256, (int(curtain.sum()), 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    with pytest.raises(InputError, match="not uniform"):
        segment(frame, MaskSettings())
    both = segment(frame, MaskSettings(background=(0, 0, 0), keep=2))
    assert torch.equal(both > 0, (expected > 0) | curtain)


def test_a_chroma_key_sees_through_uneven_light():
    frame, expected = _frame((0, 177, 64))
    light = torch.linspace(0.3, 1.0, 80)[None, :, None]
    lit = torch.where(expected[..., None] > 0, frame.float(), frame.float() * light).to(torch.uint8)
    with pytest.raises(InputError, match="not uniform"):
        segment(lit, MaskSettings())
    assert torch.equal(segment(lit, MaskSettings(chroma=(0, 177, 64))), expected)


def test_more_components_and_holes_stay_when_asked():
    frame, expected = _frame((0, 0, 0))
    kept = segment(frame, MaskSettings(keep=2, largest_hole=10))
    both = expected.clone()
    both[25:30, 30:35] = 0
    both[52:56, 70:76] = 255
    assert torch.equal(kept, both)


def test_hue_agrees_with_the_standard_library():
    colors = np.random.default_rng(0).integers(0, 256, (200, 3), dtype=np.uint8)
    angle, saturation, value = hue(colors)
    expected = np.array([colorsys.rgb_to_hsv(*(color / 255)) for color in colors])
    np.testing.assert_allclose(angle, 360 * expected[:, 0], atol=1e-3)
    np.testing.assert_allclose(saturation, expected[:, 1], atol=1e-5)
    np.testing.assert_allclose(value, expected[:, 2], atol=1e-5)


def test_depth_between_two_planes_is_inside():
    depth = torch.full((20, 30), 5.0)
    depth[5:15, 8:20] = 1.3
    depth[0, 0], depth[8, 10], depth[9, 12] = 0.0, 0.0, float("nan")
    expected = torch.zeros(20, 30, dtype=torch.uint8)
    expected[5:15, 8:20] = 255
    assert torch.equal(segment_depth(depth, MaskSettings(), near=0.0, far=2.0), expected)


def test_depth_maps_of_a_folder(tmp_path):
    for index, far in enumerate((1.0, 3.0)):
        depth = torch.full((6, 8), 9.0)
        depth[2:4, 2:6] = far
        write_depth(tmp_path / f"{index}.exr", depth)
    write_depth(tmp_path / "2.exr", torch.ones(5, 8))
    masks = DepthMasks([tmp_path / f"{index}.exr" for index in range(3)], MaskSettings(), near=0.5, far=2.0)
    assert (len(masks), masks.width, masks.height) == (3, 8, 6)
    assert [int((masks[index] > 0).sum()) for index in range(2)] == [8, 0]
    with pytest.raises(InputError, match="8x5, expected 8x6"):
        masks[2]
    with pytest.raises(InputError, match="empty"):
        DepthMasks([tmp_path / "0.exr"], MaskSettings(), near=2.0, far=1.0)


def test_colours_are_named_or_numbers():
    assert parse_color("black", option="--background") == (0, 0, 0)
    assert parse_color("12, 200,7", option="--background") == (12, 200, 7)
    for text in ("12,300,7", "1,2", "mauve", "1,2,x", ""):
        with pytest.raises(UsageError, match="is no colour"):
            parse_color(text, option="--background")


def test_keep_largest_is_the_one_that_a_fit_uses():
    assert keep_largest is core_keep_largest


@pytest.mark.data
@pytest.mark.skipif(not S1.is_dir(), reason="real inputs (../shared/data/phi_sft_s1) are absent")
def test_masks_of_the_real_sequence_agree_with_the_published_ones():
    for t in (0, 25, 49):
        made = segment(read_frame(S1 / "frames" / f"{t:03d}.png"), MaskSettings())
        given = keep_largest(read_mask(S1 / "masks" / f"{t:03d}.png"))
        union = ((made > 0) | (given > 0)).sum()
        # The published masks hold a dark fringe that the background's colour hides.
        assert float(((made > 0) & (given > 0)).sum() / union) > 0.98


def test_masks_of_a_clip_are_made_when_asked_for():
    frame, expected = _frame((0, 0, 0))

    class Clip:
        width, height = 80, 60

        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> torch.Tensor:
            return frame

    watched = WatchedMasks(ColorMasks(Clip(), MaskSettings()))
    assert torch.equal(watched[0], expected)
    assert watched.empty == []
    blind = WatchedMasks(ColorMasks(Clip(), MaskSettings(background=(0, 0, 0), tolerance=1e6)))
    with pytest.raises(InputError, match="all 1 masks would be empty"):
        blind[0]
    masks = ColorMasks(Clip(), MaskSettings())
    assert (len(masks), masks.width, masks.height) == (1, 80, 60)
    assert torch.equal(masks[0], expected)
