"""Cameras: cameras.json of version 1, and the plain record of one camera.

The published schema is ``cameras.schema.json`` beside this file (``camera_schema()``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePath
from typing import Any

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import InputError
from recon_cli.io.atomic import PathText
from recon_cli.io.camera_checks import FORMAT, VERSION, check_document, check_plain
from recon_cli.io.records import read_json, write_json
from recon_cli.io.streams import is_stream


@dataclass(frozen=True)
class CameraFile:
    """Cameras and what was taken with them; each tuple has an entry a camera.

    Attributes:
        cameras: the cameras, float64.
        images: paths of the pictures, resolved against the file's folder, or None.
        masks: paths of the masks, or None.
        times: times [s], or None.
        bounds: lowest and highest corner of a box around what the cameras look at [scene units], float64, shape [2, 3], or None.
    """

    cameras: Cameras
    images: tuple[Path | None, ...]
    masks: tuple[Path | None, ...]
    times: tuple[float | None, ...]
    bounds: Tensor | None = None


def read_cameras(path: PathText) -> Cameras:
    """The cameras of a file, float64.

    A file is cameras.json of version 1, or a plain object of width, height, fx, fy, cx, cy: one camera at the world origin whose pixel
    centres are at integers, so half a pixel is added to cx and cy.

    Raises:
        InputError: the file is missing or not valid; the message names the place in it.
    """
    return read_camera_file(path).cameras


def read_camera_file(path: PathText) -> CameraFile:
    """The cameras of a file with their pictures, masks and times; see ``read_cameras``.

    Raises:
        InputError: the file is missing or not valid; the message names the place in it.
    """
    document = read_json(path)
    try:
        if isinstance(document, dict) and "format" not in document and ("fx" in document or "fy" in document):
            return CameraFile(_plain_camera(document), (None,), (None,), (None,))
        records = check_document(document)
        cameras = _batch(records)
    except InputError as error:
        raise InputError(error.message, path=path, hint=error.hint) from error
    folder = Path() if is_stream(path) else Path(path).parent
    return CameraFile(
        cameras,
        tuple(folder / record["image"] if "image" in record else None for record in records),
        tuple(folder / record["mask"] if "mask" in record else None for record in records),
        tuple(float(record["time"]) if "time" in record else None for record in records),
        torch.tensor(document["bounds"], dtype=torch.float64) if "bounds" in document else None,
    )


def write_cameras(
    path: PathText,
    cameras: Cameras,
    *,
    images: Sequence[PathText | None] | None = None,
    masks: Sequence[PathText | None] | None = None,
    times: Sequence[float | None] | None = None,
    bounds: Tensor | None = None,
) -> None:
    """Write cameras.json of version 1, or to standard output for ``-``; numbers come back bit for bit.

    Args:
        path: the file.
        cameras: the cameras.
        images: a path a camera, relative to the file's folder.
        masks: a path a camera, relative to the file's folder.
        times: a time [s] a camera.
        bounds: lowest and highest corner of a box around what the cameras look at [scene units], shape [2, 3].

    Raises:
        InputError: a camera is not valid in a file (it mirrors, or scales), a list has another length, or the place is not writable.
    """
    records = [_record(cameras, index) for index in range(len(cameras))]
    _add(records, "image", images and [None if image is None else PurePath(image).as_posix() for image in images], path)
    _add(records, "mask", masks and [None if mask is None else PurePath(mask).as_posix() for mask in masks], path)
    _add(records, "time", times and [None if time is None else float(time) for time in times], path)
    document: dict[str, Any] = {"format": FORMAT, "version": VERSION, "cameras": records}
    if bounds is not None:
        document["bounds"] = bounds.detach().cpu().tolist()
    try:
        check_document(document)
    except InputError as error:
        raise InputError(error.message, path=path, hint=error.hint) from error
    write_json(path, document)


def camera_schema() -> dict[str, Any]:
    """The published JSON schema of cameras.json."""
    return json.loads(files("recon_cli.io").joinpath("cameras.schema.json").read_text(encoding="utf-8"))


def _record(cameras: Cameras, index: int) -> dict[str, Any]:
    width, height = cameras.size[index].tolist()
    return {
        "name": cameras.names[index],
        "width": width,
        "height": height,
        "K": cameras.K[index].detach().cpu().tolist(),
        "camera_from_world": cameras.camera_from_world[index].detach().cpu().tolist(),
    }


def _add(records: list[dict[str, Any]], key: str, values: Sequence[Any] | None, path: PathText) -> None:
    if values is None:
        return
    if len(values) != len(records):
        raise InputError(f"{len(records)} cameras but {len(values)} {key}s", path=path)
    for record, value in zip(records, values, strict=True):
        if value is not None:
            record[key] = value


def _batch(records: Sequence[dict[str, Any]]) -> Cameras:
    return Cameras(
        torch.tensor([record["K"] for record in records], dtype=torch.float64),
        torch.tensor([record["camera_from_world"] for record in records], dtype=torch.float64),
        torch.tensor([[int(record["width"]), int(record["height"])] for record in records]),
        tuple(record["name"] for record in records),
    )


def _plain_camera(document: Any) -> Cameras:
    numbers = check_plain(document)
    return Cameras.pinhole(
        width=int(numbers["width"]),
        height=int(numbers["height"]),
        fx=numbers["fx"],
        fy=numbers["fy"],
        cx=numbers["cx"] + 0.5,
        cy=numbers["cy"] + 0.5,
    )
