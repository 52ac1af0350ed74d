"""Triangle meshes with optional texture coordinates, texture and vertex attributes."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from recon_cli.core.errors import InputError


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh, faces counter-clockwise from outside.

    Attributes:
        vertices: positions [scene units], shape [V, 3].
        faces: vertex indices, shape [F, 3], int64.
        uvs: texture coordinates, shape [U, 2]; (0, 0) is the bottom-left corner of the texture, as in OBJ.
        face_uvs: indices into ``uvs``, shape [F, 3], int64; seams give U > V.
        texture: image in [0, 1], sRGB, shape [H, W, 3], row 0 on top.
        colors: vertex colours in [0, 1], sRGB, shape [V, 3].
        normals: vertex normals, shape [V, 3].

    Raises:
        InputError: a shape does not fit or an index is out of range.
    """

    vertices: Tensor  # [V, 3]
    faces: Tensor  # [F, 3]
    uvs: Tensor | None = None  # [U, 2]
    face_uvs: Tensor | None = None  # [F, 3]
    texture: Tensor | None = None  # [H, W, 3]
    colors: Tensor | None = None  # [V, 3]
    normals: Tensor | None = None  # [V, 3]

    def __post_init__(self) -> None:
        count = self.vertices.shape[0]
        _expect("vertices", self.vertices, (count, 3))
        _expect("faces", self.faces, (self.faces.shape[0], 3))
        _expect_indices("faces", self.faces, count)
        for name in ("colors", "normals"):
            value = getattr(self, name)
            if value is not None:
                _expect(name, value, (count, 3))
        if (self.uvs is None) != (self.face_uvs is None):
            raise InputError("a mesh needs both uvs and face_uvs, or neither")
        if self.uvs is not None and self.face_uvs is not None:
            _expect("uvs", self.uvs, (self.uvs.shape[0], 2))
            _expect("face_uvs", self.face_uvs, tuple(self.faces.shape))
            _expect_indices("face_uvs", self.face_uvs, self.uvs.shape[0])
        if self.texture is not None and (self.texture.ndim != 3 or self.texture.shape[-1] != 3):
            raise InputError(f"texture has shape {tuple(self.texture.shape)}, expected [H, W, 3]")

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Mesh:
        """The same mesh on another device or in another floating type (indices stay int64)."""
        moved = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                moved[field.name] = value.to(device=device, dtype=dtype if value.is_floating_point() else None)
        return replace(self, **moved)

    def with_vertices(self, vertices: Tensor) -> Mesh:  # [V, 3]
        """The same topology and appearance at other positions; stored normals are dropped."""
        return replace(self, vertices=vertices, normals=None)


def _expect(name: str, value: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(value.shape) != shape:
        raise InputError(f"{name} has shape {list(value.shape)}, expected {list(shape)}")


def _expect_indices(name: str, value: Tensor, count: int) -> None:
    if value.dtype != torch.int64:
        raise InputError(f"{name} has type {value.dtype}, expected torch.int64")
    if value.numel() and (int(value.min()) < 0 or int(value.max()) >= count):
        raise InputError(f"{name} refers to index {int(value.max())}, but there are {count}")
