"""Normal equations of frames that hang together by second differences in time: a matrix with a band of three blocks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def bending_force(poses: Tensor, size: int, smoothness: float) -> Tensor:  # [B, P] -> [B, D]
    """Gradient of the second differences of the last of every frame's D unknowns."""
    bending = _second_differences(len(poses))
    force = poses.new_zeros(len(poses), size)
    force[:, size - poses.shape[1] :] = smoothness * (bending.T @ (bending @ poses))
    return force


def solve_banded(blocks: Tensor, right: Tensor, smoothness: float, coded: int) -> Tensor:  # [B, D, D], [B D, R] -> [B D, R]
    """Solve with second differences of the last ``coded`` unknowns of every frame."""
    from scipy.linalg import solveh_banded

    count, size = blocks.shape[:2]
    stiffness = smoothness * _stiffness(count)
    band = np.zeros((2 * size + 1, count * size))
    lower = blocks.numpy()
    for offset in range(size):  # the lower triangles of the blocks, one diagonal at a time
        diagonal = np.zeros((count, size))
        diagonal[:, : size - offset] = np.diagonal(lower, -offset, axis1=1, axis2=2)
        band[offset] += diagonal.reshape(-1)
    for apart in range(3):
        weights = torch.diagonal(stiffness, -apart).numpy()
        at = np.zeros((count, size))
        at[: count - apart, size - coded :] = weights[:, None]
        band[apart * size] += at.reshape(-1)
    return torch.from_numpy(solveh_banded(band, right.numpy(), lower=True, check_finite=False))


def covariances(blocks: Tensor, smoothness: float, coded: int) -> Tensor:  # [B, D, D] -> [B, D, D]
    """Every frame's own block of the inverse, with second differences of the last ``coded`` unknowns.

    Two frames together hang on the two before and after them alone: eliminated forwards, filled in backwards.
    """
    count, size = blocks.shape[:2]
    even = count + count % 2
    stiffness = blocks.new_zeros(even, even)
    if count > 2:
        stiffness[:count, :count] = smoothness * _stiffness(count)
    padded = torch.cat([blocks, torch.eye(size, dtype=blocks.dtype).expand(even - count, size, size)])
    is_coded = torch.diag((torch.arange(size) >= size - coded).to(blocks))

    def coupling(row: int, column: int) -> Tensor:  # [2 D, 2 D]
        return torch.kron(stiffness[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].contiguous(), is_coded)

    inverses, leading = [], None
    for pair in range(even // 2):
        own = torch.block_diag(*padded[2 * pair : 2 * pair + 2]) + coupling(pair, pair)
        if leading is not None:
            own = own - coupling(pair - 1, pair).T @ leading @ coupling(pair - 1, pair)
        leading = torch.linalg.inv(own)
        inverses.append(leading)
    found = [inverses[-1]]
    for pair in range(even // 2 - 2, -1, -1):
        gain = inverses[pair] @ coupling(pair, pair + 1)
        found.append(inverses[pair] + gain @ found[-1] @ gain.T)
    pairs = torch.stack(found[::-1]).reshape(even // 2, 2, size, 2, size)
    return torch.stack([pairs[:, 0, :, 0], pairs[:, 1, :, 1]], dim=1).flatten(0, 1)[:count]


def _second_differences(count: int) -> Tensor:  # [B - 2, B]
    rows = torch.zeros(count - 2, count, dtype=torch.float64)
    for row in range(count - 2):
        rows[row, row : row + 3] = torch.tensor([1.0, -2.0, 1.0])
    return rows


def _stiffness(count: int) -> Tensor:  # [B, B]
    rows = _second_differences(count)
    return rows.T @ rows
