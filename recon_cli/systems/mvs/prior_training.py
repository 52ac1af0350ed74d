"""Training of the photo-consistency network: points on the surface against points off it (Zins et al. 2022, Section 4.2)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import Adam

from recon_cli.core.errors import NumericsError, StoppedError
from recon_cli.core.hooks import Hooks, NoHooks
from recon_cli.systems.mvs.prior_config import PriorConfig
from recon_cli.systems.mvs.prior_disturbance import disturbed
from recon_cli.systems.mvs.prior_geometry import project_taps, sources_from_reference
from recon_cli.systems.mvs.prior_network import PriorNetwork, read_features
from recon_cli.systems.mvs.prior_samples import PriorSamples, TrainingScene, TrainingScenes, draw_samples


@dataclass(frozen=True)
class Training:
    """A trained network and how it got there.

    Attributes:
        network: in evaluation mode.
        losses: cross-entropy of every step [nats], shape [steps].
        accuracy: share of the points of every step on the right side of one half, shape [steps].
    """

    network: PriorNetwork
    losses: Tensor
    accuracy: Tensor


class _State:
    """All that a step reads and changes."""

    def __init__(self, config: PriorConfig, seed: int, device: torch.device) -> None:
        self.device = device
        self.generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = PriorNetwork().train().to(device)
        self.optimiser = Adam(self.network.parameters(), lr=config.learning_rate, foreach=False)
        self.curves = torch.zeros(config.steps, 2)
        self.step = 0

    def tensors(self) -> dict[str, Tensor]:
        """The state as a checkpoint."""
        named = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            for key, value in self.optimiser.state[parameter].items():
                named[f"adam.{key}.{name}"] = value
        return named | {"generator": self.generator.get_state(), "curves": self.curves, "step": torch.tensor(self.step)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from a checkpoint of the same recipe."""
        names = {name.removeprefix("network."): value for name, value in tensors.items() if name.startswith("network.")}
        self.network.load_state_dict(names)
        for name, parameter in self.network.named_parameters():
            keys = ("step", "exp_avg", "exp_avg_sq")
            moments = {key: tensors[f"adam.{key}.{name}"].clone() for key in keys}
            self.optimiser.state[parameter] = {key: value if key == "step" else value.to(self.device) for key, value in moments.items()}
        self.generator.set_state(tensors["generator"])
        self.curves, self.step = tensors["curves"].clone(), int(tensors["step"])


def train_prior(
    scenes: TrainingScenes,
    config: PriorConfig,
    *,
    seed: int = 0,
    hooks: Hooks | None = None,
    resume: Mapping[str, Tensor] | None = None,
    device: torch.device | str = "cpu",
) -> Training:
    """Train on random steps of random scenes; the same seed gives the same weights, also when it goes on from a checkpoint.

    Args:
        scenes: pictures with exact depth, at least one.
        config: the recipe.
        seed: of the first weights and of every draw.
        hooks: progress, checkpoints and the wish to stop.
        resume: a checkpoint of the same recipe, scenes and seed.
        device: where the network runs; every draw is made on the CPU.

    Raises:
        InputError: a scene has no two cameras, or no depth.
        NumericsError: the loss is not finite.
        StoppedError: the hooks asked to stop.
    """
    hooks = hooks or NoHooks()
    state = _State(config, seed, torch.device(device))
    if resume is not None:
        state.restore(resume)
    while state.step < config.steps:
        _advance(state, scenes, config)
        loss, accuracy = state.curves[state.step - 1].tolist()
        hooks.progress(state.step, config.steps, loss=loss, accuracy=accuracy)
        hooks.checkpoint(state.tensors(), {"step": state.step})
        if hooks.should_stop() and state.step < config.steps:
            raise StoppedError(f"stopped after {state.step} of {config.steps} steps", hint="run the same command again to go on")
    return Training(state.network.eval(), state.curves[:, 0], state.curves[:, 1])


def point_logits(network: PriorNetwork, item: TrainingScene, samples: PriorSamples, images: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Logits of all points of a step, and whether any source sees each, both [P, S].

    Args:
        network: takes part with its gradient.
        item: the scene, for its cameras.
        samples: P pixels with S points each.
        images: of the reference and of each source in [0, 1], [H, W, 3].
    """
    device = images[0].device
    pixels, depth, slopes = (values.to(device) for values in (samples.pixels, samples.depth, samples.slopes))
    features = [network.features(image[None])[0] for image in images]
    maps = sources_from_reference(item.scene.cameras, samples.view, samples.sources).to(device, torch.float32)
    still = torch.eye(3, 4, device=device)
    places, _ = project_taps(still, _size(images[0]), pixels, torch.ones_like(depth[:, :1]), slopes)
    own = read_features(features[0], places)  # [P, 1, T, D]
    embeddings, seen = [], []
    for k, image in enumerate(images[1:]):
        places, is_seen = project_taps(maps[k], _size(image), pixels, depth, slopes)
        embeddings.append(network.embedding(own, read_features(features[k + 1], places)))
        seen.append(is_seen)
    is_seen = torch.stack(seen)
    return network.pooled(torch.stack(embeddings), is_seen), is_seen.any(dim=0)


def _advance(state: _State, scenes: TrainingScenes, config: PriorConfig) -> None:
    item = scenes[int(torch.randint(len(scenes), (1,), generator=state.generator))]
    samples = draw_samples(item, config.sampling, state.generator)
    views = (samples.view, *samples.sources)
    images = [disturbed(item.scene.images[view], config.disturbance, state.generator).to(state.device) for view in views]
    logits, is_seen = point_logits(state.network, item, samples, images)
    targets = torch.zeros_like(logits)
    targets[:, 0] = 1.0
    # A point that no source sees teaches nothing, and its partner would tip the balance.
    both = is_seen.all(dim=1)
    logits, targets = logits[both], targets[both]
    # The sum of no terms is 0 and has a gradient of 0: a step without points changes next to nothing.
    losses = functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum")
    loss = losses / max(logits.numel(), 1)
    if not bool(torch.isfinite(loss)):
        raise NumericsError(f"the loss of step {state.step + 1} is not finite", hint="--set learning_rate=0.001")
    done = state.step / config.steps
    for group in state.optimiser.param_groups:
        group["lr"] = config.learning_rate * (config.last_rate + (1 - config.last_rate) * 0.5 * (1 + math.cos(math.pi * done)))
    state.optimiser.zero_grad(set_to_none=False)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
    state.optimiser.step()
    right = ((logits > 0) == (targets > 0.5)).float().mean() if len(logits) else torch.full_like(loss, 0.5)
    state.curves[state.step] = torch.stack([loss.detach(), right]).cpu()
    state.step += 1


def _size(image: Tensor) -> tuple[int, int]:
    return image.shape[1], image.shape[0]
