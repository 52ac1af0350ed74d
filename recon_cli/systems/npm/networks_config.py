"""Recipe of the networks of shape and pose: sizes, points and schedules (Palafox et al. 2021); the defaults are the published values."""

from __future__ import annotations

from pydantic import Field, model_validator

from recon_cli.config.recipe import Recipe


class NetworkConfig(Recipe):
    """One network with a code for every shape or pose, learned together."""

    layers: int = Field(default=8, ge=2, le=64, description="hidden layers")
    width: int = Field(default=512, ge=4, le=8192, description="numbers of a hidden layer")
    skip: int = Field(default=4, ge=1, description="hidden layer that is given the point and the codes once more, the first one being 0")
    frequencies: int = Field(
        default=8, ge=0, le=16, description="octaves of the positional encoding; the first has a wavelength of 2 boxes"
    )
    code: int = Field(default=256, ge=1, le=4096, description="numbers of a code")
    epochs: int = Field(default=4000, ge=1, description="times that everything is trained on")
    batch: int = Field(default=8, ge=1, description="shapes or poses of a step")
    points: int = Field(default=50_000, ge=8, description="points of each of them in a step")
    rate: float = Field(default=5e-4, gt=0.0, description="Adam's learning rate of the network at the start")
    code_rate: float = Field(default=1e-3, gt=0.0, description="Adam's learning rate of the codes at the start")
    halving: int = Field(default=500, ge=1, description="epochs after which both rates are halved, again and again")
    prior: float = Field(default=1e-4, ge=0.0, description="weight of a code's squared length")
    ramp: int = Field(default=100, ge=0, description="epochs over which that weight grows from nothing")

    @model_validator(mode="after")
    def _skips_to_a_layer(self) -> NetworkConfig:
        if self.skip >= self.layers:
            raise ValueError(f"skip is {self.skip}, expected less than the {self.layers} layers")
        return self


class ShapeNetworkConfig(NetworkConfig):
    """Shape code and point to signed distance."""

    clamp: float = Field(default=0.1, gt=0.0, description="distances beyond this count as this [box]")
    near: float = Field(default=0.7, ge=0.0, le=1.0, description="share of the points near the surface; the others are uniform in the box")
    spread: tuple[float, ...] = Field(
        default=(0.008, 0.025), min_length=1, description="deviations of the points near the surface, equally many each [box]"
    )
    padding: float = Field(
        default=0.05, ge=0.0, le=1.0, description="how far beyond the unit box uniform points and the surface reach [box]"
    )
    drawn: int = Field(default=8, ge=1, description="epochs whose points are drawn at a time and kept; 8 bytes a point")
    kept: int = Field(default=400, ge=1, description="epochs after which others are drawn")

    @model_validator(mode="after")
    def _spreads_are_lengths(self) -> ShapeNetworkConfig:
        if min(self.spread) <= 0.0:
            raise ValueError(f"spread is {list(self.spread)}, expected lengths above 0")
        return self


class FlowNetworkConfig(NetworkConfig):
    """Shape code, pose code and point to displacement."""

    width: int = Field(default=1024, ge=4, le=8192, description="numbers of a hidden layer")
    epochs: int = Field(default=200, ge=1, description="times that everything is trained on")
    halving: int = Field(default=30, ge=1, description="epochs after which both rates are halved, again and again")
    offsets: tuple[float, ...] = Field(
        default=(0.002, 0.01), min_length=1, description="largest distances of the points from the surface, equally many each [box]"
    )

    @model_validator(mode="after")
    def _offsets_are_lengths(self) -> FlowNetworkConfig:
        if min(self.offsets) < 0.0:
            raise ValueError(f"offsets is {list(self.offsets)}, expected lengths")
        return self


class NetworksConfig(Recipe):
    """Both networks, and what they are trained on."""

    shape: ShapeNetworkConfig = Field(default_factory=ShapeNetworkConfig, description="shape code and point to signed distance")
    pose: FlowNetworkConfig = Field(default_factory=FlowNetworkConfig, description="shape code, pose code and point to displacement")
    poses: int = Field(default=100_000, ge=1, description="most training poses, spread evenly over the identities")
    chunk: int = Field(default=8192, ge=16, description="points whose gradients are computed at once, which bounds the memory")
    memory_mb: int = Field(default=1024, ge=0, description="memory of posed meshes that are kept; others are read every time [MB]")
    resolution: int = Field(default=512, ge=16, le=2048, description="cells along the box in which the surface of a shape is looked for")
