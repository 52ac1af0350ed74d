"""COLMAP's cameras.bin, images.bin and points3D.bin: little endian, counts of 64 bits.

No count is believed before the file has shown that it has room for so many records.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from recon_cli.core.errors import InputError
from recon_cli.io.importers.colmap_models import parameter_names
from recon_cli.io.importers.colmap_records import ColmapCamera, ColmapImage, ColmapPoints
from recon_cli.io.streams import read_bytes

_CAMERA = struct.Struct("<IiQQ")  # number, model, width, height
_IMAGE = struct.Struct("<I7dI")  # number, quaternion, translation, camera
_POINT = struct.Struct("<Q3d3BdQ")  # number, position, colour, error, length of the track
_COUNT = struct.Struct("<Q")
_OBSERVATION, _TRACK_ENTRY = 24, 8  # bytes
_LONGEST_NAME = 4096
_HINT = "the file is damaged or no COLMAP binary; export it again with `colmap model_converter`"


def read_cameras_binary(path: Path) -> list[ColmapCamera]:
    """Cameras of a cameras.bin.

    Raises:
        InputError: the file is missing or cut short, or has a model that is not read here.
    """
    reader = _Reader(path, "COLMAP's cameras.bin")
    cameras = []
    for _ in range(reader.count(_CAMERA.size, "cameras")):
        number, model, width, height = reader.take(_CAMERA)
        try:
            length = len(parameter_names(model))
        except InputError as error:
            raise InputError(error.message, path=path, hint=error.hint) from error
        cameras.append(ColmapCamera(number, model, (width, height), reader.take(struct.Struct(f"<{length}d"))))
    return cameras


def read_images_binary(path: Path) -> list[ColmapImage]:
    """Pictures of an images.bin; their observations are skipped.

    Raises:
        InputError: the file is missing or cut short.
    """
    reader = _Reader(path, "COLMAP's images.bin")
    images = []
    for _ in range(reader.count(_IMAGE.size, "pictures")):
        _, *pose, camera = reader.take(_IMAGE)
        images.append(ColmapImage(reader.name(), camera, pose[:4], pose[4:]))
        reader.skip(reader.count(_OBSERVATION, "observations") * _OBSERVATION)
    return images


def read_points_binary(path: Path) -> ColmapPoints:
    """Points of a points3D.bin; errors and tracks are skipped.

    Raises:
        InputError: the file is missing or cut short.
    """
    reader = _Reader(path, "COLMAP's points3D.bin")
    count = reader.count(_POINT.size, "points")
    positions, colors = np.empty((count, 3)), np.empty((count, 3), dtype=np.uint8)
    for row in range(count):
        _, x, y, z, red, green, blue, _, length = reader.take(_POINT)
        reader.expect(length, _TRACK_ENTRY, "observations of a point")
        reader.skip(length * _TRACK_ENTRY)
        positions[row], colors[row] = (x, y, z), (red, green, blue)
    return ColmapPoints(positions, colors)


class _Reader:
    """A place in the bytes of a file."""

    def __init__(self, path: Path, expected: str) -> None:
        self._path, self._data, self._position = path, read_bytes(path, expected=expected), 0

    def take(self, layout: struct.Struct) -> tuple:
        """The next values of this layout."""
        end = self._position + layout.size
        if end > len(self._data):
            raise InputError(f"ends at byte {len(self._data)} in the middle of a record", path=self._path, hint=_HINT)
        values = layout.unpack_from(self._data, self._position)
        self._position = end
        return values

    def count(self, size: int, noun: str) -> int:
        """A count of records that take at least ``size`` bytes each, all of which must fit into the file."""
        (count,) = self.take(_COUNT)
        self.expect(count, size, noun)
        return count

    def expect(self, count: int, size: int, noun: str) -> None:
        room = (len(self._data) - self._position) // size
        if count > room:
            raise InputError(f"announces {count} {noun}, but the rest of it has room for at most {room}", path=self._path, hint=_HINT)

    def skip(self, length: int) -> None:
        self._position += length

    def name(self) -> str:
        """Text up to a zero byte."""
        end = self._data.find(b"\0", self._position, self._position + _LONGEST_NAME)
        if end < 0:
            raise InputError(f"has a picture at byte {self._position} whose name does not end", path=self._path, hint=_HINT)
        text = self._data[self._position : end].decode("utf-8", "surrogateescape")
        self._position = end + 1
        return text
