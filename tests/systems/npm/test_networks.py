"""The networks against one written out plainly, and their sizes as published."""

import math

import torch
from torch.nn import functional

from recon_cli.systems.npm.networks import encoded, flow_network, shape_network
from recon_cli.systems.npm.networks_config import FlowNetworkConfig, NetworksConfig, ShapeNetworkConfig

SMALL = ShapeNetworkConfig(layers=4, width=12, skip=2, frequencies=3, code=5)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def plain(network, points, codes):
    """Every point with its code in one row, weights normalised by hand."""
    count = points.shape[1]
    rows = torch.cat([encoded(points, network.form.frequencies), codes[:, None].expand(-1, count, -1)], dim=-1)
    hidden = rows
    last = len(network.directions) - 1
    for layer, (direction, bias) in enumerate(zip(network.directions, network.biases)):
        if layer == network.form.skip:
            hidden = torch.cat([hidden, rows], dim=-1)
        weight = direction if layer == last else functional.normalize(direction, dim=1) * network.lengths[layer][:, None]
        hidden = hidden @ weight.T + bias
        if layer < last:
            hidden = hidden.clamp(min=0)
    return hidden.tanh() if network.form.is_bounded else hidden


def test_split_layers_say_what_whole_ones_say_and_have_their_gradients():
    network = flow_network(4, FlowNetworkConfig(layers=4, width=12, skip=2, frequencies=3, code=5), generator=seeded()).double()
    points = torch.rand(3, 7, 3, generator=seeded(1), dtype=torch.float64) - 0.5
    codes = torch.randn(3, 9, generator=seeded(2), dtype=torch.float64)
    inputs = [points.requires_grad_(), codes.requires_grad_(), *network.parameters()]
    found = network.perceptron()(points, codes)
    expected = plain(network, points, codes)
    assert found.shape == (3, 7, 3)
    torch.testing.assert_close(found, expected)
    for one, other in zip(torch.autograd.grad(found.square().sum(), inputs), torch.autograd.grad(expected.square().sum(), inputs)):
        torch.testing.assert_close(one, other)


def test_distances_are_bounded_and_normalised_weights_have_their_lengths():
    network = shape_network(SMALL, generator=seeded())
    with torch.no_grad():
        network.directions[1].mul_(3.0)  # a direction's own length does not matter
        network.biases[-1].fill_(50.0)
    perceptron = network.perceptron()
    torch.testing.assert_close(perceptron.weights[1].norm(dim=1), network.lengths[1])
    points = torch.rand(2, 5, 3, generator=seeded(1))
    torch.testing.assert_close(perceptron(points, torch.zeros(2, 5)), torch.ones(2, 5, 1))


def test_the_encoding_has_octaves_from_a_wavelength_of_two():
    points = torch.tensor([[0.1, -0.3, 0.5]])
    found = encoded(points, 3)[0]
    assert found.shape == (21,)
    torch.testing.assert_close(found[:3], points[0])
    torch.testing.assert_close(found[3 + 2 * 3 + 1], torch.tensor(math.sin(4 * math.pi * -0.3)))
    torch.testing.assert_close(found[12 + 1 * 3 + 2], torch.tensor(math.cos(2 * math.pi * 0.5)))
    torch.testing.assert_close(encoded(points + 2, 3)[0, 3:], found[3:], atol=1e-5, rtol=0)


def test_the_defaults_are_the_published_networks():
    config = NetworksConfig()
    shape = shape_network(config.shape, generator=seeded())
    pose = flow_network(config.shape.code, config.pose, generator=seeded())
    numbers = [sum(part.numel() for part in network.parameters()) / 1e6 for network in (shape, pose)]
    assert [len(shape.lengths), len(pose.lengths)] == [8, 8]
    assert 2.0 < numbers[0] < 2.2
    assert 8.2 < numbers[1] < 8.6


def test_the_same_seed_gives_the_same_first_weights():
    first, second, other = (shape_network(SMALL, generator=seeded(seed)).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not torch.equal(first["biases.0"], other["biases.0"])
