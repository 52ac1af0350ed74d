"""Errors of depth maps whose errors are known."""

from __future__ import annotations

import math

import pytest
import torch

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.metrics.depth import depth_errors, depth_errors_by_view, errors_at_completeness

WIDTH, HEIGHT, FOCAL = 10, 6, 20.0


def _cameras(count: int = 2, names: tuple[str, ...] = ("a", "b")) -> Cameras:
    one = Cameras.pinhole(width=WIDTH, height=HEIGHT, fx=FOCAL, fy=FOCAL, cx=5, cy=3)
    return Cameras(one.K.expand(count, 3, 3), one.camera_from_world.expand(count, 4, 4), one.size.expand(count, 2), names[:count])


def _maps(*depths: torch.Tensor, confidence=None, names: tuple[str, ...] = ("a", "b")) -> DepthMaps:
    return DepthMaps(_cameras(len(depths), names), depths, confidence=confidence)


def _flat(depth: float) -> torch.Tensor:
    return torch.full((HEIGHT, WIDTH), depth)


def test_equal_maps_have_no_error():
    maps = _maps(_flat(3.0), _flat(5.0))
    found = depth_errors(maps, maps, thresholds=[0.1])
    assert (found.mean, found.median, found.rmse, found.median_pixels, found.spurious) == (0, 0, 0, 0, 0)
    assert (found.completeness, found.within, found.within_pixels) == (1, {0.1: 1}, {1: 1})


def test_a_shift_is_the_error_in_units_and_in_footprints():
    found = depth_errors(_maps(_flat(8.25)), _maps(_flat(8.0)), thresholds=[0.2, 0.3], pixel_thresholds=[0.5, 0.7])
    assert found.mean == found.median == found.rmse == 0.25
    assert found.median_relative == found.mean_relative == 0.25 / 8
    assert found.median_pixels == 0.25 / (8 / FOCAL)  # 0.625
    assert found.within == {0.2: 0, 0.3: 1}
    assert found.within_pixels == {0.5: 0, 0.7: 1}


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_units_scale_what_has_units_alone(scale):
    noise = 0.1 * torch.rand(HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    plain = depth_errors(_maps(_flat(4.0) + noise), _maps(_flat(4.0)))
    scaled = depth_errors(_maps((_flat(4.0) + noise) * scale), _maps(_flat(4.0) * scale))
    assert scaled.median == pytest.approx(scale * plain.median, rel=1e-4)
    assert scaled.rmse == pytest.approx(scale * plain.rmse, rel=1e-4)
    assert scaled.median_pixels == pytest.approx(plain.median_pixels, rel=1e-4)
    assert scaled.median_relative == pytest.approx(plain.median_relative, rel=1e-4)


def test_unknown_depths_count_as_missing_or_spurious():
    truth, found = _flat(2.0), _flat(2.0)
    truth[0], truth[1, 0] = 0.0, math.nan  # 11 pixels without a true depth
    found[1], found[2, :5], found[3, 0] = 0.0, math.nan, math.inf  # of 49, 9 + 5 + 1 are missing
    errors = depth_errors(_maps(found), _maps(truth))
    assert errors.pixels == 49 - 15
    assert errors.completeness == pytest.approx(34 / 49)
    assert errors.spurious == pytest.approx(10 / 44)
    assert errors.mean == 0


def test_nothing_found_is_not_a_perfect_score():
    errors = depth_errors(_maps(_flat(0.0)), _maps(_flat(2.0)))
    assert math.isnan(errors.median)
    assert math.isnan(errors.mean)
    assert (errors.completeness, errors.pixels) == (0, 0)


def test_views_are_matched_by_name():
    predicted = _maps(_flat(2.0), _flat(1.0), names=("b", "a"))
    assert depth_errors(predicted, _maps(_flat(1.0), _flat(2.0))).mean == 0
    by_view = depth_errors_by_view(predicted, _maps(_flat(1.5), _flat(2.0)))
    assert {name: errors.mean for name, errors in by_view.items()} == {"a": 0.5, "b": 0}


def test_the_surest_pixels_come_first():
    """The error of a pixel is its rank; with the confidence falling with it, the surest half has the small errors."""
    rank = torch.randperm(HEIGHT * WIDTH, generator=torch.Generator().manual_seed(1)).reshape(HEIGHT, WIDTH)
    truth = _flat(100.0)
    predicted = _maps(truth + rank, confidence=(1 - rank / 100.0,))
    for share in (0.25, 0.5, 1.0):
        found = errors_at_completeness(predicted, _maps(truth), share)
        assert found.pixels == share * rank.numel()
        assert found.completeness == share
        assert found.mean == pytest.approx((found.pixels - 1) / 2)


def test_equally_sure_pixels_are_drawn_from_everywhere():
    truth = _flat(100.0)
    predicted = _maps(truth, truth, confidence=(torch.ones(HEIGHT, WIDTH), torch.ones(HEIGHT, WIDTH)))
    reference = _maps(truth, truth + 1)
    first, again = (errors_at_completeness(predicted, reference, 0.5) for _ in range(2))
    assert first == again
    assert 0.3 < first.mean < 0.7  # about as many of the view with error 1 as of the one with 0


def test_spurious_pixels_that_are_sure_do_not_add_to_the_completeness():
    truth, sure = _flat(2.0), torch.full((HEIGHT, WIDTH), 0.5)
    truth[:3] = 0
    sure[:3] = 0.9
    found = errors_at_completeness(_maps(_flat(2.0), confidence=(sure,)), _maps(truth), 0.5)
    assert found.pixels == 15
    assert found.spurious == pytest.approx(30 / 45)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="one side only"):
        depth_errors(_maps(_flat(1.0)), _maps(_flat(1.0), names=("z",)))
    small = Cameras.pinhole(width=4, height=3, fx=1, fy=1, cx=2, cy=1, name="a")
    with pytest.raises(InputError, match="is 4x3, the reference 10x6"):
        depth_errors(DepthMaps(small, (torch.ones(3, 4),)), _maps(_flat(1.0)))
    with pytest.raises(InputError, match="no pixel of the reference"):
        depth_errors(_maps(_flat(1.0)), _maps(_flat(0.0)))
    with pytest.raises(InputError, match="no confidence"):
        errors_at_completeness(_maps(_flat(1.0)), _maps(_flat(1.0)), 0.5)
    hole = _flat(1.0)
    hole[0] = 0
    with pytest.raises(InputError, match=r"theirs is 0\.8333"):
        errors_at_completeness(_maps(hole, confidence=(hole,)), _maps(_flat(1.0)), 0.9)
