"""Training of the networks on tubes: it learns, repeats itself, goes on where it stopped, and two processes do as one."""

import os
import socket

import pytest
import torch
from torch import multiprocessing

from recon_cli.core.errors import InputError, StoppedError
from recon_cli.core.hooks import NoHooks
from recon_cli.core.mesh import Mesh
from recon_cli.run.npm_launch import launched
from recon_cli.systems.npm.network_training import train_networks
from recon_cli.systems.npm.networks_config import FlowNetworkConfig, NetworksConfig, ShapeNetworkConfig
from recon_cli.systems.npm.ranks import Ranks
from recon_cli.systems.npm.sdf_samples import SignedDistance
from tests.systems.npm.test_learning import Family

SIZES = {"layers": 3, "width": 32, "skip": 1, "frequencies": 3, "code": 6}
QUICK = NetworksConfig(
    shape=ShapeNetworkConfig(**SIZES, epochs=3, points=60, batch=3, drawn=2, kept=2),
    pose=FlowNetworkConfig(**SIZES, epochs=2, points=50, batch=5),
    resolution=24,
    chunk=40,
)
STEPS = 3 * 2 + 2 * 2


class Recorder(NoHooks):
    """Keeps what is told; asks to stop after some steps."""

    def __init__(self, stop_after=None):
        self.stop_after, self.steps, self.states = stop_after, [], []

    def progress(self, done, total, **numbers):
        self.steps.append((done, total, *numbers))

    def checkpoint(self, tensors, numbers):
        self.states.append({name: tensor.clone() for name, tensor in tensors.items()})

    def should_stop(self):
        return len(self.steps) == self.stop_after


def numbers(trained):
    """Everything that was learned, in one row."""
    networks = (trained.model.distances, trained.model.flows)
    weights = [part.flatten() for network in networks for part in (*network.weights, *network.biases)]
    return torch.cat([*weights, trained.shapes.flatten(), trained.poses.flatten(), trained.shape_losses, trained.pose_losses])


@pytest.fixture(scope="module")
def whole():
    return train_networks(Family(poses=2), QUICK, seed=5)


def test_sizes_are_those_of_the_recipe_and_the_bodies(whole):
    assert (whole.model.shape_size, whole.model.pose_size) == (6, 6)
    assert (whole.shapes.shape, whole.poses.shape, whole.roots.shape, whole.places.shape) == ((4, 6), (8, 6), (8, 3, 3), (8, 3))
    assert whole.identity.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert (whole.shape_losses.shape, whole.pose_losses.shape) == ((3,), (2,))


def test_same_seed_same_bytes_and_another_seed_others(whole):
    assert torch.equal(numbers(whole), numbers(train_networks(Family(poses=2), QUICK, seed=5)))
    assert not torch.equal(numbers(whole), numbers(train_networks(Family(poses=2), QUICK, seed=6)))


@pytest.mark.parametrize("stop_after", [4, 6, 7])
def test_training_goes_on_exactly_where_it_stopped(whole, stop_after):
    recorder = Recorder(stop_after)
    with pytest.raises(StoppedError, match=f"stopped after {stop_after} of {STEPS}"):
        train_networks(Family(poses=2), QUICK, seed=5, hooks=recorder)
    rest = Recorder()
    resumed = train_networks(Family(poses=2), QUICK, seed=5, hooks=rest, resume=recorder.states[-1])
    assert torch.equal(numbers(whole), numbers(resumed))
    stages = ["shape_loss"] * 6 + ["pose_loss"] * 4
    assert rest.steps == [(step + 1, STEPS, stages[step]) for step in range(stop_after, STEPS)]


def test_the_shapes_are_frozen_while_poses_are_learned():
    recorder = Recorder()
    train_networks(Family(poses=2), QUICK, hooks=recorder)
    after, end = recorder.states[5], recorder.states[-1]
    assert all(torch.equal(value, end[name]) for name, value in after.items() if name.startswith("shape."))
    assert not torch.equal(recorder.states[6]["pose.value.codes"], end["pose.value.codes"])


