"""Bilinear lookup against torch's own and finite differences."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.kernels.sample_texture import _sorted_texture_gradient, sample_texture


def _twin(texture: Tensor, uvs: Tensor) -> Tensor:
    grid = torch.stack([2 * uvs[:, 0] - 1, 1 - 2 * uvs[:, 1]], dim=-1)[None, None]
    image = texture.permute(2, 0, 1)[None]
    return torch.nn.functional.grid_sample(image, grid, align_corners=False, padding_mode="border")[0, :, 0].T


def _inputs(count: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    texture = torch.rand(13, 7, 3, generator=generator, dtype=torch.float64).to(dtype)
    uvs = (1.4 * torch.rand(count, 2, generator=generator, dtype=torch.float64) - 0.2).to(dtype)
    return texture.requires_grad_(True), uvs.requires_grad_(True)


def test_matches_torch_forward_and_backward() -> None:
    texture, uvs = _inputs(2000)
    weights = torch.randn(2000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(sample_texture(texture, uvs), _twin(texture, uvs))
    ours = torch.autograd.grad((sample_texture(texture, uvs) * weights).sum(), (texture, uvs))
    theirs = torch.autograd.grad((_twin(texture, uvs) * weights).sum(), (texture, uvs))
    for mine, reference in zip(ours, theirs):
        torch.testing.assert_close(mine, reference)


def test_the_cuda_form_of_the_texture_gradient_agrees() -> None:
    texture, uvs = _inputs(500)
    weights = torch.randn(500, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (ours,) = torch.autograd.grad((sample_texture(texture, uvs) * weights).sum(), texture)
    torch.testing.assert_close(_sorted_texture_gradient(texture.detach(), uvs.detach(), weights), ours)


def test_gradients_match_finite_differences() -> None:
    assert torch.autograd.gradcheck(sample_texture, _inputs(12))


def test_texel_centres_return_the_texel_and_v_points_up() -> None:
    texture, _ = _inputs(1)
    uvs = torch.tensor([[2.5 / 7, 1 - 4.5 / 13], [0.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(sample_texture(texture, uvs), torch.stack([texture[4, 2], texture[12, 0], texture[0, 0]]))


def test_a_texture_of_one_texel_is_constant() -> None:
    texture = torch.tensor([[[0.2, 0.4, 0.6]]])
    uvs = torch.rand(5, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(sample_texture(texture, uvs), texture.reshape(1, 3).expand(5, 3))


def test_texture_gradients_repeat_bit_for_bit() -> None:
    texture, uvs = _inputs(20_000, torch.float32)
    gradients = [torch.autograd.grad(sample_texture(texture, uvs).square().sum(), texture)[0] for _ in range(3)]
    assert all(torch.equal(gradients[0], other) for other in gradients[1:])
