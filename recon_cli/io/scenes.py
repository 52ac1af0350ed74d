"""Scene folders: images/, masks/, cameras.json and points.ply, read whole and written whole."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.camera_sizes import shrunk, shrunk_size
from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError, UsageError
from recon_cli.core.scene import Scene
from recon_cli.io.atomic import PathText, check_output_folder
from recon_cli.io.cameras import CameraFile, read_camera_file, write_cameras
from recon_cli.io.depth_folders import write_depth_maps
from recon_cli.io.images import IMAGE_SUFFIXES, image_size, read_cutout, read_frame, read_mask, write_image
from recon_cli.io.points import read_points, write_points

CAMERAS, IMAGES, MASKS, POINTS = "cameras.json", "images", "masks", "points.ply"
_SAME_PLACE = 1e-9  # of the cameras' distances from the origin: nothing but rounding
_T = TypeVar("_T")


def read_scene(
    path: PathText,
    *,
    max_size: int | None = None,
    leave_out: Sequence[str] = (),
    note: Callable[[str], None] = lambda text: None,
    skip: Callable[[str, str], None] | None = None,
) -> Scene:
    """The calibrated views of a scene folder, or of its cameras.json.

    The picture of a camera is the one that its record names, else images/NAME.*; its mask likewise, else masks/NAME.*. Without any masks
    the pictures' alpha channels are the masks, if one of them is not opaque. points.ply is taken along where there is one. Everything that
    can be told from headers is checked before the first picture is decoded.

    Args:
        path: the folder, or its cameras.json.
        max_size: longest side [px]; larger pictures are shrunk with antialiasing (masks by majority of area), and their cameras with them.
        leave_out: names of views that are not wanted.
        note: told that alpha channels are the masks.
        skip: told name and reason of each view whose mask is empty, which is then left out; without it such a view is an error.

    Raises:
        InputError: a picture is missing, damaged or not of its camera's size, a mask likewise or empty, a mask is missing while other views
            have one, all cameras stand in one place, a name in ``leave_out`` is unknown, or a file is not valid.
        UsageError: ``max_size`` is not positive.
    """
    file = _cameras_path(path)
    taken = _chosen(read_camera_file(file), leave_out, file)
    if max_size is not None and max_size < 1:
        raise UsageError(f"a largest size of {max_size} px; expected at least 1")
    cameras = taken.cameras
    images = _found(taken.images, cameras, file.parent / IMAGES)
    masks = _found(taken.masks, cameras, file.parent / MASKS)
    _check_complete(images, cameras, file)
    _check_masks_complete(masks, cameras, file)
    _check_places(cameras, file)
    jobs = list(zip(images, masks, cameras.names, cameras.size.tolist(), strict=True))
    _in_parallel(lambda job: _check_sizes(*job), jobs)
    is_cut_out = not any(masks) and not (file.parent / MASKS).is_dir()
    views = _in_parallel(lambda job: _read_view(job[0], job[1], max_size, is_cut_out=is_cut_out), jobs)
    if is_cut_out:
        views = _completed(views, note)
    points = file.parent / POINTS
    scene = Scene(
        shrunk(cameras, max_size),
        tuple(view[0] for view in views),
        tuple(view[1] for view in views if view[1] is not None) or None,
        read_points(points) if points.exists() else None,
        taken.bounds,
    )
    return _without_empty(scene, [mask or image for image, mask, _, _ in jobs], skip)


def write_scene(
    folder: PathText, scene: Scene, *, suffix: Literal["png", "jpg"] = "png", depths: DepthMaps | None = None, bounds: Tensor | None = None
) -> None:
    """Write a scene so that ``read_scene`` gives it back: images/NAME.SUFFIX, masks/NAME.png, points.ply, and cameras.json last.

    Args:
        folder: the folder, made where it is missing; other files in it stay.
        scene: what to write.
        suffix: "png" keeps every level; "jpg" is small.
        depths: exact or estimated depths, written as by ``write_depth_maps``.
        bounds: a box for cameras.json; None takes the scene's.

    Raises:
        InputError: the place is not writable, or a camera is not valid in a file.
    """
    place = check_output_folder(folder)
    names = scene.cameras.names
    jobs: list[tuple[Path, Tensor]] = [
        (place / IMAGES / f"{name}.{suffix}", image) for name, image in zip(names, scene.images, strict=True)
    ]
    if scene.masks is not None:
        jobs += [(place / MASKS / f"{name}.png", mask) for name, mask in zip(names, scene.masks, strict=True)]
    _in_parallel(lambda job: write_image(*job), jobs)
    if depths is not None:
        write_depth_maps(place, depths)
    if scene.points is not None:
        write_points(place / POINTS, scene.points)
    write_cameras(
        place / CAMERAS,
        scene.cameras,
        images=[f"{IMAGES}/{name}.{suffix}" for name in names],
        masks=None if scene.masks is None else [f"{MASKS}/{name}.png" for name in names],
        bounds=scene.bounds if bounds is None else bounds,
    )


def _cameras_path(path: PathText) -> Path:
    place = Path(path)
    if not place.is_dir():
        return place
    if not (place / CAMERAS).exists():
        raise InputError(
            f"has no {CAMERAS}, expected a scene folder",
            path=path,
            hint="make one from another program's calibration: `recon prepare cameras SOURCE -o SCENE`",
        )
    return place / CAMERAS


def _chosen(file: CameraFile, leave_out: Sequence[str], path: Path) -> CameraFile:
    names = file.cameras.names
    for name in leave_out:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"the cameras are {_some(names)}"
            raise InputError(f"there is no camera {name!r} to leave out", path=path, hint=hint)
    kept = [index for index, name in enumerate(names) if name not in leave_out]
    if not kept:
        raise InputError(f"all {len(names)} cameras are left out", path=path, hint="leave fewer views out")
    images, masks, times = (tuple(values[i] for i in kept) for values in (file.images, file.masks, file.times))
    return replace(file, cameras=file.cameras.chosen(kept), images=images, masks=masks, times=times)


def _found(named: Sequence[Path | None], cameras: Cameras, folder: Path) -> list[Path | None]:
    """The file of each camera: the named one, else the picture in ``folder`` whose name is the camera's."""
    stems: dict[str, list[str]] = {}
    for name in sorted(os.listdir(folder)) if folder.is_dir() else []:
        stem, suffix = os.path.splitext(name)
        if suffix.lower() in IMAGE_SUFFIXES:
            stems.setdefault(stem, []).append(name)
    found = list(named)
    for index, name in enumerate(cameras.names):
        candidates = [] if found[index] else stems.get(name, stems.get(os.path.splitext(name)[0], []))
        if len(candidates) > 1:
            raise InputError(f"holds {' and '.join(candidates)} for camera {name!r}, expected one", path=folder, hint="remove all but one")
        if candidates:
            found[index] = folder / candidates[0]
    return found


