"""Surfaces of either kind: a mesh where a file has faces, else a point set."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.points import PointSet
from recon_cli.io.atomic import PathText
from recon_cli.io.meshes import read_mesh
from recon_cli.io.ply_header import parse_header
from recon_cli.io.points import read_points
from recon_cli.io.streams import is_stream, read_bytes

SUFFIXES = (".ply", ".obj")

_EXPECTED = "a PLY or OBJ file"


def read_surface(path: PathText) -> Mesh | PointSet:
    """A mesh, or a point set where the file has no faces; ``-`` reads standard input.

    Raises:
        InputError: the file is missing, damaged, or neither PLY nor OBJ.
    """
    data = read_bytes(path, expected=_EXPECTED)
    has_faces = _has_faces(data, path)
    if not is_stream(path):
        return read_mesh(path, geometry_only=True) if has_faces else read_points(path)
    # The readers take paths, and standard input can be read only once.
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / ("stdin.ply" if data.startswith(b"ply") else "stdin.obj")
        copy.write_bytes(data)
        try:
            return read_mesh(copy, geometry_only=True) if has_faces else read_points(copy)
        except InputError as error:
            raise InputError(error.message, path="standard input", hint=error.hint) from error


def surface_names(folder: PathText) -> list[str]:
    """Names of the PLY and OBJ files of a folder, sorted.

    Raises:
        InputError: the folder is missing or has none.
    """
    return names_in(folder, SUFFIXES, expected="PLY or OBJ files, one a frame")


def names_in(folder: PathText, suffixes: Sequence[str], *, expected: str) -> list[str]:
    """Names of the files of a folder that end in one of ``suffixes``, sorted; hidden files are left out.

    Args:
        folder: the folder.
        suffixes: in lower case, with the dot.
        expected: what the folder should hold, for the message.

    Raises:
        InputError: the folder is missing or has none.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise InputError(f"cannot be listed ({error.strerror}), expected a folder of {expected}", path=folder) from error
    chosen = [name for name in names if not name.startswith(".") and name.lower().endswith(tuple(suffixes))]
    if not chosen:
        seen = f"{len(names)} other entries, first {names[0]}" if names else "nothing"
        raise InputError(f"holds {seen}, expected {expected}", path=folder)
    return chosen


def _has_faces(data: bytes, path: PathText) -> bool:
    if not data.startswith(b"ply"):
        return data.startswith(b"f ") or b"\nf " in data or b"\nf\t" in data
    try:
        face = parse_header(data).element("face")
    except InputError as error:
        raise InputError(error.message, path=path, hint=error.hint) from error
    return face is not None and face.count > 0
