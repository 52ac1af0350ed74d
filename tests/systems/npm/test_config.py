"""The shipped recipes of parametric models."""

import pytest
from pydantic import ValidationError

from recon_cli.config.recipe import load_recipe
from recon_cli.systems.npm.config import NpmRecipe, SkinConfig
from recon_cli.systems.npm.fit_config import FitConfig
from recon_cli.systems.npm.networks_config import NetworksConfig


def test_the_default_recipe_is_the_default():
    assert load_recipe("npm_default", NpmRecipe) == NpmRecipe()


def test_the_paper_s_recipe_has_the_published_networks():
    paper = load_recipe("npm_paper", NpmRecipe)
    assert paper.model == "networks"
    assert paper.networks == NetworksConfig()
    shape, pose = paper.networks.shape, paper.networks.pose
    assert [(one.layers, one.width, one.code, one.epochs, one.points) for one in (shape, pose)] == [
        (8, 512, 256, 4000, 50_000),
        (8, 1024, 256, 200, 50_000),
    ]


def test_more_parts_than_patches_are_refused():
    with pytest.raises(ValidationError, match=r"skin\.parts is 30"):
        NpmRecipe(skin=SkinConfig(parts=30, patches=20))


@pytest.mark.parametrize("key", ["start_scales", "joint_scales", "track_scales", "final_scales"])
@pytest.mark.parametrize("scales", [(), (0.01, -1.0), (1e30,), (1e-30,)])
def test_scales_that_no_step_can_have_are_refused(key, scales):
    with pytest.raises(ValidationError, match=key):
        FitConfig(**{key: scales})
