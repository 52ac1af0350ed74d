import pytest

from recon_cli.config.recipe import load_recipe, recipe_text
from recon_cli.core.errors import UsageError
from recon_cli.systems.npm.published_config import DepthFieldConfig, EnergyWeights, PublishedFitConfig


def test_the_defaults_are_the_published_numbers():
    config = PublishedFitConfig()
    assert (config.iterations, config.points, config.cloud, config.spread) == (500, 20_000, 500_000, 0.015)
    assert (config.shape_rate, config.pose_rate, config.halvings) == (5e-4, 1e-3, 3)
    assert config.weights == EnergyWeights(reconstruction=1.0, shape=1e-1, pose=1e-4, temporal=100.0, icp=1e-3)
    assert config.icp_share == 0.5
    assert config.field.clamp == 0.1


def test_every_key_says_what_it_is():
    for model in (PublishedFitConfig, EnergyWeights, DepthFieldConfig):
        for name, field in model.model_fields.items():
            if name not in ("weights", "field"):
                assert field.description, name


def test_a_recipe_gives_itself_back(tmp_path):
    config = PublishedFitConfig(iterations=7, weights=EnergyWeights(icp=0.0), field=DepthFieldConfig(distance="ray"))
    path = tmp_path / "fit.yaml"
    path.write_text(recipe_text(config))
    assert load_recipe(path, PublishedFitConfig) == config


@pytest.mark.parametrize("change", ["iterations=0", "weights.icp=-1", "field.distance=far", "points=0"])
def test_numbers_out_of_range_are_refused(change, tmp_path):
    path = tmp_path / "fit.yaml"
    path.write_text("")
    with pytest.raises(UsageError, match=change.partition("=")[0].rpartition(".")[2]):
        load_recipe(path, PublishedFitConfig, [change])
