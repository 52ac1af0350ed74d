"""Recipe of `recon mvs train-prior`: how the photo-consistency network is trained."""

from __future__ import annotations

from pydantic import Field, model_validator

from recon_cli.config.recipe import Recipe


class RigsConfig(Recipe):
    """Rendered scenes with exact depth that are trained on where no others are given."""

    count: int = Field(default=24, ge=1, le=10_000, description="rigs to train on")
    held_out: int = Field(default=6, ge=1, le=1_000, description="further rigs, of other seeds, that only the measured curve sees")
    views: int = Field(default=12, ge=4, le=256, description="cameras of a rig")
    size: int = Field(default=240, ge=64, le=4096, description="side of its pictures in pixels")


class SamplingConfig(Recipe):
    """Which points of which views a step learns from (Zins et al. 2022, Section 4.2)."""

    pixels: int = Field(default=2048, ge=8, description="pixels a step; each gives one point on the surface and one off it")
    fewest_cameras: int = Field(default=4, ge=2, le=64, description="least number K of cameras of a step, the reference among them")
    most_cameras: int = Field(default=10, ge=2, le=64, description="largest number K of cameras of a step")
    nearest: int = Field(default=15, ge=1, le=64, description="K cameras are drawn from the min(2 K, nearest) nearest to the reference")
    least_offset: float = Field(default=0.5, gt=0.0, description="smallest distance of a point from the surface, in pixels of disparity")
    largest_offset: float = Field(default=60.0, gt=0.0, description="largest one; distances are drawn log-uniformly")
    near_share: float = Field(default=0.25, ge=0.0, le=1.0, description="share of the points off the surface that lie close to it")
    near_offset: float = Field(default=3.0, gt=0.0, description="largest distance of these, drawn uniformly, in pixels of disparity")
    slope_share: float = Field(default=0.6, ge=0.0, le=1.0, description="share of the pixels whose surface tilt is told to the network")
    slope_noise: float = Field(default=0.25, ge=0.0, le=2.0, description="relative error of that tilt")

    @model_validator(mode="after")
    def _ordered(self) -> SamplingConfig:
        if self.fewest_cameras > self.most_cameras:
            raise ValueError("fewest_cameras at most most_cameras")
        if not self.least_offset < min(self.near_offset, self.largest_offset):
            raise ValueError("least_offset below near_offset and largest_offset")
        return self


class DisturbanceConfig(Recipe):
    """What is done to the pictures of a step, each picture for itself, so that the network does not lean on it."""

    gain: float = Field(default=0.35, ge=0.0, le=2.0, description="largest change of exposure, natural logarithm")
    tint: float = Field(default=0.08, ge=0.0, le=1.0, description="largest change of a colour channel, natural logarithm")
    gamma: float = Field(default=0.15, ge=0.0, le=1.0, description="largest change of the tone curve's exponent, natural logarithm")
    blur: float = Field(default=0.8, ge=0.0, le=4.0, description="largest blur, in pixels; half of the pictures get some")
    noise: float = Field(default=4.0, ge=0.0, le=64.0, description="largest deviation of noise, in grey levels of 255")


class PriorConfig(Recipe):
    """All of a training of the photo-consistency network."""

    steps: int = Field(default=2000, ge=1, description="optimiser steps")
    learning_rate: float = Field(default=6e-3, gt=0.0, description="Adam's learning rate at the start; it falls as half a cosine")
    last_rate: float = Field(default=0.02, ge=0.0, le=1.0, description="share of the learning rate that is left at the end")
    evaluation_pixels: int = Field(default=4000, ge=16, description="pixels of each held-out scene that the measured curve takes")
    rigs: RigsConfig = RigsConfig()
    sampling: SamplingConfig = SamplingConfig()
    disturbance: DisturbanceConfig = DisturbanceConfig()
