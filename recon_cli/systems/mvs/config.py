"""Recipe of `recon mvs`: everything that decides a reconstruction and is not an input."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from recon_cli.config.recipe import Recipe


class ViewsConfig(Recipe):
    """Which views look at each other."""

    neighbours: int = Field(default=8, ge=1, le=64, description="views that a view may be compared with, the best first")
    group_size: int = Field(default=16, ge=2, description="largest number of views in a group that is solved together")


class StartConfig(Recipe):
    """Where the search begins."""

    source: Literal["auto", "hull", "points", "bounds", "mesh", "depth"] = Field(
        default="auto", description="what bounds the depths; auto: the hull of the masks, else sparse points, else the bounding volume"
    )
    hull_resolution: int = Field(default=192, ge=16, le=1024, description="cells of the visual hull along the longest side of its box")


class SrdfConfig(Recipe):
    """Optimisation of signed ray distances (Zins et al. 2022, Eq. 1 to 4)."""

    prior: Literal["median", "patch", "learned"] = Field(default="patch", description="photo-consistency: Eq. 4, slanted patches, Fig. 6")


class FilterConfig(Recipe):
    """Which depths are believed: those that other views confirm."""

    neighbours: int = Field(default=8, ge=1, le=64, description="views that are asked")
    agreeing: int = Field(default=2, ge=0, le=64, description="views that must agree")


class FusionConfig(Recipe):
    """From depth maps to one surface."""

    voxel_pixels: float = Field(default=1.0, gt=0.0, description="side of a voxel, in pixels' footprints at the surface")


class MvsRecipe(Recipe):
    """All of a multi-view stereo reconstruction."""

    views: ViewsConfig = ViewsConfig()
    start: StartConfig = StartConfig()
    srdf: SrdfConfig = SrdfConfig()
    filter: FilterConfig = FilterConfig()
    fusion: FusionConfig = FusionConfig()
