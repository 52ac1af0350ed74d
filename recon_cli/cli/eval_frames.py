"""What the commands of ``recon eval`` over frames share: which files belong together, the unit of length, and the alignment."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from recon_cli.cli.eval_surfaces import read_mesh_surface
from recon_cli.core.errors import InputError, UsageError


class Align(StrEnum):
    """Whether the prediction is moved onto the reference first."""

    none = "none"
    rigid = "rigid"
    similarity = "similarity"


def _checked_box(text: str | None) -> str | None:
    if text is None or text == "reference":
        return text
    try:
        side = float(text)
    except ValueError:
        side = math.nan
    if not 0 < side < math.inf:
        raise typer.BadParameter(f"{text!r} is no box; expected its side in scene units, such as 2.5, or reference")
    return text


AlignOption = Annotated[
    Align,
    typer.Option("--align", help="none: as they lie; rigid: the prediction is moved onto the reference by ICP; similarity: and scaled."),
]
FrameRange = Annotated[
    str | None,
    typer.Option(
        "--frames", metavar="A:B[:STEP]", help="Compare frames A to B - 1 only, by the number in their names.", show_default=False
    ),
]
Box = Annotated[
    str | None,
    typer.Option(
        "--box",
        metavar="L|reference",
        help="Side in scene units that counts as 1; reference: the longest of the first reference frame.",
        callback=_checked_box,
        show_default=False,
    ),
]


@dataclass(frozen=True)
class Unit:
    """What counts as 1.

    Attributes:
        side: its length [scene units].
        words: what it is, for the record.
    """

    side: float
    words: str


def unit_of(box: str | None, first: Callable[[], Any]) -> Unit:
    """The unit that ``--box`` asks for.

    Args:
        box: as given, checked.
        first: gives the reference's surface in the first frame.

    Raises:
        InputError: the reference has no extent.
    """
    if box is None:
        return Unit(1.0, "scene unit")
    if box != "reference":
        return Unit(float(box), f"box of side {float(box):g} scene units")
    from recon_cli.metrics.frame_pairs import longest_side

    side = longest_side(first())
    return Unit(side, f"longest side of the bounding box of the reference's first frame: {side:g} scene units")


def frame_range(text: str | None) -> range | None:
    """What ``--frames`` asks for.

    Raises:
        UsageError: it is no range.
    """
    if text is None:
        return None
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(part.isdigit() for part in parts) or (len(parts) == 3 and int(parts[2]) == 0):
        raise UsageError(f"--frames {text!r} is no range; expected FIRST:LAST or FIRST:LAST:STEP, last excluded", hint="--frames 0:50")
    return range(*(int(part) for part in parts))


class FrameFiles(Sequence[Any]):
    """The frames of two folders of meshes, each read when it is asked for: a sequence of ``FramePair``.

    Raises:
        InputError: a folder is missing or empty, or the two do not have the same frames.
    """

    def __init__(self, prediction: Path, reference: Path, frames: range | None) -> None:
        from recon_cli.io.surfaces import surface_names
        from recon_cli.metrics.frame_names import match_frames

        self._folders = prediction, reference
        self._names = match_frames(surface_names(prediction), surface_names(reference), frames=frames)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: Any) -> Any:
        number, *names = self._names[index]
        return read_pair(*(str(folder / name) for folder, name in zip(self._folders, names, strict=True)), number=number)


def read_pair(prediction: str, reference: str, *, number: int = 0) -> Any:
    """Both meshes of a frame.

    Raises:
        InputError: a file is missing, damaged or has no faces, or a vertex is not finite.
    """
    from recon_cli.metrics.frame_pairs import FramePair

    return FramePair(number, read_mesh_surface(prediction), read_mesh_surface(reference), prediction, reference)


def mesh_pairs(prediction: str, reference: str, frames: range | None) -> Sequence[Any]:
    """Frames of two files, or of two folders.

    Raises:
        UsageError: a range of frames is asked for of two files.
        InputError: one is a folder and the other is not, or a file or folder cannot be read.
    """
    folders = [path for path in (prediction, reference) if Path(path).is_dir()]
    if len(folders) == 2:
        return FrameFiles(Path(prediction), Path(reference), frames)
    if folders:
        other = reference if folders[0] == prediction else prediction
        raise InputError(f"is a folder and {other} is not; expected two folders or two meshes", path=folders[0])
    if frames is not None:
        raise UsageError("--frames chooses among the meshes of folders, but both inputs are files")
    return [read_pair(prediction, reference)]


def prepared(pairs: Sequence[Any], align: Align, unit: Unit, *, seed: int) -> Iterator[Any]:
    """Every frame with its prediction aligned by one transform for all, and both sides in units of the box."""
    from recon_cli.metrics.alignment import evenly_spaced, sequence_motion

    motion = None
    if align is not Align.none:
        few = [pairs[index] for index in evenly_spaced(range(len(pairs)))]
        motion = sequence_motion([(pair.predicted, pair.reference) for pair in few], with_scale=align is Align.similarity, seed=seed)
    for pair in pairs:
        yield (pair if motion is None else pair.aligned(motion)).in_units_of(unit.side)
