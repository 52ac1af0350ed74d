import math
from dataclasses import replace

import pytest
import torch

from recon_cli.run.npm_fit_page import curves_of, doubt_sentence, reasons, shown_frames
from recon_cli.systems.npm.doubt import NEWTON, PUBLISHED, quality_of
from tests.run.fitted_tubes import quality

NAMES = tuple(f"{frame:03d}" for frame in range(30))


def test_what_is_doubtful_is_named_with_its_reasons_the_commonest_first():
    found = quality(30, (3, 4, 5, 9))
    found.spread[9] = 0.1
    sentence = doubt_sentence(found, NAMES, (4,), NEWTON)
    assert sentence.startswith("4 of 30 frames are doubtful (003 to 005, 009): part of the depth is not explained (in 3); ")
    assert "the body is not seen, and its pose is carried over from the neighbours (in 1)" in sentence
    assert "other poses explain the depth nearly as well (in 1)" in sentence


def test_no_doubt_is_said_too():
    assert doubt_sentence(quality(30), NAMES, (), NEWTON).startswith("No frame is doubtful")
    assert "other pose" in doubt_sentence(quality(30), NAMES, (), NEWTON)
    # The published fit looks for none.
    assert doubt_sentence(quality(30), NAMES, (), PUBLISHED) == "No frame is doubtful: the surface explains the depth."


def test_a_doubt_without_a_high_number_has_a_reason():
    found = quality(4, (1,))
    assert reasons(replace(found, unexplained=torch.full((4,), 0.01)), 1, (), NEWTON) == [
        "its numbers together are unlike those of good fits"
    ]


def test_curves_leave_out_what_was_not_computed_and_shade_the_doubtful():
    found = quality(6, (2,))
    found.spread[1] = math.nan
    charts = curves_of(found, NEWTON)
    assert [next(iter(chart.series)).split(",")[0].split(" ")[0] for chart in charts] == ["Distance", "Depth", "Surface", "Distance"]
    assert all(chart.marked == [2] for chart in charts)
    # Depth not explained, in %: dashed from where the fit doubts a frame.
    assert charts[1].limit == pytest.approx(2)
    spread = next(iter(charts[-1].series.values()))
    assert math.isnan(spread[1])
    assert spread[0] == pytest.approx(0.4)


def test_the_limits_are_those_of_the_solver_that_ran():
    unexplained = torch.tensor([0.01, 0.03, 0.06])
    scores = {"residual": torch.full((3,), 0.002), "unexplained": unexplained, "overhang": torch.full((3,), 0.01)}
    found = quality_of(scores, PUBLISHED)
    assert found.is_doubtful.tolist() == [False, False, True]
    assert bool(found.spread.isnan().all())
    assert [chart.limit for chart in curves_of(found, PUBLISHED)] == pytest.approx([1, 5, 5])
    assert reasons(found, 2, (), PUBLISHED) == ["part of the depth is not explained"]
    newton = quality_of({**scores, "spread": torch.zeros(3), "deviation": torch.tensor([0.001, 0.001, torch.nan])})
    assert newton.is_doubtful.tolist() == [False, True, True]
    assert [chart.limit for chart in curves_of(newton, NEWTON)] == pytest.approx([1, 2, 5, 5, 0.7])


@pytest.mark.parametrize("frames", [1, 2, 5, 30])
def test_shown_frames_are_spread_and_hold_the_worst(frames):
    found = quality(frames, (frames // 2,))
    found.unexplained[frames // 2] = 0.9
    shown = shown_frames(found)
    assert {0, frames - 1, frames // 2} <= shown
    assert len(shown) <= 9
