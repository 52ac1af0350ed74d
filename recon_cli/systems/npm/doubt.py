"""Which frames should not be trusted without looking."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from recon_cli.systems.npm.fitted import FrameQuality

UNEXPLAINED, OVERHANG = 0.02, 0.05
SPREAD, DEVIATION = 0.05, 0.009


def quality_of(scores: Mapping[str, Tensor]) -> FrameQuality:
    """The quality of frames of its single numbers, each of shape [T]; NaN where nothing was seen, which is doubtful."""
    names = ("residual", "unexplained", "overhang", "spread", "deviation")
    is_sure = (
        (scores["unexplained"] <= UNEXPLAINED)
        & (scores["overhang"] <= OVERHANG)
        & (scores["spread"] <= SPREAD)
        & (scores["deviation"] <= DEVIATION)
    )
    return FrameQuality(**{name: scores[name] for name in names}, is_doubtful=~is_sure)
