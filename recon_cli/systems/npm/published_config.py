"""Recipe of the published fit: the energy of Palafox et al. 2021 and how it is minimised.

Defaults are the published ones; a description that says "ours" names what the paper leaves open or did not need.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from recon_cli.config.recipe import Recipe

WHITENED_SCALE = 0.05
"""What 1 in a whitened code stands for beside the published weights of codes and learning rates, by eye."""


class EnergyWeights(Recipe):
    """Of the terms; a weight of 0 leaves a term out."""

    reconstruction: float = Field(default=1.0, ge=0.0, description="of L_r, the clamped distance between the model's and the depth's field")
    shape: float = Field(default=1e-1, ge=0.0, description="of the squared length of the shape code (L_c)")
    pose: float = Field(default=1e-4, ge=0.0, description="of the squared length of a pose code (L_c)")
    temporal: float = Field(default=100.0, ge=0.0, description="of L_t, what points move between neighbouring frames")
    icp: float = Field(default=1e-3, ge=0.0, description="of L_icp, squared distances of the depth's points from the posed surface")


class DepthFieldConfig(Recipe):
    """The truncated signed distance that one depth map tells of; lengths in boxes."""

    clamp: float = Field(default=0.1, gt=0.0, description="largest distance that counts, of the model and of the depth")
    behind: float = Field(default=0.01, ge=0.0, description="how far behind the depth a point is still observed")
    distance: Literal["nearest", "ray"] = Field(
        default="nearest",
        description="nearest: to the nearest point of the depth or of it along the ray, whichever is less; ray: along the ray alone, and "
        "the clamp where the ray meets nothing",
    )
    past_rim: bool = Field(
        default=True,
        description="whether free points behind the nearest point of the depth are observed: as published, though the hidden side of the "
        "body may be nearer to them, which thins bodies; counts with the nearest distance",
    )
    hole: int = Field(
        default=12, ge=0, description="holes in the silhouette of at most so many pixels are not seen, larger ones are empty; ours"
    )


class PublishedFitConfig(Recipe):
    """All of a published fit."""

    iterations: int = Field(default=500, ge=1, description="times that all frames take part")
    frames: int = Field(
        default=6, ge=1, description="neighbouring frames a step: as many as in the three pairs of the released fit; decides memory"
    )
    shape_rate: float = Field(default=5e-4, gt=0.0, description="Adam's learning rate of the shape code")
    pose_rate: float = Field(default=1e-3, gt=0.0, description="Adam's learning rate of the pose codes")
    root_rate: float = Field(
        default=1e-3, ge=0.0, description="of orientations [radians] and places [boxes]; ours, the paper's bodies stand in the unit box"
    )
    halvings: int = Field(
        default=3, ge=0, le=20, description="times that the learning rates are halved, after equal shares of the iterations"
    )
    shape_scale: float | None = Field(
        default=None,
        gt=0.0,
        description="the published number that 1 in the model's shape code stands for; ours: 1 for networks, 0.05 for whitened codes",
    )
    pose_scale: float | None = Field(default=None, gt=0.0, description="the same of pose codes")
    points: int = Field(default=20_000, ge=1, description="points a frame and step, drawn from the cloud")
    cloud: int = Field(default=500_000, ge=1, description="points drawn once around the canonical surface of the start")
    spread: float = Field(default=0.015, ge=0.0, description="standard deviation of the cloud's offsets from the surface, in boxes")
    icp_share: float = Field(
        default=0.5, ge=0.0, le=1.0, description="share of the iterations, from the first on, that L_icp takes part in"
    )
    icp_band: float = Field(default=0.001, gt=0.0, description="points this near to the model's surface stand for it in L_icp, in boxes")
    icp_points: int = Field(
        default=2000,
        ge=1,
        description="most points of a depth map and of the surface in L_icp; ours, the released fit takes 20,000 of the depth",
    )
    weights: EnergyWeights = EnergyWeights()
    field: DepthFieldConfig = DepthFieldConfig()

    def scaled_for(self, *, is_whitened: bool) -> PublishedFitConfig:
        """With the scales of whitened codes or of a network's where none are given."""
        usual = WHITENED_SCALE if is_whitened else 1.0
        return self.model_copy(update={"shape_scale": self.shape_scale or usual, "pose_scale": self.pose_scale or usual})
