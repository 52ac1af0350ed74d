"""What ``recon npm interpolate`` does: two bodies of runs, the path between them as meshes, codes, numbers and a page."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recon_cli.core.closed_surface import closed_mesh
from recon_cli.core.errors import InputError
from recon_cli.core.topology import components
from recon_cli.io.meshes import write_mesh
from recon_cli.io.records import write_json
from recon_cli.io.whole_folder import check_new_folder, whole_folder
from recon_cli.run.npm_codes import NAME, codes_path, read_codes, write_codes
from recon_cli.run.npm_model_file import ModelFile, read_model_file
from recon_cli.run.npm_path_page import PathShown, path_page
from recon_cli.run.report import write_page
from recon_cli.systems.npm.codes import Codes
from recon_cli.systems.npm.interpolation import Waypoint, What, path_between, walk

CONTENTS = ("meshes", NAME, "volumes.json", "report.html")
"""All that the folder of an interpolation has."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class InterpolateJob:
    """What is asked for.

    Attributes:
        start: codes of the first body, or their run.
        end: of the last one.
        out: the folder to make.
        what: changes on the way.
        frames: number of bodies.
        first: frame of the first body in ``start``.
        last: frame of the last one in ``end``.
        model: of both; None for the one that ships with recon.
        overwrite: whether an earlier result may be replaced.
        command: words of the command line, for the page.
    """

    start: Path
    end: Path
    out: Path
    what: What = "both"
    frames: int = 21
    first: int = 0
    last: int = 0
    model: Path | None = None
    overwrite: bool = False
    command: Sequence[str] = ()


def interpolate(job: InterpolateJob, *, progress: Progress = lambda done, total: None) -> dict[str, Any]:
    """Write the bodies between two others, with fixed topology; the folder appears when it is whole.

    Returns:
        What was made: the path, and how volumes [scene units³] follow the straight line between those of the ends.

    Raises:
        InputError: codes or model are missing, damaged or do not go together, there is no such frame, or the output is in the way.
    """
    check_new_folder(job.out, overwrite=job.overwrite, contents=CONTENTS)
    found = read_model_file(job.model)
    start, end = (body_of(path, frame, found) for path, frame in ((job.start, job.first), (job.end, job.last)))
    path = path_between(found.model, start, end, what=job.what, frames=job.frames)
    expect_closed(found, path)
    points = []
    with whole_folder(job.out, overwrite=job.overwrite, contents=CONTENTS) as folder:
        for name, point in zip(path.names, walk(found.model, path), strict=True):
            write_mesh(folder / "meshes" / f"{name}.ply", point.body.to(dtype=path.poses.dtype))
            points.append(point)
            progress(len(points), job.frames)
        record = _record(job, points)
        write_codes(folder / NAME, path, found.digest)
        write_json(folder / "volumes.json", record)
        shown = PathShown(points, path, job.what, " ".join(map(shlex.quote, job.command)), (str(job.start), str(job.end)), str(found.path))
        write_page(folder / "report.html", path_page(shown))
    return {"path": str(job.out)} | record


def body_of(path: Path, frame: int, found: ModelFile) -> Codes:
    """The body of one frame of a run or a file of codes.

    Raises:
        InputError: as ``read_codes``, or there is no such frame.
    """
    codes = read_codes(path, found.model, found.digest)
    if not 0 <= frame < len(codes):
        raise InputError(
            f"has {len(codes)} frames, but frame {frame} is asked for", path=codes_path(path), hint=f"choose one of 0 to {len(codes) - 1}"
        )
    return codes.only(frame)


def expect_closed(found: ModelFile, codes: Codes) -> None:
    """Refuse a model whose surface has no inside or is of several pieces; its topology is that of all bodies of a shape.

    Raises:
        InputError: names the model's file.
    """
    surface = closed_mesh(found.model.surface(codes.shape_of(0)), found.path)
    pieces = int(components(surface.faces, len(surface.vertices)).max()) + 1
    if pieces > 1:
        raise InputError(f"gives a surface of {pieces} pieces, expected one closed surface", path=found.path, hint="train the model longer")


def _record(job: InterpolateJob, points: Sequence[Waypoint]) -> dict[str, Any]:
    return {
        "what": job.what,
        "frames": len(points),
        "largest_deviation": max(point.deviation for point in points),
        "largest_deviation_of_codes": max(abs(point.code_volume / point.line - 1) for point in points),
        "most_moved": max(abs(point.moved) for point in points),
        "volumes": [point.volume for point in points],
        "lines": [point.line for point in points],
    }
