"""Steps of windows that follow the surface against a twin in torch, and on a wavy map of a plane."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from recon_cli.kernels.patch_search import Match, PictureSet, Problem, relate
from recon_cli.kernels.surface_windows import SurfaceStep, follow_surface
from tests.kernels.plane_pictures import cameras, pictures, true_plane

BATCH = cameras()
BUILT = PictureSet.build(pictures(BATCH), None, BATCH, levels=1, device=torch.device("cpu"))
TRUTH = true_plane(BATCH[0]).float()
HEIGHT, WIDTH = TRUTH.shape[:2]
UNIT = 0.06  # inverse depth that moves about a pixel
INNER = (slice(12, -12), slice(30, -26))


def problem(**match) -> Problem:
    indices, rotations, translations = relate(BUILT, 0, 0, [(1, 0), (2, 0)])
    pixels = torch.arange(HEIGHT * WIDTH, dtype=torch.int32)
    ranges = torch.stack([TRUTH[..., 0] * 0.8, TRUTH[..., 0] * 1.2], dim=-1).contiguous()
    return Problem(BUILT, 0, 0, indices, rotations, translations, Match(**{"noise": 0.002, **match}), pixels, ranges)


def wavy(size: float, length: float) -> Tensor:  # [H, W]
    """The plane's map with waves of a size [inverse depth] and a length [px]."""
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    return TRUTH[..., 0] + size * torch.sin(x * (6.2832 / length)) * torch.cos(y * (6.2832 / length))


def slopes() -> Tensor:
    return TRUTH[..., 1:].contiguous()


def twin_step(setup: Problem, surface: Tensor, cost: float, column: int, row: int, step: SurfaceStep) -> tuple[float, float]:
    """The new inverse depth of a pixel and its cost, by autograd in float64; the matching sources are those of the kernel's rule."""
    match, values = setup.match, BUILT.picture(0, 0)[0].double()
    taps = match.taps(torch.device("cpu")).double()
    x, y = (column + taps[:, 0]).long(), (row + taps[:, 1]).long()
    own = values[y, x]
    weight = taps[:, 2] / (1 + ((own - values[row, column]) / match.contrast) ** 2)
    weight = weight / weight.sum()
    own = own - weight @ own
    variance = weight @ own.square()
    seen = match.mismatch**2 * (variance - match.noise**2).clamp(min=0)
    strength = seen / (match.noise**2 + seen)
    places = torch.stack([x + 0.5, y + 0.5, torch.ones_like(x)], dim=-1).double()
    unit = twin_unit(setup, column, row, float(surface[row, column]))
    plane = surface[row, column] + taps[:, :2] @ slopes()[row, column].double()
    there = torch.where((surface[y, x] - plane).abs() < step.jump * unit, surface[y, x].double(), plane)
    matrix, gradient, costs, matched = step.damping, 0.0, [], 0
    for index, M, q in zip(setup.sources, setup.rotations, setup.translations):
        picture = BUILT.picture(index % len(BUILT), 0)[0].double()
        move = torch.zeros((), dtype=torch.float64, requires_grad=True)
        middle = M @ places[taps[:, :2].abs().sum(-1).argmin()] + surface[row, column] * q
        line = (q[:2] - middle[:2] / middle[2] * q[2]) / middle[2] * unit
        h = places @ M.T + there[:, None] * q
        at = h[:, :2] / h[:, 2:] + move * line
        size = torch.tensor([picture.shape[1], picture.shape[0]])
        found = F.grid_sample(picture[None, None], (2 * at / size - 1)[None, None], align_corners=False)[0, 0, 0]
        centred = found - weight @ found
        covariance, other = float((weight @ (centred * own)).detach()), float((weight @ centred.square()).detach())
        costs.append(1 - covariance / ((float(variance) + match.noise**2) * (other + match.noise**2)) ** 0.5)
        if costs[-1] >= min(1.5 * cost + 0.05, 0.9):
            continue
        gain = covariance / (other + match.noise**2)
        residual = (gain * centred - own) * weight.sqrt() / (variance + match.noise**2).sqrt()
        jacobian = torch.stack([torch.autograd.grad(one, move, retain_graph=True)[0] for one in residual])
        matrix += float(strength * jacobian.square().sum())
        gradient += float(strength * (jacobian * residual.detach()).sum())
        matched += 1
    pull, stiffness = twin_bend(surface, column, row, unit, step.jump)
    scale = 2 * max(matched, 1) * step.smoothness
    change = (gradient + scale * pull) / (matrix + scale * stiffness)
    return float(surface[row, column]) - unit * min(max(change, -0.5), 0.5), sum(sorted(costs)[: match.best]) / match.best