def _check_complete(images: Sequence[Path | None], cameras: Cameras, file: Path) -> None:
    missing = [name for name, image in zip(cameras.names, images, strict=True) if image is None or not image.exists()]
    if missing:
        named = _first_gone(images)
        add = f"add {IMAGES}/{missing[0]}.png" if named is None else f"{file.name} names {named}, which is not there: put it back"
        raise InputError(
            f"{len(cameras)} cameras but {len(cameras) - len(missing)} images; there is none for {_some(missing)}",
            path=file,
            hint=f"{add}, or leave the views out",
        )


def _check_masks_complete(masks: Sequence[Path | None], cameras: Cameras, file: Path) -> None:
    missing = [name for name, mask in zip(cameras.names, masks, strict=True) if mask is None or not mask.exists()]
    if not missing or not any(masks):
        return
    named = _first_gone(masks)
    hint = f"add {MASKS}/{missing[0]}.png (white all over where the outline is not known), or remove all masks"
    if named is not None:
        hint = f'{file.name} names {named}, which is not there: put it back, or remove "mask" from all records and the folder {MASKS}'
    raise InputError(
        f"{len(cameras)} cameras but {len(cameras) - len(missing)} masks; there is none for {_some(missing)}", path=file, hint=hint
    )


def _first_gone(files: Sequence[Path | None]) -> Path | None:
    return next((file for file in files if file is not None and not file.exists()), None)


