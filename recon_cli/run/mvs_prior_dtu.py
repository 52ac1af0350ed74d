"""DTU's training folder in MVSNet's layout.

Cameras/train/NNNNNNNN_cam.txt, Rectified/SCAN/rect_NNN_LIGHT_*.png and Depths/SCAN/depth_map_NNNN.pfm. The cameras are those of the depth
maps; pictures of another size are averaged down to it. The numbers of pictures begin at 1, all others at 0.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.core.natural_order import natural_key
from recon_cli.core.scene import Scene
from recon_cli.io.depth_folders import read_map
from recon_cli.io.images import read_frame
from recon_cli.io.importers.mvsnet import read_cam
from recon_cli.systems.mvs.prior_samples import TrainingScene

CAMERAS, PICTURES, DEPTHS = Path("Cameras/train"), "Rectified", "Depths"
LIGHT = 3
"""The illumination that is read, of seven: the most even one."""
CENTRED = 0.25
"""Largest distance of the principal point from the middle of a depth map, as a share of its side: cameras of another size lie farther."""


def is_dtu(path: Path) -> bool:
    """Whether a folder is laid out so."""
    return all((path / name).is_dir() for name in (CAMERAS, PICTURES, DEPTHS))


def dtu_scans(path: Path) -> list[Path]:
    """The folders of the scans that have depth maps and pictures, below ``Depths``, in natural order.

    Raises:
        InputError: there is none.
    """
    scans = [scan for scan in (path / DEPTHS).iterdir() if scan.is_dir() and (path / PICTURES / scan.name).is_dir()]
    if not scans:
        raise InputError(f"has no scan that is both in {DEPTHS}/ and in {PICTURES}/", path=path, hint="unpack both archives here")
    return sorted(scans, key=lambda scan: natural_key(scan.name))


def read_dtu_scan(scan: Path) -> TrainingScene:
    """Pictures of one illumination, cameras and depth maps of a scan; views that lack one of them are left out.

    Raises:
        InputError: a file is damaged, the cameras belong to another size, or fewer than two views are whole.
    """
    root = scan.parent.parent
    found = (_view(root, scan, file) for file in sorted(scan.glob("depth_map_*.pfm")))
    views = [view for view in found if view is not None]
    if len(views) < 2:
        raise InputError(f"has {len(views)} views with picture, camera and depth map; expected two at least", path=scan)
    depths = [read_map(depth) for _, _, depth in views]
    depths = [torch.where(depth.isfinite() & (depth > 0), depth, torch.zeros(())) for depth in depths]
    cameras = _cameras([camera for camera, _, _ in views], depths)
    images = tuple(averaged(read_frame(image), depth) for (_, image, _), depth in zip(views, depths, strict=True))
    return TrainingScene(Scene(cameras, images), DepthMaps(cameras, tuple(depths)))


def _view(root: Path, scan: Path, depth: Path) -> tuple[Path, Path, Path] | None:
    """Camera, picture and depth map of one view."""
    number = depth.stem.removeprefix("depth_map_")
    if not number.isdigit():
        return None
    camera = root / CAMERAS / f"{int(number):08d}_cam.txt"
    images = sorted((root / PICTURES / scan.name).glob(f"rect_{int(number) + 1:03d}_{LIGHT}_*.png"))
    return (camera, images[0], depth) if images and camera.is_file() else None


def _cameras(files: list[Path], depths: list[Tensor]) -> Cameras:
    cams = [read_cam(file) for file in files]
    K = torch.stack([torch.from_numpy(cam.K) for cam in cams])
    for file, depth, (cx, cy) in zip(files, depths, K[:, :2, 2].tolist(), strict=True):
        height, width = depth.shape
        if max(abs(cx / width - 0.5), abs(cy / height - 0.5)) > CENTRED:
            raise InputError(
                f"has its principal point at ({cx:.0f}, {cy:.0f}), which is far from the middle of a {width}x{height} depth map",
                path=file,
                hint=f"{CAMERAS} holds cameras of the size of the depth maps; keep both from one release",
            )
    K[:, :2, 2] += 0.5  # MVSNet's pixels have their centres at whole numbers
    poses = torch.stack([torch.from_numpy(cam.camera_from_world) for cam in cams])
    size = torch.tensor([[depth.shape[1], depth.shape[0]] for depth in depths])
    return Cameras(K, poses, size)


def averaged(image: Tensor, depth: Tensor) -> Tensor:  # [h, w, 3] uint8 -> [H, W, 3] uint8
    """A picture at the size of a depth map."""
    if image.shape[:2] == depth.shape:
        return image
    planes = image.permute(2, 0, 1)[None].float()
    return functional.interpolate(planes, depth.shape, mode="area")[0].permute(1, 2, 0).round().to(torch.uint8)
