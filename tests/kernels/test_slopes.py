"""Local tilt of depth maps against the planes' equations and a slow twin."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.kernels.slopes import fit_slopes


def twin(depth: Tensor, radius: int, edge: float) -> Tensor:
    slopes = torch.zeros(*depth.shape, 2)
    height, width = depth.shape
    for row in range(height):
        for column in range(width):
            z = float(depth[row, column])
            if z <= 0:
                continue
            samples = []
            for y in range(max(row - radius, 0), min(row + radius, height - 1) + 1):
                for x in range(max(column - radius, 0), min(column + radius, width - 1) + 1):
                    reach = edge * max(abs(y - row), abs(x - column), 1) * z
                    if depth[y, x] > 0 and abs(float(depth[y, x]) - z) <= reach:
                        samples.append((1.0, x - column, y - row, 1 / float(depth[y, x])))
            if len(samples) < 4:
                continue
            table = torch.tensor(samples, dtype=torch.float64)
            if torch.linalg.matrix_rank(table[:, :3]) == 3:
                slopes[row, column] = torch.linalg.lstsq(table[:, :3], table[:, 3:]).solution[1:, 0].float()
    return slopes


def test_matches_the_twin_on_a_rough_map_with_holes_and_an_edge() -> None:
    generator = torch.Generator().manual_seed(0)
    depth = 2 + 0.02 * torch.rand(17, 23, generator=generator)
    depth[:, 12:] += 1
    depth[torch.rand(17, 23, generator=generator) < 0.3] = 0
    ours, theirs = fit_slopes(depth, radius=2, edge=0.01), twin(depth, 2, 0.01)
    # Windows that are nearly a line hold no plane for the kernel, though they have full rank.
    held = (ours != 0).any(-1)
    assert float(held.sum()) > 0.9 * float((theirs != 0).any(-1).sum())
    torch.testing.assert_close(ours[held], theirs[held], atol=2e-6, rtol=2e-3)


def test_a_plane_is_met_exactly_and_an_edge_does_not_matter() -> None:
    rows, columns = torch.meshgrid(torch.arange(20.0), torch.arange(30.0), indexing="ij")
    inverse = 0.5 + 0.002 * columns - 0.001 * rows
    inverse[:, 15:] *= 0.5
    slopes = fit_slopes(1 / inverse, radius=3, edge=0.02)
    expected = torch.tensor([0.002, -0.001]).expand(20, 30, 2).clone()
    expected[:, 15:] *= 0.5
    torch.testing.assert_close(slopes, expected, atol=2e-6, rtol=1e-4)


def test_lonely_pixels_have_no_tilt() -> None:
    depth = torch.zeros(9, 9)
    depth[4, 4] = depth[4, 5] = depth[4, 6] = 1.0
    assert not fit_slopes(depth).any()