def _check_places(cameras: Cameras, file: Path) -> None:
    if len(cameras) < 2:
        return
    centres = cameras.world_from_camera[:, :3, 3]
    if float((centres - centres[:1]).abs().max()) <= _SAME_PLACE * float(centres.abs().max()):
        raise InputError(
            f"all {len(cameras)} cameras stand in one place, expected views from different places: nothing tells depth",
            path=file,
            hint="check camera_from_world of the records",
        )


def _check_sizes(image: Path, mask: Path | None, name: str, size: list[int]) -> None:
    for path, noun in ((image, "picture"), (mask, "mask")):
        if path is not None and list(image_size(path)) != size:
            seen = "x".join(map(str, image_size(path)))
            raise InputError(
                f"the {noun} of camera {name!r} is {seen}, its camera {size[0]}x{size[1]}",
                path=path,
                hint="scale the file, or give the camera of this size (K scales with it)",
            )


_View = tuple[Tensor, Tensor | None]  # picture and mask


def _read_view(image: Path, mask: Path | None, max_size: int | None, *, is_cut_out: bool) -> _View:
    if is_cut_out:
        pixels, levels = read_cutout(image)
    else:
        pixels, levels = read_frame(image), None if mask is None else read_mask(mask)
    return _resized_image(pixels, max_size), None if levels is None else _resized_mask(levels, max_size)


def _completed(views: Sequence[_View], note: Callable[[str], None]) -> list[_View]:
    """The views of pictures with masks in their alpha channels; an opaque one among them shows nothing but the object."""
    count = sum(inside is not None for _, inside in views)
    if not count:
        return list(views)
    note(f"{count} of {len(views)} pictures are transparent in places: without {MASKS}/, their alpha channels are the masks")
    return [(pixels, torch.ones(pixels.shape[:2], dtype=torch.bool) if inside is None else inside) for pixels, inside in views]


def _without_empty(scene: Scene, files: Sequence[Path | None], skip: Callable[[str, str], None] | None) -> Scene:
    """The scene without the views whose mask is empty; ``files`` hold the masks."""
    empty = [index for index, mask in enumerate(scene.masks or ()) if not bool(mask.any())]
    if not empty:
        return scene
    if skip is None:
        name = scene.cameras.names[empty[0]]
        hint = "correct the mask, or leave the view out"
        raise InputError(f"the mask of camera {name!r} is empty: no pixel is inside", path=files[empty[0]], hint=hint)
    for index in empty:
        skip(scene.cameras.names[index], "its mask is empty")
    return scene.chosen([index for index in range(len(scene)) if index not in empty])


def _resized_image(pixels: Tensor, max_size: int | None) -> Tensor:  # [H, W, 3] uint8
    from PIL import Image

    height, width = pixels.shape[:2]
    size = shrunk_size(width, height, max_size)
    if size == (width, height):
        return pixels
    # A whole-number reduction by area first, as long as Lanczos still has three samples a pixel to weigh.
    small = Image.fromarray(pixels.numpy()).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return torch.from_numpy(np.array(small))


def _resized_mask(levels: Tensor, max_size: int | None) -> Tensor:  # [H, W] uint8 -> bool
    from PIL import Image

    height, width = levels.shape
    size = shrunk_size(width, height, max_size)
    if size == (width, height):
        return levels > 127
    share = Image.fromarray(levels.numpy()).resize(size, Image.Resampling.BOX)
    return torch.from_numpy(np.array(share)) > 127


def _in_parallel(work: Callable[..., _T], jobs: Sequence[object]) -> list[_T]:
    # Decoding, scaling and encoding hold no lock; more than a few threads would only hold more full-size pictures.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(work, jobs))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
