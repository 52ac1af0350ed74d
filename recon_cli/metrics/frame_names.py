"""Which files of two sequences belong to the same frame."""

from __future__ import annotations

import re
from collections.abc import Sequence

from recon_cli.core.errors import InputError
from recon_cli.core.natural_order import natural_key


def frame_number(name: str) -> int | None:
    """The last number in a file name without its suffix, or None."""
    numbers = re.findall(r"\d+", name.rsplit(".", 1)[0])
    return int(numbers[-1]) if numbers else None


def match_frames(
    predicted: Sequence[str],
    reference: Sequence[str],
    *,
    frames: range | None = None,
) -> list[tuple[int, str, str]]:
    """Pair the files of two sequences: by the last number in their names when every name has its own, else by natural order.

    Args:
        predicted: file names of the prediction.
        reference: file names of the reference.
        frames: frame numbers (positions in natural order when names have no numbers) to compare; None takes all and demands that
            both sides have the same.

    Returns:
        Frame number, predicted name and reference name of each pair, in order.

    Raises:
        InputError: a side is empty, the sides differ, or a frame asked for is missing.
    """
    first, second = _numbered(predicted), _numbered(reference)
    if frames is None:
        _expect_same_frames(first, second)
        return [(number, first[number], second[number]) for number in sorted(first)]
    for side, files in (("prediction", first), ("reference", second)):
        missing = [number for number in frames if number not in files]
        if missing:
            raise InputError(
                f"frame {missing[0]} ({len(missing)} of {len(frames)} asked for) is missing from the {side}, which has {_span(files)}"
            )
    if not len(frames):
        raise InputError("the range of frames is empty", hint="write --frames FIRST:LAST with the last frame excluded, as in 0:50")
    return [(number, first[number], second[number]) for number in frames]


def _numbered(names: Sequence[str]) -> dict[int, str]:
    ordered = sorted(names, key=natural_key)
    numbers = [frame_number(name) for name in ordered]
    if None in numbers or len(set(numbers)) < len(numbers):
        return dict(enumerate(ordered))
    return {number: name for number, name in zip(numbers, ordered, strict=True) if number is not None}


def _expect_same_frames(first: dict[int, str], second: dict[int, str]) -> None:
    for side, files in (("prediction", first), ("reference", second)):
        if not files:
            raise InputError(f"the {side} has no frames; expected PLY or OBJ files")
    if first.keys() != second.keys():
        raise InputError(
            f"the prediction has {_span(first)}, the reference {_span(second)}; expected the same frames on both sides",
            hint="compare a part with --frames FIRST:LAST (last excluded)",
        )


def _span(files: dict[int, str]) -> str:
    if not files:
        return "no frames"
    return f"{len(files)} frame{'s' * (len(files) != 1)} ({files[min(files)]} to {files[max(files)]})"
