"""Time and memory that the training of a body model will take, from what can be counted before it starts."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from recon_cli.run.mvs_estimate import MEGABYTE, clock
from recon_cli.run.npm_bodies import Counts
from recon_cli.systems.npm.config import NpmRecipe, ViewsConfig
from recon_cli.systems.npm.guesses_training import SURFACE_POINTS
from recon_cli.systems.npm.networks_config import NetworkConfig


@dataclass(frozen=True)
class Costs:
    """Constants of the estimate, set by hand to trainings on two idle cores (docs/parametric_models.md).

    Attributes:
        libraries: memory of Python and the libraries [B].
        vertex: memory of a template vertex in a pose: the surface, what skinning leaves of it, its components [B].
        pair: time of a Gauss-Newton step of a warp for each point that is paired [s].
        round: time of a round of poses, joints and weights for each pose [s].
        turn: time of such a round however few the poses [s].
        pose: time to read a pose, to carry the template into it, and to find its codes [s].
        view: time to draw a training view and to find it among the others, beside its points [s].
        point: time to draw each of these [s].
        guess: time to train the encoder on a view once [s].
        figure: time of the distances of an identity from the model [s].
        page: time of the report's pictures [s].
        number: time to train on a point for each weight of a network [s].
    """

    libraries: int = 420 * MEGABYTE
    vertex: int = 124
    pair: float = 4.8e-6
    round: float = 2.0e-3
    turn: float = 1.8
    pose: float = 4e-3
    view: float = 1.2e-4
    point: float = 5.8e-8
    guess: float = 1.3e-5
    figure: float = 0.02
    page: float = 4.0
    number: float = 1.7e-10


COSTS = Costs()


@dataclass(frozen=True)
class Estimate:
    """What a training will need.

    Attributes:
        counts: what it learns from.
        seconds: wall time on two cores [s]; None where a GPU computes, whose speed is not known.
        memory: peak of the process [B].
    """

    counts: Counts
    seconds: float | None
    memory: int

    def sentence(self) -> str:
        """The estimate in words."""
        time = f"about {clock(self.seconds)} on two cores and " if self.seconds is not None else "about "
        return f"{self.counts.identities} identities in {self.counts.poses} poses: {time}{self.memory / 1e9:.1f} GB"

    def record(self) -> dict[str, float | None]:
        """The same for a machine."""
        seconds = None if self.seconds is None else round(self.seconds, 1)
        counts = {"identities": self.counts.identities, "poses": self.counts.poses}
        return {**counts, "seconds": seconds, "memory_mb": round(self.memory / MEGABYTE)}


def estimate(counts: Counts, recipe: NpmRecipe, device: torch.device, *, costs: Costs = COSTS) -> Estimate:
    """Time and memory of a training."""
    if recipe.model == "skinned":
        return _of_skinned(counts, recipe, costs)
    return _of_networks(counts, recipe, device, costs)


def _of_skinned(counts: Counts, recipe: NpmRecipe, costs: Costs) -> Estimate:
    template = recipe.template
    vertices = min(template.vertices, counts.vertices)
    coarse = sum(stage.steps for stage in template.stages if stage.spacing == template.stages[0].spacing)
    steps = (template.rounds - 1) * coarse + sum(stage.steps for stage in template.stages)
    seconds = costs.pair * steps * counts.identities * (vertices + template.samples)
    seconds += (costs.pose + costs.round * (recipe.skin.rounds + 1)) * counts.poses + costs.turn * recipe.skin.rounds
    seconds += _ending(counts, recipe.views, vertices, costs)
    return Estimate(counts, seconds, costs.libraries + costs.vertex * vertices * counts.poses)


def _of_networks(counts: Counts, recipe: NpmRecipe, device: torch.device, costs: Costs) -> Estimate:
    config = recipe.networks
    shape, pose = config.shape, config.pose
    work = counts.identities * shape.epochs * shape.points * _numbers(shape) + counts.poses * pose.epochs * pose.points * _numbers(pose)
    # Of every layer's output in a chunk its value and its slope are kept; of the weights the gradient and two moments, too.
    memory = 8 * config.chunk * max(shape.layers * shape.width, pose.layers * pose.width) + 16 * (_numbers(shape) + _numbers(pose))
    drawn = 8 * counts.identities * shape.points * shape.drawn
    kept = min(config.memory_mb * MEGABYTE, 12 * counts.poses * counts.vertices)
    seconds = work * costs.number + _ending(counts, recipe.views, SURFACE_POINTS, costs) if device.type == "cpu" else None
    return Estimate(counts, seconds, costs.libraries + memory + drawn + kept)


def _ending(counts: Counts, config: ViewsConfig, points: int, costs: Costs) -> float:
    """Time of what follows a training [s]: where fits begin, from views of so many points each, figures and report."""
    a_view = costs.view + costs.point * points
    if config.has_encoder:
        a_view += costs.guess * config.encoder.epochs
    return a_view * config.sides * counts.poses + costs.figure * counts.identities + costs.page


def _numbers(config: NetworkConfig) -> int:
    """Weights of a network, about."""
    return config.layers * config.width**2
