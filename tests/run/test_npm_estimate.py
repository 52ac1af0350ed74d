import pytest
import torch

from recon_cli.config.recipe import load_recipe
from recon_cli.run.npm_bodies import Counts
from recon_cli.run.npm_estimate import estimate
from recon_cli.systems.npm.config import NpmRecipe

PEOPLE = Counts(identities=60, poses=1800, vertices=4100)
CPU = torch.device("cpu")


def test_the_default_model_takes_minutes():
    found = estimate(PEOPLE, NpmRecipe(), CPU)
    assert found.seconds is not None
    assert 60 < found.seconds < 300
    assert 500e6 < found.memory < 3e9
    assert "60 identities in 1800 poses: about" in found.sentence()
    assert "min on two cores and 1." in found.sentence()
    assert found.record()["poses"] == 1800


def test_time_grows_with_the_identities_and_memory_with_the_poses():
    few = estimate(Counts(6, 180, 4100), NpmRecipe(), CPU)
    many = estimate(PEOPLE, NpmRecipe(), CPU)
    assert few.seconds is not None
    assert many.seconds is not None
    assert many.seconds / few.seconds == pytest.approx(10, rel=0.5)
    assert many.memory > few.memory


def test_the_networks_take_weeks_on_two_cores_and_a_time_that_is_not_known_on_a_gpu():
    recipe = load_recipe("npm_paper", NpmRecipe)
    found = estimate(PEOPLE, recipe, CPU)
    assert found.seconds is not None
    assert found.seconds > 20 * 86400
    assert "days on two cores" in found.sentence()
    assert estimate(PEOPLE, recipe, torch.device("cuda")).seconds is None
    assert "poses: about" in estimate(PEOPLE, recipe, torch.device("cuda")).sentence()
