"""The mesh or mesh sequence of a run, packed for the interactive view of a report page (``assets/viewer.js``)."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class MeshSequence:
    """What the view shows.

    Attributes:
        positions: vertex positions [scene units], shape [T, V, 3].
        faces: vertex indices, shape [F, 3].
        uvs: texture coordinates, shape [U, 2], origin at the bottom left, or None.
        face_uvs: indices into ``uvs``, shape [F, 3], or None.
        texture_jpeg: the texture as a JPEG file, or None.
        values: one number a vertex and frame, shape [T, V], shown as colours, or None.
        values_label: name of ``values``.
        values_unit: their unit.
        colors: sRGB colours of the vertices in [0, 1], shape [V, 3], or None.
        eye: position of the recording camera [scene units].
        up: the recording camera's upward direction in the world.
        fps: frames per second.
    """

    positions: NDArray[np.floating]
    faces: NDArray[np.integer]
    eye: tuple[float, float, float]
    up: tuple[float, float, float]
    fps: float
    uvs: NDArray[np.floating] | None = None
    face_uvs: NDArray[np.integer] | None = None
    texture_jpeg: bytes | None = None
    values: NDArray[np.floating] | None = None
    values_label: str = ""
    values_unit: str = ""
    colors: NDArray[np.floating] | None = None


def pack_sequence(sequence: MeshSequence, *, max_bytes: int) -> dict[str, Any]:
    """A JSON-ready record: positions as 16-bit steps of the bounding box, values as 8-bit steps, both base64.

    A step of the box is 1/65535 of its side, far below a pixel of the view. When all frames together exceed ``max_bytes``,
    every second, third, … frame is kept and ``stride`` says so.
    """
    corner_vertex, triangles, uvs = split_seams(sequence)
    per_frame = len(corner_vertex) * (6 + (1 if sequence.values is not None else 0))
    stride = max(1, -(-per_frame * len(sequence.positions) // max_bytes))
    positions = np.asarray(sequence.positions[::stride], dtype=np.float64)
    low, high = positions.min(axis=(0, 1)), positions.max(axis=(0, 1))
    steps = np.round((positions - low) / np.maximum(high - low, 1e-12) * 65535).astype("<u2")
    record: dict[str, Any] = {
        "frames": len(positions),
        "stride": stride,
        "fps": sequence.fps,
        "vertices": len(corner_vertex),
        "low": low.tolist(),
        "high": high.tolist(),
        "positions": _base64(steps[:, corner_vertex]),
        "triangles": _base64(triangles.astype("<u4")),
        "eye": list(sequence.eye),
        "up": list(sequence.up),
    }
    if uvs is not None and sequence.texture_jpeg is not None:
        record["uvs"] = _base64(uvs.astype("<f4"))
        record["texture"] = "data:image/jpeg;base64," + b64encode(sequence.texture_jpeg).decode("ascii")
    if sequence.values is not None:
        record |= {"valuesLabel": sequence.values_label, "valuesUnit": sequence.values_unit}
        record |= _pack_values(np.asarray(sequence.values[::stride], dtype=np.float64), corner_vertex)
    if sequence.colors is not None:
        record["colors"] = _base64(np.round(np.clip(sequence.colors, 0, 1) * 255).astype(np.uint8)[corner_vertex])
    return record


def split_seams(
    sequence: MeshSequence,
) -> tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.floating] | None]:  # [N], [F, 3], [N, 2]
    """One drawn vertex for each pair of a vertex and a texture coordinate, because the graphics card has one index a corner."""
    count = sequence.positions.shape[1]
    if sequence.uvs is None or sequence.face_uvs is None:
        return np.arange(count), sequence.faces, None
    corners = np.stack([sequence.faces.reshape(-1), sequence.face_uvs.reshape(-1)], axis=1)
    pairs, index = np.unique(corners, axis=0, return_inverse=True)
    return pairs[:, 0], index.reshape(-1, 3), sequence.uvs[pairs[:, 1]]


def _pack_values(values: NDArray[np.floating], corner_vertex: NDArray[np.integer]) -> dict[str, Any]:
    # The 99.5th percentile: one vertex that is pulled hard must not paint all others black.
    top = float(np.percentile(values, 99.5)) or 1.0
    levels = np.round(np.clip(values / top, 0, 1) * 255).astype(np.uint8)
    return {"values": _base64(levels[:, corner_vertex]), "valuesTop": top}


def _base64(array: NDArray[Any]) -> str:
    return b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
