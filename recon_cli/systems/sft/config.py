"""Recipe of `recon sft`: everything that decides a fit and is not an input."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from recon_cli.config.recipe import Recipe
from recon_cli.systems.sft.shooting_config import ShootingConfig


class AppearanceConfig(Recipe):
    """Where the template's look comes from."""

    source: Literal["projection", "texture"] = Field(
        default="projection", description="the reference frame at the template's projection, or the template's own texture and UVs"
    )
    minimum_visible: float = Field(
        default=0.5, gt=0.0, le=1.0, description="share of the face centres that must project into the reference mask"
    )


class TrackingConfig(Recipe):
    """The default fit: positions as unknowns, frame by frame, by Gauss-Newton."""

    density: float = Field(
        default=0.02,
        gt=0.0,
        description="inertia [kg/m²]; a tenth of a cloth's, since forces nobody modelled (a gust, a hand) are the rule and must come cheap",
    )
    stiffness: float = Field(default=200.0, gt=0.0, description="membrane stiffness [N/m]")
    poisson: float = Field(default=0.3, ge=0.0, lt=1.0, description="Poisson's ratio of the membrane")
    bending: float = Field(default=1e-3, gt=0.0, description="resistance to a change of curvature [J]")
    curvature_memory: float = Field(
        default=0.8, ge=0.0, le=1.0, description="share of the bending resistance that is damping; the rest is elastic"
    )
    image_weight: float = Field(default=0.3, gt=0.0, description="energy of a unit feature residual [J/m²]")
    robust_scale: float = Field(default=10.0, gt=0.0, description="scale of the robust function [feature units]")
    feature_radius: int = Field(default=7, ge=2, le=200, description="half window of the local statistics [px]")
    contrast_floor: float = Field(default=0.03, gt=0.0, description="added to the local deviation [colour in 0..1]")
    sample_spacing: float = Field(default=2.2, gt=0.2, description="distance between samples [px of the reference frame]")
    samples_per_edge: int = Field(default=6, ge=1, le=16, description="most samples along a face's edge")
    coarsest_size: int = Field(default=40, ge=8, description="the pyramid stops when the cloth is this wide [px]")
    iterations: int = Field(default=3, ge=1, le=100, description="Gauss-Newton steps on each level")
    tolerance: float = Field(default=2e-3, ge=0.0, description="stop a level when no vertex moves more than this many edge lengths")
    velocity: float = Field(default=1.0, ge=0.0, le=1.0, description="share of the velocity that is carried into the next frame")


class SimulationConfig(Recipe):
    """The cloth simulator that explains the positions afterwards."""

    material: Literal["eight_fabrics", "ten_fabrics"] = Field(
        default="eight_fabrics", description="published initial values (mean over fabrics)"
    )
    warp_axis: float = Field(default=0.0, description="direction of the warp in the flattened template [degrees]")
    gravity: tuple[float, float, float] = Field(default=(0.0, 0.0, 0.0), description="[m/s²], world axes; zero as in the paper's own runs")
    air_density: float = Field(default=1.0, ge=0.0, description="[kg/m³], fixed as in the paper")
    steps_per_frame: int = Field(default=1, ge=1, le=64, description="simulator steps between two frames")
    estimate: bool = Field(default=True, description="estimate material and wind from the positions, else keep the published values")


class SftRecipe(Recipe):
    """All of a shape-from-template fit."""

    method: Literal["tracking", "shooting", "offsets"] = "tracking"
    appearance: AppearanceConfig = AppearanceConfig()
    tracking: TrackingConfig = TrackingConfig()
    simulation: SimulationConfig = SimulationConfig()
    shooting: ShootingConfig = ShootingConfig()
