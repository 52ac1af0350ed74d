"""Training of the networks of shape and pose: auto-decoders, the shapes first, then poses with the shapes frozen (Palafox et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.closed_surface import closed_mesh
from recon_cli.core.errors import InputError, StoppedError
from recon_cli.core.hooks import Hooks, NoHooks
from recon_cli.systems.npm.auto_decoder import AutoDecoder, Losses
from recon_cli.systems.npm.bodies import Bodies
from recon_cli.systems.npm.box import Box
from recon_cli.systems.npm.draws import Purpose, generator_of
from recon_cli.systems.npm.flow_samples import FlowSamples
from recon_cli.systems.npm.network_model import NetworkModel
from recon_cli.systems.npm.networks import WeightNormed, flow_network, shape_network
from recon_cli.systems.npm.networks_config import NetworksConfig
from recon_cli.systems.npm.ranks import Ranks
from recon_cli.systems.npm.sdf_samples import DistanceSamples

Draw = Callable[[int, int], tuple[Tensor, Tensor]]
"""Points [N, 3] of an item in an epoch and what the network is to say there [N, ...]."""


@dataclass(frozen=True)
class TrainedNetworks:
    """A model and what it says of its training bodies.

    Attributes:
        model: the networks.
        shapes: shape codes of the identities, shape [I, S].
        poses: pose codes, shape [P, P_].
        roots: from the body's own axes to those of the posed mesh, shape [P, 3, 3].
        places: where the pivot is [box], shape [P, 3].
        identity: whose pose each is, shape [P].
        shape_losses: mean clamped distance between said and true distance in every epoch [box], shape [E].
        pose_losses: mean of half the squared distance between said and true displacement in every epoch [box²], shape [F].
    """

    model: NetworkModel
    shapes: Tensor
    poses: Tensor
    roots: Tensor
    places: Tensor
    identity: Tensor
    shape_losses: Tensor
    pose_losses: Tensor


def train_networks(
    bodies: Bodies,
    config: NetworksConfig,
    *,
    seed: int = 0,
    hooks: Hooks | None = None,
    resume: Mapping[str, Tensor] | None = None,
    device: torch.device | str = "cpu",
) -> TrainedNetworks:
    """Learn both networks and all codes; the same seed gives the same bytes, also when it goes on from a checkpoint.

    Where ``torch.distributed`` is set up, the processes share the shapes or poses of each step, and only process 0 reports. All of them
    must be given the same arguments.

    Args:
        bodies: closed canonical meshes, and the same vertices in poses.
        config: the recipe.
        seed: of the first weights and codes and of every draw.
        hooks: progress in steps, checkpoints and the wish to stop.
        resume: a checkpoint of the same recipe, bodies and seed.
        device: where the networks run; points are drawn on the CPU.

    Raises:
        InputError: there is no body or no pose, a canonical mesh is not closed, or a posed one has other vertices.
        NumericsError: the loss is not finite.
        StoppedError: the hooks asked to stop.
    """
    device, resume, ranks = torch.device(device), resume or {}, Ranks.current()
    box = _checked_box(bodies)
    distances = DistanceSamples(bodies, box, config.shape, seed=seed)
    flows = FlowSamples(bodies, box, config.pose, most=config.poses, memory_mb=config.memory_mb, seed=seed)
    shape, pose = _shape_decoder(config, len(distances), seed, device), _flow_decoder(config, len(flows), seed, device)
    journal = _Journal(hooks if hooks and not ranks.rank else NoHooks(), ranks, shape.steps + pose.steps, device)
    _train(shape, _distance_losses(distances.batch, config, device), journal, "shape", resume)
    shapes = shape.codes.detach()
    journal.finished(_named(shape, "shape"))
    _train(pose, _flow_losses(flows, shapes, config, device), journal, "pose", resume)
    return TrainedNetworks(
        model=NetworkModel(box, shape.perceptron(), pose.perceptron(), config.resolution, 0.5 + config.shape.padding),
        shapes=shapes,
        poses=pose.codes.detach(),
        roots=flows.roots,
        places=flows.places,
        identity=flows.identity,
        shape_losses=shape.losses.reshape(config.shape.epochs, -1).mean(dim=1),
        pose_losses=pose.losses.reshape(config.pose.epochs, -1).mean(dim=1),
    )


def _checked_box(bodies: Bodies) -> Box:
    """The unit of all canonical meshes, every one of them closed."""
    if not len(bodies.names):
        raise InputError("there are no bodies to train on; expected at least one identity")
    meshes = [closed_mesh(bodies.canonical(identity), name) for identity, name in enumerate(bodies.names)]
    return Box.around(meshes)


def _shape_decoder(config: NetworksConfig, items: int, seed: int, device: torch.device) -> AutoDecoder:
    generator = generator_of(seed, Purpose.SHAPE_NETWORK)
    network = shape_network(config.shape, generator=generator)
    return AutoDecoder(network, config.shape, items, order=Purpose.SHAPE_ORDER, seed=seed, generator=generator, device=device)


def _flow_decoder(config: NetworksConfig, items: int, seed: int, device: torch.device) -> AutoDecoder:
    generator = generator_of(seed, Purpose.POSE_NETWORK)
    network = flow_network(config.shape.code, config.pose, generator=generator)
    return AutoDecoder(network, config.pose, items, order=Purpose.POSE_ORDER, seed=seed, generator=generator, device=device)


def _distance_losses(draw: Draw, config: NetworksConfig, device: torch.device) -> Losses:
    """Distance between clamped distances (Park et al. 2019, Eq. 4)."""
    clamp = config.shape.clamp

    def losses(network: WeightNormed, code: Tensor, item: int, epoch: int) -> Iterator[Tensor]:
        for points, distance, share in _chunks(draw(item, epoch), config.chunk, device):
            said = network.perceptron()(points[None], code[None])[0, :, 0]
            yield share * (said.clamp(-clamp, clamp) - distance.clamp(-clamp, clamp)).abs().mean()

    return losses


def _flow_losses(flows: FlowSamples, shapes: Tensor, config: NetworksConfig, device: torch.device) -> Losses:
    """Half the squared distance between displacements."""
    identity = flows.identity.tolist()

    def losses(network: WeightNormed, code: Tensor, item: int, epoch: int) -> Iterator[Tensor]:
        for points, flow, share in _chunks(flows.batch(item, epoch), config.chunk, device):
            said = network.perceptron()(points[None], torch.cat([shapes[identity[item]], code])[None])[0]
            yield share * 0.5 * (said - flow).square().sum(dim=-1).mean()

    return losses


def _chunks(drawn: tuple[Tensor, Tensor], size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Points and targets in pieces of a size, each with its share of the points."""
    for points, targets in zip(*(part.split(size) for part in drawn), strict=True):
        yield points.to(device), targets.to(device), len(points) / len(drawn[0])


