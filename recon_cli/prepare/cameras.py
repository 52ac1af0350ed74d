"""Calibrated pictures of any format as a scene folder."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import InputError
from recon_cli.io.atomic import write_error
from recon_cli.io.cameras import write_cameras
from recon_cli.io.exr import write_depth
from recon_cli.io.images import image_orientation, image_size, read_frame, read_mask, write_image
from recon_cli.io.importers.imported import Imported
from recon_cli.io.importers.pfm import read_pfm
from recon_cli.io.points import write_points
from recon_cli.io.whole_folder import whole_folder
from recon_cli.prepare.undistort import Lens, Straightened, pinhole_of, straighten_mask, straighten_picture

CONTENTS = ("images", "masks", "depth", "cameras.json", "points.ply")
"""Names that a scene folder made here may have."""

_JPEG = (".jpg", ".jpeg")


@dataclass(frozen=True)
class Written:
    """What a scene folder was made of: views, masks, straightened pictures, points, and what was left out on the way."""

    views: int
    masks: int
    straightened: int
    depth_maps: int
    points: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Straight:
    """Cameras without distortion, and what each was made of; None where it was a pinhole before."""

    cameras: Cameras
    pinholes: tuple[Straightened | None, ...]


def write_scene_folder(
    imported: Imported,
    out: Path,
    *,
    bounds: Tensor | None = None,
    link: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Written:
    """Write images, masks, depth, cameras.json and points.ply into a folder that appears when it is whole.

    Pictures and masks are copied as they are, or straightened where their lens bends; where only some views have a mask, the others get a
    white one. Every picture is decoded once, so that a damaged one is found here and not in the middle of a reconstruction.

    Args:
        imported: what an importer read.
        out: the folder.
        bounds: a box around the object [scene units], shape [2, 3], instead of the dataset's.
        link: make symbolic links instead of copies where nothing has to be changed.
        overwrite: whether an earlier scene folder may be replaced.
        progress: told the number of finished views and their total.

    Raises:
        InputError: a picture is damaged, a mask has another size than its picture, a lens cannot be straightened, or the folder cannot
            be made.
    """
    if link:
        _check_apart(imported, out)
    straight = _straightened(imported)
    total = len(imported.cameras)
    with whole_folder(out, overwrite=overwrite, contents=CONTENTS) as folder:
        _make_folders(folder, imported)
        done = _write_views(folder, imported, straight, link=link, progress=progress)
        write_cameras(
            folder / "cameras.json",
            straight.cameras,
            images=[image for image, _, _ in done],
            masks=[mask for _, mask, _ in done],
            bounds=imported.bounds if bounds is None else bounds,
        )
        if imported.points is not None:
            write_points(folder / "points.ply", imported.points)
    return Written(
        views=total,
        masks=sum(mask is not None for _, mask, _ in done),
        straightened=sum(pinhole is not None for pinhole in straight.pinholes),
        depth_maps=sum(has_depth for _, _, has_depth in done),
        points=0 if imported.points is None else len(imported.points),
        notes=(*imported.notes, *_left_out(imported, done)),
    )


def _check_apart(imported: Imported, out: Path) -> None:
    """Links into the folder that is replaced would lead nowhere."""
    inside = [path for path in (*imported.images, *imported.masks) if path is not None and path.resolve().is_relative_to(out.resolve())]
    if inside:
        raise InputError("lies in the folder that is to be made, so that no link to it can stay", path=inside[0], hint="leave out --link")


_Placed = tuple[Path, Path | None, bool]  # picture and mask, relative to the folder; whether there is a depth map


def _write_views(
    folder: Path, imported: Imported, straight: _Straight, *, link: bool, progress: Callable[[int, int], None]
) -> list[_Placed]:
    total, done = len(imported.cameras), []
    # The filters of warnings belong to the whole process: threads that each set and restore them would leave them changed.
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")
        try:
            for placed in pool.map(lambda index: _write_view(folder, imported, straight, index, link=link), range(total)):
                done.append(placed)
                progress(len(done), total)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return done


def _make_folders(folder: Path, imported: Imported) -> None:
    for name, paths in (("images", imported.images), ("masks", imported.masks), ("depth", imported.depths)):
        if any(path is not None for path in paths):
            (folder / name).mkdir()


def _straightened(imported: Imported) -> _Straight:
    """The pinholes of all views; each lens is solved once, however many pictures it took."""
    K, sizes = imported.cameras.K.clone(), imported.cameras.size.clone()
    known: dict[object, Straightened] = {}
    pinholes: list[Straightened | None] = []
    for index, distortion in enumerate(imported.distortion):
        if distortion is None:
            pinholes.append(None)
            continue
        width, height = sizes[index].tolist()
        lens = Lens(K[index].clone(), (width, height), distortion)
        key = (distortion, (width, height), tuple(lens.K.flatten().tolist()))
        if key not in known:
            known[key] = _pinhole_of_view(lens, imported.images[index])
        pinholes.append(known[key])
        K[index], sizes[index] = known[key].K, torch.tensor(known[key].size)
    cameras = Cameras(K, imported.cameras.camera_from_world, sizes, imported.cameras.names)
    return _Straight(cameras, tuple(pinholes))


def _pinhole_of_view(lens: Lens, image: Path) -> Straightened:
    try:
        return pinhole_of(lens)
    except InputError as error:
        raise InputError(error.message, path=image, hint=error.hint) from error


def _write_view(folder: Path, imported: Imported, straight: _Straight, index: int, *, link: bool) -> _Placed:
    """Picture, mask and depth map of a view."""
    name, source, mask = imported.cameras.names[index], imported.images[index], imported.masks[index]
    pinhole = straight.pinholes[index]
    suffix = source.suffix.lower()
    width, height = imported.cameras.size[index].tolist()
    turned = image_orientation(source) != 1 and _stored_size(source) == (width, height)
    frame = read_frame(source, upright=not turned)
    if pinhole is not None or turned:
        image = Path("images", name + (suffix if suffix in _JPEG else ".png"))
        write_image(folder / image, frame if pinhole is None else straighten_picture(frame, pinhole))
    else:
        image = Path("images", name + suffix)
        place_file(source, folder / image, link=link)
    if mask is not None:
        outline = _write_mask(folder, mask, name, (width, height), pinhole, link=link)
    else:
        outline = _write_white_mask(folder, straight.cameras, index) if any(imported.masks) else None
    return image, outline, _write_depth(folder, imported, straight, index)


def _write_mask(folder: Path, source: Path, name: str, size: tuple[int, int], pinhole: Straightened | None, *, link: bool) -> Path:
    mask = read_mask(source)
    if tuple(mask.shape) != size[::-1]:
        raise InputError(
            f"is a mask of {mask.shape[1]}x{mask.shape[0]}, its camera {size[0]}x{size[1]}",
            path=source,
            hint="make the masks from the pictures that were calibrated",
        )
    if pinhole is None:
        place = Path("masks", name + source.suffix.lower())
        place_file(source, folder / place, link=link)
    else:
        place = Path("masks", f"{name}.png")
        write_image(folder / place, straighten_mask(mask, pinhole))
    return place


def _write_white_mask(folder: Path, cameras: Cameras, index: int) -> Path:
    """Everything counts in a view that has no mask while others have one."""
    place = Path("masks", f"{cameras.names[index]}.png")
    width, height = cameras.size[index].tolist()
    write_image(folder / place, torch.full((height, width), 255, dtype=torch.uint8))
    return place


def _write_depth(folder: Path, imported: Imported, straight: _Straight, index: int) -> bool:
    """Whether the view has a depth map that fits its picture; it becomes an EXR file."""
    source = imported.depths[index]
    if source is None or straight.pinholes[index] is not None:
        return False
    depth = read_pfm(source)
    width, height = imported.cameras.size[index].tolist()
    if tuple(depth.shape) != (height, width):
        return False
    seen = depth.isfinite() & (depth > 0)
    write_depth(folder / "depth" / f"{imported.cameras.names[index]}.exr", torch.where(seen, depth, 0.0))
    return True


def _left_out(imported: Imported, done: list[_Placed]) -> tuple[str, ...]:
    given = sum(depth is not None for depth in imported.depths)
    kept = sum(has_depth for _, _, has_depth in done)
    return (f"{given - kept} of {given} depth maps were left out: they do not fit the pictures as they are now",) if kept < given else ()


def _stored_size(path: Path) -> tuple[int, int]:
    width, height = image_size(path)
    return (height, width) if image_orientation(path) >= 5 else (width, height)


def place_file(source: Path, target: Path, *, link: bool) -> None:
    """Copy a file, or make a symbolic link to it.

    Raises:
        InputError: the disk is full, or the place is not writable.
    """
    try:
        if link:
            target.symlink_to(source.resolve())
        else:
            shutil.copyfile(source, target)
    except OSError as error:
        raise write_error(target, error) from error
