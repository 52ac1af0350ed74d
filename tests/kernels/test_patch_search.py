"""The search for slanted patches against a plain twin in torch, and against a plane whose every depth is known."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from recon_cli.kernels.patch_search import NOTHING, Match, PictureSet, Problem, Round, improve, picture_noise, relate, sweep
from recon_cli.kernels.sample_scores import patch_costs
from tests.kernels.plane_pictures import cameras, pictures, true_plane

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def scene():
    batch = cameras()
    return batch, PictureSet.build(pictures(batch), None, batch, levels=3, device=CPU)


def problem(scene, *, match=None, level=0, view=0, span=0.2) -> Problem:
    batch, built = scene
    truth = true_plane(built.cameras[level][view]).float()
    sources = [(other, level) for other in range(len(batch)) if other != view]
    indices, rotations, translations = relate(built, view, level, sources)
    pixels = torch.arange(truth.shape[0] * truth.shape[1], dtype=torch.int32)
    ranges = torch.stack([truth[..., 0] * (1 - span), truth[..., 0] * (1 + span)], dim=-1).contiguous()
    return Problem(built, view, level, indices, rotations, translations, match or Match(noise=0.002), pixels, ranges)


def twin_cost(setup: Problem, column: int, row: int, plane: torch.Tensor) -> float:
    """1 - NCC of the best sources by grid_sample, in float64."""
    built, match = setup.pictures, setup.match
    grey = built.picture(setup.view, setup.level)[0].double()
    taps = match.taps(CPU).double()
    x, y = column + taps[:, 0], row + taps[:, 1]
    is_in = (x >= 0) & (y >= 0) & (x < grey.shape[1]) & (y < grey.shape[0])
    values = grey[y.clamp(0, grey.shape[0] - 1).long(), x.clamp(0, grey.shape[1] - 1).long()]
    weight = taps[:, 2] / (1 + ((values - grey[row, column]) / match.contrast) ** 2) * is_in
    costs = []
    for index, M, q in zip(setup.sources, setup.rotations, setup.translations):
        other = built.picture(index % len(built), index // len(built))[0].double()
        centre = torch.tensor([column + 0.5, row + 0.5], dtype=torch.float64)

        def landing(p, w, M=M, q=q):
            h = M @ torch.cat([p, torch.ones(1, dtype=torch.float64)]) + w * q
            return h[:2] / h[2]

        # The window is warped by the map's derivative at its centre: here by central differences.
        step = 1e-4
        move = [
            (landing(centre + step * e, plane[0] + step * s) - landing(centre - step * e, plane[0] - step * s)) / (2 * step)
            for e, s in zip(torch.eye(2, dtype=torch.float64), plane[1:])
        ]
        place = landing(centre, plane[0])
        if not (0 < place[0] < other.shape[1] and 0 < place[1] < other.shape[0]):
            costs.append(1.0)
            continue
        there = place + taps[:, :1] * move[0] + taps[:, 1:2] * move[1]
        grid = there / torch.tensor([other.shape[1], other.shape[0]]) * 2 - 1
        seen = F.grid_sample(other[None, None], grid[None, None], align_corners=False, padding_mode="border")[0, 0, 0]
        mean = lambda v: (weight * v).sum() / weight.sum()  # noqa: E731
        covariance = mean((values - mean(values)) * (seen - mean(seen)))
        variances = [mean((v - mean(v)) ** 2) + match.noise**2 for v in (values, seen)]
        costs.append(float(1 - covariance / (variances[0] * variances[1]).sqrt()))
    return sum(sorted(costs)[: match.best]) / match.best


@pytest.mark.parametrize("pattern", ["dense", "quincunx", "sparse", "wide"])
@pytest.mark.parametrize("best", [1, 2, 4])
def test_costs_equal_the_twin(scene, pattern, best):
    setup = problem(scene, match=Match(pattern=pattern, best=best, noise=0.01))
    generator = torch.Generator().manual_seed(best)
    truth = true_plane(scene[0][0]).float()
    places = torch.randint(0, truth[..., 0].numel(), (24,), generator=generator)
    width = truth.shape[1]
    planes = truth.reshape(-1, 3)[places] * (1 + 0.1 * torch.randn(24, 3, generator=generator))
    costs = patch_costs(setup, places.to(torch.int32), planes, planes[:, :1].contiguous())[:, 0]
    expected = [twin_cost(setup, int(p) % width, int(p) // width, plane.double()) for p, plane in zip(places, planes)]
    torch.testing.assert_close(costs.double(), torch.tensor(expected, dtype=torch.float64), atol=2e-3, rtol=0)


def test_the_true_plane_costs_least(scene):
    setup = problem(scene)
    truth = true_plane(scene[0][0]).float()
    pixels = setup.pixels.reshape(truth.shape[:2])[12:-12, 16:-16].reshape(-1).contiguous()
    planes = truth.reshape(-1, 3)[pixels.long()]
    shifts = torch.tensor([0.0, -0.03, 0.03])
    costs = patch_costs(setup, pixels, planes, (planes[:, :1] * (1 + shifts)).contiguous())
    assert costs[:, 0].median() < 0.005
    assert (costs[:, 0] < costs[:, 1:].amin(dim=1)).float().mean() > 0.99


def test_sweep_and_rounds_find_the_slanted_plane(scene):
    setup = problem(scene)
    truth = true_plane(scene[0][0]).float()
    planes, costs = sweep(setup, 32)
    strengths = torch.zeros_like(costs)
    inside = (slice(10, -10), slice(14, -14))
    swept = ((planes[..., 0] - truth[..., 0]) / truth[..., 0])[inside].abs().median()
    for index in range(3):
        improve(setup, planes, costs, strengths, Round(smoothness=0.002), seed=index)
    found = ((planes[..., 0] - truth[..., 0]) / truth[..., 0])[inside].abs()
    assert found.median() < 0.5 * swept
    # A pixel of disparity is 1 / (f · baseline) = 7 % of the inverse depth here.
    assert found.median() < 0.0015
    assert found.quantile(0.95) < 0.01
    assert (planes[..., 1:] - truth[..., 1:])[inside].abs().median() < 0.0008


def test_a_round_never_raises_the_cost_without_smoothness(scene):
    setup = problem(scene, match=Match(noise=0.002))
    planes, costs = sweep(setup, 8)
    before = costs.clone()
    improve(setup, planes, costs, torch.zeros_like(costs), Round(tries=2), seed=1)
    assert (costs <= before + 1e-5).all()
    assert costs.mean() < before.mean() - 0.01


def test_the_same_seed_gives_the_same_bytes(scene):
    results = []
    for seed in (3, 3, 4):
        setup = problem(scene)
        planes, costs = sweep(setup, 8)
        improve(setup, planes, costs, torch.zeros_like(costs), Round(tries=2, steps=0), seed=seed)
        results.append(planes)
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_hypotheses_stay_in_their_ranges(scene):
    setup = problem(scene, span=0.01)
    planes, costs = sweep(setup, 4)
    improve(setup, planes, costs, torch.zeros_like(costs), Round(tries=4, disparity=3.0), seed=0)
    slack = 1e-6
    assert (planes[..., 0] >= setup.ranges[..., 0] - slack).all()
    assert (planes[..., 0] <= setup.ranges[..., 1] + slack).all()


def test_background_of_another_view_costs(scene):
    batch, _ = scene
    masks = [torch.ones(int(h), int(w), dtype=torch.bool) for w, h in batch.size.tolist()]
    masks[1][:] = False
    built = PictureSet.build(pictures(batch), masks, batch, levels=1, device=CPU)
    setup = problem((batch, built), match=Match(best=2, background_cost=0.5))
    plain = problem((batch, built), match=Match(best=2, background_cost=0.0))
    truth = true_plane(batch[0]).float()
    pixel = torch.tensor([truth.shape[1] * 32 + 44], dtype=torch.int32)
    plane = truth.reshape(-1, 3)[pixel.long()]
    costs = [patch_costs(each, pixel, plane, plane[:, :1].contiguous()) for each in (setup, plain)]
    torch.testing.assert_close(costs[0] - costs[1], torch.full_like(costs[0], 0.5), atol=1e-5, rtol=0)


def test_off_the_object_nothing_is_searched(scene):
    _, built = scene
    setup = problem(scene)
    chosen = setup.pixels[: len(setup.pixels) // 2].contiguous()
    half = Problem(built, 0, 0, setup.sources, setup.rotations, setup.translations, setup.match, chosen, setup.ranges)
    _, costs = sweep(half, 4)
    assert (costs.reshape(-1)[len(chosen) :] == NOTHING).all()
    assert (costs.reshape(-1)[: len(chosen)] < NOTHING).all()


def test_pyramids_keep_geometry(scene):
    _, built = scene
    truth = true_plane(built.cameras[1][0]).float()
    setup = problem(scene, level=1)
    pixels = setup.pixels.reshape(truth.shape[:2])[6:-6, 8:-8].reshape(-1).contiguous()
    planes = truth.reshape(-1, 3)[pixels.long()]
    costs = patch_costs(setup, pixels, planes, (planes[:, :1] * torch.tensor([1.0, 0.95, 1.05])).contiguous())
    assert (costs.argmin(dim=1) == 0).float().mean() > 0.97


@pytest.mark.parametrize("deviation", [0.004, 0.02])
def test_noise_is_measured(deviation):
    y, x = torch.meshgrid(torch.arange(120.0), torch.arange(160.0), indexing="ij")
    smooth = 0.5 + 0.2 * torch.sin(x / 15) * torch.cos(y / 20)
    noisy = smooth + deviation * torch.randn(smooth.shape, generator=torch.Generator().manual_seed(0))
    assert abs(picture_noise(noisy, torch.ones_like(noisy, dtype=torch.bool)) / deviation - 1) < 0.15
