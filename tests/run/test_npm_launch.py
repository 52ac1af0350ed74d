"""Processes as torchrun starts them; that two of them learn together is tested beside the training."""

import pytest
import torch
from torch import distributed

from recon_cli.core.errors import UsageError
from recon_cli.run.npm_launch import launched

WHOLE = {"WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}


@pytest.fixture
def environment(monkeypatch):
    def put(**values):
        for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
            monkeypatch.delenv(name, raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return put


@pytest.mark.parametrize("values", [{}, {"WORLD_SIZE": "1", "RANK": "0"}])
def test_alone_there_is_nobody_to_join(environment, values):
    environment(**values)
    with launched("cpu") as (device, rank):
        assert (device, rank) == (torch.device("cpu"), 0)
        assert not distributed.is_initialized()


@pytest.mark.parametrize(
    ("device", "change", "word"),
    [
        ("cpu", {"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two'"),
        ("cpu", {"RANK": "2"}, "RANK is 2"),
        ("cpu", {"RANK": ""}, "no RANK"),
        ("cpu", {"MASTER_ADDR": "", "MASTER_PORT": ""}, "no MASTER_ADDR and no MASTER_PORT"),
        ("cuda:1", {}, "cannot share one GPU"),
        ("tpu", {}, "expected auto, cpu or cuda"),
    ],
)
def test_what_torchrun_would_not_say_is_refused(environment, device, change, word):
    environment(**WHOLE | change)
    with pytest.raises(UsageError, match=word), launched(device):
        pass
    assert not distributed.is_initialized()
