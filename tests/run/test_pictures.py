import numpy as np
import pytest

from recon_cli.run.pictures import (
    BACKDROP,
    MASK_COLOR,
    color_map,
    colored_depth,
    contact_sheet,
    difference,
    draw_outline,
    encode_jpeg,
    labelled,
    nice_ticks,
    outline,
    resized,
    side_by_side,
    with_depth_scale,
)


def test_depth_colour_is_lighter_when_nearer_and_backdrop_when_unseen():
    depth = np.linspace(1.0, 2.0, 64, dtype=np.float32).reshape(1, 64)
    depth[0, :3] = (0.0, np.nan, np.inf)
    picture = colored_depth(depth, near=1.0, far=2.0)
    luminance = picture[0, 3:].astype(float) @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(luminance) < 0).all()
    assert (picture[0, :3] == BACKDROP).all()


def test_depth_outside_the_range_takes_the_ends_of_the_map():
    ends = color_map("viridis", start=0.12)
    picture = colored_depth(np.array([[0.5, 9.0]]), near=1.0, far=2.0)
    assert (picture[0, 0] == ends[255]).all()
    assert (picture[0, 1] == ends[0]).all()


def test_flat_depth_does_not_divide_by_zero():
    assert colored_depth(np.full((2, 2), 3.0), near=3.0, far=3.0).shape == (2, 2, 3)


@pytest.mark.parametrize(("low", "high"), [(0.93, 1.31), (0.0, 1.0), (12.0, 990.0), (1.0, 1.003), (-4.0, 3.0)])
def test_ticks_are_round_inside_and_a_handful(low, high):
    ticks = nice_ticks(low, high)
    steps = np.diff(ticks)
    assert low - 1e-9 <= ticks[0]
    assert ticks[-1] <= high + 1e-9
    assert 2 <= len(ticks) <= 6
    mantissa = steps[0] / 10 ** np.floor(np.log10(steps[0]) + 1e-9)
    assert np.isclose(mantissa, [1, 2, 5], rtol=1e-6).any()


def test_scale_strip_keeps_the_picture_and_runs_from_near_to_far():
    picture = colored_depth(np.full((200, 100), 1.5), near=1.0, far=2.0)
    scaled = with_depth_scale(picture, near=1.0, far=2.0, unit="m")
    assert (scaled[:, :100] == picture).all()
    ends = color_map("viridis", start=0.12)
    size, margin = 11, 6
    bar = scaled[2 * margin + 2 * size : 200 - 2 * margin, 100 + margin + 1]
    assert (bar[0] == ends[255]).all()
    assert (bar[-1] == ends[0]).all()


def test_outline_of_a_square_is_its_rim_but_not_along_the_image_border():
    mask = np.zeros((8, 8), dtype=bool)
    mask[2:6, 2:6] = True
    assert outline(mask).sum() == 12
    full = np.ones((4, 4), dtype=bool)
    assert not outline(full).any()
    drawn = draw_outline(np.zeros((8, 8, 3), dtype=np.uint8), mask, MASK_COLOR)
    assert ((drawn == MASK_COLOR).all(axis=-1) == outline(mask)).all()


def test_difference_is_zero_for_equals_full_at_full_scale_and_backdrop_outside():
    first = np.full((2, 3, 3), 100, dtype=np.uint8)
    second = first.copy()
    second[0, 1] = 100 + 51
    inside = np.array([[True, True, False], [True, True, False]])
    picture = difference(first, second, inside, full_scale=0.2)
    assert (picture[1, 0] == color_map("inferno")[0]).all()
    assert (picture[0, 1] == color_map("inferno")[255]).all()
    assert (picture[:, 2] == BACKDROP).all()


def test_rows_and_sheets_have_the_stated_sizes():
    tile = np.full((10, 16, 3), 200, dtype=np.uint8)
    assert side_by_side([tile, tile, tile], gap=4).shape == (10, 56, 3)
    sheet = contact_sheet([tile] * 5, columns=3, gap=2)
    assert sheet.shape == (22, 52, 3)
    assert (sheet[12:, 36:] == BACKDROP).all()


def test_shrinking_averages():
    checks = (np.indices((8, 8)).sum(axis=0) % 2 * 200).astype(np.uint8)[..., None].repeat(3, axis=2)
    assert (resized(checks, 4, 4) == 100).all()


def test_label_changes_only_its_corner_and_leaves_the_original_alone():
    picture = np.zeros((120, 240, 3), dtype=np.uint8)
    marked = labelled(picture, "input")
    assert not picture.any()
    assert marked[:40, :120].max() > 150
    assert not marked[60:].any()


def test_jpeg_is_a_jpeg():
    assert encode_jpeg(np.zeros((8, 8, 3), dtype=np.uint8)).startswith(b"\xff\xd8\xff")
