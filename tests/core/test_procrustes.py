"""Alignment finds the motion that was applied, and nothing better exists nearby."""

from __future__ import annotations

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.procrustes import Similarity, procrustes


def _rotation(seed: int) -> torch.Tensor:
    q, r = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
    q = q * torch.sign(torch.diagonal(r))
    return q * torch.sign(torch.linalg.det(q))


def _points(seed: int, count: int = 40) -> torch.Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_an_applied_motion_is_recovered(scale):
    truth = Similarity(_rotation(1), torch.tensor([0.4, -2.0, 7.0], dtype=torch.float64), scale)
    points = _points(2)
    found = procrustes(points, truth(points), with_scale=scale != 1.0)
    torch.testing.assert_close(found.rotation, truth.rotation, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.translation, truth.translation, rtol=0, atol=1e-12)
    assert found.scale == pytest.approx(scale, abs=1e-12)


@pytest.mark.parametrize("with_scale", [False, True])
def test_no_nearby_transform_is_better(with_scale):
    source, target = _points(3), _points(4)
    best = procrustes(source, target, with_scale=with_scale)
    error = (best(source) - target).square().sum()
    assert float(torch.linalg.det(best.rotation)) == pytest.approx(1.0)
    for seed in range(20):
        spin = torch.linalg.matrix_exp(1e-3 * (w := _points(seed, 3)).sub(w.T))
        other = Similarity(spin @ best.rotation, best.translation + 1e-3 * _points(seed, 1)[0], best.scale * (1 + 1e-3 * with_scale))
        assert float((other(source) - target).square().sum()) > float(error)


def test_a_mirrored_set_is_not_reached_by_a_reflection():
    source = _points(5)
    found = procrustes(source, source * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))
    assert float(torch.linalg.det(found.rotation)) == pytest.approx(1.0)


def test_composition_applies_the_first_first():
    first, second = Similarity(_rotation(1), _points(1, 1)[0], 2.0), Similarity(_rotation(2), _points(2, 1)[0], 0.5)
    points = _points(6)
    torch.testing.assert_close(second.after(first)(points), second(first(points)))


def test_shapes_that_do_not_correspond_are_refused():
    with pytest.raises(InputError, match="cannot align"):
        procrustes(_points(0, 4), _points(0, 5))


def test_the_scale_of_one_point_is_refused():
    with pytest.raises(InputError, match="scale"):
        procrustes(torch.ones(4, 3), _points(0, 4), with_scale=True)


def test_the_inverse_leads_back():
    there = Similarity(_rotation(5), torch.tensor([0.4, -2.0, 7.0], dtype=torch.float64), 0.3)
    points = _points(6)
    torch.testing.assert_close(there.inverse()(there(points)), points, rtol=0, atol=1e-12)
    torch.testing.assert_close(there.after(there.inverse())(points), points, rtol=0, atol=1e-12)
