"""Distance to outlines against closed forms and finite differences."""

from __future__ import annotations

import torch

from recon_cli.kernels.outline import signed_squared_distance
from recon_cli.kernels.runs import runs_by_face


def _runs():
    return runs_by_face(torch.zeros(30, 40, 1, dtype=torch.int32), face_count=1)


def test_closed_forms() -> None:
    corners = torch.tensor([[[10.0, 5], [30, 5], [10, 25]]], dtype=torch.float64)
    origin = torch.tensor([[3, 2]], dtype=torch.int32)
    image = signed_squared_distance(corners - origin, origin, _runs()).reshape(30, 40)
    assert image[10, 12].item() == 2.5**2  # inside, nearest to x = 10
    assert image[6, 20].item() == 1.5**2  # inside, nearest to y = 5
    assert image[10, 7].item() == -(2.5**2)  # outside, beside x = 10
    assert abs(image[2, 7].item() + 2 * 2.5**2) < 1e-12  # outside, nearest to the corner (10, 5)
    assert abs(image[19, 24].item() + (44.0 - 35.0) ** 2 / 2) < 1e-12  # outside, beside x + y = 35


def test_orientation_does_not_matter() -> None:
    corners = torch.tensor([[[10.0, 5], [30, 7], [12, 25]]], dtype=torch.float64)
    origin = torch.zeros(1, 2, dtype=torch.int32)
    torch.testing.assert_close(signed_squared_distance(corners, origin, _runs()), signed_squared_distance(corners.flip(1), origin, _runs()))


def test_gradients_match_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    corners = (8 * torch.rand(3, 3, 2, generator=generator, dtype=torch.float64)).requires_grad_(True)
    origin = torch.tensor([[0, 0], [1, 2], [3, 1]], dtype=torch.int32)
    runs = runs_by_face(torch.randint(0, 3, (6, 7, 1), generator=generator).to(torch.int32), face_count=3)
    assert torch.autograd.gradcheck(lambda c: signed_squared_distance(c, origin, runs), corners)
