"""Which frames should not be trusted without looking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from recon_cli.systems.npm.fitted import FrameQuality

NAMES = ("residual", "unexplained", "overhang", "spread", "deviation")


@dataclass(frozen=True)
class Limits:
    """Largest numbers of a frame that is not doubted, named as in ``FrameQuality``; None where a solver does not find one.

    Attributes:
        unexplained: share of the depth.
        overhang: share of the vertices.
        spread: distance [box].
        deviation: standard deviation [box].
    """

    unexplained: float
    overhang: float
    spread: float | None = None
    deviation: float | None = None


NEWTON = Limits(unexplained=0.02, overhang=0.05, spread=0.05, deviation=0.007)
PUBLISHED = Limits(unexplained=0.05, overhang=0.05)
LIMITS: Mapping[str, Limits] = {"newton": NEWTON, "published": PUBLISHED}
"""By the solver's name in the recipe."""


def quality_of(scores: Mapping[str, Tensor], limits: Limits = NEWTON) -> FrameQuality:
    """The quality of frames of its single numbers, each of shape [T].

    NaN where nothing was seen, which is doubtful; numbers without a limit are not asked for and become NaN where they are missing.
    """
    some = scores["unexplained"]
    is_sure = torch.ones_like(some, dtype=torch.bool)
    for name, most in asdict(limits).items():
        if most is not None:
            is_sure &= scores[name] <= most
    found = {name: scores[name] if name in scores else torch.full_like(some, torch.nan) for name in NAMES}
    return FrameQuality(**found, is_doubtful=~is_sure)
