import re
from dataclasses import replace

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.scene import Scene
from recon_cli.run.mvs_estimate import COSTS, MEGABYTE, check_memory, clock, estimate
from recon_cli.systems.mvs.config import FusionConfig, MvsRecipe, SrdfConfig, SrdfEpoch, ViewsConfig
from tests.run.stereo import arc

RECIPE = MvsRecipe()


def scene(views: int = 4, scale: int = 1, share: float = 0.5) -> Scene:
    """Black pictures whose masks cover a share of the rows."""
    cameras = arc(views, scale=scale)
    height, width = 48 * scale, 64 * scale
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[: round(share * height)] = True
    return Scene(cameras, (torch.zeros(height, width, 3, dtype=torch.uint8),) * views, (mask,) * views)


def test_pixels_are_counted():
    needed = estimate(scene(), RECIPE)
    assert (needed.views, needed.pixels, needed.foreground) == (4, 4 * 48 * 64, 4 * 24 * 64)
    assert estimate(Scene(scene().cameras, scene().images), RECIPE).foreground == needed.pixels


def test_a_scene_twice_as_large_costs_about_twice_as_much():
    costs = replace(COSTS, libraries=0, surface=0, start_seconds=0.0)
    small, wide = (estimate(scene(12, scale), RECIPE, costs=costs) for scale in (10, 20))
    assert wide.seconds == pytest.approx(4 * small.seconds, rel=0.01)
    assert wide.memory == pytest.approx(4 * small.memory, rel=0.01)
    more = estimate(scene(16, 10), RECIPE, costs=costs)
    assert more.seconds == pytest.approx(16 / 12 * small.seconds, rel=0.01)
    assert more.memory <= 16 / 12 * small.memory * 1.01


def test_less_work_is_less_time_and_not_more_memory():
    whole = estimate(scene(12, 10), RECIPE)
    for less in (
        estimate(scene(12, 10), RECIPE, share=0.5),
        estimate(scene(12, 10), RECIPE, has_fusion=False),
        estimate(scene(12, 10, share=0.25), RECIPE),
    ):
        assert less.seconds < whole.seconds
        assert less.memory <= whole.memory


def test_smaller_groups_need_less_memory():
    voting = RECIPE.model_copy(update={"srdf": SrdfConfig(epochs=(SrdfEpoch(),))})
    groups = [voting.model_copy(update={"views": ViewsConfig(group_size=size)}) for size in (4, 12)]
    small, large = (estimate(scene(12, 40), recipe, has_fusion=False) for recipe in groups)
    assert small.memory < large.memory


def test_every_source_and_every_step_takes_time():
    plain = estimate(scene(12, 10), RECIPE).seconds
    search = RECIPE.search.model_copy(update={"detail_rounds": 0})
    assert estimate(scene(12, 10), RECIPE.model_copy(update={"search": search})).seconds < plain
    closed, one, ten = (
        estimate(scene(12, 10), RECIPE.model_copy(update={"srdf": SrdfConfig(ascent=ascent, epochs=(SrdfEpoch(steps=steps),))})).seconds
        for ascent, steps in (("closed", 10), ("adam", 1), ("adam", 10))
    )
    assert closed == one > plain
    assert ten - plain == pytest.approx(10 * (one - plain))


def test_what_does_not_fit_is_refused_with_a_size_that_does():
    big = scene(12, 20)
    needed = estimate(big, RECIPE)
    limit = round((COSTS.libraries + 0.5 * (needed.memory - COSTS.libraries)) / MEGABYTE)
    with pytest.raises(InputError, match=f"--memory-limit allows {limit}") as error:
        check_memory(needed, limit, big)
    side = re.search(r"--max-size (\d+)", str(error.value.hint))
    assert side is not None
    factor = int(side[1]) / (64 * 20)
    assert 0.6 < factor < 0.71
    fitting = COSTS.libraries + (needed.memory - COSTS.libraries) * factor**2
    assert fitting <= limit * MEGABYTE
    check_memory(needed, None, big)
    check_memory(needed, needed.memory // MEGABYTE + 1, big)


def test_where_no_size_would_fit_none_is_promised():
    with pytest.raises(InputError) as error:
        check_memory(estimate(scene(), RECIPE), 10, scene())
    assert "--max-size" not in str(error.value.hint)


def test_the_volume_counts_no_more_than_it_may_take():
    recipe = RECIPE.model_copy(update={"fusion": FusionConfig(memory_limit_mb=16)})
    assert estimate(scene(12, 40), recipe).memory <= estimate(scene(12, 40), RECIPE).memory


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (61, "61 s"), (150, "2 min"), (5400, "1.5 h")])
def test_times_in_words(seconds, text):
    assert clock(seconds) == text


def test_the_sentence_names_everything():
    sentence = estimate(scene(), RECIPE).sentence()
    for part in ("4 views", "million pixels", "two cores", "GB"):
        assert part in sentence
