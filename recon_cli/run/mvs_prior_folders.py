"""Scenes of a user's own to train the photo-consistency network on: folders of pictures, cameras and depth maps, read when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.core.scene import Scene
from recon_cli.io.cameras import read_cameras
from recon_cli.io.depth_folders import DEPTH, read_depth_maps
from recon_cli.io.scenes import CAMERAS, read_scene
from recon_cli.run.mvs_prior_dtu import averaged, dtu_scans, is_dtu, read_dtu_scan
from recon_cli.systems.mvs.prior_samples import TrainingScene, TrainingScenes

KEPT = 4
"""Scenes that are held at a time."""


class FolderScenes:
    """``TrainingScenes`` of scene folders with depth/, and of all scans of DTU's training folder.

    Raises:
        InputError: a path holds no such scene; told from names alone, before anything is read.
    """

    def __init__(self, paths: Sequence[Path], *, max_size: int | None = None) -> None:
        self._paths = [scan for path in paths for scan in (dtu_scans(path) if is_dtu(path) else [path])]
        self._max_size = max_size
        self._read: dict[int, TrainingScene] = {}
        for path in paths:
            if not is_dtu(path):
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
            f"is no scene to train on; expected {CAMERAS}, images/ and {DEPTH}/, or DTU's Cameras/train, Rectified and Depths",
            path=path,
            hint="recon prepare cameras makes a scene folder of other formats",
        )


def read_training_scene(path: Path, *, max_size: int | None = None) -> TrainingScene:
    """A scene whose pictures have the size of its depth maps: those are exact at the centres of their own pixels.

    Raises:
        InputError: a file is missing or damaged, or fewer than two views have depth.
    """
    item = _read_folder(path) if (path / CAMERAS).is_file() else read_dtu_scan(path)
    return item if max_size is None else _thinned(item, max_size)


def _read_folder(path: Path) -> TrainingScene:
    check_scene_folder(path)
    maps = read_depth_maps(path / DEPTH, read_cameras(path / CAMERAS), is_partial=True)
    if len(maps) < 2:
        raise InputError(f"has depth maps of {len(maps)} view; expected two at least", path=path)
    scene = read_scene(path)
    place = {name: view for view, name in enumerate(scene.cameras.names)}
    images = (scene.images[place[name]] for name in maps.cameras.names)
    images = tuple(averaged(image, depth) for image, depth in zip(images, maps.depth, strict=True))
    return TrainingScene(Scene(maps.cameras, images), DepthMaps(maps.cameras, maps.depth))


def _thinned(item: TrainingScene, max_size: int) -> TrainingScene:
    """Every n-th row and column of the depths, for the least odd n that is enough: the pictures' means over n x n pixels have their centres
    there."""
    cameras = item.depths.cameras
    step = max(-(-int(cameras.size.max()) // max_size), 1)
    step += 1 - step % 2
    if step == 1:
        return item
    sizes = [[side // step for side in size] for size in cameras.size.tolist()]
    starts = slice(step // 2, None, step)
    maps = tuple(
        depth[starts, starts][:height, :width].contiguous() for (width, height), depth in zip(sizes, item.depths.depth, strict=True)
    )
    images = tuple(
        averaged(image[: height * step, : width * step], depth)
        for (width, height), image, depth in zip(sizes, item.scene.images, maps, strict=True)
    )
    scale = torch.tensor([1 / step, 1 / step, 1.0], dtype=torch.float64)
    smaller = replace(cameras, K=cameras.K * scale[:, None], size=torch.tensor(sizes))
    return TrainingScene(Scene(smaller, images), DepthMaps(smaller, maps))
