"""Settings and the choice of a renderer."""

from __future__ import annotations

import math
from typing import Any

import pytest

from recon_cli.core.errors import UsageError
from recon_cli.render.protocol import RenderSettings, get_renderer


def test_blur_radius_is_where_coverage_falls_to_a_ten_thousandth() -> None:
    settings = RenderSettings(mode="soft", sigma=3e-4)
    radius = 2 * settings.blur_radius(200, 100) / 100  # in units of half the shorter side
    assert math.isclose(1 / (1 + math.exp(radius**2 / settings.sigma)), 1e-4)


@pytest.mark.parametrize(
    "values", [{"mode": "hard"}, {"sigma": 0.0}, {"gamma": -1.0}, {"faces_per_pixel": 0}, {"near": -1.0}, {"depth_range": (2.0, 1.0)}]
)
def test_values_out_of_range_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        RenderSettings(**values)


def test_an_unknown_renderer_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="'builtin' or 'pytorch3d'"):
        get_renderer("opengl")
