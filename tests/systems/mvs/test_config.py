"""The shipped recipes of multi-view stereo."""

from recon_cli.config.recipe import load_recipe
from recon_cli.systems.mvs.config import MvsRecipe


def test_the_default_recipe_is_the_default():
    assert load_recipe("mvs_default", MvsRecipe) == MvsRecipe()


def test_the_paper_s_recipe_does_as_the_paper_does():
    paper = load_recipe("mvs_paper", MvsRecipe)
    assert not paper.search.enabled
    assert (paper.srdf.prior, paper.srdf.ascent) == ("median", "adam")
    offsets = [epoch.offset * 2**epoch.level for epoch in paper.srdf.epochs]
    assert offsets == sorted(offsets, reverse=True)
    assert len({epoch.samples for epoch in paper.srdf.epochs}) == 1
    assert (paper.filter.agreeing, paper.filter.conflicts) == (0, 0.0)
    assert paper.filter.bilateral_radius > 0
