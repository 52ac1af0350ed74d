"""What every foreign dataset comes down to: calibrated pictures, as they lie on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.distortion import Distortion
from recon_cli.core.errors import InputError
from recon_cli.core.points import PointSet
from recon_cli.io.atomic import PathText
from recon_cli.io.images import image_orientation, image_size

_ROTATION_TOLERANCE = 1e-3
_ROUNDING = 1e-5
_SMALLEST_FOCAL_LENGTH = 1e-6  # px
_SAME_PLACE = 1e-9  # of the cameras' distances from the origin: nothing but rounding
_FARTHEST_PRINCIPAL_POINT = 0.35  # of the picture's side, from its middle


@dataclass(frozen=True)
class View:
    """One camera of a foreign dataset, in the file's own pixel convention.

    Attributes:
        picture: the picture's name in the dataset, with its suffix; the camera is named after it.
        image: where the picture lies.
        K: intrinsics [px] as the file has them, shape [3, 3].
        camera_from_world: rigid transform, shape [4, 4].
        size: (width, height) [px] that the file states, or None where it leaves that to the picture.
        mask: where the mask lies, black = ignore.
        depth: where a z-depth map lies.
        distortion: the lens, or None for a pinhole.
        place: where in the file the camera stands, for complaints.
    """

    picture: str
    image: Path
    K: np.ndarray
    camera_from_world: np.ndarray
    size: tuple[int, int] | None = None
    mask: Path | None = None
    depth: Path | None = None
    distortion: Distortion | None = None
    place: str = ""


@dataclass(frozen=True)
class Imported:
    """A dataset in the house's conventions; each tuple has an entry a camera.

    Attributes:
        cameras: float64; the centre of the top-left pixel is (0.5, 0.5). World frame and scale are the dataset's.
        images: the pictures, still distorted.
        masks: the masks, None where there is none.
        depths: z-depth maps (PFM), None where there is none.
        distortion: the lenses, None for a pinhole.
        points: sparse points, if any.
        bounds: a box around the object, float64, shape [2, 3], if known.
        notes: what a person should know of it.
    """

    cameras: Cameras
    images: tuple[Path, ...]
    masks: tuple[Path | None, ...]
    depths: tuple[Path | None, ...]
    distortion: tuple[Distortion | None, ...]
    points: PointSet | None = None
    bounds: Tensor | None = None
    notes: tuple[str, ...] = ()


def gather(
    views: Sequence[View],
    *,
    first_pixel: float,
    path: PathText,
    points: PointSet | None = None,
    bounds: Tensor | None = None,
    notes: Sequence[str] = (),
) -> Imported:
    """Check the views of a dataset and bring them into the house's pixel convention.

    Args:
        views: the cameras.
        first_pixel: coordinates of the top-left pixel's centre in the dataset: 0 or 0.5.
        path: the dataset, for complaints.
        points: sparse points.
        bounds: a box around the object.
        notes: what a person should know.

    Raises:
        InputError: there is no camera, a picture is missing or has another size than its camera, K is singular, a pose is no rotation,
            or all cameras stand in one place.
    """
    if not views:
        raise InputError("holds no cameras, expected at least one", path=path, hint="check that the calibration succeeded")
    _check_pictures_exist(views, path)
    views = [replace(_with_size(view), K=_tidy(view.K)) for view in views]
    for view in views:
        _check_numbers(view, path)
    poses = torch.from_numpy(np.stack([view.camera_from_world for view in views]).astype(np.float64))
    _check_places(poses, path)
    shift = np.array([[1.0, 0.0, 0.5 - first_pixel], [0.0, 1.0, 0.5 - first_pixel], [0.0, 0.0, 1.0]])
    K = torch.from_numpy(np.stack([shift @ view.K.astype(np.float64) for view in views]))
    sizes = torch.tensor([view.size for view in views])
    cameras = Cameras(K, poses, sizes, camera_names([view.picture for view in views]))
    return Imported(
        cameras,
        tuple(view.image for view in views),
        tuple(view.mask for view in views),
        tuple(view.depth for view in views),
        tuple(None if view.distortion is None or view.distortion.is_pinhole else view.distortion for view in views),
        points,
        bounds,
        (*notes, *_oddities(cameras)),
    )


def camera_names(pictures: Sequence[str]) -> tuple[str, ...]:
    """A name for each picture, fit to be part of file names: its stem, or its whole path where stems repeat.

    Raises:
        InputError: a picture appears twice.
    """
    paths = [PurePosixPath(picture.replace("\\", "/")) for picture in pictures]
    kinds = (
        [path.stem for path in paths],
        ["_".join(path.with_suffix("").parts).strip("/") for path in paths],
        ["_".join(path.parts).strip("/") for path in paths],
    )
    for names in kinds:
        if len(set(names)) == len(names):
            return tuple(names)
    twice = next(name for name in kinds[-1] if kinds[-1].count(name) > 1)
    raise InputError(f"two cameras have the same picture {twice}, expected one each", hint="remove one of them")


def _check_pictures_exist(views: Sequence[View], path: PathText) -> None:
    missing = [view for view in views if not view.image.is_file()]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(views)} cameras have no picture; the first is {missing[0].picture}, expected at {missing[0].image}",
            path=path,
            hint="give the folder of the pictures with --images",
        )


def _with_size(view: View) -> View:
    """The view with its picture's size, which must be the one that the file states."""
    seen = image_size(view.image)
    # Calibrations are made on the pixels as stored; only a file that states the turned size means the turned picture.
    stored = seen[::-1] if image_orientation(view.image) >= 5 else seen
    if view.size is None:
        return replace(view, size=stored)
    if view.size not in (seen, stored):
        raise InputError(
            f"is {seen[0]}x{seen[1]}, its camera {view.size[0]}x{view.size[1]}",
            path=view.image,
            hint="give the pictures that were calibrated with --images, or scale these to that size",
        )
    return view