def twin_unit(setup: Problem, column: int, row: int, inverse_depth: float) -> float:
    pixel, total = torch.tensor([column + 0.5, row + 0.5, 1.0], dtype=torch.float64), 0.0
    for M, q in zip(setup.rotations, setup.translations):
        ends = [M @ pixel + w * q for w in (inverse_depth, inverse_depth + 1e-6)]
        total += float((ends[1][:2] / ends[1][2] - ends[0][:2] / ends[0][2]).norm()) / 1e-6
    return len(setup.sources) / total


def twin_bend(surface: Tensor, column: int, row: int, unit: float, jump: float) -> tuple[float, float]:
    total = [0.0, 0.0]
    for dx, dy in ((1, 0), (0, 1), (1, 1), (1, -1)):
        ends = surface[row - dy, column - dx] + surface[row + dy, column + dx]
        distance = float(surface[row, column] - ends / 2) / unit
        robust = (1 + (distance / jump) ** 2) ** -2
        total = [total[0] + 0.25 * robust * distance, total[1] + 0.25 * robust]
    return total[0], total[1]


@pytest.mark.parametrize("pattern", ["dense", "quincunx", "sparse"])
@pytest.mark.parametrize("jump", [1.0, 0.05])
def test_steps_equal_the_twin(pattern, jump):
    setup, surface = problem(pattern=pattern, best=1), wavy(0.4 * UNIT, 11)
    costs = torch.full_like(surface, 0.4)
    step = SurfaceStep(damping=0.02, smoothness=0.05, jump=jump)
    moved, measured = follow_surface(setup, surface, slopes(), costs, step)
    generator = torch.Generator().manual_seed(3)
    for _ in range(12):
        column = int(torch.randint(36, 58, (), generator=generator))
        row = int(torch.randint(20, 42, (), generator=generator))
        expected, cost = twin_step(setup, surface, 0.4, column, row, step)
        assert abs(float(moved[row, column]) - expected) < 0.002 * UNIT + 2e-3 * abs(expected - float(surface[row, column]))
        assert abs(float(measured[row, column]) - cost) < 1e-4


def test_waves_as_long_as_the_window_go():
    setup, surface = problem(best=2), wavy(0.3 * UNIT, 14)
    costs = torch.full_like(surface, 0.3)
    before = (surface - TRUTH[..., 0])[INNER].abs().median()
    for _ in range(2):
        surface, costs = follow_surface(setup, surface, slopes(), costs)
    assert (surface - TRUTH[..., 0])[INNER].abs().median() < 0.55 * before


def test_the_true_map_stays():
    moved, measured = follow_surface(problem(), TRUTH[..., 0].contiguous(), slopes(), torch.full((HEIGHT, WIDTH), 0.1))
    assert (moved - TRUTH[..., 0])[INNER].abs().median() < 0.05 * UNIT
    assert measured[INNER].median() < 0.05


def test_what_is_unknown_stays_unknown_and_is_no_part_of_a_window():
    surface = TRUTH[..., 0].clone()
    surface[:, 40:] = 0.0
    costs = torch.full_like(surface, 0.1)
    moved, measured = follow_surface(problem(), surface, slopes(), costs)
    assert not moved[:, 40:].any()
    assert torch.equal(measured[:, 40:], costs[:, 40:])
    assert (moved - TRUTH[..., 0])[12:-12, 30:40].abs().max() < 0.5 * UNIT
