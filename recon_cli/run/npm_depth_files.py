"""Depth sequences in folders: their files, their camera, and their unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import InputError, UsageError
from recon_cli.core.natural_order import natural_key
from recon_cli.io.cameras import read_cameras
from recon_cli.io.depth_folders import DEPTH, SUFFIXES, read_map
from recon_cli.io.images import IMAGE_SUFFIXES, read_levels, read_mask

LEVELS = ".png"
CAMERA_NAMES = ("cameras.json", "camera.json")
MASKS = "masks"
UNITS = {"m": 1.0, "cm": 100.0, "mm": 1000.0}
ENDLESS = 1e8
"""Renderers write 1e10 or the largest number where nothing is seen [scene units]."""
_STILL = 1e-6
"""Cameras whose numbers differ by less are the same one."""


@dataclass(frozen=True)
class DepthFiles:
    """A depth sequence on the disk.

    Attributes:
        maps: one file a frame, in the order of their names.
        masks: the mask of every frame, or None.
        factor: depth values a scene unit.
    """

    maps: tuple[Path, ...]
    masks: tuple[Path, ...] | None
    factor: float

    @property
    def names(self) -> tuple[str, ...]:
        """Of the frames."""
        return tuple(file.stem for file in self.maps)

    def raw(self, frame: int) -> Tensor:  # [H, W] float32
        """Depths [scene units] of a frame as the file has them: NaN, infinities and negative numbers too.

        Raises:
            InputError: the file is missing or damaged.
        """
        file = self.maps[frame]
        values = read_levels(file) if file.suffix.lower() == LEVELS else read_map(file)
        return values if self.factor == 1.0 else values / self.factor

    def mask(self, frame: int, like: Tensor) -> Tensor | None:  # [H, W] bool
        """The mask of a frame, where there are masks.

        Raises:
            InputError: it is missing, damaged or of another size than the depth map.
        """
        if self.masks is None:
            return None
        mask = read_mask(self.masks[frame])
        if mask.shape != like.shape:
            raise InputError(f"is {_size(mask)}, the depth map {_size(like)}", path=self.masks[frame], hint="give masks of the maps' size")
        return mask > 0


def find_files(depth: Path, *, masks: Path | None, unit: str | None) -> DepthFiles:
    """The depth maps of a folder, or of depth/ in a scene folder, and the masks that are given or lie beside depth/.

    Raises:
        InputError: there is no depth map, two have one name, a mask is missing, or levels of pictures have no unit or too few bits.
        UsageError: the unit is none.
    """
    if not depth.is_dir():
        seen = "is a file" if depth.exists() else "does not exist"
        raise InputError(f"{seen}; expected a folder of depth maps, one a frame", path=depth, hint="give the folder that holds the maps")
    place = maps_folder(depth)
    maps = _maps(place)
    factor = unit_factor(unit)
    if maps[0].suffix.lower() == LEVELS and unit is None:
        read_levels(maps[0])  # what has 8 bits is no depth in any unit
        raise InputError(
            "holds pictures of 16 bits, whose levels have no unit of their own; expected --unit",
            path=place,
            hint="--unit mm if a level is a millimetre, as most depth cameras write, or --unit with the number of levels a scene unit",
        )
    chosen = masks if masks is not None else masks_beside(depth)
    return DepthFiles(maps, None if chosen is None else _masks(chosen, maps), factor)


def scene_of(depth: Path) -> Path:
    """The folder that may hold the camera and masks of a depth sequence."""
    return depth if (depth / DEPTH).is_dir() or depth.resolve().name != DEPTH else depth.resolve().parent


def maps_folder(depth: Path) -> Path:
    """The folder that holds the maps of a depth sequence."""
    return depth / DEPTH if (depth / DEPTH).is_dir() else depth


def masks_beside(depth: Path) -> Path | None:
    """The folder of masks that lies beside the maps, if there is one."""
    place = scene_of(depth) / MASKS
    return place if place.is_dir() else None


def camera_beside(depth: Path) -> Path | None:
    """The camera's file that lies beside the maps, if there is one."""
    return next((file for name in CAMERA_NAMES if (file := scene_of(depth) / name).is_file()), None)


def unit_factor(unit: str | None) -> float:
    """Depth values a scene unit: of m, cm, mm, or a number as it is.

    Raises:
        UsageError: it is none of these.
    """
    if unit is None:
        return 1.0
    try:
        factor = UNITS.get(unit) or float(unit)
    except ValueError:
        factor = 0.0
    if not 0.0 < factor < float("inf"):
        raise UsageError(f"--unit {unit}: expected m, cm, mm, or how many depth values a scene unit has, such as 5000")
    return factor


