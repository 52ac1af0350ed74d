"""From the word on the command line to a torch device."""

from __future__ import annotations

import torch

from recon_cli.core.errors import UsageError


def choose_device(name: str) -> torch.device:
    """The device called ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; ``auto`` is the first GPU, or the CPU where there is none.

    Raises:
        UsageError: no such word, or no such device on this machine.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda:0" if gpus else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    kind, _, number = name.partition(":")
    if kind != "cuda" or not (number or "0").isdigit():
        raise UsageError(f"--device {name}: expected auto, cpu or cuda:N")
    index = int(number or 0)
    if index >= gpus:
        raise UsageError(f"--device {name}: this machine has {gpus} CUDA devices", hint="--device auto takes whatever is there")
    return torch.device(f"cuda:{index}")
