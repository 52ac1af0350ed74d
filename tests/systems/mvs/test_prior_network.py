"""What the photo-consistency network ignores, what it learns from, and which weights it takes."""

from __future__ import annotations

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.kernels.prior_embedding import CHANNELS, EMBEDDED, QUANTUM
from recon_cli.systems.mvs import prior_network
from recon_cli.systems.mvs.prior_network import PriorNetwork, network_from, network_tensors, normalised, read_features
from tests.systems.mvs.prior_scenes import random_network, small_scene


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_score_ignores_the_order_of_views_and_those_that_do_not_see():
    network = random_network()
    embeddings, is_seen = torch.randn(5, 40, EMBEDDED + 1, generator=torch.Generator().manual_seed(2)), noise(5, 40) < 0.8
    order = [3, 0, 4, 2, 1]
    with torch.no_grad():
        score = network.pooled(embeddings, is_seen)
        torch.testing.assert_close(network.pooled(embeddings[order], is_seen[order]), score, atol=1e-5, rtol=1e-5)
        more = torch.cat([embeddings, 100 * embeddings[:2]]), torch.cat([is_seen, torch.zeros(2, 40, dtype=torch.bool)])
        torch.testing.assert_close(network.pooled(*more), score, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("count", [2, 3, 8])
def test_score_of_equal_views_does_not_depend_on_their_number(count):
    network = random_network()
    one = torch.randn(1, 30, EMBEDDED + 1, generator=torch.Generator().manual_seed(3))
    seen = torch.ones(count, 30, dtype=torch.bool)
    with torch.no_grad():
        torch.testing.assert_close(network.pooled(one.expand(count, -1, -1), seen), network.pooled(one, seen[:1]), atol=1e-4, rtol=1e-4)


def test_comparison_is_symmetric():
    network, first, second = random_network(), noise(6, 2, 9, CHANNELS, seed=1) - 0.5, noise(6, 2, 9, CHANNELS, seed=2) - 0.5
    with torch.no_grad():
        torch.testing.assert_close(network.embedding(first, second), network.embedding(second, first))


def test_gradient_reaches_every_weight():
    network = random_network().train()
    image = small_scene().scene.images[0][None, 20:60, 20:60].float() / 255
    features = network.features(image)[0]
    places = 10 + 20 * noise(4, 2, 3, 9, 2)
    read = read_features(features, places)
    embeddings = torch.stack([network.embedding(read[:, :1, k], read[:, 1:, k]) for k in range(3)])
    network.pooled(embeddings, torch.ones(3, 4, 1, dtype=torch.bool)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


def test_exposure_does_not_matter_where_there_is_contrast():
    image = 0.1 + 0.8 * noise(1, 3, 30, 30)
    bright, dark = normalised(image), normalised(0.5 * image)
    assert float((bright - dark)[:, :3].abs().max()) < 0.07
    assert float((bright - dark)[:, 3:5].abs().max()) < 0.1


def test_flat_pictures_give_no_colours():
    assert float(normalised(torch.full((1, 3, 20, 20), 0.6))[:, :3].abs().max()) < 1e-3


def test_strips_of_a_picture_are_its_features(monkeypatch):
    network, image = random_network(), (255 * noise(50, 33, 3)).to(torch.uint8)
    with torch.no_grad():
        whole = network.features(image[None].float() / 255)[0].permute(1, 2, 0)
    monkeypatch.setattr(prior_network, "STRIP", 7)
    strips = network.quantised_features(image)
    assert strips.dtype == torch.int8
    assert strips.shape == (50, 33, CHANNELS)
    assert float((strips / QUANTUM - whole).abs().max()) <= 0.5 / QUANTUM + 1e-5


def test_features_do_not_depend_on_what_lies_far_away():
    network, image = random_network(), noise(1, 60, 60, 3)
    other = image.clone()
    other[:, :, 45:] = noise(1, 60, 15, 3, seed=9)
    reach = prior_network.MARGIN
    with torch.no_grad():
        first, second = network.features(image), network.features(other)
    torch.testing.assert_close(first[..., : 45 - reach], second[..., : 45 - reach])
    assert not torch.allclose(first[..., 45 - reach], second[..., 45 - reach])


def test_weights_come_back():
    network = random_network()
    again = network_from(*network_tensors(network))
    for name, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)


def damaged(change):
    tensors, texts = network_tensors(PriorNetwork())
    tensors = {name: value.clone() for name, value in tensors.items()}
    change(tensors, texts)
    return tensors, texts


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensors, texts: texts.clear(), "something else"),
        (lambda tensors, texts: texts.update(format="of-somebody"), "of-somebody"),
        (lambda tensors, texts: texts.update(version="2"), "version 2"),
        (lambda tensors, texts: tensors.pop("direct.bias"), "direct.bias"),
        (lambda tensors, texts: tensors.update(more=torch.zeros(1)), "more"),
        (lambda tensors, texts: tensors.update({"direct.bias": torch.zeros(3)}), "direct.bias"),
        (lambda tensors, texts: tensors.update({"direct.bias": torch.zeros(CHANNELS, dtype=torch.int32)}), "int32"),
        (lambda tensors, texts: tensors["direct.bias"].fill_(torch.nan), "NaN"),
        (lambda tensors, texts: tensors["direct.bias"].fill_(torch.inf), "infinite"),
    ],
)
def test_other_weights_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        network_from(*damaged(change), path="w.safetensors")
