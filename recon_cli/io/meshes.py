"""Triangle meshes, by the suffix of the file.

A format is an entry of ``FORMATS``: its reader and its writer live in the file named after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.io.atomic import PathText
from recon_cli.io.obj import read_obj_mesh
from recon_cli.io.obj_writer import write_obj_mesh
from recon_cli.io.ply import read_ply_mesh, write_ply_mesh
from recon_cli.io.streams import is_stream


@dataclass(frozen=True)
class MeshFormat:
    """How a format is read and written.

    Attributes:
        read: path and whether only the geometry is wanted, to mesh.
        write: path, mesh and whether binary numbers are wanted (formats of text alone ignore it).
    """

    read: Callable[[PathText, bool], Mesh]
    write: Callable[[PathText, Mesh, bool], None]


FORMATS: dict[str, MeshFormat] = {
    ".ply": MeshFormat(
        read=lambda path, geometry_only: read_ply_mesh(path),
        write=lambda path, mesh, binary: write_ply_mesh(path, mesh, binary=binary),
    ),
    ".obj": MeshFormat(
        read=lambda path, geometry_only: read_obj_mesh(path, geometry_only=geometry_only),
        write=lambda path, mesh, binary: write_obj_mesh(path, mesh),
    ),
}


def read_mesh(path: PathText, *, geometry_only: bool = False) -> Mesh:
    """A mesh of a PLY or OBJ file, or a PLY mesh from standard input for ``-``; vertices keep their number and order.

    Doubles stay float64 (OBJ text is always read so), single floats float32.

    Args:
        path: the file.
        geometry_only: leave out texture, texture coordinates and materials of an OBJ file, so that none of them can be missing.

    Raises:
        InputError: the file is missing or damaged, of an unknown format, a point cloud, or its texture is missing.
    """
    return _format(path, "read").read(path, geometry_only)


def write_mesh(path: PathText, mesh: Mesh, *, binary: bool = True) -> None:
    """Write a PLY or OBJ file by suffix, or PLY to standard output for ``-``; numbers come back exactly.

    OBJ brings its texture along (STEM.mtl, STEM.png); PLY keeps texture coordinates but no texture.

    Raises:
        InputError: the suffix is unknown, the disk is full, or the place is not writable.
    """
    _format(path, "written").write(path, mesh, binary)


def _format(path: PathText, done: str) -> MeshFormat:
    suffix = ".ply" if is_stream(path) else Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise InputError(
            f"meshes are not {done} as {repr(suffix) if suffix else 'files without a suffix'}, expected {' or '.join(FORMATS)}",
            path=path,
            hint=f"convert the mesh to {' or '.join(FORMATS)}" if done == "read" else f"name the file {' or '.join(FORMATS)}",
        )
    return FORMATS[suffix]
