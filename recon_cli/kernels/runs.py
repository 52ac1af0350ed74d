# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""Covered pixels in the order of the faces that cover them.

A gradient of a face is a sum over its pixels. With the pixels sorted by face, a thread sums a run of them on its own
and the runs of a face are added in their order: no atomics, hence the same bytes on every run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import warp as wp
from torch import Tensor

from recon_cli.kernels.launch import by_precision, launch_bands, start_warp

start_warp()
wp.set_module_options({"enable_backward": False})

# Long enough to amortise a face's setup, short enough that one large face still splits among threads.
_LONGEST_RUN = 256


@dataclass(frozen=True)
class Runs:
    """M covered entries of an image, sorted by face and cut into R runs of one face each.

    Attributes:
        entry: index into the flattened image [H * W * K], int32, shape [M].
        face_of_run: int32, shape [R].
        start_of_run: first of the run's entries, int32, shape [R + 1].
        run_of_face: first of the face's runs, int32, shape [F + 1].
        width: columns of the image [px].
        slots: K, entries a pixel.
    """

    entry: Tensor  # [M]
    face_of_run: Tensor  # [R]
    start_of_run: Tensor  # [R + 1]
    run_of_face: Tensor  # [F + 1]
    width: int
    slots: int

    @property
    def pixel(self) -> Tensor:  # [M] int64
        """Index into the image [H * W] of each entry."""
        return torch.div(self.entry, self.slots, rounding_mode="floor").long()

    @property
    def face(self) -> Tensor:  # [M] int64
        """Face of each entry."""
        lengths = self.start_of_run[1:] - self.start_of_run[:-1]
        return torch.repeat_interleave(self.face_of_run, lengths).long()


def runs_by_face(
    face_image: Tensor,  # [H, W, K]
    *,
    face_count: int,
) -> Runs:
    """Sort the covered entries of a face image by face; entries of one face stay in image order."""
    _, width, slots = face_image.shape
    flat = face_image.reshape(-1)
    covered = torch.nonzero(flat >= 0).squeeze(1)
    entry = _sorted_by_key(flat[covered], covered.to(torch.int32))
    counts = torch.bincount(flat[covered], minlength=face_count)
    first_entry = torch.cumsum(counts, 0) - counts
    runs = torch.div(counts + _LONGEST_RUN - 1, _LONGEST_RUN, rounding_mode="floor")
    run_of_face = torch.zeros(face_count + 1, dtype=torch.int64, device=flat.device)
    torch.cumsum(runs, 0, out=run_of_face[1:])
    face_of_run = torch.repeat_interleave(torch.arange(face_count, device=flat.device), runs)
    within = torch.arange(len(face_of_run), device=flat.device) - run_of_face[face_of_run]
    start = torch.cat([first_entry[face_of_run] + within * _LONGEST_RUN, torch.tensor([len(entry)], device=flat.device)])
    integers = [value.to(torch.int32) for value in (face_of_run, start, run_of_face)]
    return Runs(entry, *integers, width=width, slots=slots)


def sum_runs(
    values: Tensor,  # [R, D]
    runs: Runs,
) -> Tensor:  # [F, D]
    """Add the rows of the runs of each face, in their order."""
    total = values.new_empty(len(runs.run_of_face) - 1, values.shape[1])
    launch_bands(_SUM_ROWS[values.dtype], len(total), (values, runs.run_of_face, total), device=values.device)
    return total


def _sorted_by_key(keys: Tensor, values: Tensor) -> Tensor:
    """Values in the order of their keys, equal keys in their given order."""
    count = len(keys)
    if count == 0:
        return values
    # The sort works in place and takes twice the room.
    room = [torch.cat([tensor, torch.empty_like(tensor)]) for tensor in (keys, values)]
    wp.utils.radix_sort_pairs(wp.from_torch(room[0]), wp.from_torch(room[1]), count)
    return room[1][:count]


@wp.kernel
def sum_rows(
    first: wp.int32,
    values: wp.array2d(dtype=Any),
    run_of_face: wp.array(dtype=wp.int32),
    total: wp.array2d(dtype=Any),
):
    face = first + wp.tid()
    for column in range(values.shape[1]):
        accumulated = values.dtype(0.0)
        for run in range(run_of_face[face], run_of_face[face + 1]):
            accumulated += values[run, column]
        total[face, column] = accumulated


_SUM_ROWS = by_precision(sum_rows)
