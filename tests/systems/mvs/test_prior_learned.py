"""The learned prior through its protocol."""

from __future__ import annotations

import pytest
import torch

from recon_cli.core.errors import UsageError
from recon_cli.kernels.prior_embedding import CHANNELS
from recon_cli.systems.mvs import prior_learned
from recon_cli.systems.mvs.prior_config import SamplingConfig
from recon_cli.systems.mvs.prior_learned import LearnedPrior
from recon_cli.systems.mvs.prior_samples import draw_samples
from recon_cli.systems.mvs.prior_training import point_logits
from tests.systems.mvs.prior_scenes import random_network, small_scene

ITEM = small_scene()
SAMPLES = draw_samples(ITEM, SamplingConfig(pixels=200, fewest_cameras=5, most_cameras=5), torch.Generator().manual_seed(1))


def scored(prior, sources=None, depth=None):
    return prior.scores(SAMPLES.view, SAMPLES.sources if sources is None else sources, SAMPLES.pixels, SAMPLES.depth, SAMPLES.slopes)


def test_scores_are_those_of_the_network_that_was_trained():
    network = random_network()
    images = [ITEM.scene.images[view].float() / 255 for view in (SAMPLES.view, *SAMPLES.sources)]
    with torch.no_grad():
        logits, is_seen = point_logits(network, ITEM, SAMPLES, images)
    expected = torch.sigmoid(logits) * is_seen
    scores = scored(LearnedPrior(ITEM.scene, network))
    assert scores.shape == SAMPLES.depth.shape
    assert float((scores - expected).abs().max()) < 0.05  # features are rounded to 1 / 127
    assert float(expected.std()) > 0.05


def test_order_of_sources_does_not_matter():
    prior = LearnedPrior(ITEM.scene, random_network())
    torch.testing.assert_close(scored(prior, SAMPLES.sources[::-1]), scored(prior), atol=1e-5, rtol=1e-5)


def test_chunks_make_no_difference(monkeypatch):
    whole = scored(LearnedPrior(ITEM.scene, random_network()))
    monkeypatch.setattr(prior_learned, "CHUNK", 100)
    assert torch.equal(scored(LearnedPrior(ITEM.scene, random_network())), whole)


def test_memory_is_bounded_and_scores_stay():
    size = CHANNELS * 112 * 112
    prior = LearnedPrior(ITEM.scene, random_network(), memory=size)
    assert prior.memory == 0
    assert prior.memory_of_all() == 7 * size
    first = scored(prior)
    assert prior.memory == 5 * size  # those of one call
    prior.scores(SAMPLES.view, SAMPLES.sources[:1], SAMPLES.pixels, SAMPLES.depth)
    assert prior.memory == 2 * size
    assert torch.equal(scored(prior), first)
    free = LearnedPrior(ITEM.scene, random_network(), memory=None)
    assert torch.equal(scored(free), first)
    assert free.memory == 5 * size


def test_no_slopes_means_facing_the_camera():
    prior = LearnedPrior(ITEM.scene, random_network())
    flat = prior.scores(SAMPLES.view, SAMPLES.sources, SAMPLES.pixels, SAMPLES.depth, torch.zeros_like(SAMPLES.slopes))
    assert torch.equal(prior.scores(SAMPLES.view, SAMPLES.sources, SAMPLES.pixels, SAMPLES.depth), flat)
    assert not torch.equal(flat, scored(prior))


def test_nothing_to_compare_scores_nothing():
    prior = LearnedPrior(ITEM.scene, random_network())
    assert float(scored(prior, sources=[]).abs().max()) == 0
    assert prior.scores(0, [1], torch.zeros(0, 2, dtype=torch.int32), torch.zeros(0, 3)).shape == (0, 3)
    behind = prior.scores(0, [1, 2], torch.tensor([[50, 50]]), torch.tensor([[-1.0, 0.0]]))
    assert behind.tolist() == [[0.0, 0.0]]


def test_pixels_outside_are_refused():
    prior = LearnedPrior(ITEM.scene, random_network())
    with pytest.raises(UsageError, match="112x112"):
        prior.scores(0, [1], torch.tensor([[112, 0]]), torch.ones(1, 1))
