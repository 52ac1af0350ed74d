"""The shipped recipes of the descents."""

import pytest

from recon_cli.config.recipe import load_recipe
from recon_cli.core.errors import UsageError
from recon_cli.systems.sft.config import SftRecipe
from recon_cli.systems.sft.shooting_config import ShootingConfig


def test_paper_s_recipe_states_the_paper_s_numbers():
    recipe = load_recipe("sft_paper", SftRecipe)
    assert recipe.method == "shooting"
    assert recipe.shooting.energy.silhouette_weight == 0.5
    assert recipe.shooting.energy.blur == 7.0
    assert recipe.shooting.descent.learning_rate == 1e-3
    assert recipe.shooting.window.first_frames == 5
    assert recipe.simulation.material == "ten_fabrics"
    assert recipe.simulation.air_density == 1.0


def test_recipe_file_and_defaults_agree():
    assert load_recipe("sft_paper", SftRecipe).shooting == ShootingConfig()


def test_baseline_differs_in_its_method_alone():
    paper, baseline = load_recipe("sft_paper", SftRecipe), load_recipe("sft_only_forces", SftRecipe)
    assert baseline.method == "offsets"
    assert baseline.model_copy(update={"method": "shooting"}) == paper


def test_wrong_values_are_refused_with_their_key():
    with pytest.raises(UsageError, match="first_frames"):
        load_recipe("sft_paper", SftRecipe, ["shooting.window.first_frames=1"])
