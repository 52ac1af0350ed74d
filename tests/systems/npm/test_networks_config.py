"""The recipe of the networks: published defaults, every key explained, nonsense refused."""

import pytest

from recon_cli.config.recipe import Recipe, recipe_text
from recon_cli.systems.npm.networks_config import FlowNetworkConfig, NetworksConfig, ShapeNetworkConfig


def test_the_published_values_are_the_defaults():
    config = NetworksConfig()
    shape, pose = config.shape, config.pose
    assert (shape.layers, shape.width, pose.layers, pose.width, shape.skip, shape.frequencies) == (8, 512, 8, 1024, 4, 8)
    assert (shape.code, pose.code, shape.points, pose.points) == (256, 256, 50_000, 50_000)
    assert (shape.epochs, shape.halving, pose.epochs, pose.halving) == (4000, 500, 200, 30)
    assert (shape.rate, shape.code_rate, shape.prior, shape.ramp, shape.clamp, shape.near) == (5e-4, 1e-3, 1e-4, 100, 0.1, 0.7)
    assert pose.offsets == (0.002, 0.01)


def test_every_key_is_explained():
    for section in (NetworksConfig, ShapeNetworkConfig, FlowNetworkConfig):
        assert all(field.description for field in section.model_fields.values())
    assert recipe_text(NetworksConfig()).count("  # ") > 30


@pytest.mark.parametrize(
    ("section", "change"),
    [
        (ShapeNetworkConfig, {"skip": 8}),
        (ShapeNetworkConfig, {"spread": (0.01, 0.0)}),
        (ShapeNetworkConfig, {"near": 1.2}),
        (FlowNetworkConfig, {"offsets": ()}),
        (FlowNetworkConfig, {"offsets": (-0.1,)}),
    ],
)
def test_nonsense_is_refused(section: type[Recipe], change):
    with pytest.raises(ValueError, match=next(iter(change))):
        section(**change)
