"""Recipe of `recon npm fit` with Gauss-Newton steps; lengths are shares of the model's box."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from recon_cli.config.recipe import Recipe

Scale = Annotated[float, Field(ge=1e-4, le=1.0)]
Scales = Annotated[tuple[Scale, ...], Field(min_length=1)]


class TermsConfig(Recipe):
    """What pulls at the surface; every pull is divided by the squared scale of the step."""

    count: float = Field(default=300.0, gt=0.0, description="points that all of a frame's depth counts as, beside the priors of the codes")
    depth: float = Field(default=1.0, ge=0.0, description="weight of depth points, each of which draws its nearest vertex (L_icp)")
    sliding: float = Field(default=0.05, ge=0.0, description="weight of a pair's distance along the surface, beside 1 across it")
    reach: float = Field(default=3.0, gt=0.0, description="pairs this many scales apart count a quarter (Geman-McClure)")
    silhouette: float = Field(default=0.5, ge=0.0, description="weight of vertices outside of the silhouette or in front of the depth")
    margin: float = Field(default=1.0, ge=0.0, description="how far outside of the silhouette a vertex may be [px]")
    clearance: float = Field(default=0.008, ge=0.0, description="how far, beside one scale, a vertex may be in front of the depth")
    shape: float = Field(default=1.0, ge=0.0, description="weight of the shape code's square (a whitened code: 1 is its likelihood)")
    pose: float = Field(default=1.0, ge=0.0, description="weight of the pose code's square")
    smoothness: float = Field(default=30.0, ge=0.0, description="most weight of the pose code's second difference over time")
    liveliness: float = Field(
        default=0.03, gt=0.0, description="that weight is at most this by the mean square of such differences: for fast or sparse frames"
    )


class FitConfig(Recipe):
    """From depth to codes."""

    points: int = Field(default=1200, ge=50, le=100_000, description="depth points of a frame")
    longest: int = Field(default=256, ge=32, le=4096, description="silhouettes are thinned to this many pixels a side")
    vertices: int = Field(default=1300, ge=50, le=100_000, description="vertices of the model in the finest steps")
    starts: int = Field(default=4, ge=1, le=64, description="nearest training views that a frame is begun from")
    both_ways: bool = Field(default=True, description="whether the shape is also sought with all bodies facing one way, and the other")
    start_scales: Scales = Field(default=(0.05, 0.035, 0.025, 0.02), description="scale of each step from a start")
    joint_scales: Scales = Field(default=(0.02, 0.015, 0.01, 0.008, 0.006), description="of each step on all frames of a window")
    track_scales: Scales = Field(default=(0.02, 0.012, 0.008, 0.006), description="of each step from a neighbour's pose")
    final_scales: Scales = Field(default=(0.005, 0.004, 0.003, 0.003), description="of each last step on all frames of a window")
    tied: float = Field(
        default=30.0,
        ge=1.0,
        description="times the smoothness that ties neighbours at first, for limbs that hide for some frames",
    )
    anchors: int = Field(default=2, ge=0, le=8, description="frames of a window from which its poses are tracked both ways; 0: none is")
    choice_scale: Scale = Field(default=0.012, description="scale at which solutions are compared")
    tolerance: float = Field(
        default=0.05, ge=0.0, description="energy that a neighbour's pose may have beyond a frame's own [squared scale]"
    )
    speed: float = Field(default=0.7, ge=0.0, le=1.0, description="share of the neighbour's speed that tracking begins with")
    path: float = Field(default=1.0, ge=0.0, description="weight of squared distances between frames beside the energies of the starts")
    limb_rounds: int = Field(default=2, ge=0, description="times that limbs are begun anew where depth is left over")
    limb_scales: tuple[Scale, ...] = Field(default=(0.05, 0.03, 0.02), description="of each step in which a limb is drawn to such depth")
    limb_distance: float = Field(default=0.03, gt=0.0, description="depth this far from the surface is left over")
    limb_share: float = Field(default=0.01, ge=0.0, le=1.0, description="share of a frame's depth that may be")
    limb_gain: float = Field(default=0.01, ge=0.0, description="energy that a limb begun anew must save [squared scale]")
    different: float = Field(default=0.03, gt=0.0, description="root mean square distance at which two bodies are different solutions")
    rival: float = Field(
        default=0.05, ge=0.0, description="a different solution with at most this much more energy makes a frame ambiguous [squared scale]"
    )
    window: int = Field(default=24, ge=2, le=1000, description="frames that are solved together")
    overlap: int = Field(default=8, ge=0, description="frames of the window before that a window begins with")
    shape_frames: int = Field(default=16, ge=1, le=1000, description="most frames that decide the shape")
    terms: TermsConfig = Field(default_factory=TermsConfig)

    @model_validator(mode="after")
    def _windows_move_on(self) -> FitConfig:
        if self.overlap >= self.window:
            raise ValueError(f"overlap is {self.overlap}, expected less than the window's {self.window}")
        return self
