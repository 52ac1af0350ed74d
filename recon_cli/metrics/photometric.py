"""How well a surface explains a view that had no part in its reconstruction, without any ground truth.

Pictures of other views are warped into the held-out one through the surface's depth and compared with what was photographed there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.core.scene import Scene

FORMULA = (
    "NCC of grey levels in a window, over its pixels that are seen in both views; variances are raised by noise²; a pixel's figure is the "
    "mean over the views that see it, a view's the mean over its pixels; score = mean with 0 for object pixels that no view covers"
)

_GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601)."""


@dataclass(frozen=True)
class WarpSettings:
    """How pictures are warped and compared.

    Attributes:
        neighbours: views warped into each held-out one, those that look from the nearest directions.
        window: side of the window [px], odd.
        noise: standard deviation of the pictures' noise [grey levels of 255]; flatter windows say nothing and score about 0.
        occlusion: a point is hidden from a view whose surface is nearer by more than this share of the depth.
        support: least share of a window's pixels that both views must see.
    """

    neighbours: int = 3
    window: int = 7
    noise: float = 2.0
    occlusion: float = 0.01
    support: float = 0.25


@dataclass(frozen=True)
class ViewAgreement:
    """What the warped pictures are worth in one held-out view.

    Attributes:
        name: of the view.
        ncc: mean local NCC over the covered pixels; NaN without any.
        covered: share of the object's pixels that have a figure.
        neighbours: names of the views that were warped.
    """

    name: str
    ncc: float
    covered: float
    neighbours: tuple[str, ...]

    @property
    def score(self) -> float:
        """Mean local NCC over all of the object's pixels, 0 where there is none: holes do not pay."""
        return self.ncc * self.covered if self.covered > 0 else 0.0

    def record(self) -> dict[str, object]:
        """All figures by name."""
        return {"view": self.name, "ncc": self.ncc, "covered": self.covered, "score": self.score, "neighbours": list(self.neighbours)}


def held_out_agreement(
    scene: Scene,
    surface: DepthMaps,
    held_out: Sequence[int],
    *,
    settings: WarpSettings = WarpSettings(),
) -> list[ViewAgreement]:
    """Agreement of every held-out view with pictures of the others warped into it.

    Args:
        scene: all views.
        surface: depths of the surface in every view of the scene, at the pictures' sizes.
        held_out: views that the reconstruction never saw; none of them is warped.
        settings: how.

    Raises:
        InputError: no view is held out, none is left, a number is no view, the sizes differ, or the window is no odd number.
    """
    _check(scene, surface, held_out, settings)
    others = [view for view in range(len(scene)) if view not in set(held_out)]
    greys = {view: _grey(scene.images[view]) for view in [*held_out, *others]}
    return [_agreement(scene, surface, greys, view, _nearest_directions(surface, view, others, settings), settings) for view in held_out]


def local_ncc(
    first: Tensor,  # [H, W]
    second: Tensor,  # [H, W]
    seen: Tensor,  # [H, W] bool
    *,
    window: int,
    noise: float,
    support: float = 0.25,
) -> Tensor:  # [H, W]
    """Normalised cross-correlation in a window around every pixel, over the pixels that are seen; NaN where too few are.

    Args:
        first: grey levels.
        second: grey levels.
        seen: where both mean something.
        window: side of the window [px], odd.
        noise: standard deviation whose square is added to both variances [grey levels].
        support: least share of the window's pixels that must be seen.
    """
    weight = seen.double()
    # Means are taken away first: a difference of large squares would lose the variance of flat windows.
    a, b = (torch.where(seen, grey.double() - _mean(grey, seen), 0.0) for grey in (first, second))
    count, sum_a, sum_b, sum_aa, sum_bb, sum_ab = _box_sums(torch.stack([weight, a, b, a * a, b * b, a * b]), window)
    share = count.clamp(min=1.0)
    variance_a, variance_b = sum_aa / share - (sum_a / share).square(), sum_bb / share - (sum_b / share).square()
    covariance = sum_ab / share - sum_a * sum_b / share.square()
    ncc = covariance / ((variance_a.clamp(min=0) + noise**2) * (variance_b.clamp(min=0) + noise**2)).sqrt()
    return torch.where(seen & (count >= support * window**2), ncc, torch.nan)


def _agreement(
    scene: Scene, surface: DepthMaps, greys: dict[int, Tensor], view: int, sources: Sequence[int], settings: WarpSettings
) -> ViewAgreement:
    inside = scene.mask(view)
    figures = []
    for source in sources:
        warped, seen = warp_picture(greys[source], scene, surface, source, view, occlusion=settings.occlusion)
        seen = seen & inside
        figures.append(local_ncc(greys[view], warped, seen, window=settings.window, noise=settings.noise, support=settings.support))
    stack = torch.stack(figures)  # [N, H, W]
    is_covered = ~stack.isnan().all(dim=0)
    mean = stack.nanmean(dim=0)[is_covered]
    area = int(inside.sum())
    names = tuple(scene.cameras.names[source] for source in sources)
    return ViewAgreement(scene.cameras.names[view], float(mean.mean()), int(is_covered.sum()) / area if area else 0.0, names)


