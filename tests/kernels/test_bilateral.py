"""Edge-keeping smoothing of depth maps."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from recon_cli.kernels.bilateral import BilateralReach, bilateral
from recon_cli.kernels.slopes import fit_slopes


def twin(depth: Tensor, confidence: Tensor, image: Tensor, reach: BilateralReach) -> Tensor:
    slopes = fit_slopes(depth, radius=reach.radius, edge=reach.edge).double()
    smooth = torch.zeros_like(depth)
    height, width = depth.shape
    for row, column in (depth > 0).nonzero().tolist():
        z, total, moment = float(depth[row, column]), 0.0, 0.0
        for y in range(max(row - reach.radius, 0), min(row + reach.radius, height - 1) + 1):
            for x in range(max(column - reach.radius, 0), min(column + reach.radius, width - 1) + 1):
                if depth[y, x] <= 0:
                    continue
                plane = 1 / z + float(slopes[row, column] @ torch.tensor([x - column, y - row], dtype=torch.float64))
                residual = (1 / float(depth[y, x]) - plane) * z
                color = (image[row, column].double() - image[y, x].double()).square().mean()
                near = ((x - column) ** 2 + (y - row) ** 2) / (reach.radius / 2) ** 2
                exponent = 0.5 * (near + (residual / reach.relative) ** 2 + float(color) / reach.color**2)
                weight = float(confidence[y, x]) * math.exp(-exponent)
                total, moment = total + weight, moment + weight * residual
        smooth[row, column] = z / (1 + moment / total) if total else z
    return smooth


def test_matches_the_twin() -> None:
    generator = torch.Generator().manual_seed(1)
    depth = 3 + 0.02 * torch.rand(15, 18, generator=generator)
    depth[torch.rand(15, 18, generator=generator) < 0.2] = 0
    confidence = torch.rand(15, 18, generator=generator)
    image = torch.randint(0, 80, (15, 18, 3), generator=generator, dtype=torch.uint8)
    reach = BilateralReach(radius=2)
    torch.testing.assert_close(
        bilateral(depth, confidence=confidence, image=image, reach=reach), twin(depth, confidence, image, reach), atol=1e-5, rtol=1e-5
    )


def _ramp() -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
    return 1 / (0.2 + 0.0006 * columns + 0.0003 * rows)


def test_a_slanted_plane_stays_and_its_noise_goes() -> None:
    exact = _ramp()
    torch.testing.assert_close(bilateral(exact), exact, rtol=2e-6, atol=0)
    noise = 0.001 * torch.randn(exact.shape, generator=torch.Generator().manual_seed(2))
    before = noise.std()
    after = (bilateral(exact * (1 + noise), reach=BilateralReach(radius=3)) / exact - 1).std()
    assert after < 0.5 * before


def test_depth_edges_stay_sharp() -> None:
    depth = torch.full((20, 20), 2.0)
    depth[:, 10:] = 2.2
    assert torch.equal(bilateral(depth), depth)


def test_colours_keep_surfaces_apart() -> None:
    """A step of the size of the noise is kept where the picture shows an edge, and smoothed where it does not."""
    depth = torch.full((20, 20), 2.0)
    depth[:, 10:] *= 1.002
    image = torch.zeros(20, 20, 3, dtype=torch.uint8)
    image[:, 10:] = 200
    kept = bilateral(depth, image=image)
    blurred = bilateral(depth)
    step, blurred_step = float(kept[10, 10] - kept[10, 9]), float(blurred[10, 10] - blurred[10, 9])
    assert blurred_step < 0.75 * step


def test_nothing_stays_nothing() -> None:
    assert not bilateral(torch.zeros(5, 6)).any()
