"""IDR's and NeuS's cameras.npz: ``world_mat_i`` = K [R t] and ``scale_mat_i``, which takes the unit sphere to the world.

Pixel centres are at integers. Matrix i belongs to the i-th picture, and to the i-th mask, in the order of their names.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.io.importers.imported import Imported, View, gather
from recon_cli.io.importers.pictures import picture_folder, pictures_in
from recon_cli.io.importers.projection import decompose_projection
from recon_cli.io.streams import existing_file

_EXPECTED = "an IDR cameras.npz"
_HINT = "expected world_mat_0, scale_mat_0, … of 4x4 numbers, as IDR writes them"
_LARGEST_MEMBER = 4096  # bytes; a 4x4 matrix of float64 takes 256


def find_idr(source: Path) -> Path | None:
    """The npz file of a dataset, if it is one."""
    if source.is_file():
        return source if source.suffix == ".npz" else None
    if not source.is_dir():
        return None
    named = [source / "cameras_sphere.npz", source / "cameras.npz"]
    return next((path for path in (*named, *sorted(source.glob("*.npz"))) if path.is_file() and _is_idr(path)), None)


def read_idr(path: Path, *, images: Path | None = None, masks: Path | None = None, first_pixel: float = 0.0) -> Imported:
    """The cameras of an IDR dataset; the box around the unit sphere becomes the bounds.

    Raises:
        InputError: the file is damaged or holds pickles, or pictures, masks and matrices do not pair up.
    """
    matrices = _read_matrices(path)
    pictures = pictures_in(picture_folder(images, [path.parent / name for name in ("image", "images", "rgb")], source=path))
    if len(matrices["world"]) != len(pictures):
        raise InputError(
            f"{len(matrices['world'])} world matrices but {len(pictures)} pictures in {pictures[0].parent}, expected one each",
            path=path,
            hint="they belong together in the order of their names: remove what is too many, or take the npz file of these pictures",
        )
    outlines = _outlines(masks, path, len(pictures))
    views = []
    for index, (picture, outline) in enumerate(zip(pictures, outlines, strict=True)):
        try:
            K, pose = decompose_projection(matrices["world"][index][:3])
        except InputError as error:
            raise InputError(f"world_mat_{index}: {error.message}", path=path, hint=error.hint) from error
        views.append(View(picture.name, picture, K, pose, mask=outline, place=f"world_mat_{index}"))
    return gather(views, first_pixel=first_pixel, path=path, bounds=_bounds(matrices["scale"], path))


def _is_idr(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.startswith("world_mat_") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile, NotImplementedError):
        return path.name.startswith("cameras")


def _read_matrices(path: Path) -> dict[str, list[np.ndarray]]:
    """World and scale matrices, each in the order of their numbers, which start at 0 without a gap."""
    existing_file(path, expected=_EXPECTED)
    found: dict[str, dict[int, np.ndarray]] = {"world": {}, "scale": {}}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                match = re.fullmatch(r"(world|scale)_mat_(\d{1,9})\.npy", member.filename)
                if match:
                    found[match[1]][int(match[2])] = _read_matrix(archive, member)
    except InputError as error:
        raise InputError(error.message, path=path, hint=error.hint) from error
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise InputError(f"cannot be read as {_EXPECTED}: {error}", path=path, hint="copy the file again") from error
    except Exception as error:  # zlib.error and its like have no common base
        raise InputError(f"cannot be read as {_EXPECTED}: {error}", path=path, hint="copy the file again") from error
    for kind, matrices in found.items():
        if sorted(matrices) != list(range(len(matrices))):
            gap = next(index for index in range(len(matrices)) if index not in matrices)
            raise InputError(f"holds {len(matrices)} {kind} matrices but no {kind}_mat_{gap}", path=path, hint=_HINT)
    if not found["world"]:
        raise InputError("holds no world_mat_0", path=path, hint=_HINT)
    return {kind: [matrices[index] for index in range(len(matrices))] for kind, matrices in found.items()}


def _read_matrix(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:  # [4, 4] or [3, 4]
    """One array of the archive; only plain numbers are read, so that no pickle is ever opened."""
    name = member.filename.removesuffix(".npy")
    if member.file_size > _LARGEST_MEMBER:
        raise InputError(f"{name} takes {member.file_size} bytes, expected a 4x4 matrix", hint=_HINT)
    with archive.open(member) as file:
        shape, fortran, dtype = _header(file, name)
        if dtype.kind not in "fiu":
            what = "pickled objects, which could run code," if dtype.hasobject else f"values of type {dtype}"
            raise InputError(f"{name} holds {what} expected numbers", hint="save the matrices as plain float arrays")
        if shape not in ((4, 4), (3, 4)):
            raise InputError(f"{name} has shape {list(shape)}, expected [4, 4]", hint=_HINT)
        data = file.read(_LARGEST_MEMBER)
    count = shape[0] * shape[1]
    if len(data) < count * dtype.itemsize:
        raise InputError(f"{name} is cut short", hint="copy the file again")
    return np.frombuffer(data, dtype=dtype, count=count).reshape(shape, order="F" if fortran else "C").astype(np.float64)


def _header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(file)
        return np.lib.format.read_array_header_2_0(file)
    except Exception as error:  # the header is parsed as a Python literal, which fails in many ways
        raise InputError(f"{name} is no array of numbers: {' '.join(str(error).split())[:120]}", hint=_HINT) from error


def _outlines(masks: Path | None, path: Path, count: int) -> list[Path | None]:
    candidates = [path.parent / name for name in ("mask", "masks")]
    if masks is None and not any(folder.is_dir() for folder in candidates):
        return [None] * count
    found = pictures_in(picture_folder(masks, candidates, source=path, noun="masks"))
    if len(found) != count:
        raise InputError(
            f"{count} pictures but {len(found)} masks in {found[0].parent}, expected one each",
            path=path,
            hint="they belong together in the order of their names; give another folder with --masks",
        )
    return list(found)


def _bounds(scales: list[np.ndarray], path: Path) -> Tensor | None:
    """The box around the unit spheres of all views, which are one as a rule."""
    if not scales:
        return None
    for index, scale in enumerate(scales):
        if not np.isfinite(scale).all() or np.linalg.matrix_rank(scale[:3, :3]) < 3:
            raise InputError(f"scale_mat {index} is singular or not finite", path=path, hint=_HINT)
    corners = np.array([[x, y, z, 1.0] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    with np.errstate(over="ignore", invalid="ignore"):
        world = np.concatenate([corners @ scale[:3].T for scale in scales])
    low, high = world.min(axis=0), world.max(axis=0)
    if not (np.isfinite(world).all() and bool((low < high).all())):
        raise InputError("a scale_mat is singular or not finite", path=path, hint=_HINT)
    return torch.from_numpy(np.stack([low, high]))
