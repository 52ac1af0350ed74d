"""Scenes of a user's own to train the photo-consistency network on: folders of pictures, cameras and depth maps, read when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.core.scene import Scene
from recon_cli.io.cameras import read_cameras
from recon_cli.io.depth_folders import DEPTH, read_depth_maps
from recon_cli.io.scenes import CAMERAS, read_scene
from recon_cli.systems.mvs.prior_samples import TrainingScene, TrainingScenes

KEPT = 4
"""Scenes that are held at a time."""


class FolderScenes:
    """``TrainingScenes`` of scene folders with depth/.

    Raises:
        InputError: a path holds no such scene; told from names alone, before anything is read.
    """

    def __init__(self, paths: Sequence[Path], *, max_size: int | None = None) -> None:
        self._paths = list(paths)
        self._max_size = max_size
        self._read: dict[int, TrainingScene] = {}
        for path in self._paths:
            check_scene_folder(path)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> TrainingScene:
        if index not in self._read:
            while len(self._read) >= KEPT:
                del self._read[next(iter(self._read))]
            self._read[index] = read_training_scene(self._paths[index], max_size=self._max_size)
        return self._read[index]


class JoinedScenes:
    """Several ``TrainingScenes`` one after the other."""

    def __init__(self, *parts: TrainingScenes) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    def __getitem__(self, index: int) -> TrainingScene:
        for part in self._parts:
            if index < len(part):
                return part[index]
            index -= len(part)
        raise IndexError(index)


def check_scene_folder(path: Path) -> None:
    """Refuse a path without cameras or depth maps.

    Raises:
        InputError: what is missing.
    """
    if not (path / CAMERAS).is_file() or not (path / DEPTH).is_dir():
        raise InputError(
            f"is no scene to train on; expected {CAMERAS}, images/ and {DEPTH}/",
            path=path,
            hint="recon prepare cameras makes a scene folder of other formats",
        )


def read_training_scene(path: Path, *, max_size: int | None = None) -> TrainingScene:
    """A scene whose pictures have the size of its depth maps: those are exact at the centres of their own pixels.

    Raises:
        InputError: a file is missing or damaged, or fewer than two views have depth.
    """
    check_scene_folder(path)
    depths = read_depth_maps(path / DEPTH, read_cameras(path / CAMERAS), is_partial=True)
    if len(depths) < 2:
        raise InputError(f"has depth maps of {len(depths)} view; expected two at least", path=path)
    depths = DepthMaps(depths.cameras, depths.depth)
    scene = read_scene(path)
    place = {name: view for view, name in enumerate(scene.cameras.names)}
    images = [scene.images[place[name]] for name in depths.cameras.names]
    if max_size is not None:
        depths = _thinned(depths, max_size)
    sizes = depths.cameras.size.tolist()
    return TrainingScene(Scene(depths.cameras, tuple(_resized(image, *size) for image, size in zip(images, sizes, strict=True))), depths)


def _thinned(depths: DepthMaps, max_size: int) -> DepthMaps:
    """Every n-th row and column, for the least odd n that is enough: the centres of these pixels are centres of the larger ones."""
    step = max(-(-int(depths.cameras.size.max()) // max_size), 1)
    step += 1 - step % 2
    if step == 1:
        return depths
    maps = tuple(depth[: depth.shape[0] // step * step, : depth.shape[1] // step * step] for depth in depths.depth)
    maps = tuple(depth[step // 2 :: step, step // 2 :: step].contiguous() for depth in maps)
    return DepthMaps(_thinned_cameras(depths, maps, step), maps)


def _thinned_cameras(depths: DepthMaps, maps: Sequence[Tensor], step: int):
    from dataclasses import replace

    scale = torch.tensor([1 / step, 1 / step, 1.0], dtype=torch.float64)
    size = torch.tensor([[depth.shape[1], depth.shape[0]] for depth in maps])
    return replace(depths.cameras, K=depths.cameras.K * scale[:, None], size=size)


def _resized(image: Tensor, width: int, height: int) -> Tensor:  # [H, W, 3] uint8 -> [height, width, 3] uint8
    if image.shape[:2] == (height, width):
        return image
    planes = image.permute(2, 0, 1)[None].float()
    return functional.interpolate(planes, (height, width), mode="area")[0].permute(1, 2, 0).round().to(torch.uint8)
