"""Recipe of `recon npm`: everything that decides a model and is not an input."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from recon_cli.config.recipe import Recipe
from recon_cli.systems.npm.fit_config import FitConfig
from recon_cli.systems.npm.networks_config import NetworksConfig
from recon_cli.systems.npm.published_config import PublishedFitConfig


class WarpStage(Recipe):
    """Some steps of a registration, all with the same stiffness; lengths are shares of the bodies' box."""

    spacing: float = Field(gt=0.0, le=1.0, description="distance of the lattice's nodes")
    stretching: float = Field(ge=0.0, description="weight of the warp's squared slope")
    bending: float = Field(ge=0.0, description="weight of the warp's squared second derivative")
    sliding: float = Field(gt=0.0, le=1.0, description="weight of distances along the surface, beside 1 across it")
    steps: int = Field(ge=1, le=100, description="Gauss-Newton steps, each with new nearest points")


def _stages() -> tuple[WarpStage, ...]:
    rows = (
        (0.062, 6e-3, 5e-4, 0.3, 3),
        (0.062, 2e-3, 1.5e-4, 0.2, 3),
        (0.062, 6e-4, 5e-5, 0.1, 3),
        (0.041, 2e-3, 1.5e-4, 0.2, 3),
        (0.041, 4e-4, 2.5e-5, 0.1, 3),
        (0.041, 6e-5, 5e-6, 0.03, 4),
    )
    return tuple(
        WarpStage(spacing=spacing, stretching=stretching, bending=bending, sliding=sliding, steps=steps)
        for spacing, stretching, bending, sliding, steps in rows
    )


class TemplateConfig(Recipe):
    """One mesh for all identities: a member, warped onto each of them and averaged."""

    vertices: int = Field(default=4000, ge=100, description="vertices of the template; a finer mesh is thinned to it")
    member: Literal["slender", "stout"] = Field(
        default="stout",
        description="which half of the members the first template is from, by surface for the volume: stout ones may wear skirts",
    )
    samples: int = Field(default=8000, ge=100, description="points drawn on each identity, which the template is warped onto")
    rounds: int = Field(
        default=2, ge=1, le=10, description="times that the template is warped onto all; before each but the first it is the mean"
    )
    stages: tuple[WarpStage, ...] = Field(default_factory=_stages, min_length=1, description="of every warp, from stiff to soft")
    reach: float = Field(default=0.03, gt=0.0, description="pairs this far apart count a quarter [share of the box]")


class SkinConfig(Recipe):
    """Parts that move almost rigidly, the tree that joins them and how they share the surface."""

    patches: int = Field(default=240, ge=8, le=5000, description="pieces of the surface that parts are put together from")
    parts: int = Field(default=24, ge=1, le=128, description="most parts")
    merging: float = Field(
        default=0.0012,
        gt=0.0,
        description="parts are merged while that adds less to the error [share of the box, root mean square over the surface]",
    )
    poses: int = Field(default=200, ge=4, description="poses that parts are found in, over all identities")
    bones: int = Field(default=5, ge=1, le=16, description="most parts that move a vertex")
    rounds: int = Field(default=4, ge=0, le=50, description="times that poses, joints and weights are improved in turn")
    points: int = Field(default=500, ge=50, description="vertices that poses are fitted to")
    smoothness: float = Field(
        default=2e-6, ge=0.0, description="weight of differences of skin weights to the neighbours' [squared shares of the box]"
    )


class SpaceConfig(Recipe):
    """Dimensions of the codes; codes are whitened: over the training set they have mean 0 and deviation 1."""

    shape: int = Field(default=40, ge=0, le=256, description="most dimensions of a shape code")
    joints: int = Field(default=64, ge=0, le=512, description="most dimensions of a pose code that turn parts")
    soft: int = Field(default=16, ge=0, le=256, description="most dimensions of a pose code that move the surface beyond skinning")
    kept: float = Field(default=0.9999, gt=0.0, le=1.0, description="share of the variance at which dimensions are enough")


class EncoderConfig(Recipe):
    """A network that guesses where a fit begins."""

    widths: tuple[int, ...] = Field(default=(256, 256), description="of its hidden layers; none: a linear map")
    epochs: int = Field(default=40, ge=1, description="times that it sees every training view")
    batch: int = Field(default=256, ge=1, description="views a step")
    rate: float = Field(default=2e-3, gt=0.0, description="of Adam, falling along a cosine to 0")
    decay: float = Field(default=1e-2, ge=0.0, description="of the weights")
    noise: float = Field(default=0.05, ge=0.0, description="added to the pictures, beside their largest deviation")


class ViewsConfig(Recipe):
    """Training bodies as depth cameras see them: where fits begin."""

    up: Literal["+x", "-x", "+y", "-y", "+z", "-z"] = Field(default="+y", description="which way is up for the training bodies")
    sides: int = Field(default=12, ge=1, le=360, description="directions to look from, evenly around")
    axes: int = Field(default=48, ge=1, le=1024, description="numbers that are kept of a view's picture")
    has_encoder: bool = Field(default=True, description="whether a network is trained on them")
    encoder: EncoderConfig = Field(default_factory=EncoderConfig)


class NpmRecipe(Recipe):
    """Everything that decides a model."""

    model: Literal["skinned", "networks"] = Field(
        default="skinned", description="a template with bases and a learned skin, or the networks of the paper"
    )
    template: TemplateConfig = Field(default_factory=TemplateConfig)
    skin: SkinConfig = Field(default_factory=SkinConfig)
    space: SpaceConfig = Field(default_factory=SpaceConfig)
    views: ViewsConfig = Field(default_factory=ViewsConfig)
    poses: int = Field(default=2000, ge=1, description="most training poses, spread evenly over the identities")
    networks: NetworksConfig = Field(default_factory=NetworksConfig, description="of model networks, which takes nothing from the others")
    solver: Literal["newton", "published"] = Field(
        default="newton",
        description="of a fit: Gauss-Newton steps on a skinned model (section fit), or Adam on the energy of the paper (section published)",
    )
    fit: FitConfig = Field(default_factory=FitConfig, description="of the model to depth sequences; a training does not ask for it")
    published: PublishedFitConfig = Field(default_factory=PublishedFitConfig, description="the same with solver published")

    @model_validator(mode="after")
    def _parts_come_from_patches(self) -> NpmRecipe:
        if self.skin.parts > self.skin.patches:
            raise ValueError(f"skin.parts is {self.skin.parts}, more than skin.patches {self.skin.patches}")
        return self
