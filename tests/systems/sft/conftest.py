"""Small sheets of cloth for the simulator's tests."""

import pytest
import torch

from recon_cli.core.mesh import Mesh


def sheet_mesh(rows=5, columns=5, *, size=0.4, jitter=0.0, seed=0, symmetric=False):
    """A flat grid in the plane z = 0 with square cells, ``size`` metres along x; ``symmetric`` mirrors the diagonals about x = size / 2."""
    generator = torch.Generator().manual_seed(seed)
    spacing = size / (columns - 1)
    ys, xs = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    plane = torch.stack([xs, ys], dim=-1).reshape(-1, 2).double() * spacing
    plane = plane + jitter * spacing * torch.randn(plane.shape, generator=generator, dtype=torch.float64)
    faces = []
    for row in range(rows - 1):
        for column in range(columns - 1):
            a = row * columns + column
            b, c, d = a + 1, a + columns + 1, a + columns
            mirrored = symmetric and column >= (columns - 1) / 2
            faces += [[a, b, d], [b, c, d]] if mirrored else [[a, b, c], [a, c, d]]
    return Mesh(torch.cat([plane, torch.zeros(len(plane), 1, dtype=torch.float64)], dim=1), torch.tensor(faces))


@pytest.fixture
def make_sheet():
    return sheet_mesh


@pytest.fixture
def normal():
    """Seeded standard normal numbers."""
    generator = torch.Generator().manual_seed(7)
    return lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64)
