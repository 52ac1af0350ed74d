"""The alignment kernel against a slow torch twin and against finite differences of its energy."""

import torch

from recon_cli.core.banded import TRIANGLE_PAIRS
from recon_cli.kernels.alignment import FaceSamples, alignment_blocks

TEXEL_FROM_WORLD = torch.tensor([[30.0, 1.0, 15.0, 2.0], [0.5, 28.0, 12.0, 1.0], [0.0, 0.1, 1.0, 0.2]], dtype=torch.float64)


def smooth_image(height: int, width: int, pace: float = 1.0) -> torch.Tensor:
    v, u = torch.meshgrid(torch.arange(height, dtype=torch.float32), torch.arange(width, dtype=torch.float32), indexing="ij")
    u, v = pace * u, pace * v
    return torch.stack([torch.sin(0.2 * u + 0.1 * v), torch.cos(0.15 * v), torch.sin(0.11 * u) * torch.cos(0.13 * v)], dim=-1).contiguous()


def problem():
    generator = torch.Generator().manual_seed(0)
    positions = torch.tensor([[-0.1, -0.1, 1.0], [0.4, -0.1, 1.1], [0.4, 0.3, 1.0], [-0.1, 0.3, 0.9]])
    positions = positions + 0.02 * torch.randn(4, 3, generator=generator)
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]], dtype=torch.int32)
    barycentric = torch.rand(5, 3, generator=generator)
    barycentric = barycentric / barycentric.sum(dim=1, keepdim=True)
    samples = FaceSamples(
        faces,
        torch.tensor([0.1, 0.12]),
        barycentric,
        0.3 * torch.randn(2, 5, 3, generator=generator),
        torch.rand(2, 5, generator=generator),
    )
    return positions, samples, smooth_image(40, 48), torch.ones(40, 48)


def twin(positions, samples, image, *, weight, robust_scale):
    """Energy by bilinear reading in float64; its gradient by central differences of the image as the kernel defines it."""
    matrix = TEXEL_FROM_WORLD
    corners = positions.double()[samples.faces.long()]
    points = torch.einsum("sb,fbd->fsd", samples.barycentric.double(), corners)
    projected = points @ matrix[:, :3].T + matrix[:, 3]
    texel = projected[..., :2] / projected[..., 2:]

    def read(offset):
        place = texel + torch.tensor(offset, dtype=torch.float64)
        low = place.floor().long()
        a, b = (place - low).unbind(-1)
        at = lambda du, dv: image.double()[low[..., 1] + dv, low[..., 0] + du]  # noqa: E731
        top = at(0, 0) * (1 - a)[..., None] + at(1, 0) * a[..., None]
        bottom = at(0, 1) * (1 - a)[..., None] + at(1, 1) * a[..., None]
        return top * (1 - b)[..., None] + bottom * b[..., None]

    residual = read([0.0, 0.0]) - samples.expected.double()
    slope = torch.stack([read([1.0, 0.0]) - read([-1.0, 0.0]), read([0.0, 1.0]) - read([0.0, -1.0])], dim=-1) / 2  # [F, S, 3, 2]
    part = samples.confidence.double() * (samples.areas.double() / samples.barycentric.shape[0])[:, None]
    squared = residual.square().sum(-1)
    soft = 1 / (1 + squared / robust_scale**2)
    jacobian = (matrix[None, None, :2, :3] - texel[..., None] * matrix[2, :3]) / projected[..., 2:, None]  # [F, S, 2, 3]
    rows = torch.einsum("fsci,fsid->fscd", slope, jacobian)
    k = weight * part * soft**2
    inner = torch.einsum("fs,fscd,fsce->fsde", k, rows, rows)
    outer = torch.einsum("fs,fsc,fscd->fsd", k, residual, rows)
    b = samples.barycentric.double()
    blocks = torch.stack([torch.einsum("s,fsde->fde", b[:, i] * b[:, j], inner) for i, j in TRIANGLE_PAIRS], dim=1)
    energy = 0.5 * weight * (part * squared * soft).sum()
    return energy, torch.einsum("si,fsd->fid", b, outer), blocks


def test_blocks_gradients_and_energy_equal_the_twin():
    positions, samples, image, valid = problem()
    options = {"weight": 0.7, "robust_scale": 1.5}
    got = alignment_blocks(positions, samples, image, valid, texel_from_world=TEXEL_FROM_WORLD, **options)
    energy, gradients, blocks = twin(positions, samples, image, **options)
    torch.testing.assert_close(got.sums[:, 0].double().sum(), energy, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(got.gradients.double(), gradients, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(got.hessians.double(), blocks, rtol=1e-3, atol=1e-3)


def test_gradient_is_nearly_the_derivative_of_the_energy_on_a_smooth_image():
    positions, samples, _, valid = problem()
    image = smooth_image(40, 48, pace=0.3)
    options = {"weight": 0.7, "robust_scale": 1.5}
    got = alignment_blocks(positions, samples, image, valid, texel_from_world=TEXEL_FROM_WORLD, **options)
    total = torch.zeros(4, 3, dtype=torch.float64).index_add_(0, samples.faces.long().reshape(-1), got.gradients.double().reshape(-1, 3))
    direction = total / total.norm()
    step = 1e-3
    ahead = twin(positions.double() + step * direction, samples, image, **options)[0]
    behind = twin(positions.double() - step * direction, samples, image, **options)[0]
    torch.testing.assert_close((total * direction).sum(), (ahead - behind) / (2 * step), rtol=0.01, atol=1e-5)


def test_samples_outside_the_mask_or_the_window_or_behind_the_camera_count_nothing():
    positions, samples, image, valid = problem()
    for moved, mask in (
        (positions, torch.zeros_like(valid)),
        (positions + torch.tensor([50.0, 0.0, 0.0]), valid),
        (positions - torch.tensor([0.0, 0.0, 5.0]), valid),
    ):
        got = alignment_blocks(moved, samples, image, mask, texel_from_world=TEXEL_FROM_WORLD, weight=1.0, robust_scale=1.0)
        assert float(got.hessians.abs().max()) == 0.0
        assert float(got.sums.abs().max()) == 0.0