def warp_picture(
    grey: Tensor,  # [H', W']
    scene: Scene,
    surface: DepthMaps,
    source: int,
    view: int,
    *,
    occlusion: float,
) -> tuple[Tensor, Tensor]:  # [H, W], [H, W] bool
    """A source's picture as it would look from another view, and where it is seen from both.

    Args:
        grey: the source's picture.
        scene: all views.
        surface: depths of the surface in every view.
        source: view whose picture is warped.
        view: view that it is warped into.
        occlusion: a point is hidden from the source where its surface is nearer by more than this share of the depth.
    """
    depth = surface.depth[view].double()
    height, width = depth.shape
    row, column = torch.nonzero(depth > 0, as_tuple=True)
    pixels = torch.stack([column, row], dim=-1).double() + 0.5
    points = scene.cameras[view].unproject(pixels[None], depth[row, column][None])[0]
    found, found_depth = (values[0] for values in scene.cameras[source].project(points))
    size = torch.tensor([grey.shape[1], grey.shape[0]])
    is_in_picture = ((found >= 0.5) & (found <= size - 0.5)).all(dim=-1) & (found_depth > 0)
    values = _sample(grey, found)
    own, own_column = surface.depth[source], found[:, 0].long().clamp(0, grey.shape[1] - 1)
    nearest = own[found[:, 1].long().clamp(0, grey.shape[0] - 1), own_column].double()
    is_visible = is_in_picture & (nearest > 0) & (nearest > (1 - occlusion) * found_depth)
    warped, seen = torch.zeros(height, width, dtype=grey.dtype), torch.zeros(height, width, dtype=torch.bool)
    warped[row, column], seen[row, column] = values, is_visible
    return warped, seen


def _sample(grey: Tensor, pixels: Tensor) -> Tensor:  # [H, W], [N, 2] -> [N]
    size = torch.tensor([grey.shape[1], grey.shape[0]])
    places = (2 * pixels / size - 1).clamp(-2, 2).to(grey.dtype)
    return F.grid_sample(grey[None, None], places[None, None], padding_mode="border", align_corners=False)[0, 0, 0]


def _nearest_directions(surface: DepthMaps, view: int, others: Sequence[int], settings: WarpSettings) -> list[int]:
    """The other views that look at the middle of what this one sees from the nearest directions."""
    depth = surface.depth[view].double()
    row, column = torch.nonzero(depth > 0, as_tuple=True)
    if not len(row):
        return list(others[: settings.neighbours])
    camera = surface.cameras[view]
    pixels = torch.stack([column, row], dim=-1).double() + 0.5
    middle = camera.unproject(pixels[None], depth[row, column][None])[0].median(dim=0).values
    directions = F.normalize(surface.cameras.world_from_camera[:, :3, 3] - middle, dim=-1)
    cosines = directions[list(others)] @ directions[view]
    order = cosines.argsort(descending=True, stable=True)[: settings.neighbours]
    return [others[int(place)] for place in order]


def _grey(image: Tensor) -> Tensor:  # [H, W, 3] uint8 -> [H, W] float32
    return image.float() @ torch.tensor(_GREY)


def _mean(values: Tensor, seen: Tensor) -> Tensor:
    return values[seen].double().mean() if bool(seen.any()) else torch.zeros((), dtype=torch.float64)


def _box_sums(maps: Tensor, window: int) -> Tensor:  # [D, H, W] -> [D, H, W]
    """Sums over a square window; beyond the border there is nothing."""
    half = window // 2
    kernel = torch.ones(1, 1, window, dtype=maps.dtype)
    along = F.conv2d(maps[:, None], kernel[..., None, :], padding=(0, half))
    return F.conv2d(along, kernel[..., :, None], padding=(half, 0))[:, 0]


def _check(scene: Scene, surface: DepthMaps, held_out: Sequence[int], settings: WarpSettings) -> None:
    if surface.cameras.names != scene.cameras.names or surface.cameras.size.tolist() != scene.cameras.size.tolist():
        raise InputError("the depths of the surface are not those of the scene's views, each at its picture's size")
    wrong = [view for view in held_out if not 0 <= view < len(scene)]
    if wrong or not held_out or len(set(held_out)) >= len(scene):
        raise InputError(
            f"{len(set(held_out))} of {len(scene)} views are held out" + (f", one of them number {wrong[0]}" if wrong else ""),
            hint="hold out at least one view and leave at least one",
        )
    if settings.window < 3 or settings.window % 2 == 0 or settings.neighbours < 1:
        raise InputError(
            f"a window of {settings.window} px and {settings.neighbours} neighbours; expected an odd window from 3 and one view"
        )