def find_camera(camera: Path | None, depth: Path, size: tuple[int, int]) -> Cameras:
    """The one camera of a depth sequence, at the size of its maps.

    Args:
        camera: the file; None looks beside the maps.
        depth: what the user calls the sequence.
        size: width and height of the maps [px].

    Raises:
        InputError: there is no camera, it moves, or it has another aspect than the maps.
    """
    path = camera or camera_beside(depth)
    if path is None:
        raise InputError(
            f"has no camera: there is no {' or '.join(CAMERA_NAMES)} in {scene_of(depth)}",
            path=depth,
            hint="--camera camera.json with width, height, fx, fy, cx and cy of the depth camera",
        )
    cameras = read_cameras(path)
    _expect_still(cameras, path)
    one, (width, height) = cameras[0], size
    if abs(width * one.height - height * one.width) > max(one.width, one.height):  # a pixel from rounding
        raise InputError(
            f"the camera is {one.width}x{one.height} px but the depth maps in {depth} are {width}x{height} px, of another aspect",
            path=path,
            hint="give the camera of the depth maps (not of the colour pictures), and maps that are not cut",
        )
    return one.resized(width, height)


def _expect_still(cameras: Cameras, path: Path) -> None:
    for noun, values in (("K", cameras.K), ("camera_from_world", cameras.camera_from_world), ("size", cameras.size.double())):
        away = (values - values[0]).abs().flatten(1).amax(dim=1)
        moved = int(away.argmax())
        if float(away[moved]) > _STILL * max(1.0, float(values[0].abs().max())):
            raise InputError(
                f"holds {len(cameras)} cameras that differ ({cameras.names[moved]} has another {noun} than {cameras.names[0]}); "
                "expected one still camera for all frames",
                path=path,
                hint="a moving camera is not supported: fit the stretches where it stands still one by one, each with its camera",
            )


def _maps(place: Path) -> tuple[Path, ...]:
    files = _listed(place, (*SUFFIXES, LEVELS))
    # Coloured pictures often lie beside the maps.
    maps = [file for file in files if file.suffix.lower() != LEVELS] or files
    if not maps:
        raise InputError("holds no depth map; expected files .exr, .pfm or 16-bit .png, one a frame", path=place, hint="check the folder")
    for first, second in pairwise(maps):
        if first.stem == second.stem:
            raise InputError(f"holds both {first.name} and {second.name}", path=place, hint="keep one depth map a frame in the folder")
    _expect_beside(maps, files, place)
    return tuple(maps)


def _expect_beside(maps: Sequence[Path], files: Sequence[Path], place: Path) -> None:
    """Pictures beside maps have the maps' names; others may be frames."""
    known = {file.stem for file in maps}
    others = [file.name for file in files if file.stem not in known]
    if others:
        raise InputError(
            f"holds {len(maps)} {maps[0].suffix} files and {len(others)} pictures of other names ({others[0]}); expected one kind",
            path=place,
            hint="convert them to one kind, or move what is no frame elsewhere",
        )


def _masks(folder: Path, maps: Sequence[Path]) -> tuple[Path, ...]:
    if not folder.is_dir():
        raise InputError("is no folder; expected masks, one a frame", path=folder, hint="--masks DIR with a picture a depth map")
    files = {file.stem: file for file in _listed(folder, IMAGE_SUFFIXES)}
    missing = [file.stem for file in maps if file.stem not in files]
    if missing:
        raise InputError(
            f"has masks of {len(maps) - len(missing)} of {len(maps)} depth maps; there is none for {missing[0]}",
            path=folder,
            hint="give one mask a depth map, with its name",
        )
    return tuple(files[file.stem] for file in maps)


def _listed(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    try:
        files = [file for file in folder.iterdir() if file.suffix.lower() in suffixes and not file.name.startswith(".")]
    except OSError as error:
        raise InputError(f"cannot be listed: {error.strerror}", path=folder, hint="check the permissions of the folder") from error
    return sorted(files, key=lambda file: (natural_key(file.stem), file.name))


def _size(values: Tensor) -> str:
    return f"{values.shape[1]}x{values.shape[0]} px"


def cleaned(depth: Tensor) -> tuple[Tensor, int]:  # [H, W] -> [H, W], count
    """A depth map whose NaN, infinite, negative and endless depths are 0, and how many those are."""
    is_bad = ~torch.isfinite(depth) | (depth < 0) | (depth >= ENDLESS)
    count = int(is_bad.sum())
    return (torch.where(is_bad, 0.0, depth) if count else depth), count