class _Journal:
    """Progress, checkpoints and the wish to stop, over both trainings."""

    def __init__(self, hooks: Hooks, ranks: Ranks, total: int, device: torch.device) -> None:
        self._hooks, self._ranks, self._total, self._device = hooks, ranks, total, device
        self._done, self._finished = 0, {}

    def finished(self, tensors: Mapping[str, Tensor]) -> None:
        """A training is over; its tensors go into every further checkpoint."""
        self._finished = dict(tensors)
        self._done += len(tensors["shape.losses"])

    def after_step(self, decoder: AutoDecoder, stage: str, loss: float) -> None:
        """Report a step.

        Raises:
            StoppedError: process 0 was asked to stop.
        """
        done = self._done + decoder.step
        self._hooks.progress(done, self._total, **{f"{stage}_loss": loss})
        self._hooks.checkpoint(self._finished | _named(decoder, stage), {"step": done})
        if self._ranks.told(self._hooks.should_stop(), self._device) and done < self._total:
            raise StoppedError(f"stopped after {done} of {self._total} steps", hint="run the same command again to go on")


def _train(decoder: AutoDecoder, losses: Losses, journal: _Journal, stage: str, resume: Mapping[str, Tensor]) -> None:
    own = {name.removeprefix(f"{stage}."): value for name, value in resume.items() if name.startswith(f"{stage}.")}
    if own:
        decoder.restore(own)
    while decoder.step < decoder.steps:
        journal.after_step(decoder, stage, decoder.advance(losses))


def _named(decoder: AutoDecoder, stage: str) -> dict[str, Tensor]:
    return {f"{stage}.{name}": value for name, value in decoder.tensors().items()}
