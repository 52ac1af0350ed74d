"""Frames that hang together in time against dense matrices."""

from __future__ import annotations

import pytest
import torch

from recon_cli.systems.npm.motion_equations import covariances


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7])
def test_covariances_are_the_blocks_of_the_whole_inverse(count: int) -> None:
    size, coded, smoothness = 5, 3, 2.0
    blocks = torch.randn(count, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    blocks = blocks @ blocks.mT + 0.1 * torch.eye(size)
    whole = torch.block_diag(*blocks)
    for middle in range(1, count - 1):
        for code in range(size - coded, size):
            row = torch.zeros(len(whole), dtype=torch.float64)
            row[[(middle + by) * size + code for by in (-1, 0, 1)]] = torch.tensor([1.0, -2.0, 1.0], dtype=torch.float64)
            whole += smoothness * torch.outer(row, row)
    inverse = torch.linalg.inv(whole)
    expected = torch.stack([inverse[size * at : size * at + size, size * at : size * at + size] for at in range(count)])
    torch.testing.assert_close(covariances(blocks, smoothness, coded), expected)


def test_a_frame_that_shows_nothing_is_borne_out_by_its_neighbours() -> None:
    blocks = 100.0 * torch.eye(2, dtype=torch.float64).repeat(5, 1, 1)
    blocks[2] *= 1e-4
    alone, together = (covariances(blocks, smoothness, 2)[2].trace() for smoothness in (0.0, 10.0))
    assert float(together) < 0.01 * float(alone)
