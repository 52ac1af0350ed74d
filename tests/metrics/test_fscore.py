"""F-scores of surfaces whose distance is known, and motions that ICP undoes."""

from __future__ import annotations

import math

import pytest
import torch

from recon_cli.core.errors import InputError, NumericsError
from recon_cli.metrics.fscore import FScore, align_in_rounds, fscores, moved


def _grid(z: float = 0.0, side: int = 20) -> torch.Tensor:
    step = torch.arange(side, dtype=torch.float64)
    x, y = torch.meshgrid(step, step, indexing="ij")
    return torch.stack([x, y, torch.full_like(x, z)], dim=-1).reshape(-1, 3)


def _bumps(count: int = 4000) -> torch.Tensor:
    flat = torch.rand(count, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    height = 0.2 * torch.sin(7 * flat[:, 0]) * torch.cos(5 * flat[:, 1]) + 0.1 * torch.sin(11 * flat[:, 1])
    return torch.cat([flat, height[:, None]], dim=1) + 600


def _motion(angle: float, shift: tuple[float, float, float], scale: float = 1.0) -> torch.Tensor:
    """A turn about the vertical axis through the middle of the bumps, then a shift."""
    turn = torch.eye(4, dtype=torch.float64)
    turn[:2, :2] = scale * torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    turn[2, 2] = scale
    middle = torch.full((3,), 600.5, dtype=torch.float64)
    turn[:3, 3] = middle - turn[:3, :3] @ middle + torch.tensor(shift, dtype=torch.float64)
    return turn


def test_shifted_planes_agree_from_their_distance_on():
    found = fscores(_grid(), _grid(0.25), [0.2, 0.3])
    assert [(score.precision, score.recall, score.fscore) for score in found] == [(0, 0, 0), (1, 1, 1)]


def test_half_a_surface_is_precise_and_incomplete():
    (found,) = fscores(_grid()[:200], _grid(), [0.5])
    assert (found.precision, found.recall) == (1, 0.5)
    assert found.fscore == pytest.approx(2 / 3)
    (back,) = fscores(_grid(), _grid()[:200], [0.5])
    assert (back.precision, back.recall) == (0.5, 1)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_units_do_not_matter_when_the_threshold_has_them(scale):
    noisy = _grid() + 0.3 * torch.randn(400, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    plain, scaled = fscores(noisy, _grid(), [0.5])[0], fscores(noisy * scale, _grid() * scale, [0.5 * scale])[0]
    assert (plain.precision, plain.recall) == (scaled.precision, scaled.recall)
    assert 0.1 < plain.fscore < 0.9


def test_cells_weigh_places_not_points():
    """A thousand copies of one bad point count once."""
    bad = torch.tensor([[0.0, 0, 50]]).double().expand(1000, 3)
    crowd = torch.cat([_grid(), bad])
    assert fscores(crowd, _grid(), [0.5])[0].precision == pytest.approx(400 / 1400)
    assert fscores(crowd, _grid(), [0.5], voxel=0.25)[0].precision == pytest.approx(400 / 401)


def test_icp_recovers_a_known_motion():
    reference = _bumps()
    wanted = _motion(0.03, (0.02, -0.01, 0.015))
    predicted = moved(reference, torch.linalg.inv(wanted))
    found = align_in_rounds(predicted, reference, 0.01, with_scale=False)
    assert float((moved(predicted, found) - reference).norm(dim=-1).max()) < 1e-3
    assert fscores(predicted, reference, [0.005])[0].fscore < 0.5
    assert fscores(moved(predicted, found), reference, [0.005])[0].fscore == 1


def test_a_first_alignment_and_a_scale_are_taken_up():
    reference = _bumps()
    far = _motion(1.2, (3.0, 0, 0), scale=1.5)
    predicted = moved(reference, torch.linalg.inv(far))
    start = far @ _motion(0.01, (0.004, 0, 0), scale=1.004)
    found = align_in_rounds(predicted, reference, 0.01, start=start)
    assert float((moved(predicted, found) - reference).norm(dim=-1).max()) < 2e-3


def test_what_cannot_be_aligned_is_refused():
    with pytest.raises(NumericsError, match=r"within 0\.8 of the reference"):
        align_in_rounds(_bumps() + 100, _bumps(), 0.01)
    with pytest.raises(InputError, match="no transform"):
        align_in_rounds(_bumps(), _bumps(), 0.01, start=torch.zeros(4, 4))
    with pytest.raises(InputError):
        align_in_rounds(_bumps(), torch.zeros(0, 3), 0.01)


def test_what_cannot_be_compared_is_refused():
    empty = torch.zeros(0, 3)
    for pair in ((empty, _grid()), (_grid(), empty)):
        with pytest.raises(InputError, match=r"no points|at least one"):
            fscores(*pair, [1.0])
    for thresholds in ([], [0.0], [1.0, -1.0], [math.nan]):
        with pytest.raises(InputError, match="expected positive lengths"):
            fscores(_grid(), _grid(), thresholds)
    with pytest.raises(InputError, match="NaN"):
        fscores(_grid() * math.nan, _grid(), [1.0])
    assert FScore(1.0, 0.0, 0.0).fscore == 0
