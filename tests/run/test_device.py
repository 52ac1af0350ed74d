from __future__ import annotations

import pytest
import torch

from recon_cli.core.errors import UsageError
from recon_cli.run.device import choose_device


@pytest.mark.parametrize(
    ("gpus", "name", "device"),
    [(0, "auto", "cpu"), (0, "cpu", "cpu"), (2, "auto", "cuda:0"), (2, "cuda", "cuda:0"), (2, "cuda:1", "cuda:1"), (2, "cpu", "cpu")],
)
def test_a_word_becomes_a_device_that_is_there(monkeypatch, gpus, name, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert choose_device(name) == torch.device(device)


@pytest.mark.parametrize(("gpus", "name"), [(0, "cuda"), (0, "cuda:0"), (2, "cuda:2"), (2, "gpu"), (2, "cuda:x"), (2, "")])
def test_a_device_that_is_not_there_is_refused(monkeypatch, gpus, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(UsageError, match="--device"):
        choose_device(name)
