"""The visual hull of a scene: the box around what silhouettes can show, the hull carved in it, or the reason why nothing is left."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.scene import Scene
from recon_cli.kernels import hull_votes
from recon_cli.kernels.hull_shares import MOST_OBJECTIONS
from recon_cli.kernels.launch import launch_bands
from recon_cli.kernels.silhouettes import Silhouettes
from recon_cli.kernels.visual_hull import HullSettings, VisualHull, carve

MASK_PIXELS = 3
"""Pixels of a silhouette's longest side for each voxel of a hull's: more of them cost time and memory and change little."""

_COARSE = 64  # voxels along the longest side while the box is looked for
_BLAME = 40  # and while wrong masks are
_FEWEST_POINTS = 20  # sparse points that can tell a box
_ROUNDS = 6
_SEEN_BY = (2 / 3, 1 / 2, 1 / 4, 0.0)  # shares of the views that must see a place of the box, the first that leaves something
_MARGIN = 0.05  # of the box's sides, added on each side
_FEWEST_JUDGES = 6  # views; of fewer each may rightly remove nearly everything
_REMOVED_BY_ONE = 20  # times what is left
_SETTLED = 0.9  # a box that keeps this share of its volume is not carved again


def scene_hull(scene: Scene, *, resolution: int = 192, tolerance: int | None = None, minimum_views: int | None = None) -> VisualHull:
    """The visual hull of a scene's masks, inside its bounds where it has some, else in a box that masks, or else sparse points, tell.

    Args:
        scene: the views.
        resolution: voxels along the longest side of the box.
        tolerance: masks that may exclude a place which belongs to the hull nevertheless; None lets one in 25 be wrong.
        minimum_views: views that must see a place in their picture; None asks one in 10 and at least 3.

    Raises:
        InputError: there are no masks, or nothing is left; the message names the mask that removed the most.
        UsageError: a number is out of its range.
    """
    if scene.masks is None:
        raise InputError("a visual hull needs masks, the scene has none", hint="add masks/NAME.png for every view; `recon prepare masks`")
    settings = HullSettings(
        resolution=resolution,
        tolerance=min(MOST_OBJECTIONS, len(scene) // 25) if tolerance is None else tolerance,
        minimum_views=max(3, len(scene) // 10) if minimum_views is None else minimum_views,
    )
    silhouettes = Silhouettes.of(scene.masks, scene.cameras, max_size=MASK_PIXELS * resolution, device=scene.masks[0].device)
    return visual_hull(silhouettes, scene.bounds if scene.bounds is not None else _points_box(silhouettes, scene), settings)


def _points_box(silhouettes: Silhouettes, scene: Scene) -> Tensor | None:  # [2, 3]
    """The box around most sparse points, half as large again on each side, where the masks' middles tell no place; else None."""
    if scene.points is None or len(scene.points) < _FEWEST_POINTS:
        return None
    try:
        _common_point(silhouettes)
    except InputError:
        points = scene.points.points.double().cpu()
        low, high = torch.quantile(points[:: 1 + len(points) // 100_000], torch.tensor([0.01, 0.99], dtype=torch.float64), dim=0)
        room = 0.5 * torch.maximum(high - low, 0.05 * (high - low).max())
        return torch.stack([low - room, high + room])
    return None


def visual_hull(silhouettes: Silhouettes, bounds: Tensor | None = None, settings: HullSettings = HullSettings()) -> VisualHull:
    """The visual hull in a box, or in one that is found.

    Args:
        silhouettes: the views' masks.
        bounds: lowest and highest corner of the box [scene units], shape [2, 3]; None finds one with ``find_box``.
        settings: how it is carved.

    Raises:
        InputError: nothing is left, or one mask removes nearly everything (the message names it), or no box can be found.
    """
    box = find_box(silhouettes, settings) if bounds is None else bounds
    hull = carve(silhouettes, box, settings)
    if hull.is_empty or _is_nearly_empty(silhouettes, box, settings):
        raise empty_hull(silhouettes, box, settings)
    return hull


def find_box(silhouettes: Silhouettes, settings: HullSettings = HullSettings()) -> Tensor:  # [2, 3]
    """The box around the hull: carved again and again on a coarse grid, from a cube about the point that the views look at.

    The cube reaches as far as the cameras stand from that point, so a rig on one side of the object gets a deep but bounded box. Where the
    pictures cut the object, the hull would reach to whatever ``settings.minimum_views`` see; what two thirds of them see is taken first.

    Raises:
        InputError: the views look at no common point, or nothing is left.
    """
    centre, distance = _common_point(silhouettes)
    cube = torch.stack([centre - distance, centre + distance])
    coarse = replace(settings, resolution=min(_COARSE, settings.resolution))
    for share in _SEEN_BY:
        chosen = replace(coarse, minimum_views=max(settings.minimum_views, math.ceil(share * len(silhouettes))))
        box = _shrunk_box(silhouettes, cube, chosen)
        if box is not None:
            margin = _MARGIN * (box[1] - box[0])
            return torch.stack([box[0] - margin, box[1] + margin])
        lenient = replace(chosen, tolerance=min(settings.tolerance + 1, MOST_OBJECTIONS))
        if not carve(silhouettes, cube, lenient).is_empty:
            break  # one mask is to blame; what fewer views see would be something beside the object
    raise empty_hull(silhouettes, cube, coarse)


def _shrunk_box(silhouettes: Silhouettes, box: Tensor, settings: HullSettings) -> Tensor | None:  # [2, 3]
    for _ in range(_ROUNDS):
        hull = carve(silhouettes, box, settings)
        if hull.is_empty:
            return None
        before = (box[1] - box[0]).prod()
        box = torch.stack([torch.maximum(box[0], hull.bounds[0] - hull.voxel), torch.minimum(box[1], hull.bounds[1] + hull.voxel)])
        if float((box[1] - box[0]).prod() / before) > _SETTLED:
            break
    return box


def empty_hull(silhouettes: Silhouettes, box: Tensor, settings: HullSettings) -> InputError:
    """Why nothing, or next to nothing, is left of a box: told by the mask without which the most would be."""
    against, _ = _objections(silhouettes, box, settings)
    decisive = _decisive(against, settings)
    is_decided = bool(decisive.any())
    blame = decisive if is_decided else against.sum(dim=0)
    view = int(blame.argmax())
    if not int(blame[view]):
        return InputError(
            "nothing is left of the visual hull, though no mask objects: hardly any view sees the box that bounds it",
            hint="look at the bounds of the scene, or let fewer views see a place (start.hull_views in a recipe)",
        )
    share = 100 * int(blame[view]) / max(1, len(against))
    how = "alone removed" if is_decided and settings.tolerance == 0 else "removed"
    return InputError(
        f"nothing is left of the visual hull; the mask of view {silhouettes.names[view]!r} {how} the most ({share:.0f} % of its box)",
        hint="look at that mask and its camera; leave the view out, or let more masks be wrong (start.hull_tolerance in a recipe)",
    )


def _is_nearly_empty(silhouettes: Silhouettes, box: Tensor, settings: HullSettings) -> bool:
    """Whether one mask alone removes nearly all that the others leave: a wrong mask may leave specks that few views see."""
    against, seen = _objections(silhouettes, box, settings)
    is_judged = seen >= min(settings.minimum_views, len(silhouettes))
    kept = int((is_judged & (against.sum(dim=1) <= settings.tolerance)).sum())
    return len(silhouettes) >= _FEWEST_JUDGES and int(_decisive(against[is_judged], settings).max()) > _REMOVED_BY_ONE * max(1, kept)


def _decisive(against: Tensor, settings: HullSettings) -> Tensor:  # [B, C] -> [C]
    """For each view the places that one objection fewer would have kept, and to which it objects."""
    return against[against.sum(dim=1) == settings.tolerance + 1].sum(dim=0)


def _objections(silhouettes: Silhouettes, box: Tensor, settings: HullSettings) -> tuple[Tensor, Tensor]:  # [B, C], [B]
    """Which views object to the voxels of a coarse grid (0 or 1), and how many see them."""
    low, high = box.double().cpu()
    voxel = float((high - low).max()) / _BLAME
    counts = ((high - low) / voxel - 1e-6).ceil().clamp(min=1).long().tolist()
    axes = [torch.arange(count, dtype=torch.int32) for count in counts]
    device = silhouettes.integrals.device
    blocks = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3).to(device)
    votes = torch.empty(len(blocks), len(silhouettes), dtype=torch.int8, device=device)
    looks = (silhouettes.matrices(low, voxel), silhouettes.starts, silhouettes.sizes, silhouettes.integrals)
    launch_bands(hull_votes.count_objections, len(blocks), (*looks, blocks, votes), device=device)
    votes = votes.cpu()
    return (votes == 1).to(torch.int16), (votes >= 0).sum(dim=1)


def _common_point(silhouettes: Silhouettes) -> tuple[Tensor, Tensor]:
    """The point nearest to the rays through the middles of the masks, and the median distance of the cameras from it."""
    middles = torch.stack([_middle(silhouettes, view) for view in range(len(silhouettes))])
    inverse = torch.linalg.inv(silhouettes.projection[:, :, :3])
    centres = -(inverse @ silhouettes.projection[:, :, 3:])[..., 0]  # [C, 3]
    rays = torch.nn.functional.normalize((inverse @ middles[..., None])[..., 0], dim=1)
    across = torch.eye(3, dtype=torch.float64) - rays[:, :, None] * rays[:, None, :]  # [C, 3, 3]
    system = across.sum(dim=0)
    point = torch.linalg.lstsq(system[None], (across @ centres[..., None]).sum(dim=0)[None]).solution[0, :, 0]
    depth = ((point - centres) * rays).sum(dim=1)
    if float(torch.linalg.eigvalsh(system)[0]) < 1e-6 * len(silhouettes) or float(depth.median()) <= 0:
        raise InputError(
            "the middles of the masks point at no common place before the cameras: the object's box cannot be found",
            hint="give sparse points (points.ply) or a box (bounds in cameras.json)",
        )
    # Linear algebra may differ in its last bits from run to run; the box, and with it every voxel, must not.
    step = 2.0 ** (math.floor(math.log2(float(depth.median()))) - 20)
    return (point / step).round() * step, (depth.median() / step).round() * step


def _middle(silhouettes: Silhouettes, view: int) -> Tensor:  # [3]
    """Middle of a mask [px], homogeneous."""
    width, height = silhouettes.sizes[view].cpu().ceil().long().tolist()
    start = int(silhouettes.starts[view])
    sums = silhouettes.integrals[start : start + (width + 1) * (height + 1)].view(height + 1, width + 1).cpu()
    levels = sums[1:, 1:] - sums[:-1, 1:] - sums[1:, :-1] + sums[:-1, :-1]
    columns, rows = levels.sum(dim=0).double(), levels.sum(dim=1).double()
    x = (columns * (torch.arange(width) + 0.5)).sum() / columns.sum()
    y = (rows * (torch.arange(height) + 0.5)).sum() / rows.sum()
    return torch.stack([x, y, torch.ones((), dtype=torch.float64)])
