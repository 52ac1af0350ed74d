"""The shipped default recipe says what the model's defaults say."""

from recon_cli.config.recipe import load_recipe
from recon_cli.systems.sft.config import SftRecipe


def test_default_recipe_is_the_model_s_default():
    assert load_recipe("sft_default", SftRecipe) == SftRecipe()
