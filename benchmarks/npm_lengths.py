"""Time and memory of fits of longer and longer sequences, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.npm_methods import METHODS, Fitter
from benchmarks.npm_sequences import back_and_forth, read_sequence
from recon_cli.run.npm_model_file import read_model_file

_PER_MEGABYTE = 1024 if sys.platform != "darwin" else 1024**2  # ru_maxrss is in kilobytes on Linux, in bytes on macOS


@dataclass(frozen=True)
class LengthJob:
    """A sequence made longer.

    Attributes:
        model: file of the model; None for the one that ships.
        folder: of the sequence.
        record: its line of the manifest.
        method: how to fit.
        length: frames.
        overrides: of the recipe.
        threads: of torch.
    """

    model: Path | None
    folder: Path
    record: dict[str, str]
    method: str
    length: int
    overrides: tuple[str, ...]
    threads: int


@dataclass(frozen=True)
class LengthCost:
    """What a fit took.

    Attributes:
        length: frames.
        cpu_seconds: of all frames.
        seconds: wall time of all frames.
        before: peak resident set before the fit, after one of two frames [MB].
        peak: the same after it [MB].
    """

    length: int
    cpu_seconds: float
    seconds: float
    before: float
    peak: float


def length_cost(job: LengthJob) -> LengthCost:
    """Fit in a fresh process: the peak of this one would be that of the longest fit so far."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_fitted, (job,))


def length_table(costs: Sequence[LengthCost]) -> str:
    """One line a length, in markdown."""
    lines = ["| frames | CPU s a frame | s a frame | peak [MB] | of it for the fit |", "|---|---|---|---|---|"]
    for cost in costs:
        each = f"{cost.cpu_seconds / cost.length:.2f} | {cost.seconds / cost.length:.2f}"
        lines.append(f"| {cost.length} | {each} | {cost.peak:.0f} | {cost.peak - cost.before:.0f} |")
    return "\n".join(lines)


def _fitted(job: LengthJob) -> LengthCost:
    torch.set_num_threads(job.threads)
    model = read_model_file(job.model)
    frames = read_sequence(job.folder, job.record, box=model.model.box.side).frames
    method, fitter = METHODS[job.method], Fitter(model, job.overrides)
    fitter.warm(method, frames)
    longer = frames.only(back_and_forth(len(frames), job.length))
    before, cpu, wall = _peak(), time.process_time(), time.monotonic()
    fitter.fit(method, longer)
    return LengthCost(job.length, time.process_time() - cpu, time.monotonic() - wall, before, _peak())


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _PER_MEGABYTE
