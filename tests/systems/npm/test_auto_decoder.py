"""A network and codes learned together: schedule, prior, chunks, and going on from a state."""

import pytest
import torch

from recon_cli.core.errors import NumericsError
from recon_cli.systems.npm.auto_decoder import AutoDecoder
from recon_cli.systems.npm.draws import Purpose, generator_of
from recon_cli.systems.npm.networks import shape_network
from recon_cli.systems.npm.networks_config import ShapeNetworkConfig

CONFIG = ShapeNetworkConfig(
    layers=3, width=8, skip=1, frequencies=2, code=3, epochs=4, batch=2, halving=2, ramp=2, rate=1e-2, code_rate=2e-2
)
POINTS = torch.rand(12, 3, generator=torch.Generator().manual_seed(9)) - 0.5


def decoder(config=CONFIG, items=5):
    generator = generator_of(0, Purpose.SHAPE_NETWORK)
    network = shape_network(config, generator=generator)
    return AutoDecoder(network, config, items, order=Purpose.SHAPE_ORDER, seed=0, generator=generator, device=torch.device("cpu"))


def losses(chunks=1, scale=1.0):
    """Item k has the distance k / 10 everywhere."""

    def terms(network, code, item, epoch):
        for points in POINTS.chunk(chunks):
            said = network.perceptron()(points[None], code[None])
            yield scale * (said - 0.1 * item).abs().mean() / chunks

    return terms


def trained(found, steps, terms=None):
    return [found.advance(terms or losses()) for _ in range(steps)]


def same(first, second):
    one, other = first.tensors(), second.tensors()
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def test_every_item_is_taken_once_an_epoch_in_an_order_of_its_own():
    taken = []

    def terms(network, code, item, epoch):
        taken.append((epoch, item))
        return losses()(network, code, item, epoch)

    found = decoder()
    assert found.steps == 4 * 3
    trained(found, found.steps, terms)
    epochs = [[item for at, item in taken if at == epoch] for epoch in range(4)]
    assert all(sorted(items) == [0, 1, 2, 3, 4] for items in epochs)
    assert epochs[0] != epochs[1]


def test_it_learns_and_repeats_itself():
    config = CONFIG.model_copy(update={"epochs": 150, "halving": 50, "prior": 0.0})
    first, second = decoder(config), decoder(config)
    curve = trained(first, first.steps)
    assert curve == trained(second, second.steps)
    assert same(first, second)
    assert sum(curve[-3:]) < 0.1 * sum(curve[:3])
    torch.testing.assert_close(first.losses, torch.tensor(curve))


def test_going_on_from_a_state_changes_nothing():
    whole, begun = decoder(), decoder()
    trained(whole, 7)
    trained(begun, 4)
    state = {name: value.clone() for name, value in begun.tensors().items()}
    resumed = decoder()
    resumed.restore(state)
    trained(resumed, 3)
    assert same(whole, resumed)


def test_chunks_add_up():
    one, three = decoder(), decoder()
    trained(one, 1)
    trained(three, 1, losses(chunks=3))
    for parameter, other in zip(one.network.parameters(), three.network.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, other.grad, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(one.codes.grad, three.codes.grad, atol=1e-7, rtol=1e-4)


def test_the_prior_grows_over_its_ramp_and_is_no_part_of_the_loss():
    config = CONFIG.model_copy(update={"prior": 0.5, "batch": 5, "rate": 1e-9, "code_rate": 1e-9})
    found = decoder(config)
    for share in (0.0, 0.5, 1.0, 1.0):
        codes = found.codes.detach().clone()
        loss = found.advance(losses(scale=0.0))
        assert loss == 0.0
        torch.testing.assert_close(found.codes.grad, share * 0.5 * 2 * codes / 5, atol=1e-9, rtol=1e-4)


def test_rates_are_halved_at_their_epochs():
    found, seen = decoder(), []
    while found.step < found.steps:
        found.advance(losses())
        seen.append([group["lr"] for group in found._optimiser.param_groups])
    assert seen == [[1e-2, 2e-2]] * 6 + [[5e-3, 1e-2]] * 6


def test_a_loss_that_is_not_finite_is_told():
    with pytest.raises(NumericsError, match="step 1 is not finite"):
        decoder().advance(losses(scale=float("inf")))
