"""The kernels of the learned prior against the network whose weights they use, and against a loop."""

from __future__ import annotations

import math

import pytest
import torch

from recon_cli.kernels.prior_embedding import CHANNELS, EMBEDDED, QUANTUM, embed_source, pool_sources
from recon_cli.systems.mvs.prior_geometry import project_taps
from recon_cli.systems.mvs.prior_network import read_features
from tests.systems.mvs.prior_scenes import random_network

HEIGHT, WIDTH = 24, 31
TILTED = torch.tensor([[0.95, -0.1, 2.0, 3.0], [0.12, 1.02, -1.0, 0.5], [1e-3, 2e-3, 1.0, 0.02]])


def quantised(seed, height=HEIGHT, width=WIDTH):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-127, 128, (height, width, CHANNELS), generator=generator).to(torch.int8)


def points(seed=0, count=300):
    generator = torch.Generator().manual_seed(seed)
    columns = torch.randint(WIDTH, (count,), generator=generator)
    rows = torch.randint(HEIGHT, (count,), generator=generator)
    depth = 0.3 + 3 * torch.rand(count, 4, generator=generator)
    return torch.stack([columns, rows], dim=-1).int(), depth, 0.02 * torch.randn(count, 2, generator=generator)


def twin(network, reference, source, source_map, pixels, depth, slopes):
    own_map = torch.eye(3, 4)
    own = read_features(
        reference.permute(2, 0, 1) / QUANTUM, project_taps(own_map, (WIDTH, HEIGHT), pixels, torch.ones_like(depth[:, :1]), slopes)[0]
    )
    places, is_seen = project_taps(source_map, (source.shape[1], source.shape[0]), pixels, depth, slopes)
    with torch.no_grad():
        return network.embedding(own, read_features(source.permute(2, 0, 1) / QUANTUM, places)), is_seen


@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (15, 40), (6, 5)])
def test_embedding_is_the_networks(size):
    network, (pixels, depth, slopes) = random_network(), points()
    reference, source = quantised(1), quantised(2, *size)
    got = embed_source(reference, source, TILTED, pixels, depth, slopes, network.embedding_layer())
    expected, is_seen = twin(network, reference, source, TILTED, pixels, depth, slopes)
    assert 0 < int(is_seen.sum()) < is_seen.numel()
    assert torch.equal(got[..., EMBEDDED] > -math.inf, is_seen)
    torch.testing.assert_close(got[is_seen], expected[is_seen], atol=2e-4, rtol=1e-4)
    assert bool((got[~is_seen][:, :EMBEDDED] == 0).all())


def test_what_lies_behind_the_source_or_has_no_depth_is_not_seen():
    network = random_network()
    turned = torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, -2.0]])  # z of the source is z - 2
    pixels = torch.tensor([[5, 6]], dtype=torch.int32)
    depth = torch.tensor([[0.0, -1.0, 1.9, 2.0, 40.0]])
    got = embed_source(quantised(0), quantised(1), turned, pixels, depth, torch.zeros(1, 2), network.embedding_layer())
    assert (got[0, :, EMBEDDED] > -math.inf).tolist() == [False, False, False, False, True]


def test_the_same_view_at_the_same_place_has_no_difference():
    network, features = random_network(), quantised(3)
    pixels = torch.tensor([[9, 9]], dtype=torch.int32)
    still = torch.eye(3, 4)
    got = embed_source(features, features, still, pixels, torch.ones(1, 1), torch.zeros(1, 2), network.embedding_layer())
    taps = features[7:12:2, 7:12:2].reshape(1, 1, 9, CHANNELS) / QUANTUM
    with torch.no_grad():
        torch.testing.assert_close(got, network.embedding(taps, taps), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_pooling_is_the_networks(count):
    network = random_network()
    generator = torch.Generator().manual_seed(count)
    embeddings = torch.randn(count, 500, EMBEDDED + 1, generator=generator)
    is_seen = torch.rand(count, 500, generator=generator) < 0.6
    with torch.no_grad():
        expected = torch.sigmoid(network.pooled(embeddings, is_seen)) * is_seen.any(dim=0)
    embeddings[..., EMBEDDED][~is_seen] = -math.inf
    torch.testing.assert_close(pool_sources(embeddings, network.pooling_layer()), expected, atol=1e-5, rtol=1e-5)


def test_pooling_ignores_the_order_of_sources():
    network = random_network()
    embeddings = torch.randn(7, 200, EMBEDDED + 1, generator=torch.Generator().manual_seed(0))
    shuffled = embeddings[[4, 2, 6, 0, 5, 1, 3]]
    got = pool_sources(shuffled, network.pooling_layer())
    torch.testing.assert_close(got, pool_sources(embeddings, network.pooling_layer()), atol=1e-5, rtol=1e-5)
