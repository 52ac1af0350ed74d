"""Depth maps of several views in folders: depth/NAME.exr, normal/NAME.exr and confidence/NAME.exr, one file a camera."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.io.atomic import PathText
from recon_cli.io.exr import read_channels, read_depth, write_channels, write_depth

DEPTH, NORMAL, CONFIDENCE = "depth", "normal", "confidence"
NORMAL_CHANNELS = ("N.X", "N.Y", "N.Z")
CONFIDENCE_CHANNELS = ("Y",)
SUFFIXES = (".exr", ".pfm")
DepthKind = Literal["z", "ray"]


def write_depth_maps(folder: PathText, maps: DepthMaps) -> None:
    """Write depth/NAME.exr (channel Z, 32 bits) and, where there are some, normal/ and confidence/NAME.exr (16 bits: 0.03° and 0.0005).

    Raises:
        InputError: the disk is full, or the place is not writable.
    """
    place = Path(folder)
    for view, name in enumerate(maps.cameras.names):
        write_depth(place / DEPTH / f"{name}.exr", maps.depth[view])
        if maps.normals is not None:
            write_channels(place / NORMAL / f"{name}.exr", maps.normals[view], NORMAL_CHANNELS, half=True)
        if maps.confidence is not None:
            write_channels(place / CONFIDENCE / f"{name}.exr", maps.confidence[view][..., None], CONFIDENCE_CHANNELS, half=True)


def read_depth_maps(
    folder: PathText,
    cameras: Cameras,
    *,
    depth_kind: DepthKind = "z",
    is_partial: bool = False,
    note: Callable[[str], None] = lambda text: None,
) -> DepthMaps:
    """The depth maps of a scene or run folder, or of a folder of EXR or PFM files, in the order of the cameras.

    A map may have another size than its camera, which is then scaled with it. NaN, infinite and negative depths count as nothing seen.

    Args:
        folder: what holds depth/ (and normal/, confidence/ beside it), or the maps themselves.
        cameras: the views; files of other names are passed over.
        depth_kind: "ray" where the values are distances from the camera's centre (as Blender's Cycles wrote them): turned to z.
        is_partial: whether views without a map are left out; they are an error otherwise.
        note: told of values that count as nothing, and of views that are left out.

    Raises:
        InputError: a map is missing, damaged, has no valid value but some that are not finite, or another aspect than its camera.
    """
    place = Path(folder)
    depth_folder = place / DEPTH if (place / DEPTH).is_dir() else place
    files = [_map_file(depth_folder, name) for name in cameras.names]
    cameras, files = _present(cameras, files, depth_folder, is_partial=is_partial, note=note)
    depth = [_checked_depth(file, read_map(file), note) for file in files]
    cameras = _sized_like(cameras, depth, files)
    if depth_kind == "ray":
        depth = [z_from_ray(values, cameras[view]) for view, values in enumerate(depth)]
    normals = _beside(depth_folder, NORMAL, NORMAL_CHANNELS, cameras)
    confidence = _beside(depth_folder, CONFIDENCE, CONFIDENCE_CHANNELS, cameras)
    return DepthMaps(
        cameras,
        tuple(depth),
        None if normals is None else tuple(torch.nn.functional.normalize(values, dim=-1) for values in normals),
        None if confidence is None else tuple(values[..., 0].clamp(0, 1).half() for values in confidence),
    )


def read_map(path: PathText) -> Tensor:  # [H, W] float32
    """The depths of an EXR or PFM file as they are stored, row 0 on top.

    Raises:
        InputError: the file is missing, damaged or of another kind.
    """
    if Path(path).suffix.lower() != ".pfm":
        return read_depth(path)
    from recon_cli.io.importers.pfm import read_pfm

    return read_pfm(path)


def z_from_ray(distance: Tensor, camera: Cameras) -> Tensor:  # [H, W] -> [H, W]
    """z-depths of distances from a camera's centre along the rays of the pixels' centres [scene units]."""
    height, width = distance.shape
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    pixels = torch.stack([columns, rows, torch.ones_like(rows)], dim=-1).double()
    rays = pixels @ torch.linalg.inv(camera.K[0].double()).T  # [H, W, 3], z = 1
    return (distance.double() / rays.norm(dim=-1)).float()


def _map_file(folder: Path, name: str) -> Path | None:
    return next((file for suffix in SUFFIXES if (file := folder / f"{name}{suffix}").exists()), None)


def _present(
    cameras: Cameras, files: Sequence[Path | None], folder: Path, *, is_partial: bool, note: Callable[[str], None]
) -> tuple[Cameras, list[Path]]:
    missing = [name for name, file in zip(cameras.names, files, strict=True) if file is None]
    if missing:
        some = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        if not is_partial or len(missing) == len(cameras):
            raise InputError(
                f"has depth maps of {len(cameras) - len(missing)} of {len(cameras)} cameras; there is none for {some}",
                path=folder,
                hint=f"expected a file {missing[0]}.exr",
            )
        note(f"{folder}: no depth map of {some}; left out")
    kept = [index for index, file in enumerate(files) if file is not None]
    return cameras.chosen(kept), [file for file in files if file is not None]


def _checked_depth(file: Path, depth: Tensor, note: Callable[[str], None]) -> Tensor:
    is_bad = ~torch.isfinite(depth) | (depth < 0)
    count = int(is_bad.sum())
    if not count:
        return depth
    if not bool((~is_bad & (depth > 0)).any()):
        raise InputError(
            f"has no valid depth: {count} of {depth.numel()} values are NaN, infinite or negative",
            path=file,
            hint="expected positive z-depths, and 0 where nothing is seen; leave the view out or write the map again",
        )
    note(f"{file}: {count} of {depth.numel()} depths are NaN, infinite or negative and count as nothing")
    return torch.where(is_bad, torch.zeros(()), depth)


def _sized_like(cameras: Cameras, maps: Sequence[Tensor], files: Sequence[Path]) -> Cameras:
    """The cameras at the sizes of their maps."""
    sizes = torch.tensor([[values.shape[1], values.shape[0]] for values in maps])
    for size, map_size, name, file in zip(cameras.size.tolist(), sizes.tolist(), cameras.names, files, strict=True):
        if abs(map_size[0] * size[1] - map_size[1] * size[0]) > max(size):  # a pixel from rounding
            raise InputError(
                f"the depth map of camera {name!r} is {map_size[0]}x{map_size[1]}, its camera {size[0]}x{size[1]}, of another aspect",
                path=file,
                hint="give the maps of these pictures, not cut ones",
            )
    scale = torch.cat([sizes / cameras.size, torch.ones(len(cameras), 1)], dim=1)
    return replace(cameras, K=cameras.K * scale.to(cameras.K)[:, :, None], size=sizes)


def _beside(depth_folder: Path, noun: str, channels: Sequence[str], cameras: Cameras) -> list[Tensor] | None:
    """The maps of another kind next to depth/, where every camera has one; a value that is not finite becomes 0."""
    folder = depth_folder.parent / noun
    files = [folder / f"{name}.exr" for name in cameras.names]
    if depth_folder.name != DEPTH or not all(file.exists() for file in files):
        return None
    found = []
    for file, size in zip(files, cameras.size.tolist(), strict=True):
        values = read_channels(file, channels)
        if [values.shape[1], values.shape[0]] != size:
            seen = f"{values.shape[1]}x{values.shape[0]}"
            raise InputError(f"is {seen}, the depth map beside it {size[0]}x{size[1]}", path=file, hint="write both again")
        found.append(torch.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0))
    return found
