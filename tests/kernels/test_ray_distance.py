"""Signed ray distances: energy and gradient against a twin in torch, the ascent against the energy."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from recon_cli.kernels import launch, ray_distance
from recon_cli.kernels.ray_distance import Consistency, MapSet, Samples, climb, ray_energy
from tests.kernels.plane_pictures import cameras, true_plane

BATCH = cameras(4)
RULE = Consistency(variance=0.3, occlusion=0.1, edge=0.5)


def maps(noise: float, seed: int = 0) -> MapSet:
    generator = torch.Generator().manual_seed(seed)
    depths = [1 / true_plane(BATCH[i])[..., 0] for i in range(len(BATCH))]
    return MapSet.pack([d * (1 + noise * torch.randn(d.shape, generator=generator)) for d in depths], BATCH)


def rays(held: MapSet, *, count: int = 60, offset: float = 0.03, seed: int = 1) -> Samples:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randperm(held.map(0).numel(), generator=generator)[:count].sort().values
    depth = held.map(0).reshape(-1)[pixels]
    samples = depth[:, None] + offset * torch.linspace(-1, 1, 5)
    scores = torch.rand(count, 5, generator=generator)
    return Samples(0, (1, 2, 3), pixels.to(torch.int32), torch.full((count,), offset), samples, scores)


def twin(depths: torch.Tensor, held: MapSet, drawn: Samples) -> torch.Tensor:
    """Eq. 1 to 3 with grid_sample, as printed, distances along rays."""
    width = held.cameras.size[0, 0]
    pixels = torch.stack([drawn.pixels % width, drawn.pixels // width], dim=-1).double() + 0.5
    own = depths[drawn.pixels.long()]
    ray = _ray(held.cameras, 0, pixels)
    variance = (RULE.variance * drawn.offsets**2)[:, None]
    product = torch.exp(-(((own[:, None] - drawn.depths) * ray[:, None]) ** 2) / variance) + RULE.occlusion
    each = drawn.depths.shape[1]
    repeated = pixels[:, None].expand(-1, each, -1).reshape(1, -1, 2)
    points = held.cameras[0].unproject(repeated, drawn.depths.double().reshape(1, -1))[0]
    for j in drawn.others:
        place, z = (values[0] for values in held.cameras[j].project(points))
        start, (w, h) = int(held.offsets[j]), held.cameras.size[j].tolist()
        grid = (place / torch.tensor([w, h]) * 2 - 1).to(depths)
        seen = F.grid_sample(
            depths[start : start + w * h].reshape(1, 1, h, w), grid[None, None], align_corners=False, padding_mode="border"
        )[0, 0, 0]
        distance = ((seen - z.to(depths)) * _ray(held.cameras, j, place)).reshape(-1, each)
        is_in = ((place > 0) & (place < torch.tensor([w, h]))).all(-1).reshape(-1, each)
        product = product * torch.where(is_in, torch.exp(-(distance**2) / variance) + RULE.occlusion, torch.ones_like(distance))
    return (product * drawn.scores).sum(dim=1)


def _ray(batch, index, pixels):
    ones = torch.cat([pixels, torch.ones_like(pixels[:, :1])], dim=-1)
    return (ones @ torch.linalg.inv(batch.K[index]).T).norm(dim=-1).float()


def test_energy_and_gradient_equal_the_twin():
    held = maps(0.004)
    drawn = rays(held)
    weights = torch.rand(len(drawn.pixels), generator=torch.Generator().manual_seed(2))
    results = []
    for function in (lambda d: ray_energy(d, held, drawn, RULE), lambda d: twin(d, held, drawn)):
        depths = held.depths.clone().requires_grad_()
        energy = function(depths)
        (energy * weights).sum().backward()
        results.append((energy.detach(), depths.grad))
    torch.testing.assert_close(results[0][0], results[1][0], atol=2e-4, rtol=2e-3)
    scale = results[1][1].abs().max()
    assert scale > 1
    torch.testing.assert_close(results[0][1] / scale, results[1][1] / scale, atol=5e-3, rtol=0)


def test_gradient_equals_differences():
    held = maps(0.002)
    drawn = rays(held, count=12)
    depths = held.depths.clone().requires_grad_()
    ray_energy(depths, held, drawn, RULE).sum().backward()
    for place in depths.grad.abs().topk(6).indices.tolist():
        step = 2e-4
        moved = []
        for sign in (1, -1):
            shifted = held.depths.clone()
            shifted[place] += sign * step
            moved.append(float(ray_energy(shifted, held, drawn, RULE).double().sum()))
        numeric = (moved[0] - moved[1]) / (2 * step)
        assert abs(numeric - float(depths.grad[place])) < 0.03 * float(depths.grad.abs().max())


def test_the_gradient_is_the_same_every_time():
    held = maps(0.003)
    drawn = rays(held, count=200)
    gradients = []
    for _ in range(2):
        depths = held.depths.clone().requires_grad_()
        ray_energy(depths, held, drawn, RULE).sum().backward()
        gradients.append(depths.grad)
    assert torch.equal(*gradients)


def gradient(held: MapSet, drawn: Samples, *, upstream: float = 1.0) -> torch.Tensor:
    depths = held.depths.clone().requires_grad_()
    (ray_energy(depths, held, drawn, RULE) * upstream).sum().backward()
    assert depths.grad is not None
    return depths.grad


@pytest.mark.parametrize(("workers", "lanes"), [(3, 1), (1, 7), (1, 200)])
def test_bands_and_lanes_do_not_change_a_bit_of_the_gradient(monkeypatch, workers, lanes):
    """Lanes on one worker add to a map in another order, as threads on CUDA do."""
    held = maps(0.003)
    drawn = rays(held, count=200)
    monkeypatch.setattr(launch, "worker_count", lambda: 1)
    expected = gradient(held, drawn)
    monkeypatch.setattr(launch, "worker_count", lambda: workers)
    monkeypatch.setattr(ray_distance, "_lanes", lambda count, device: lanes)
    assert torch.equal(gradient(held, drawn), expected)


@pytest.mark.parametrize("upstream", [1e-20, 1e20])
def test_the_gradient_keeps_its_digits_at_any_scale(upstream):
    held = maps(0.003)
    drawn = rays(held)
    expected = gradient(held, drawn)
    tolerance = 1e-7 * float(expected.abs().max())
    torch.testing.assert_close(gradient(held, drawn, upstream=upstream) / upstream, expected, rtol=1e-5, atol=tolerance)


def test_a_gradient_that_is_not_finite_is_seen():
    held = maps(0.003)
    drawn = rays(held)
    drawn.scores[0, 0] = float("nan")
    assert not torch.isfinite(gradient(held, drawn)).all()


def test_the_ascent_raises_the_energy():
    held = maps(0.004)
    drawn = rays(held)
    before = ray_energy(held.depths, held, drawn, RULE)
    risen, _ = climb(held, drawn, RULE, steps_up=20)
    depths = held.depths.clone()
    depths[drawn.pixels.long()] = risen
    after = ray_energy(depths, held, drawn, RULE)
    assert (after >= before - 1e-4).all()
    assert after.sum() > 1.05 * before.sum()
    assert ((risen - held.depths[drawn.pixels.long()]).abs() <= drawn.offsets + 1e-6).all()


def test_votes_of_exact_maps_pull_a_wrong_depth_onto_the_surface():
    held = maps(0.0)
    truth = held.map(0).clone()
    generator = torch.Generator().manual_seed(3)
    wrong = truth * (1 + 0.006 * (2 * torch.rand(truth.shape, generator=generator) - 1))
    moved = MapSet.pack([wrong, *(held.map(i) for i in (1, 2, 3))], BATCH)
    pixels = torch.arange(truth.numel()).reshape(truth.shape)[12:-12, 16:-16].reshape(-1)
    depth = wrong.reshape(-1)[pixels]
    samples = depth[:, None] + 0.02 * torch.linspace(-1, 1, 9)
    drawn = Samples(0, (1, 2, 3), pixels.to(torch.int32), torch.full_like(depth, 0.02), samples, torch.ones_like(samples))
    risen, _ = climb(moved, drawn, Consistency(variance=0.1, occlusion=0.05), steps_up=50)
    error = (risen - truth.reshape(-1)[pixels]).abs()
    assert error.median() < 0.25 * (depth - truth.reshape(-1)[pixels]).abs().median()


def test_a_ray_is_longer_than_its_depth():
    """The paper measures along rays: one factor alone, off the axis, at a distance of 0.01 in z."""
    held = maps(0.0)
    pixel = torch.tensor([0], dtype=torch.int32)
    depth = held.map(0)[0, 0]
    drawn = Samples(0, (), pixel, torch.tensor([0.02]), (depth + 0.01).reshape(1, 1), torch.ones(1, 1))
    energy = ray_energy(held.depths, held, drawn, RULE)
    ray = _ray(BATCH, 0, torch.tensor([[0.5, 0.5]], dtype=torch.float64))
    expected = torch.exp(-((0.01 * ray) ** 2) / (RULE.variance * 0.02**2)) + RULE.occlusion
    torch.testing.assert_close(energy, expected, atol=1e-4, rtol=0)


def test_unknown_depths_vote_against():
    held = maps(0.0)
    empty = MapSet.pack([held.map(0), torch.zeros_like(held.map(1)), held.map(2), held.map(3)], BATCH)
    middle = torch.tensor([held.map(0).shape[1] * 32 + 44], dtype=torch.int32)
    depth = held.map(0).reshape(-1)[middle.long()]
    energies = []
    for each in (held, empty):
        drawn = Samples(0, (1,), middle, torch.tensor([0.02]), depth[:, None], torch.ones(1, 1))
        energies.append(float(ray_energy(each.depths, each, drawn, RULE)))
    assert abs(energies[0] - 1.1**2) < 1e-2
    assert abs(energies[1] - 1.1 * RULE.occlusion) < 1e-4
