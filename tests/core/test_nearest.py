"""The KD-tree finds what a full comparison finds."""

from __future__ import annotations

import math
import time

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.nearest import nearest_squared_distance


def test_tree_agrees_with_the_full_table_of_distances():
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(300, 3, generator=generator, dtype=torch.float64)
    references = torch.randn(200, 3, generator=generator, dtype=torch.float64)
    squared, index = nearest_squared_distance(queries, references)
    table = (queries[:, None] - references[None]).square().sum(dim=-1)
    torch.testing.assert_close(squared, table.min(dim=1).values, rtol=1e-14, atol=0)
    assert torch.equal(index, table.argmin(dim=1))


def test_beyond_the_reach_nothing_is_near():
    queries = torch.tensor([[0.0, 0, 0], [1, 0, 0], [5, 0, 0]], dtype=torch.float64)
    references = torch.tensor([[0.5, 0, 0], [9.0, 0, 0]], dtype=torch.float64)
    squared, index = nearest_squared_distance(queries, references, reach=0.5)
    assert squared.tolist() == [0.25, 0.25, math.inf]
    assert index.tolist() == [0, 0, -1]
    whole, _ = nearest_squared_distance(queries, references)
    assert whole.tolist() == [0.25, 0.25, 16]


def test_the_number_of_workers_changes_nothing():
    points = torch.rand(2000, 3, generator=torch.Generator().manual_seed(1))
    for first, second in zip(*(nearest_squared_distance(points[:900], points[900:], workers=n) for n in (1, 2)), strict=True):
        assert torch.equal(first, second)


def test_thirty_thousand_by_thirty_thousand_takes_well_under_a_second():
    points = torch.rand(2, 30_000, 3, generator=torch.Generator().manual_seed(2))
    nearest_squared_distance(points[0, :10], points[1, :10])
    started = time.perf_counter()
    nearest_squared_distance(points[0], points[1])
    assert time.perf_counter() - started < 1.0


def test_no_queries_give_no_distances():
    squared, index = nearest_squared_distance(torch.zeros(0, 3), torch.rand(4, 3))
    assert squared.shape == index.shape == (0,)


@pytest.mark.parametrize(
    ("queries", "references", "message"),
    [
        (torch.rand(2, 3), torch.zeros(0, 3), "no points"),
        (torch.tensor([[0.0, float("nan"), 0.0]]), torch.rand(2, 3), "1 of 1 queries"),
        (torch.rand(2, 3), torch.full((3, 3), float("inf")), "3 of 3 references"),
        (torch.rand(2, 2), torch.rand(2, 3), r"expected \[N, 3\]"),
    ],
)
def test_points_that_cannot_be_searched_are_refused(queries, references, message):
    with pytest.raises(InputError, match=message):
        nearest_squared_distance(queries, references)
