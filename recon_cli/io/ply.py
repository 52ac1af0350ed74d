"""PLY meshes and point clouds: ascii, binary little and big endian.

Of a file's tables only ``vertex`` and ``face`` are used, of their columns only the known ones; everything else is skipped. A mesh's picture
is not part of a PLY file: write OBJ to keep a texture.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.points import PointSet
from recon_cli.io.atomic import PathText
from recon_cli.io.ply_body import Lists, Table, read_tables
from recon_cli.io.ply_header import parse_header
from recon_cli.io.polygons import triangulate
from recon_cli.io.streams import deliver_bytes, read_bytes

_COLOUR_NAMES = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
_UV_NAMES = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"), ("texture_s", "texture_t"))
_FACE_NAMES = ("vertex_indices", "vertex_index")


def read_ply_mesh(path: PathText) -> Mesh:
    """The triangle mesh of a PLY file, or of standard input for ``-``; vertices keep their number, order and type.

    Polygons are cut into triangles. Texture coordinates come from the vertices (s, t or u, v) or from the faces (texcoord); colours of
    whole numbers are scaled to [0, 1].

    Raises:
        InputError: the file is missing or damaged, holds no faces, a coordinate is not finite, or an index is out of range.
    """
    header, tables = _read(path, ("vertex", "face"), "a PLY mesh")
    try:
        vertices = _positions(tables)
        faces = tables.get("face", {})
        corners = next((faces[name] for name in _FACE_NAMES if name in faces), None)
        if not isinstance(corners, Lists) or not len(corners.counts):
            strips = " (tristrips are not read)" if header.element("tristrips") else ""
            raise InputError(
                f"holds a point cloud of {len(vertices)} points and no faces{strips}, expected a triangle mesh",
                hint="give a file with faces; make them from points with a surface reconstruction",
            )
        _check_corners(corners, len(vertices))
        triangles = triangulate(vertices, corners.counts, corners.values.astype(np.int64))  # [T, 3]
        uvs, face_uvs = _texture_coordinates(tables, corners, triangles)
        return Mesh(
            vertices=torch.from_numpy(vertices),
            faces=torch.from_numpy(corners.values.astype(np.int64)[triangles]),
            uvs=uvs,
            face_uvs=face_uvs,
            colors=_colours(tables["vertex"]),
            normals=_normals(tables["vertex"]),
        )
    except InputError as error:
        raise InputError(error.message, path=path, hint=error.hint) from error


def read_ply_points(path: PathText) -> PointSet:
    """The points of a PLY file, or of standard input for ``-``: a point cloud, or the vertices of a mesh.

    Raises:
        InputError: the file is missing or damaged, or a coordinate is not finite.
    """
    _, tables = _read(path, ("vertex",), "a PLY point cloud")
    try:
        positions = _positions(tables)
        return PointSet(torch.from_numpy(positions), normals=_normals(tables["vertex"]), colors=_colours(tables["vertex"]))
    except InputError as error:
        raise InputError(error.message, path=path, hint=error.hint) from error


def write_ply_mesh(path: PathText, mesh: Mesh, *, binary: bool = True) -> None:
    """Write a PLY file, or to standard output for ``-``; every number comes back bit for bit, the texture is left out.

    Texture coordinates go to the vertices where each vertex has its own, and to the corners of the faces (texcoord) at seams; colours are
    bytes where that loses nothing.

    Raises:
        InputError: the disk is full, or the place is not writable.
    """
    columns = _vertex_columns(mesh.vertices, mesh.normals, mesh.colors)
    faces: dict[str, np.ndarray] = {"vertex_indices": _array(mesh.faces).astype(np.int32)}
    if mesh.uvs is not None and mesh.face_uvs is not None:
        uvs = _array(mesh.uvs)
        if len(uvs) == len(mesh.vertices) and torch.equal(mesh.faces, mesh.face_uvs):
            columns |= {"s": uvs[:, 0], "t": uvs[:, 1]}
        else:
            faces["texcoord"] = uvs[_array(mesh.face_uvs)].reshape(-1, 6)
    deliver_bytes(path, _encode({"vertex": columns, "face": faces}, binary))


def write_ply_points(path: PathText, points: PointSet, *, binary: bool = True) -> None:
    """Write a PLY point cloud, or to standard output for ``-``; every number comes back bit for bit.

    Raises:
        InputError: the disk is full, or the place is not writable.
    """
    deliver_bytes(path, _encode({"vertex": _vertex_columns(points.points, points.normals, points.colors)}, binary))


def _read(path: PathText, names: tuple[str, ...], expected: str):
    data = read_bytes(path, expected=expected)
    try:
        header = parse_header(data)
        return header, read_tables(data, header, names)
    except InputError as error:
        raise InputError(error.message, path=path, hint=error.hint) from error


def _positions(tables: dict[str, Table]) -> np.ndarray:  # [V, 3]
    positions = _stacked(tables.get("vertex", {}), ("x", "y", "z"))
    if positions is None:
        raise InputError("has no element vertex with properties x, y, z", hint="export the file again with positions")
    if not len(positions):
        raise InputError("has no vertices", hint="export the file again")
    positions = positions if positions.dtype.kind == "f" else positions.astype(np.float64)
    return _finite(positions, "vertex {} has a NaN or infinite coordinate")


def _normals(vertex: Table) -> Tensor | None:
    normals = _stacked(vertex, ("nx", "ny", "nz"))
    if normals is None:
        return None
    normals = normals if normals.dtype.kind == "f" else normals.astype(np.float64)
    return torch.from_numpy(_finite(normals, "vertex {} has a NaN or infinite normal"))


def _colours(vertex: Table) -> Tensor | None:
    colours = next((found for names in _COLOUR_NAMES if (found := _stacked(vertex, names)) is not None), None)
    if colours is None:
        return None
    if colours.dtype.kind != "f":
        colours = colours.astype(np.float32) / np.float32(np.iinfo(colours.dtype).max)
    return torch.from_numpy(_finite(colours, "vertex {} has a NaN or infinite colour"))


def _texture_coordinates(tables: dict[str, Table], corners: Lists, triangles: np.ndarray) -> tuple[Tensor | None, Tensor | None]:
    wedges = tables["face"].get("texcoord")
    if isinstance(wedges, Lists) and len(wedges.values) == 2 * len(corners.values) and bool((wedges.counts == 2 * corners.counts).all()):
        pairs = _finite(wedges.values.reshape(-1, 2), "corner {} of the faces has a NaN or infinite texture coordinate")
        # Adding zero makes -0 and 0 one number; equal corners then share an entry, which is what an indexed file had.
        uvs, index = np.unique(pairs + 0, axis=0, return_inverse=True)
        return torch.from_numpy(uvs), torch.from_numpy(index.reshape(-1)[triangles])
    for names in _UV_NAMES:
        uvs = _stacked(tables["vertex"], names)
        if uvs is not None:
            uvs = uvs if uvs.dtype.kind == "f" else uvs.astype(np.float64)
            uvs = _finite(uvs, "vertex {} has a NaN or infinite texture coordinate")
            return torch.from_numpy(uvs), torch.from_numpy(corners.values.astype(np.int64)[triangles])
    return None, None


def _stacked(table: Table, names: tuple[str, ...]) -> np.ndarray | None:  # [N, len(names)]
    columns = [column for name in names if isinstance(column := table.get(name), np.ndarray)]
    return np.stack(columns, axis=-1) if len(columns) == len(names) else None


def _finite(values: np.ndarray, message: str) -> np.ndarray:
    bad = np.flatnonzero(~np.isfinite(values).all(axis=-1))
    if len(bad):
        raise InputError(
            message.format(int(bad[0])) + f" ({len(bad)} of {len(values)})", hint="remove such entries or export the file again"
        )
    return values


def _check_corners(corners: Lists, count: int) -> None:
    if corners.values.dtype.kind == "f":
        raise InputError("the faces' vertex indices are floating numbers, expected whole ones", hint="export the file again")
    short = np.flatnonzero(corners.counts < 3)
    if len(short):
        face = int(short[0])
        raise InputError(f"face {face} has {int(corners.counts[face])} corners, expected at least 3", hint="remove such faces")
    # Unsigned indices are compared in their own type: 2**32 - 1 is out of range and not -1.
    bad = np.flatnonzero((corners.values < 0) | (corners.values >= count))
    if len(bad):
        face = int(np.searchsorted(np.cumsum(corners.counts), bad[0], side="right"))
        raise InputError(
            f"face {face} refers to vertex {int(corners.values[bad[0]])}, but the vertices are 0 to {count - 1}",
            hint="export the file again",
        )


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def _vertex_columns(points: Tensor, normals: Tensor | None, colors: Tensor | None) -> dict[str, np.ndarray]:
    columns = dict(zip("xyz", _storable(points).T))
    if normals is not None:
        columns |= dict(zip(("nx", "ny", "nz"), _storable(normals).T))
    if colors is not None:
        columns |= dict(zip(_COLOUR_NAMES[0], _colour_columns(_storable(colors)).T))
    return columns


def _storable(tensor: Tensor) -> np.ndarray:
    # PLY has no half floats, and single floats hold all of them.
    array = _array(tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _colour_columns(colours: np.ndarray) -> np.ndarray:
    if colours.dtype == np.float32 and bool((np.abs(colours) <= 1).all()):
        levels = np.rint(np.abs(colours) * 255).astype(np.uint8)
        if bool((levels.astype(np.float32) / np.float32(255) == colours).all()):
            return levels
    return colours


_TYPE_NAMES = {"u1": "uchar", "i4": "int", "f4": "float", "f8": "double"}


def _encode(tables: dict[str, dict[str, np.ndarray]], binary: bool) -> bytes:
    lines = ["ply", f"format {'binary_little_endian' if binary else 'ascii'} 1.0"]
    parts = []
    for name, columns in tables.items():
        lines.append(f"element {name} {len(next(iter(columns.values())))}")
        for key, column in columns.items():
            kind = _TYPE_NAMES[column.dtype.str[1:]]
            lines.append(f"property list uchar {kind} {key}" if column.ndim == 2 else f"property {kind} {key}")
        parts.append(_binary_table(columns) if binary else _text_table(columns))
    return "\n".join([*lines, "end_header\n"]).encode() + b"".join(parts)


def _binary_table(columns: dict[str, np.ndarray]) -> bytes:
    fields: list[tuple] = []
    for key, column in columns.items():
        kind = column.dtype.newbyteorder("<")
        fields += [(f"count of {key}", "u1"), (key, kind, column.shape[1:])] if column.ndim == 2 else [(key, kind)]
    records = np.empty(len(next(iter(columns.values()))), dtype=fields)
    for key, column in columns.items():
        records[key] = column
        if column.ndim == 2:
            records[f"count of {key}"] = column.shape[1]
    return records.tobytes()


def _text_table(columns: dict[str, np.ndarray]) -> bytes:
    formats, values = [], []
    for column in columns.values():
        # 9 and 17 significant digits bring back every single and double float.
        number = {"f4": "%.9g", "f8": "%.17g"}.get(column.dtype.str[1:], "%d")
        if column.ndim == 2:
            formats += [str(column.shape[1]), *[number] * column.shape[1]]
            values += [entry.tolist() for entry in column.T]
        else:
            formats.append(number)
            values.append(column.tolist())
    line = " ".join(formats) + "\n"
    return "".join(line % row for row in zip(*values)).encode()