def _tidy(K: np.ndarray) -> np.ndarray:  # [3, 3]
    """K with an exact 1 in its corner and exact zeros below its diagonal, where rounding in the file left others."""
    K = np.array(K, dtype=np.float64)
    if np.isfinite(K).all() and abs(K[2, 2] - 1) < _ROUNDING:
        K = K / K[2, 2]
    below = np.tri(3, k=-1, dtype=bool) & (np.abs(K) < _ROUNDING)
    return np.where(below, 0.0, K)


def _check_numbers(view: View, path: PathText) -> None:
    K, pose, place = view.K, view.camera_from_world, view.place or f"the camera of {view.picture}"
    if not (np.isfinite(K).all() and np.isfinite(pose).all()):
        raise InputError(f"{place} holds NaN or infinity, expected finite numbers", path=path, hint="calibrate again")
    lower = [K[1, 0], K[2, 0], K[2, 1], K[2, 2] - 1]
    if not (K[0, 0] > _SMALLEST_FOCAL_LENGTH and K[1, 1] > _SMALLEST_FOCAL_LENGTH) or any(lower):
        raise InputError(
            f"{place}: K is singular or no calibration matrix: {np.array2string(K, precision=6, separator=', ').replace(chr(10), '')}; "
            "expected [[fx, skew, cx], [0, fy, cy], [0, 0, 1]] with positive fx and fy",
            path=path,
            hint="correct the calibration of this camera",
        )
    rotation = pose[:3, :3]
    with np.errstate(over="ignore", invalid="ignore"):
        deviation, determinant = float(np.abs(rotation @ rotation.T - np.eye(3)).max()), float(np.linalg.det(rotation))
    if not (deviation <= _ROTATION_TOLERANCE and determinant > 0):
        raise InputError(
            f"{place}: the pose is no rotation: R Rᵀ differs from the identity by {deviation:.3g}, its determinant is "
            f"{determinant:.4g}; expected at most {_ROTATION_TOLERANCE:g} and 1",
            path=path,
            hint="a pose is a rotation and a translation; move a scale into the translations and points",
        )


def _check_places(poses: Tensor, path: PathText) -> None:
    """Depth needs two places to look from."""
    if len(poses) < 2:
        return
    centres = -(poses[:, :3, :3].transpose(1, 2) @ poses[:, :3, 3:])[..., 0]
    spread = float((centres - centres[0]).abs().max())
    if spread <= _SAME_PLACE * float(centres.abs().max()):
        raise InputError(
            f"all {len(poses)} cameras stand in the same place, expected different ones",
            path=path,
            hint="pictures that turn on the spot show no depth; take them from several places, or calibrate again",
        )


def _oddities(cameras: Cameras) -> tuple[str, ...]:
    middle = cameras.K[:, :2, 2] / cameras.size
    odd = [index for index, away in enumerate((middle - 0.5).abs().amax(dim=1).tolist()) if away > _FARTHEST_PRINCIPAL_POINT]
    if not odd:
        return ()
    x, y = cameras.K[odd[0], :2, 2].tolist()
    width, height = cameras.size[odd[0]].tolist()
    first = f"first: {cameras.names[odd[0]]}, {x:.1f}, {y:.1f} in {width}x{height}"
    many = f"{len(odd)} of {len(cameras)} cameras"
    return (f"the principal point of {many} is far from the middle of the picture ({first}); is K for pictures of another size?",)
