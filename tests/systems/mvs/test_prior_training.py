"""Training of the photo-consistency network: it learns, it repeats itself, and it goes on as if it had never stopped."""

from __future__ import annotations

import pytest
import torch

from recon_cli.core.errors import NumericsError, StoppedError
from recon_cli.core.hooks import NoHooks
from recon_cli.systems.mvs.prior_config import DisturbanceConfig, PriorConfig, SamplingConfig
from recon_cli.systems.mvs.prior_disturbance import disturbed
from recon_cli.systems.mvs.prior_learned import LearnedPrior
from recon_cli.systems.mvs.prior_measures import measured, scored_points
from recon_cli.systems.mvs.prior_network import PriorNetwork
from recon_cli.systems.mvs.prior_training import train_prior
from tests.systems.mvs.prior_scenes import small_scene

QUICK = PriorConfig(steps=5, sampling=SamplingConfig(pixels=64, most_cameras=5))


class Recorder(NoHooks):
    """Keeps what is told; asks to stop after some steps."""

    def __init__(self, stop_after=None):
        self.stop_after, self.steps, self.states = stop_after, [], []

    def progress(self, done, total, **numbers):
        self.steps.append((done, total, numbers))

    def checkpoint(self, tensors, numbers):
        self.states.append({name: tensor.clone() for name, tensor in tensors.items()})

    def should_stop(self):
        return len(self.steps) == self.stop_after


def same(first, second):
    return all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


def test_same_seed_same_weights_and_another_seed_others():
    first, second, other = (train_prior([small_scene()], QUICK, seed=seed).network for seed in (3, 3, 4))
    assert same(first, second)
    assert not same(first, other)


def test_training_goes_on_exactly_where_it_stopped():
    whole = train_prior([small_scene()], QUICK, seed=2)
    recorder = Recorder(stop_after=2)
    with pytest.raises(StoppedError, match="2 of 5"):
        train_prior([small_scene()], QUICK, seed=2, hooks=recorder)
    rest = Recorder()
    resumed = train_prior([small_scene()], QUICK, seed=2, hooks=rest, resume=recorder.states[-1])
    assert [done for done, _, _ in rest.steps] == [3, 4, 5]
    assert same(whole.network, resumed.network)
    assert torch.equal(whole.losses, resumed.losses)
    assert torch.equal(whole.accuracy, resumed.accuracy)


def test_global_random_numbers_are_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    train_prior([small_scene()], QUICK.model_copy(update={"steps": 1}), seed=7)
    assert torch.equal(torch.rand(3), expected)


def test_an_infinite_rate_is_a_numerics_error():
    with pytest.raises(NumericsError, match="not finite"):
        train_prior([small_scene()], QUICK.model_copy(update={"learning_rate": 1e20}), seed=0)


@pytest.mark.slow
def test_a_short_training_separates_better_than_its_start():
    config = PriorConfig(steps=60, sampling=SamplingConfig(pixels=1024, most_cameras=6))
    scenes = [small_scene(seed, size=160) for seed in range(3)]
    network = train_prior(scenes, config, seed=0).network
    start = PriorNetwork().eval()
    fresh = [small_scene(17, size=160)]
    priors = [lambda scene: LearnedPrior(scene, network), lambda scene: LearnedPrior(scene, start)]
    learned, before = (measured(points) for points in scored_points(priors, fresh, config.sampling, batches=6, seed=5))
    assert learned.auc > 0.9
    assert learned.auc > before.auc


def test_no_disturbance_changes_nothing_and_noise_is_noise():
    image = small_scene().scene.images[0]
    none = DisturbanceConfig(gain=0, tint=0, gamma=0, blur=0, noise=0)
    still = disturbed(image, none, torch.Generator().manual_seed(0))
    torch.testing.assert_close(still, image.float() / 255, atol=1e-4, rtol=1e-4)
    other = disturbed(image, DisturbanceConfig(), torch.Generator().manual_seed(0))
    assert float((other - still).abs().mean()) > 0.005
    assert float(other.min()) >= 0
    assert float(other.max()) <= 1
    assert torch.equal(other, disturbed(image, DisturbanceConfig(), torch.Generator().manual_seed(0)))
