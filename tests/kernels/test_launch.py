"""Bands of indices on a thread pool."""

from __future__ import annotations

import pytest
import torch
import warp as wp

from recon_cli.kernels import launch
from recon_cli.kernels.launch import launch_bands


@wp.kernel(enable_backward=False)
def write_index(first: wp.int32, values: wp.array(dtype=wp.int32), refused: wp.int32):  # pyright: ignore[reportInvalidTypeForm]
    i = first + wp.tid()
    values[i] = values[i] + i + refused


@pytest.mark.parametrize("count", [0, 1, 3, 1000])
@pytest.mark.parametrize("workers", [1, 2, 7])
def test_every_index_runs_once(count: int, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "worker_count", lambda: workers)
    values = torch.zeros(count, dtype=torch.int32)
    launch_bands(write_index, count, (values, 0), device=torch.device("cpu"))
    assert torch.equal(values, torch.arange(count, dtype=torch.int32))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_band_reaches_the_caller(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "worker_count", lambda: workers)
    with pytest.raises(Exception, match="refused"):
        launch_bands(write_index, 5, (torch.zeros(5, dtype=torch.int32), "no number"), device=torch.device("cpu"))
