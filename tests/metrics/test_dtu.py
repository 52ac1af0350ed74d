"""The DTU protocol on surfaces whose score is known."""

from __future__ import annotations

import math

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.observed_volume import ObservedVolume
from recon_cli.core.points import PointSet
from recon_cli.metrics.dtu import DtuProtocol, dtu_score


def _square(z: float = 0.0, side: float = 20.0, x: float = 0.0) -> Mesh:
    vertices = torch.tensor([[0.0, 0, 0], [side, 0, 0], [side, side, 0], [0, side, 0]]) + torch.tensor([x, 0, z])
    return Mesh(vertices, torch.tensor([[0, 1, 2], [0, 2, 3]]))


def _scan(step: float = 0.25, side: float = 20.0) -> torch.Tensor:
    x, y = torch.meshgrid(*[torch.arange(0, side + step, step, dtype=torch.float64)] * 2, indexing="ij")
    return torch.stack([x, y, torch.zeros_like(x)], dim=-1).reshape(-1, 3)


def _observed(low: float = 0.0, high: float = 20.0, resolution: float = 1.0) -> ObservedVolume:
    """The half of a box with y < 10."""
    cells = torch.zeros(21, 21, 21, dtype=torch.bool)
    cells[:, :10] = True
    return ObservedVolume(cells, torch.tensor([[low] * 3, [high] * 3]), resolution)


def test_a_surface_on_the_scan_scores_the_spacing_at_most():
    found = dtu_score(_square(), _scan())
    assert found.accuracy < 0.12
    assert found.completeness < 0.15
    assert (found.accuracy_kept, found.completeness_kept) == (1, 1)
    assert "no ObsMask" in found.protocol
    assert "no plane" in found.protocol


def test_a_surface_at_three_millimetres_scores_three():
    found = dtu_score(_square(3.0), _scan())
    assert found.accuracy == pytest.approx(3, abs=0.01)
    assert found.completeness == pytest.approx(3, abs=0.01)
    assert found.overall == pytest.approx(3, abs=0.01)
    assert found.accuracy_median == pytest.approx(3, abs=0.01)


def test_points_are_thinned_to_the_spacing_and_the_seed_decides():
    crowd = PointSet(_scan(step=0.05, side=4.0))
    found = [dtu_score(crowd, _scan(), protocol=DtuProtocol(seed=seed)) for seed in (0, 0, 1)]
    assert found[0] == found[1]
    assert found[0].accuracy != found[2].accuracy
    # A thinned plane keeps about 0.7 points per square of the spacing.
    assert 0.5 < found[0].points_predicted * 0.2**2 / 16 < 1.2


def test_twenty_millimetres_and_more_are_left_out():
    points = torch.tensor([[1.0, 1, 1], [1, 1, 19.5], [1, 1, 20.0], [1, 1, 500]])
    found = dtu_score(PointSet(points), _scan())
    assert found.accuracy == pytest.approx((1 + 19.5) / 2)
    assert found.accuracy_kept == 0.5
    far = dtu_score(_square(100.0), _scan())
    assert math.isnan(far.accuracy)
    assert math.isnan(far.overall)
    assert far.completeness_kept == 0


def test_accuracy_is_of_points_in_the_mask_and_completeness_to_those_in_the_grown_box():
    """Below y = 10 the surface lies on the scan, above 5 mm over it: the mask hides the second half from the accuracy."""
    near, far = _scan(0.5), _scan(0.5)
    points = torch.cat([near[near[:, 1] < 9], far[far[:, 1] >= 9.6] + torch.tensor([0.0, 0, 5])])
    masked = dtu_score(PointSet(points), _scan(0.5), observed=_observed())
    assert masked.accuracy == 0
    assert masked.points_predicted == int((near[:, 1] < 9).sum())
    assert masked.completeness > 2
    assert dtu_score(PointSet(points), _scan(0.5)).accuracy > 2


@pytest.mark.parametrize(("z", "counts"), [(-59.9, True), (-60.1, False), (139.9, True), (140.1, False)])
def test_the_box_is_grown_by_60_below_and_120_above(z, counts):
    sheet = torch.tensor([[5.0, 5, 0], [5, 5, z]])
    found = dtu_score(PointSet(sheet), torch.tensor([[5.0, 5, z]]), observed=_observed(), protocol=DtuProtocol(cut=1000))
    assert (found.completeness == 0) == counts


def test_only_the_scan_above_the_plane_is_asked_for():
    scan = torch.cat([_scan(0.5), _scan(0.5) - torch.tensor([0.0, 0, 7])])
    plane = torch.tensor([0.0, 0, 2, 6])  # z > -3
    whole, above = dtu_score(_square(), scan), dtu_score(_square(), scan, plane=plane)
    assert above.points_scanned * 2 == whole.points_scanned
    assert above.completeness < 0.15
    assert whole.completeness == pytest.approx(3.5, abs=0.1)
    assert above.accuracy == whole.accuracy
    assert "above the plane" in above.protocol


def test_a_place_belongs_to_the_nearest_cell():
    volume = ObservedVolume(torch.tensor([[[True, False]]]), torch.tensor([[10.0, 10, 10], [12, 12, 12]]), 2.0)
    points = torch.tensor([[10.0, 10, 10], [10, 10, 10.9], [10, 10, 11.1], [9.1, 10, 10], [8.9, 10, 10], [10, 10, 99]])
    assert volume.contains(points).tolist() == [True, True, False, True, False, False]


def test_empty_sides_say_which():
    with pytest.raises(InputError, match="the prediction has no points inside the observed volume"):
        dtu_score(_square(x=500.0), _scan(), observed=_observed())
    with pytest.raises(InputError, match="the scan has no points above the plane"):
        dtu_score(_square(), _scan(), plane=torch.tensor([0.0, 0, 1, -50]))
    with pytest.raises(InputError, match="the prediction has no points; expected"):
        dtu_score(PointSet(torch.zeros(0, 3)), _scan())
    with pytest.raises(InputError, match="NaN"):
        dtu_score(PointSet(torch.full((2, 3), math.nan)), _scan())
    with pytest.raises(InputError, match="positive size"):
        _observed(resolution=0.0)
    with pytest.raises(InputError, match="runs from"):
        _observed(low=5.0, high=5.0)
