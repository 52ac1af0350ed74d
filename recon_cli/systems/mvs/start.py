"""Where the search begins: for each pixel the depths between which the surface may lie."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from recon_cli.core.camera_sizes import shrunk
from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthIntervals, DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.scene import Scene
from recon_cli.kernels.hull_box import scene_hull
from recon_cli.kernels.visual_hull import VisualHull
from recon_cli.render.depth import mesh_depths
from recon_cli.systems.mvs.config import StartConfig
from recon_cli.systems.mvs.start_bounds import Bounds, around_depth, as_box, box_interval

_QUANTILES = (0.01, 0.99)  # of sparse points' depths: some points are wrong
_FEWEST_POINTS = 8  # in one picture; with fewer the points of all pictures bound its depths
_NEAREST = 1e-3  # of the far depth: intervals begin before the camera
_HINT = "give masks (masks/NAME.png), sparse points (points.ply), or a box (bounds in cameras.json)"


def depth_intervals(
    scene: Scene, config: StartConfig = StartConfig(), *, max_size: int, mesh: Mesh | None = None, maps: DepthMaps | None = None
) -> DepthIntervals:
    """Bounds of every pixel's depth, in maps whose longest side is ``max_size`` [px].

    A mesh or depth maps of another method, where given, bound the depths (Zins et al. 2022, Section 5.6) unless the recipe names something
    else. Pixels of which nothing lies in the mask get no interval.

    Args:
        scene: the views.
        config: what bounds the depths.
        max_size: longest side of the maps [px].
        mesh: an approximate surface [scene units].
        maps: depth maps of some or all views, by name.

    Raises:
        InputError: what the recipe names is not there, or nothing bounds the depths, or the visual hull is empty.
    """
    cameras = shrunk(scene.cameras, max_size)
    source = _chosen_source(scene, config, mesh, maps)
    if source == "hull":
        intervals = recipe_hull(scene, config).depth_intervals(cameras)
    elif source == "mesh":
        assert mesh is not None
        intervals = _around_depths(mesh_depths(mesh, _doubled(cameras)), cameras, config.mesh_share, None)
    elif source == "depth":
        assert maps is not None
        intervals = _around_depths(maps, cameras, config.depth_share, _ranges(scene, config, maps))
    elif source == "points":
        intervals = _from_ranges(cameras, _point_ranges(scene, config))
    else:
        assert scene.bounds is not None
        box = as_box(scene.bounds)
        intervals = _each(cameras, lambda view: box_interval(cameras[view], box))
    return _masked(intervals, scene)


def recipe_hull(scene: Scene, config: StartConfig) -> VisualHull:
    """The visual hull of a scene's masks, as the recipe wants it.

    Raises:
        InputError: nothing is left of it.
    """
    return scene_hull(scene, resolution=config.hull_resolution, tolerance=config.hull_tolerance, minimum_views=config.hull_views)


def _chosen_source(scene: Scene, config: StartConfig, mesh: Mesh | None, maps: DepthMaps | None) -> str:
    has = {
        "mesh": mesh is not None,
        "depth": maps is not None,
        "hull": scene.masks is not None,
        "points": scene.points is not None and len(scene.points) > 0,
        "bounds": scene.bounds is not None,
    }
    if config.source == "auto":
        found = next((name for name, is_there in has.items() if is_there), None)
        if found is None:
            raise InputError("nothing bounds the depths: the scene has no masks, no sparse points and no bounds", hint=_HINT)
        return found
    if not has[config.source]:
        there = ", ".join(name for name, is_there in has.items() if is_there) or "nothing"
        named = {"hull": "masks", "points": "sparse points", "bounds": "bounds", "mesh": "a mesh", "depth": "depth maps"}[config.source]
        hint = f"with this scene start.source can be: {there}" if there != "nothing" else _HINT
        raise InputError(f"start.source is {config.source}, but the scene has no {named.removeprefix('a ')}", hint=hint)
    return config.source


def _each(cameras: Cameras, interval: Callable[[int], Bounds]) -> DepthIntervals:
    found = [interval(view) for view in range(len(cameras))]
    guesses = [guess for _, _, guess in found if guess is not None]
    depth = tuple(guesses) if len(guesses) == len(found) else None
    return DepthIntervals(cameras, tuple(near for near, _, _ in found), tuple(far for _, far, _ in found), depth)


def _masked(intervals: DepthIntervals, scene: Scene) -> DepthIntervals:
    """The intervals, without those of pixels that no pixel of the mask touches."""
    if scene.masks is None:
        return intervals
    kept = [_touched(mask, near.shape) for mask, near in zip(scene.masks, intervals.near, strict=True)]

    def cut(maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(torch.where(keep.to(values.device), values, 0.0) for keep, values in zip(kept, maps, strict=True))

    depth = None if intervals.depth is None else cut(intervals.depth)
    return DepthIntervals(intervals.cameras, cut(intervals.near), cut(intervals.far), depth)


def _touched(mask: Tensor, shape: torch.Size) -> Tensor:  # [H, W] bool -> [h, w] bool
    """Where a pixel of the small picture, or one beside it, has a pixel of the mask."""
    small = torch.nn.functional.adaptive_max_pool2d(mask.float()[None], tuple(shape))
    return torch.nn.functional.max_pool2d(small, 3, stride=1, padding=1)[0] > 0


def _from_ranges(cameras: Cameras, ranges: Tensor) -> DepthIntervals:
    """The same interval for all pixels of a view; ``ranges`` is [C, 2]."""

    def interval(view: int) -> Bounds:
        like = torch.ones(cameras[view].height, cameras[view].width)
        near, far = ranges[view].tolist()
        return like * near, like * far, None

    return _each(cameras, interval)


def _point_ranges(scene: Scene, config: StartConfig) -> Tensor:  # [C, 2]
    """Nearest and farthest depth of the sparse points that each picture shows, but for the outermost hundredth, widened."""
    assert scene.points is not None
    pixels, depth = scene.cameras.project(scene.points.points.double())
    ranges, has_range = torch.zeros(len(scene), 2, dtype=torch.float64), []
    for view in range(len(scene)):
        shown = depth[view][_is_shown(scene, view, pixels[view], depth[view])]
        has_range.append(len(shown) >= _FEWEST_POINTS)
        if has_range[-1]:
            ranges[view] = torch.quantile(shown, torch.tensor(_QUANTILES, dtype=torch.float64))
    if not any(has_range):
        raise InputError(
            f"none of the {len(scene)} pictures shows {_FEWEST_POINTS} of the {len(scene.points)} sparse points inside its mask",
            hint="check that points.ply is in the cameras' frame and units",
        )
    return _widened(_completed(ranges, torch.tensor(has_range)), config.margin)


def _is_shown(scene: Scene, view: int, pixels: Tensor, depth: Tensor) -> Tensor:  # [N] bool
    mask = scene.mask(view)
    height, width = mask.shape
    column, row = pixels.nan_to_num(-1).clamp(-1, 2**30).floor().long().unbind(1)
    is_within = (depth > 0) & (column >= 0) & (row >= 0) & (column < width) & (row < height)
    return is_within & mask[row.clamp(0, height - 1), column.clamp(0, width - 1)].to(is_within.device)


def _completed(ranges: Tensor, has_range: Tensor) -> Tensor:  # [C, 2]
    """Views without a range of their own get the widest of the others."""
    known = ranges[has_range]
    widest = torch.stack([known[:, 0].min(), known[:, 1].max()])
    return torch.where(has_range[:, None], ranges, widest)


def _widened(ranges: Tensor, margin: float) -> Tensor:  # [C, 2]
    near, far = ranges.unbind(1)
    # Points on one plane before the camera have no range to speak of: a twentieth of the depth is the least.
    room = margin * torch.maximum(far - near, 0.05 * far)
    far = far + room
    return torch.stack([torch.maximum(near - room, _NEAREST * far), far], dim=1)


def _doubled(cameras: Cameras) -> Cameras:
    """Cameras of twice the size, so that a pixel of a small map knows the depths at four places in it."""
    scale = torch.tensor([2.0, 2.0, 1.0], dtype=cameras.K.dtype)
    return Cameras(cameras.K * scale[:, None], cameras.camera_from_world, cameras.size * 2, cameras.names)


def _ranges(scene: Scene, config: StartConfig, maps: DepthMaps) -> Tensor:  # [C, 2]
    """For pixels of which the given maps know nothing: the range of a view's known depths, widened."""
    ranges, has_range = torch.zeros(len(scene), 2, dtype=torch.float64), torch.zeros(len(scene), dtype=torch.bool)
    for name, depth in zip(maps.cameras.names, maps.depth, strict=True):
        known = depth[depth > 0].double()
        if name in scene.cameras.names and len(known):
            view = scene.cameras.names.index(name)
            known = known[:: max(1, len(known) // 100_000)]  # torch.quantile takes no more than 16 million values
            ranges[view], has_range[view] = torch.quantile(known, torch.tensor(_QUANTILES, dtype=torch.float64)), True
    if not bool(has_range.any()):
        raise InputError("the given depth maps know no depth of any view", hint="check their names: depth/NAME.exr for camera NAME")
    return _widened(_completed(ranges, has_range), config.margin)


def _around_depths(maps: DepthMaps, cameras: Cameras, share: float, fallback: Tensor | None) -> DepthIntervals:
    place = {name: index for index, name in enumerate(maps.cameras.names)}

    def interval(view: int) -> Bounds:
        name, size = cameras.names[view], (cameras[view].height, cameras[view].width)
        near, far = fallback[view].tolist() if fallback is not None else (0.0, 0.0)
        depth = maps.depth[place[name]] if name in place else torch.zeros(size)
        return around_depth(depth, size, share, (near, far))

    return _each(cameras, interval)