def test_global_random_numbers_are_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    train_networks(Family(poses=1), QUICK)
    assert torch.equal(torch.rand(3), expected)


def _one_of_two(rank, port, queue):
    """A process as torchrun starts it."""
    os.environ |= {"WORLD_SIZE": "2", "RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    with launched("cpu") as (device, own):
        recorder, stopping = Recorder(), Recorder(stop_after=3 if rank == 0 else None)
        trained = train_networks(Family(poses=2), QUICK, seed=5, hooks=recorder, device=device)
        try:
            train_networks(Family(poses=2), QUICK, seed=5, hooks=stopping)
            message = "went through"
        except StoppedError as error:
            message = error.message
    queue.put((own, numbers(trained).tolist(), len(recorder.steps), len(recorder.states), message))


def test_two_processes_learn_the_same_as_each_other_and_nearly_as_one(whole):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    processes = [context.Process(target=_one_of_two, args=(rank, port, queue)) for rank in range(2)]
    for process in processes:
        process.start()
    found = sorted(queue.get() for _ in processes)
    for process in processes:
        process.join()
    assert [part[0] for part in found] == [0, 1]
    assert found[0][1] == found[1][1]
    torch.testing.assert_close(torch.tensor(found[0][1]), numbers(whole), atol=2e-4, rtol=1e-3)
    assert [part[2:4] for part in found] == [(STEPS, STEPS), (0, 0)]  # only process 0 tells and keeps
    assert [part[4] for part in found] == [f"stopped after 3 of {STEPS} steps"] * 2


def test_a_process_takes_its_share():
    assert [Ranks(rank, 3).share([7, 8, 9, 5]) for rank in range(3)] == [[7, 5], [8], [9]]
    assert Ranks.current() == Ranks(0, 1)


class Open(Family):
    def canonical(self, identity):
        mesh = super().canonical(identity)
        return Mesh(mesh.vertices, mesh.faces[1:]) if identity == 1 else mesh


class Nobody(Family):
    names = ()


@pytest.mark.parametrize(("bodies", "word"), [(Nobody(), "no bodies"), (Open(), "b: has 3 open edges"), (Family(poses=0), "no identity")])
def test_bodies_that_cannot_be_learned_from_are_refused_at_once(bodies, word):
    recorder = Recorder()
    with pytest.raises(InputError, match=word):
        train_networks(bodies, QUICK, hooks=recorder)
    assert recorder.steps == []


@pytest.mark.slow
def test_distances_surfaces_and_poses_are_learned():
    rates = {"rate": 2e-3, "code_rate": 4e-3, "batch": 4}
    config = NetworksConfig(
        shape=ShapeNetworkConfig(**SIZES | rates | {"width": 64}, points=500, epochs=300, halving=100, kept=1000),
        pose=FlowNetworkConfig(**SIZES | rates | {"width": 64, "code": 12}, points=200, epochs=80, halving=25, ramp=10),
        resolution=64,
    )
    bodies = Family(poses=4)
    trained = train_networks(bodies, config)
    model = trained.model
    mesh = bodies.canonical(2)
    distance = SignedDistance(mesh.with_vertices(model.box.inside(mesh.vertices)))
    surface = model.surface(trained.shapes[2])
    assert float(distance(surface.vertices).abs().mean()) < 0.002
    points = model.box.inside(mesh.vertices).float()[None]
    for item in (8, 10):
        flowed = points + model.flow(trained.shapes[2], trained.poses[item : item + 1], points)
        found = flowed[0].detach() @ trained.roots[item].T + trained.places[item]
        truth = model.box.inside(bodies.posed(2, item - 8)).float()
        assert float((found - truth).norm(dim=1).mean()) < 0.02
    assert float(trained.pose_losses[-1]) < 0.1 * float(trained.pose_losses[0])
