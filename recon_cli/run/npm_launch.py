"""Several processes that train one model, as ``torchrun`` starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed

from recon_cli.core.errors import UsageError
from recon_cli.run.device import choose_device


@contextmanager
def launched(device: str) -> Iterator[tuple[torch.device, int]]:
    """Join the processes that ``torchrun`` started; the device and the number of this one, 0 where it is alone.

    Each process takes the GPU of its number on its machine and talks to the others through NCCL; CPUs do so through Gloo.

    Args:
        device: ``auto``, ``cpu`` or ``cuda`` as ``--device`` names it; alone also ``cuda:N``.

    Raises:
        UsageError: there is no such device, or the environment is not that of ``torchrun``.
    """
    count, rank, local = _number("WORLD_SIZE", 1), _number("RANK", 0), _number("LOCAL_RANK", 0)
    if count <= 1:
        yield choose_device(device), 0
        return
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
    if missing or rank >= count:
        seen = f"there is no {' and no '.join(missing)}" if missing else f"RANK is {rank}"
        raise UsageError(f"WORLD_SIZE is {count}, but {seen}", hint="start with torchrun, which sets them all")
    own = _own_device(device, local)
    if own.type == "cuda":
        torch.cuda.set_device(own)
    distributed.init_process_group("nccl" if own.type == "cuda" else "gloo")
    try:
        yield own, rank
    finally:
        distributed.destroy_process_group()


def _own_device(device: str, local: int) -> torch.device:
    if device.startswith("cuda:"):
        raise UsageError(f"--device {device}: several processes cannot share one GPU", hint="--device auto gives each process its own")
    takes_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    return choose_device(f"cuda:{local}" if takes_gpu else device)


def _number(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdigit():
        raise UsageError(f"{name} is '{text}', expected a number", hint="start with torchrun, which sets it")
    return int(text)
