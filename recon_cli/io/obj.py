"""OBJ meshes with their texture.

Polygons are cut into triangles; vertices and texture coordinates keep number and order. Texture coordinates have indices of their own, so
seams stay seams. A mesh has one texture: faces with several textured materials are refused, faces with an untextured one take the texture
of the others. Normals are kept where each vertex has one, and left out where corners of a vertex differ (hard edges).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.points import PointSet
from recon_cli.io.atomic import PathText
from recon_cli.io.images import read_image
from recon_cli.io.materials import Material, check_texture, read_materials, resolve
from recon_cli.io.obj_statements import Statements, line_of_corner, read_corners, read_rows, read_statements
from recon_cli.io.polygons import triangulate
from recon_cli.io.streams import read_bytes


def read_obj_mesh(path: PathText, *, geometry_only: bool = False) -> Mesh:
    """The mesh of an OBJ file, numbers as float64.

    Args:
        path: the file.
        geometry_only: read positions, faces, normals and vertex colours alone.

    Raises:
        InputError: the file is missing or damaged, a number is not finite, an index points at nothing, texture coordinates cover a part of
            the faces only, or a material library or texture is missing; the message names the line.
    """
    found = _statements(path)
    try:
        return _mesh(found, Path(path), geometry_only)
    except InputError as error:
        raise InputError(error.message, path=error.path or path, hint=error.hint) from error


def read_obj_points(path: PathText) -> PointSet:
    """The vertices of an OBJ file, with colours where the file has them.

    Raises:
        InputError: the file is missing or damaged, or a number is not finite.
    """
    found = _statements(path)
    try:
        vertices, colours = _vertices(found)
    except InputError as error:
        raise InputError(error.message, path=path, hint=error.hint) from error
    return PointSet(torch.from_numpy(vertices), colors=colours)


@dataclass(frozen=True)
class _Appearance:
    uvs: Tensor | None = None  # [U, 2]
    face_uvs: Tensor | None = None  # [T, 3]
    texture: Tensor | None = None  # [H, W, 3]


def _statements(path: PathText) -> Statements:
    data = read_bytes(path, expected="an OBJ mesh")
    try:
        return read_statements(data)
    except InputError as error:
        raise InputError(error.message, path=path, hint=error.hint) from error


def _mesh(found: Statements, path: Path, geometry_only: bool) -> Mesh:
    vertices, colours = _vertices(found)
    if not found.counts:
        raise InputError(f"has {len(vertices)} vertices and no faces, expected a triangle mesh", hint="give a file with faces")
    counts = np.array(found.counts, dtype=np.int64)
    for face in np.flatnonzero(counts < 3)[:1]:
        raise InputError(f"line {found.face_lines[face]}: a face of {counts[face]} corners, expected at least 3", hint="remove such faces")
    indices = read_corners(found, 0)
    assert indices is not None
    triangles = triangulate(vertices, counts, indices)  # [T, 3]
    appearance = _Appearance() if geometry_only else _appearance(found, triangles, path)
    return Mesh(
        vertices=torch.from_numpy(vertices),
        faces=torch.from_numpy(indices[triangles]),
        uvs=appearance.uvs,
        face_uvs=appearance.face_uvs,
        texture=appearance.texture,
        colors=colours,
        normals=_vertex_normals(found, indices, len(vertices)),
    )


def _vertices(found: Statements) -> tuple[np.ndarray, Tensor | None]:  # [V, 3], [V, 3]
    rows = found.rows[b"v"]
    if not rows.lines:
        raise InputError("has no vertices, expected an OBJ mesh", hint="export the mesh again as OBJ")
    table = read_rows(rows, b"v")
    vertices = np.ascontiguousarray(table[:, :3])
    if table.shape[1] < 6:
        return vertices, None
    for row in np.flatnonzero(np.array(rows.lengths) < 6)[:1]:
        raise InputError(f"line {rows.lines[row]}: a vertex without colour, but others have one", hint="colour all vertices or none")
    colours = np.ascontiguousarray(table[:, 3:6])
    for row in np.flatnonzero((colours < 0).any(axis=1) | (colours > 1).any(axis=1))[:1]:
        raise InputError(f"line {rows.lines[row]}: the colour {colours[row].tolist()}, expected values in [0, 1]", hint="scale the colours")
    return vertices, torch.from_numpy(colours)


def _vertex_normals(found: Statements, indices: np.ndarray, count: int) -> Tensor | None:  # [V, 3]
    if not found.rows[b"vn"].lines:
        return None
    given, corners = read_rows(found.rows[b"vn"], b"vn"), read_corners(found, 2)
    if corners is None or bool((corners < 0).any()):
        return None
    if len(given) == count and np.array_equal(corners, indices):
        return torch.from_numpy(given)
    normals = np.full((count, 3), np.nan)
    normals[indices] = given[corners]
    # A vertex of several normals keeps the last, which then differs from some corner's; a vertex without a face stays NaN.
    agrees = np.array_equal(normals[indices], given[corners]) and bool(np.isfinite(normals).all())
    return torch.from_numpy(normals) if agrees else None


def _appearance(found: Statements, triangles: np.ndarray, path: Path) -> _Appearance:
    texture = _texture(found, path)
    uvs = read_rows(found.rows[b"vt"], b"vt")
    corners = read_corners(found, 1)
    if corners is None:
        return _Appearance(texture=texture)
    bare = np.flatnonzero(corners < 0)
    if len(bare):
        raise InputError(
            f"line {line_of_corner(found, int(bare[0]))}: a face without texture coordinates, but other faces have them",
            hint="give texture coordinates to all faces or to none",
        )
    pairs = uvs[:, :2] if uvs.shape[1] > 1 else np.concatenate([uvs, np.zeros_like(uvs)], axis=1)
    return _Appearance(torch.from_numpy(np.ascontiguousarray(pairs)), torch.from_numpy(corners[triangles]), texture)


def _texture(found: Statements, path: Path) -> Tensor | None:  # [H, W, 3]
    used = [found.materials[index] for index in sorted(set(found.face_materials) - {-1})]
    if not used or not found.libraries:
        return None
    textured: dict[Path, tuple[Path, Material]] = {}
    libraries = [(library, read_materials(library)) for library in _library_paths(found.libraries, path.parent)]
    for name in used:
        library, material = next(((file, known[name]) for file, known in libraries if name in known), (None, None))
        if library is None or material is None:
            files = ", ".join(str(file) for file, _ in libraries)
            raise InputError(
                f"usemtl names the material {name!r}, which is not in {files}", hint="correct the name or remove the usemtl line"
            )
        if material.texture is not None:
            check_texture(library, material)
            textured.setdefault(material.texture, (library, material))
    if len(textured) > 1:
        names = ", ".join(repr(material.name) for _, material in textured.values())
        raise InputError(f"uses {len(textured)} textures (materials {names}), expected one", hint="bake the textures into one picture")
    return read_image(next(iter(textured))) if textured else None


def _library_paths(names: list[str], folder: Path) -> list[Path]:
    """The files that mtllib lines name: each line one name with spaces or, where that is no file, several names."""
    paths = []
    for name in names:
        whole = resolve(name, folder)
        parts = [whole] if whole.is_file() else [resolve(part, folder) for part in name.split()]
        for part in parts:
            if not part.is_file():
                missing = whole if len(parts) == 1 or not any(other.is_file() for other in parts) else part
                raise InputError(
                    f"mtllib names {str(missing)!r}, which does not exist",
                    hint="put the library there, or correct or remove the mtllib line",
                )
        paths += parts
    return paths
