"""Neighbouring pictures seen through a view's depth map: where the depth is right they look like the view's own picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recon_cli.core.camera_sizes import shrunk
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.scene import Scene
from recon_cli.metrics.photometric import WarpSettings, local_ncc, warp_picture
from recon_cli.run.pictures import BACKDROP, resized

if TYPE_CHECKING:
    from recon_cli.run.pictures import Picture

_SETTINGS = WarpSettings()


@dataclass(frozen=True)
class Reprojection:
    """A view beside its neighbours as its depth map moves them.

    Attributes:
        view: index of the view.
        neighbours: indices of the others.
        pictures: the view's own picture, then each neighbour warped into it.
        ncc: mean local normalised cross-correlation with each neighbour, NaN where nothing overlaps.
    """

    view: int
    neighbours: tuple[int, ...]
    pictures: tuple[Picture, ...]
    ncc: tuple[float, ...]


def small_views(scene: Scene, maps: DepthMaps, *, side: int) -> tuple[Scene, DepthMaps]:
    """Pictures and maps of the same views with longest sides of at most ``side`` [px]; depth is sampled, never mixed."""
    cameras = shrunk(scene.cameras, side)
    images, depths = [], []
    for view, (width, height) in enumerate(cameras.size.tolist()):
        images.append(torch.from_numpy(resized(scene.images[view].cpu().numpy(), width, height).copy()))
        depths.append(sampled(maps.depth[view].cpu(), width, height))
    return Scene(cameras, tuple(images)), DepthMaps(cameras, tuple(depths))


def sampled(values: Tensor, width: int, height: int) -> Tensor:  # [H', W'] -> [H, W]
    """A map at another size [px], each of its values one of the old ones."""
    rows = ((torch.arange(height) + 0.5) * values.shape[0] / height).long()
    columns = ((torch.arange(width) + 0.5) * values.shape[1] / width).long()
    return values[rows][:, columns].contiguous()


def reproject(scene: Scene, maps: DepthMaps, view: int, neighbours: Sequence[int]) -> Reprojection:
    """Warp pictures into a view through its depth map; what is unknown or hidden is the backdrop."""
    own = scene.images[view]
    pictures, scores = [own.numpy()], []
    for other in neighbours:
        channels = scene.images[other].float().unbind(dim=-1)
        warps = [warp_picture(channel, scene, maps, other, view, occlusion=_SETTINGS.occlusion) for channel in channels]
        warped, is_seen = torch.stack([picture for picture, _ in warps], dim=-1), warps[0][1]
        pictures.append(_shown(warped, is_seen))
        ncc = local_ncc(_grey(own), _grey(warped), is_seen, window=_SETTINGS.window, noise=_SETTINGS.noise)
        scores.append(float(ncc.nanmean()))
    return Reprojection(view, tuple(neighbours), tuple(pictures), tuple(scores))


def _grey(picture: Tensor) -> Tensor:  # [H, W, 3] -> [H, W]
    return picture.float().mean(dim=-1)


def _shown(picture: Tensor, is_seen: Tensor) -> Picture:  # [H, W, 3], [H, W] bool
    shown = picture.round().clamp(0, 255).to(torch.uint8)
    shown[~is_seen] = torch.tensor(BACKDROP, dtype=torch.uint8)
    return shown.numpy()
