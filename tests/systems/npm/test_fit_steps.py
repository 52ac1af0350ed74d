"""The solver of the normal equations against a dense one."""

from __future__ import annotations

import pytest
import torch

from recon_cli.systems.npm.fit_steps import Equations, solve


def some_equations(count: int, own: int, shared: int) -> Equations:
    generator = torch.Generator().manual_seed(3)
    rows = torch.randn(count, 4 * own, own + shared, generator=generator)
    matrix = rows.mT @ rows + 0.1 * torch.eye(own + shared)
    gradient = torch.randn(count, own + shared, generator=generator)
    return Equations(
        matrix[:, :own, :own], gradient[:, :own], matrix[:, :own, own:], matrix[:, own:, own:].sum(dim=0), gradient[:, own:].sum(dim=0)
    )


@pytest.mark.parametrize("smoothness", [0.0, 3.0])
@pytest.mark.parametrize("shared", [0, 2])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_solution_is_that_of_the_whole_matrix(count: int, shared: int, smoothness: float) -> None:
    own, coded = 9, 3
    equations = some_equations(count, own, shared)
    poses = torch.randn(count, coded, generator=torch.Generator().manual_seed(4))
    whole = torch.zeros(count * own + shared, count * own + shared, dtype=torch.float64)
    right = torch.cat([equations.gradient.flatten(), equations.shared_gradient]).double()
    for frame in range(count):
        here = slice(frame * own, (frame + 1) * own)
        whole[here, here] = equations.blocks[frame].double()
        whole[here, count * own :] = equations.coupling[frame].double()
        whole[count * own :, here] = equations.coupling[frame].mT.double()
    whole[count * own :, count * own :] = equations.shared.double()
    for middle in range(1, count - 1):
        for code in range(coded):
            row = torch.zeros(len(whole), dtype=torch.float64)
            row[[(middle + by) * own + own - coded + code for by in (-1, 0, 1)]] = torch.tensor([1.0, -2.0, 1.0], dtype=torch.float64)
            whole += smoothness * torch.outer(row, row)
            right -= smoothness * row * (poses[middle - 1, code] - 2 * poses[middle, code] + poses[middle + 1, code])
    expected = torch.linalg.solve(whole, right).float()
    change, common = solve(equations, poses, smoothness)
    torch.testing.assert_close(change.flatten(), expected[: count * own], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(common, expected[count * own :], atol=1e-4, rtol=1e-4)
