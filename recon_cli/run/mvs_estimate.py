"""Time and memory that a multi-view stereo reconstruction will take, from what can be counted before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, sqrt

from recon_cli.core.errors import InputError
from recon_cli.core.scene import Scene
from recon_cli.systems.mvs.config import MvsRecipe

MEGABYTE = 2**20


@dataclass(frozen=True)
class Costs:
    """Constants of the estimate, set by hand to runs of scan 24 on two cores: 8 to 49 views at 200 to 1600 px (docs/multi_view_stereo.md).

    Attributes:
        libraries: memory of Python and the libraries [B].
        picture: memory of a pixel of any view for the whole run: picture, mask, interval, pyramid [B].
        group: memory of a foreground pixel of a view while signed ray distances of its group are optimised [B].
        group_pixel: memory of any pixel of a view meanwhile [B].
        fusion: memory of a pixel of any view while the maps are filtered and fused, the volume not counted [B].
        volume: memory of the volume for a foreground pixel of all views [B].
        surface: memory of the surface and its pictures for a foreground pixel of all views [B].
        largest_surface: beyond which a surface is thinned before it is drawn [B].
        start_seconds: time to begin: imports, compiled kernels, intervals [s].
        depth_seconds: time to search the depth of a million foreground pixels, for each source that is compared [s].
        srdf_seconds: time for a thousand million factors of Eq. 3, there and back [s].
        fusion_seconds: time to filter, fuse, write and show a million foreground pixels [s].
    """

    libraries: int = 540 * MEGABYTE
    picture: int = 11
    group: int = 120
    group_pixel: int = 40
    fusion: int = 4
    volume: int = 10
    surface: int = 200
    largest_surface: int = 420 * MEGABYTE
    start_seconds: float = 8.0
    depth_seconds: float = 1.2
    srdf_seconds: float = 36.0
    fusion_seconds: float = 3.8


COSTS = Costs()


@dataclass(frozen=True)
class Estimate:
    """What a run will need.

    Attributes:
        views: views that take part.
        pixels: all their pixels.
        foreground: their pixels on the object.
        seconds: wall time on two cores [s].
        memory: peak of the process [B].
    """

    views: int
    pixels: int
    foreground: int
    seconds: float
    memory: int

    def sentence(self) -> str:
        """The estimate in words."""
        return (
            f"{self.views} views, {self.foreground / 1e6:.3g} of {self.pixels / 1e6:.3g} million pixels on the object: "
            f"about {clock(self.seconds)} on two cores and {self.memory / 1e9:.1f} GB"
        )

    def record(self) -> dict[str, float]:
        """The same for a machine."""
        return {
            "views": self.views,
            "pixels": self.pixels,
            "foreground": self.foreground,
            "seconds": round(self.seconds, 1),
            "memory_mb": round(self.memory / MEGABYTE),
        }


def estimate(scene: Scene, recipe: MvsRecipe, *, share: float = 1.0, has_fusion: bool = True, costs: Costs = COSTS) -> Estimate:
    """Time and memory of a run.

    The volume of the fusion is counted at the usual voxel. What a finer one (``fusion.voxel``) or a closed solid takes depends on the
    depths, which are not there yet: ``fusion.memory_limit_mb`` bounds it when it is made.

    Args:
        scene: the views that take part.
        recipe: how they are reconstructed.
        share: the part of the views whose depth is computed here (shards).
        has_fusion: whether the maps are fused, too.
        costs: measured constants.
    """
    sizes = [int(image.shape[0] * image.shape[1]) for image in scene.images]
    counts = [int(scene.mask(view).sum()) for view in range(len(scene))]
    pixels, foreground = sum(sizes), sum(counts)
    # Where the search is all, a view is done before the next one; a group that votes is held together.
    group = min(recipe.views.group_size, len(scene)) if recipe.srdf.epochs else 1
    depth_memory = costs.group * sum(sorted(counts)[-group:]) + costs.group_pixel * sum(sorted(sizes)[-group:])
    volume = min(costs.volume * foreground, recipe.fusion.memory_limit_mb * MEGABYTE)
    surface = min(costs.surface * foreground, costs.largest_surface)
    fusion_memory = costs.fusion * pixels + volume + surface if has_fusion else 0
    seconds = costs.start_seconds + share * foreground / 1e6 * _depth_seconds(recipe, len(scene), costs)
    if has_fusion:
        seconds += costs.fusion_seconds * foreground / 1e6
    memory = costs.libraries + costs.picture * pixels + max(depth_memory, fusion_memory)
    return Estimate(len(scene), pixels, foreground, seconds, memory)


def _depth_seconds(recipe: MvsRecipe, views: int, costs: Costs) -> float:
    """Time to find the depth of a million foreground pixels [s]."""
    search, srdf = recipe.search, recipe.srdf
    seconds = 0.0
    if search.enabled:
        compared = min(search.sources, views - 1) + (min(search.detail_sources, views - 1) if search.detail_rounds else 0)
        seconds += costs.depth_seconds * compared
    voters = min(srdf.neighbours, recipe.views.group_size - 1, views - 1)
    for epoch in srdf.epochs:
        passes = epoch.steps if srdf.ascent == "adam" else 1
        seconds += costs.srdf_seconds * epoch.samples * passes * voters / 4**epoch.level / 1000
    return seconds


def check_memory(needed: Estimate, limit_mb: int | None, scene: Scene, *, costs: Costs = COSTS) -> None:
    """Refuse a run that will not fit.

    Raises:
        InputError: the estimate is above the limit; the hint says how small the pictures would have to be.
    """
    if limit_mb is None or needed.memory <= limit_mb * MEGABYTE:
        return
    room = limit_mb * MEGABYTE - costs.libraries
    largest = int(scene.cameras.size.max())
    side = floor(0.98 * largest * sqrt(max(room, 0) / (needed.memory - costs.libraries)))
    smaller = f"--max-size {side} fits, or " if side >= 64 else ""
    raise InputError(
        f"{needed.views} views of up to {largest} px need about {needed.memory / MEGABYTE:.0f} MB, --memory-limit allows {limit_mb}",
        hint=f"{smaller}use fewer views (--views N) or smaller groups (--set views.group_size=8), or raise the limit",
    )


def clock(seconds: float) -> str:
    """A time as a person says it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes, hours = seconds / 60, seconds / 3600
    return f"{minutes:.0f} min" if minutes < 90 else f"{hours:.1f} h" if hours < 72 else f"{hours / 24:.0f} days"
