"""Recipe of `recon mvs`: everything that decides a reconstruction and is not an input."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from recon_cli.config.recipe import Recipe


class ViewsConfig(Recipe):
    """Which views look at each other."""

    neighbours: int = Field(default=8, ge=1, le=64, description="views that a view may be compared with, the best first")
    best_angle: float = Field(default=8.0, gt=0.0, le=60.0, description="angle between two rays to a point that serves best [degrees]")
    angle_spread: float = Field(default=12.0, gt=0.0, description="how fast larger angles lose value [degrees]")
    largest_angle: float = Field(default=60.0, gt=0.0, le=120.0, description="views further apart are never compared [degrees]")
    group_size: int = Field(default=16, ge=2, description="largest number of views in a group that is solved together")


class StartConfig(Recipe):
    """Where the search begins."""

    source: Literal["auto", "hull", "points", "bounds", "mesh", "depth"] = Field(
        default="auto", description="what bounds the depths; auto: the hull of the masks, else sparse points, else the bounding volume"
    )
    hull_resolution: int = Field(default=192, ge=16, le=1024, description="cells of the visual hull along the longest side of its box")
    hull_tolerance: int | None = Field(
        default=None, ge=0, le=7, description="masks that may exclude a place which belongs to the hull nevertheless; null: one in 25 views"
    )
    hull_views: int | None = Field(
        default=None, ge=1, description="views that must see a place of the hull in their picture; null: one in 10, at least 3"
    )
    margin: float = Field(default=0.25, ge=0.0, description="how far the range of sparse points is widened, as a share of it on each side")
    mesh_share: float = Field(default=0.02, gt=0.0, lt=1.0, description="largest distance from a given mesh, as a share of the depth")
    depth_share: float = Field(default=0.02, gt=0.0, lt=1.0, description="largest distance from given depths, as a share of the depth")


class SearchConfig(Recipe):
    """Slanted-patch search and propagation at every resolution."""

    sources: int = Field(default=4, ge=1, le=16, description="views that each view is compared with")
    best: int = Field(default=2, ge=1, le=16, description="of these, the best ones whose mean decides, pixel by pixel")
    coarsest_size: int = Field(default=100, ge=16, description="longest side of the coarsest pictures, where the sweep runs [px]")
    sweep_planes: int = Field(default=32, ge=2, le=1024, description="planes of the sweep, at equal steps of inverse depth")
    enabled: bool = Field(default=True, description="search first; else the optimisation starts where the rays enter their intervals")
    rounds: int = Field(default=2, ge=0, le=50, description="rounds of search at each resolution but the last")
    final_rounds: int = Field(default=2, ge=0, le=50, description="rounds of search at full resolution")
    window: Literal["dense", "quincunx", "sparse", "wide"] = Field(default="sparse", description="25 taps: every other pixel of 9 x 9")
    final_window: Literal["dense", "quincunx", "sparse", "wide"] = Field(
        default="quincunx", description="25 taps at full resolution: every other pixel of 7 x 7"
    )
    detail_rounds: int = Field(
        default=2, ge=0, le=20, description="last steps at each resolution, of windows that follow the surface instead of a plane"
    )
    detail_sources: int = Field(default=6, ge=1, le=16, description="views that these are compared with, of views.neighbours")
    reach: int = Field(default=5, ge=1, le=31, description="farthest neighbour whose plane is tried [px]")
    same: float = Field(default=0.2, ge=0.0, description="a neighbour's plane that differs by less is not tried [px of disparity]")
    tries: int = Field(default=0, ge=0, le=32, description="random changes that are tried a round")
    disparity: float = Field(default=1.0, gt=0.0, description="scale of the random changes in the first round, then halved [px]")
    newton_steps: int = Field(default=1, ge=0, le=10, description="Gauss-Newton steps on the plane a round")
    damping: float = Field(default=0.01, gt=0.0, description="added to the normal equations [deviations² per px²]")
    smoothness: float = Field(
        default=0.002, ge=0.0, description="weight of squared distances [px²] to the neighbours' depths, beside 1 - NCC"
    )
    jump: float = Field(default=1.0, gt=0.0, description="distance to a neighbour's depth at which the weight has fallen [px of disparity]")
    noise: float | None = Field(default=None, gt=0.0, le=1.0, description="deviation of the pictures' noise [grey]; null: measured")
    mismatch: float = Field(default=0.05, gt=0.0, description="what else differs between views, as a share of a window's deviation")
    contrast: float = Field(default=0.2, gt=0.0, description="difference to the centre at which a tap counts half [grey]")
    background_cost: float = Field(default=0.5, ge=0.0, le=2.0, description="cost of falling on another view's background, each")


class SrdfEpoch(Recipe):
    """One pass of the optimisation over all rays (Section 4.1: intervals shrink, resolution grows)."""

    level: int = Field(default=0, ge=0, le=12, description="resolution: 0 is full size, each level halves it")
    offset: float = Field(default=1.0, gt=0.0, description="half of the sampled interval [px of disparity at this resolution]")
    samples: int = Field(default=7, ge=2, le=64, description="samples in the interval, the same at every resolution")
    steps: int = Field(default=5, ge=1, le=1000, description="ascent steps")


class SrdfConfig(Recipe):
    """Optimisation of signed ray distances (Zins et al. 2022, Eq. 1 to 4)."""

    epochs: tuple[SrdfEpoch, ...] = Field(default=(), description="passes, the coarsest first; none leaves the search's result")
    prior: Literal["median", "patch", "learned"] = Field(default="patch", description="photo-consistency: Eq. 4, slanted patches, Fig. 6")
    prior_file: str | None = Field(default=None, description="weights of the learned prior; null: the ones that come with recon")
    ascent: Literal["closed", "adam"] = Field(
        default="closed", description="closed: each ray's maximum while the other maps are held; adam: gradients of the whole energy"
    )
    rate: float = Field(default=0.05, gt=0.0, le=1.0, description="Adam's step, as a share of the offset")
    neighbours: int = Field(default=8, ge=1, le=64, description="views of the group that vote on a sample")
    variance: float = Field(default=0.16, gt=0.0, description="sigma_d of Eq. 3, in offsets squared")
    occlusion: float = Field(default=0.1, gt=0.0, le=1.0, description="Gamma of Eq. 3")
    color_variance: float = Field(default=0.0069, gt=0.0, description="sigma_c of Eq. 4, for colours in [0, 1]")
    color_occlusion: float = Field(default=0.1, gt=0.0, le=1.0, description="Gamma of Eq. 4")
    patch_scale: float = Field(default=0.2, gt=0.0, description="the patch prior is exp(-(1 - NCC) / this)")


class FilterConfig(Recipe):
    """Which depths are believed: those that other views confirm."""

    neighbours: int = Field(default=8, ge=1, le=16, description="views that are asked")
    agreeing: int = Field(default=2, ge=0, le=16, description="views that must agree; 0 keeps all that no view contradicts")
    pixels: float = Field(default=1.0, gt=0.0, description="largest distance of a point from its pixel, to the other view and back [px]")
    relative: float = Field(default=0.002, gt=0.0, lt=1.0, description="largest difference of two agreeing depths, as a share of the depth")
    tilt: float = Field(
        default=10.0, gt=0.0, description="tangent of the largest tilt against the picture; steeper steps of depth are edges"
    )
    gap: float = Field(
        default=0.01, gt=0.0, lt=1.0, description="how far behind a point a view sees that looks through it, as a share of the depth"
    )
    averaging: bool = Field(default=True, description="replace a depth by the weighted mean of those that agree")
    conflicts: float = Field(
        default=1.0, ge=0.0, description="views that look through a point for each that agrees, at which it goes; 0 asks nobody"
    )
    doubtful: float = Field(default=0.3, ge=0.0, le=1.0, description="depths of lower confidence need one more view that agrees")
    speckle: int = Field(default=40, ge=0, description="connected pieces of a map with fewer pixels than this go")
    bilateral_radius: int = Field(
        default=0, ge=0, le=16, description="radius of the edge-keeping smoothing before the filter [px]; 0: none"
    )
    bilateral_depth: float = Field(
        default=0.002,
        gt=0.0,
        lt=1.0,
        description="distance from the local plane that still counts as the same surface, as a share of the depth",
    )
    bilateral_color: float = Field(
        default=24.0, gt=0.0, description="colour difference that still counts as the same surface [grey levels]"
    )


class FusionConfig(Recipe):
    """From depth maps to one surface."""

    voxel: float | None = Field(default=None, gt=0.0, description="side of a voxel [scene units]; null: from voxel_pixels")
    voxel_pixels: float = Field(default=1.5, gt=0.0, description="side of a voxel, in pixels' footprints at the surface (median over maps)")
    truncation: float = Field(default=3.0, ge=2.0, le=16.0, description="distance at which signed distances are cut off [voxels]")
    free_space: float = Field(
        default=3.0, ge=0.0, description="how many times the views that see through a voxel outweigh those that see it, where it is free"
    )
    memory_limit_mb: int = Field(default=3000, ge=16, description="memory that the volume may take [MB]")
    views: int = Field(default=2, ge=0, description="depth maps that must see a face")
    view_tolerance: float = Field(
        default=0.005, gt=0.0, lt=1.0, description="a map sees a face whose centre is this close to its depth, as a share of the depth"
    )
    mask_views: int = Field(default=1, ge=0, description="views in whose masks a vertex may be missing before it goes")
    component: float = Field(default=0.01, ge=0.0, le=1.0, description="pieces smaller than this share of the largest one's area go")
    largest_component: bool = Field(default=False, description="keep the largest piece alone")
    watertight: bool = Field(default=False, description="close the surface: what no view sees into is solid, up to the visual hull")
    silhouette_rounds: int = Field(
        default=0, ge=0, le=20, description="closed: times that it is filled where it misses a pixel of a mask; for tight masks"
    )

    @model_validator(mode="after")
    def _closed(self) -> FusionConfig:
        if self.silhouette_rounds and not self.watertight:
            raise ValueError("silhouette_rounds only where watertight is true")
        return self


class MvsRecipe(Recipe):
    """All of a multi-view stereo reconstruction."""

    views: ViewsConfig = ViewsConfig()
    start: StartConfig = StartConfig()
    search: SearchConfig = SearchConfig()
    srdf: SrdfConfig = SrdfConfig()
    filter: FilterConfig = FilterConfig()
    fusion: FusionConfig = FusionConfig()
