"""Starting Warp kernels: in parallel bands on a CPU, as one launch on CUDA, from one source.

A Warp launch on a CPU is a loop on one core that holds no Python lock, so several may run at once, each on its own
range of indices. Every kernel started here takes the first index of its range as its first parameter and writes only
to what belongs to its index: the result does not depend on the number of bands.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from typing import Any

import torch
import warp as wp
from torch import Tensor

# More bands than cores, so that a core whose bands are empty takes some of another's.
_BANDS_PER_WORKER = 4


@contextmanager
def _native_stderr_closed() -> Iterator[None]:
    """Keep Warp's library from printing that there is no CUDA driver, which it does on every start without one."""
    sys.stderr.flush()
    saved, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)


@cache
def start_warp() -> None:
    """Initialise Warp once, without a word on stdout, where it otherwise prints a banner and what it compiles."""
    if hasattr(wp.config, "log_level"):
        wp.config.log_level = wp.LOG_WARNING
    else:
        setattr(wp.config, "quiet", True)  # noqa: B010 - the name of older versions
    # A precompiled header costs more than it saves for a handful of small modules, and leaves a temporary folder.
    if hasattr(wp.config, "use_precompiled_headers"):
        wp.config.use_precompiled_headers = False
    if torch.cuda.is_available():
        wp.init()
    else:
        with _native_stderr_closed():
            wp.init()


def worker_count() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def launch_bands(
    kernel: Any,
    count: int,
    arguments: Sequence[Any],
    *,
    device: torch.device,
) -> None:
    """Run ``kernel(first, *arguments)`` for the indices 0 … count - 1.

    Args:
        kernel: a Warp kernel whose index is ``first + wp.tid()`` and whose writes belong to that index alone.
        count: number of indices.
        arguments: the other parameters, inputs before outputs; tensors lie on ``device``.
        device: a CPU (bands on a thread pool) or a CUDA device (one launch on torch's current stream).
    """
    if count <= 0:
        return
    start_warp()
    values = [_as_warp(argument) for argument in arguments]
    if device.type == "cuda":
        stream = wp.stream_from_torch(torch.cuda.current_stream(device))
        wp.launch(kernel, dim=count, inputs=[0, *values], device=wp.device_from_torch(device), stream=stream)
        return
    # Compiles on first use; threads must not meet there.
    kernel.module.load(wp.get_device("cpu"))
    bands = _bands(count)
    if len(bands) == 1:
        _launch(kernel, bands[0], values)
        return
    for done in [_pool(os.getpid()).submit(_launch, kernel, band, values) for band in bands]:
        done.result()


def by_precision(kernel: Any) -> dict[torch.dtype, Any]:
    """The float32 and the float64 instance of a kernel whose floating arrays have ``dtype=Any``.

    Made when the kernel is defined, so that its module is compiled once with both.
    """
    generic = {argument.label: argument.type.ndim for argument in kernel.adj.args if getattr(argument.type, "dtype", None) is Any}
    return {
        dtype: wp.overload(kernel, {name: wp.array(dtype=scalar, ndim=ndim) for name, ndim in generic.items()})
        for dtype, scalar in ((torch.float32, wp.float32), (torch.float64, wp.float64))
    }


def _launch(kernel: Any, band: tuple[int, int], values: list[Any]) -> None:
    first, size = band
    wp.launch(kernel, dim=size, inputs=[first, *values], device="cpu")


def _bands(count: int) -> list[tuple[int, int]]:
    """(first, size) of ranges of nearly equal size."""
    workers = worker_count()
    pieces = min(count, workers * _BANDS_PER_WORKER) if workers > 1 else 1
    edges = [count * i // pieces for i in range(pieces + 1)]
    return [(start, stop - start) for start, stop in pairwise(edges)]


def _as_warp(value: Any) -> Any:
    return wp.from_torch(value.detach(), requires_grad=False) if isinstance(value, Tensor) else value


def as_vectors(tensor: Tensor) -> Any:
    """A Warp array of 3-vectors over the memory of a tensor [..., 3]."""
    scalar = wp.vec3f if tensor.dtype == torch.float32 else wp.vec3d
    return wp.from_torch(tensor.detach(), dtype=scalar, requires_grad=False)


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """Threads of one process: those of a parent do not survive a fork."""
    return ThreadPoolExecutor(max_workers=worker_count(), thread_name_prefix=f"bands-{process}")
