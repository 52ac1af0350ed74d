"""Write OBJ meshes with their texture."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
from torch import Tensor

from recon_cli.core.mesh import Mesh
from recon_cli.io.atomic import PathText, atomic_path
from recon_cli.io.images import encode_png

MATERIAL = "surface"


def write_obj_mesh(path: PathText, mesh: Mesh, *, material_library: str | None = None) -> None:
    """Write STEM.obj and, for a textured mesh, STEM.mtl and STEM.png beside it: all of them or none.

    Numbers have as many digits as their type needs to come back exactly; the texture is rounded to 8 bits.

    Args:
        path: the OBJ file.
        mesh: the mesh.
        material_library: name of an .mtl file, relative to the OBJ file and written before by this function, to refer to instead of writing
            one: the meshes of a sequence share a texture.

    Raises:
        InputError: the disk is full, or the place is not writable.
    """
    target = Path(path)
    writes_texture = mesh.texture is not None and material_library is None
    library = f"{target.stem}.mtl" if writes_texture else material_library
    with ExitStack() as files:
        # The last opened is renamed first, so that an OBJ file never names what is not there yet.
        files.enter_context(atomic_path(target)).write_bytes(_text(mesh, library))
        if writes_texture:
            files.enter_context(atomic_path(target.with_suffix(".mtl"))).write_bytes(_library_text(f"{target.stem}.png"))
            assert mesh.texture is not None
            files.enter_context(atomic_path(target.with_suffix(".png"))).write_bytes(encode_png(mesh.texture))


def _library_text(texture: str) -> bytes:
    return f"newmtl {MATERIAL}\nKa 0 0 0\nKd 1 1 1\nKs 0 0 0\nmap_Kd {texture}\n".encode("utf-8", "surrogateescape")


def _text(mesh: Mesh, library: str | None) -> bytes:
    head = f"mtllib {library}\n" if library is not None else ""
    columns = [mesh.vertices] if mesh.colors is None else [mesh.vertices, mesh.colors]
    parts = [head.encode("utf-8", "surrogateescape"), _rows("v", columns)]
    if mesh.uvs is not None:
        parts.append(_rows("vt", [mesh.uvs]))
    if mesh.normals is not None:
        parts.append(_rows("vn", [mesh.normals]))
    if library is not None:
        parts.append(f"usemtl {MATERIAL}\n".encode())
    return b"".join([*parts, _faces(mesh)])


def _rows(keyword: str, tensors: list[Tensor]) -> bytes:
    arrays = [tensor.detach().cpu().numpy() for tensor in tensors]
    # 9 digits bring back every single float; the shortest text that brings back a double is its representation.
    formats = [" %r" if array.dtype == np.float64 else " %.9g" for array in arrays for _ in range(array.shape[1])]
    line = keyword + "".join(formats) + "\n"
    return "".join(line % row for row in zip(*(column.tolist() for array in arrays for column in array.T))).encode()


def _faces(mesh: Mesh) -> bytes:
    corner, indices = "%d", [mesh.faces]
    if mesh.face_uvs is not None:
        corner, indices = corner + "/%d", [*indices, mesh.face_uvs]
    if mesh.normals is not None:
        corner, indices = corner + ("/%d" if mesh.face_uvs is not None else "//%d"), [*indices, mesh.faces]
    line = "f" + f" {corner}" * 3 + "\n"
    columns = [index.detach().cpu().numpy()[:, k] + 1 for k in range(3) for index in indices]
    return "".join(line % row for row in zip(*(column.tolist() for column in columns))).encode()
