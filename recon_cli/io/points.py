"""Point sets, by the suffix of the file."""

from __future__ import annotations

from pathlib import Path

from recon_cli.core.errors import InputError
from recon_cli.core.points import PointSet
from recon_cli.io.atomic import PathText
from recon_cli.io.obj import read_obj_points
from recon_cli.io.ply import read_ply_points, write_ply_points
from recon_cli.io.streams import is_stream


def read_points(path: PathText) -> PointSet:
    """The points of a PLY cloud, or the vertices of a PLY or OBJ mesh; standard input for ``-`` is PLY.

    Raises:
        InputError: the file is missing or damaged, of an unknown format, or a coordinate is not finite.
    """
    suffix = _suffix(path)
    if suffix == ".ply":
        return read_ply_points(path)
    if suffix == ".obj":
        return read_obj_points(path)
    raise InputError(f"points are not read as {suffix!r}, expected .ply or .obj", path=path, hint="convert the points to .ply")


def write_points(path: PathText, points: PointSet, *, binary: bool = True) -> None:
    """Write a PLY point cloud, or to standard output for ``-``; numbers come back exactly.

    Raises:
        InputError: the suffix is not .ply, the disk is full, or the place is not writable.
    """
    if _suffix(path) != ".ply":
        raise InputError(f"points are not written as {_suffix(path)!r}, expected .ply", path=path, hint="name the file .ply")
    write_ply_points(path, points, binary=binary)


def _suffix(path: PathText) -> str:
    return ".ply" if is_stream(path) else Path(path).suffix.lower()
