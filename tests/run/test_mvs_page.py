import math
import re
from dataclasses import replace

import numpy as np
import pytest

from recon_cli.core.points import PointSet
from recon_cli.run.mvs_page import MvsShown, ViewShown, mean_scores, mvs_page, verdict
from recon_cli.run.mvs_reprojection import reproject
from recon_cli.run.origin import RunFacts
from recon_cli.run.report import render_page
from tests.run.stereo import ball

FACTS = RunFacts("scene", "recon mvs run scene -o run", "views: {}\n", {"seed": "0"})


@pytest.fixture(scope="module")
def shown(stereo_scene) -> MvsShown:
    """The page of the exact depth maps."""
    views = []
    for view, name in enumerate("abcde"):
        depth = stereo_scene.depth.depth[view].numpy()
        found = reproject(stereo_scene.scene, stereo_scene.depth, view, [1 if view == 0 else view - 1])
        kept = np.where(depth > 3.2, depth, 0)
        views.append(ViewShown(name, depth, (depth > 0).astype(np.float32), 1.0, 0.5 + 0.1 * view, found, kept))
    seconds = {"depth maps": 3.25, "filter and fusion": 1.0}
    return MvsShown(views, stereo_scene.scene.cameras, (3.0, 4.0), ball(12), seconds, (512, 1024), ["view x is left out"])


def text_of(shown: MvsShown) -> str:
    return render_page(mvs_page(shown, FACTS))


def test_the_page_says_and_shows_everything(shown):
    text = text_of(shown)
    for words in (
        "5 views",
        "view x is left out",
        "The surface",
        "Depth maps",
        "Confidence",
        "Neighbours through the depth",
        "Share of every view",
        "3.2 s",
        "recon mvs run scene -o run",
        "Recipe, with every key",
        "0.50<span",
    ):
        assert words in text, words
    assert len(re.findall(r"<img ", text)) == 5  # three sides, optimised and confirmed depth, confidence, neighbours
    assert 'class="viewer"' in text
    assert len(re.findall(r'class="bar"', text)) == 5
    assert "http" not in re.sub(r"http://www.w3.org[^\"]*", "", text)


def test_the_verdict_names_the_worst_view(shown):
    numbers = {number.label: number for number in verdict(shown)}
    assert numbers["Confirmed by other views"].value == "70.0%"
    assert "50.0% in view a" in numbers["Confirmed by other views"].note
    assert float(numbers["Agreement of pictures"].value) > 0.9
    assert numbers["Surface"].unit == "faces"


def test_depth_maps_alone_have_a_page_without_a_surface(shown):
    views = [replace(view, kept=None, kept_depth=None) for view in shown.views]
    text = text_of(replace(shown, surface=None, views=views, memory_mb=(0, 0)))
    assert 'class="viewer"' not in text
    assert "Confirmed" not in text
    assert "that have a depth" in text


def test_a_view_without_overlap_and_a_cloud_still_have_a_page(shown):
    lost = replace(shown.views[0].reprojection, ncc=(math.nan,))
    views = [replace(shown.views[0], reprojection=lost), replace(shown.views[1], reprojection=None)]
    cloud = replace(shown, views=views, surface=PointSet(ball(12).vertices))
    assert mean_scores(cloud) == {}
    assert "points" in {number.unit for number in verdict(cloud)}
    assert text_of(cloud)


def test_pages_are_the_same_bytes(shown):
    assert text_of(shown) == text_of(shown)
