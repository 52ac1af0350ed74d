"""A small network that guesses pose and orientation from the picture of a depth map, trained with the model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from recon_cli.systems.npm.config import EncoderConfig
from recon_cli.systems.npm.training_views import TrainingViews

ORIENTATION = 6
"""Numbers of an orientation: its first two columns (Zhou et al. 2019), which are continuous where angles are not."""


@dataclass(frozen=True)
class DepthEncoder:
    """Layers with rectifiers between them.

    Attributes:
        scale: what the coordinates of a picture are divided by, shape [A].
        weights: of every layer, shapes [out, in].
        biases: of every layer, shapes [out].
    """

    scale: Tensor
    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]

    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor]:  # [B, A] -> [B, P], [B, 3, 3]
        """Pose codes, and orientations of the root in a level camera's axes, of coordinates of pictures."""
        values = pictures / self.scale
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            values = values @ weight.T + bias
            values = values.relu() if number + 1 < len(self.weights) else values
        return values[:, ORIENTATION:], orientation(values[:, :ORIENTATION])


def orientation(columns: Tensor) -> Tensor:  # [B, 6] -> [B, 3, 3]
    """Rotations of two columns that need not be orthogonal (Gram-Schmidt)."""
    first = torch.nn.functional.normalize(columns[:, :3], dim=-1)
    second = columns[:, 3:] - (columns[:, 3:] * first).sum(dim=-1, keepdim=True) * first
    second = torch.nn.functional.normalize(second, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)


def train_encoder(views: TrainingViews, reach: Tensor, config: EncoderConfig, *, seed: int) -> DepthEncoder:  # [P]
    """Learn codes and orientations of the training views.

    Args:
        views: what to learn.
        reach: how far each number of a pose code moves the surface [box]: errors count by what they move.
        config: size and schedule.
        seed: of weights, batches and noise.
    """
    generator = torch.Generator().manual_seed(seed)
    # The largest deviation scales all: small coordinates are small parts of a picture.
    scale = views.pictures.std(dim=0).amax().expand(views.pictures.shape[1]).clone()
    sizes = [views.pictures.shape[1], *config.widths, ORIENTATION + views.poses.shape[1]]
    parameters = _initial(sizes, generator)
    encoder = DepthEncoder(scale, tuple(parameters[0::2]), tuple(parameters[1::2]))
    steps = max(1, config.epochs * len(views.pictures) // config.batch)
    optimizer = torch.optim.AdamW(parameters, lr=config.rate, weight_decay=config.decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / steps)))
    importance = reach.square() / reach.square().mean()
    for _ in range(steps):
        chosen = torch.randint(len(views.pictures), (config.batch,), generator=generator)
        pictures = views.pictures[chosen] + config.noise * scale * torch.randn(config.batch, len(scale), generator=generator)
        poses, roots = encoder(pictures)
        wanted = views.turns[chosen % views.sides] @ views.roots[chosen // views.sides]
        loss = (importance * (poses - views.poses[chosen // views.sides]).square()).mean() + (roots - wanted).square().sum(
            dim=(1, 2)
        ).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return DepthEncoder(scale, *(tuple(value.detach() for value in part) for part in (encoder.weights, encoder.biases)))


def _initial(sizes: Sequence[int], generator: torch.Generator) -> list[Tensor]:
    """Weights and biases in turn (He et al. 2015)."""
    found = []
    for before, after in pairwise(sizes):
        found.append((torch.randn(after, before, generator=generator) * math.sqrt(2 / before)).requires_grad_())
        found.append(torch.zeros(after).requires_grad_())
    return found
