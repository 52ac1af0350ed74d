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


def test_a_small_training_is_mostly_what_its_size_does_not_change():
    """Eight people in six poses took 29 CPU seconds: 15 the warps, 9 the skin, 2 the views and 3 the report."""
    found = estimate(Counts(8, 48, 4100), NpmRecipe(), CPU)
    assert found.seconds == pytest.approx(29, rel=0.25)


def test_a_large_training_takes_as_long_as_one_did():
    """180 people in 1,980 poses took 381 s: 310 the warps, 46 the skin, 25 views, figures and report."""
    found = estimate(Counts(180, 1980, 4100), NpmRecipe(), CPU)
    assert found.seconds == pytest.approx(381, rel=0.1)


def test_views_count_by_their_sides_and_by_how_often_the_encoder_sees_them():
    def seconds(*changes: str) -> float:
        found = estimate(PEOPLE, load_recipe("npm_default", NpmRecipe, list(changes)), CPU).seconds
        assert found is not None
        return found

    encoder = seconds() - seconds("views.has_encoder=false")
    assert 5 < encoder < 20
    assert seconds("views.encoder.epochs=80") - seconds() == pytest.approx(encoder)
    assert seconds("views.sides=24") - seconds() == pytest.approx(seconds("views.sides=36") - seconds("views.sides=24"))
    assert seconds("views.sides=24") - seconds() > encoder
