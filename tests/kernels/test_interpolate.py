"""Interpolation against a torch twin and finite differences."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.kernels.interpolate import interpolate
from recon_cli.kernels.runs import Runs, runs_by_face


def _twin(planes: Tensor, attributes: Tensor, origin: Tensor, runs: Runs) -> Tensor:
    pixel = torch.stack([runs.pixel % runs.width, runs.pixel // runs.width], dim=-1).to(planes) + 0.5 - origin[runs.face]
    q = (planes[runs.face] @ torch.cat([pixel, torch.ones_like(pixel[:, :1])], dim=-1)[..., None]).squeeze(-1).clamp(min=0)
    return ((q / q.sum(-1, keepdim=True))[..., None] * attributes[runs.face]).sum(1)


def _inputs(size: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Runs]:
    generator = torch.Generator().manual_seed(0)
    face_image = torch.randint(-1, 4, (size, size, 1), generator=generator).to(torch.int32)
    planes = torch.randn(5, 3, 3, generator=generator, dtype=torch.float64)
    planes[:, 0, 2] = planes[:, 0, :2].abs().sum(-1) * size + 1  # the first weight is positive in the whole image
    attributes = torch.randn(5, 3, 4, generator=generator, dtype=torch.float64)
    origin = torch.randint(0, 3, (5, 2), generator=generator).to(torch.int32)
    return planes.to(dtype).requires_grad_(True), attributes.to(dtype).requires_grad_(True), origin, runs_by_face(face_image, face_count=5)


def test_matches_the_twin_forward_and_backward() -> None:
    planes, attributes, origin, runs = _inputs(70)
    ours, theirs = interpolate(planes, attributes, origin, runs), _twin(planes, attributes, origin, runs)
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn(ours.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours, theirs = ((values * weights).sum() for values in (ours, theirs))
    for mine, reference in zip(torch.autograd.grad(ours, (planes, attributes)), torch.autograd.grad(theirs, (planes, attributes))):
        torch.testing.assert_close(mine, reference)


def test_float32_matches_the_twin() -> None:
    inputs = _inputs(30, torch.float32)
    torch.testing.assert_close(interpolate(*inputs), _twin(*inputs), atol=1e-4, rtol=1e-4)


def test_gradients_match_finite_differences() -> None:
    planes, attributes, origin, runs = _inputs(4)
    assert torch.autograd.gradcheck(lambda p, a: interpolate(p, a, origin, runs), (planes, attributes))
