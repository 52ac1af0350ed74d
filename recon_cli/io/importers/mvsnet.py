"""MVSNet's NAME_cam.txt files, pair.txt and PFM depth maps: world → camera, pixel centres at integers, z-depth.

The depth ranges of all cameras together give the bounds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from recon_cli.core.errors import InputError
from recon_cli.core.natural_order import natural_key
from recon_cli.io.importers.depth_ranges import shared_volume
from recon_cli.io.importers.imported import Imported, View, gather
from recon_cli.io.importers.pictures import Masks, picture_folder, pictures_in
from recon_cli.io.importers.words import read_text_lines, to_numbers, to_whole

_CAMERA_FOLDERS = ("cams", "Cameras", "cameras", "cams_1", "cam")
_IMAGE_FOLDERS = ("images", "blended_images", "image")
_DEPTH_FOLDERS = ("depths", "rendered_depth_maps", "depth")
_SUFFIX = "_cam.txt"
_PLANES = 192  # of a sweep whose file states no number, as in MVSNet's own tests


@dataclass(frozen=True)
class Cam:
    """A _cam.txt: K as the file has it, shape [3, 3], camera_from_world, shape [4, 4], and the depth range, if stated."""

    K: np.ndarray
    camera_from_world: np.ndarray
    depth_range: tuple[float, float] | None


def find_mvsnet(source: Path) -> Path | None:
    """The folder of _cam.txt files of a dataset, if it is one."""
    if source.is_file():
        return source.parent if source.name.endswith(_SUFFIX) else None
    folders = [*(source / name for name in _CAMERA_FOLDERS), source]
    return next((folder for folder in folders if any(folder.glob(f"*{_SUFFIX}"))), None)


def read_mvsnet(path: Path, *, images: Path | None = None, masks: Path | None = None, first_pixel: float = 0.0) -> Imported:
    """The cameras of a folder of _cam.txt files, in the order of their names, with depth maps where the dataset has them.

    Raises:
        InputError: a file is damaged, pair.txt names a camera that is not there, or a picture is missing.
    """
    root = path.parent if path.name in _CAMERA_FOLDERS else path
    files = sorted(path.glob(f"*{_SUFFIX}"), key=lambda file: natural_key(file.name))
    _check_pairs(root, len(files))
    folder = picture_folder(images, [*(root / name for name in _IMAGE_FOLDERS), root], source=path)
    by_stem = {picture.stem: picture for picture in reversed(pictures_in(folder))}
    outlines = Masks(masks, [root / "masks", root / "mask"], pictures=folder)
    depths = {map_.stem: map_ for name in reversed(_DEPTH_FOLDERS) for map_ in (root / name).glob("*.pfm")}
    views, cams = [], [read_cam(file) for file in files]
    for file, cam in zip(files, cams):
        stem = file.name.removesuffix(_SUFFIX)
        image = by_stem.get(stem, folder / f"{stem}.jpg")
        mask = outlines.of(image.name)
        views.append(View(image.name, image, cam.K, cam.camera_from_world, mask=mask, depth=depths.get(stem), place=file.name))
    imported = gather(views, first_pixel=first_pixel, path=path)
    ranges = [cam.depth_range for cam in cams if cam.depth_range is not None]
    return replace(imported, bounds=shared_volume(imported.cameras, ranges)) if len(ranges) == len(cams) else imported


def read_cam(path: Path) -> Cam:
    """The camera of a _cam.txt.

    Raises:
        InputError: the file is missing or damaged.
    """
    words = " ".join(read_text_lines(path, expected="an MVSNet _cam.txt")).split()
    if len(words) < 27 or words[0] != "extrinsic" or words[17] != "intrinsic":
        raise InputError(
            "is no camera of MVSNet", path=path, hint="expected `extrinsic`, 16 numbers, `intrinsic`, 9 numbers, then the depth range"
        )
    pose = np.array(to_numbers(words[1:17], path=path, place="extrinsic")).reshape(4, 4)
    K = np.array(to_numbers(words[18:27], path=path, place="intrinsic")).reshape(3, 3)
    if pose[3].tolist() != [0, 0, 0, 1]:
        raise InputError(f"extrinsic ends in {pose[3].tolist()}, expected [0, 0, 0, 1]", path=path)
    return Cam(K, pose, _depth_range(to_numbers(words[27:], path=path, place="the depth range")))


def _depth_range(numbers: list[float]) -> tuple[float, float] | None:
    """Near and far [scene units] of `near interval [planes [far]]`; None where they are no range."""
    if len(numbers) < 2:
        return None
    near, interval = numbers[:2]
    far = numbers[3] if len(numbers) > 3 else near + interval * (numbers[2] if len(numbers) > 2 else _PLANES)
    return (near, far) if 0 < near < far else None


def read_pairs(path: Path) -> dict[int, list[tuple[int, float]]]:
    """Of each reference view its neighbours and their scores, best first.

    Raises:
        InputError: the file is missing or damaged.
    """
    words = " ".join(read_text_lines(path, expected="an MVSNet pair.txt")).split()
    position = 0

    def take(count: int) -> list[str]:
        nonlocal position
        if position + count > len(words):
            raise InputError(f"ends after {len(words)} numbers in the middle of a list", path=path, hint="copy the file again")
        position += count
        return words[position - count : position]

    pairs: dict[int, list[tuple[int, float]]] = {}
    (total,) = take(1)
    for _ in range(min(to_whole(total, path=path, place="the number of views"), len(words))):
        view, count = (to_whole(word, path=path, place="a list") for word in take(2))
        listed = take(2 * count)
        scores = to_numbers(listed[1::2], path=path, place=f"the list of view {view}")
        pairs[view] = [(to_whole(word, path=path, place="a list"), score) for word, score in zip(listed[::2], scores)]
    return pairs


def _check_pairs(root: Path, count: int) -> None:
    path = root / "pair.txt"
    if not path.is_file():
        return
    named = {view for view, others in read_pairs(path).items() for view in (view, *(other for other, _ in others))}
    if named and max(named) >= count:
        raise InputError(
            f"names view {max(named)}, but there are {count} _cam.txt files", path=path, hint="add the missing cameras, or remove pair.txt"
        )
