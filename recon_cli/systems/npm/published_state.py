"""The variables of the published fit and what Adam knows of them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim import Adam

from recon_cli.systems.npm.published_config import PublishedFitConfig
from recon_cli.systems.npm.skinning import rotation
from recon_cli.systems.npm.start import Start

TERMS = ("reconstruction", "shape", "pose", "temporal", "icp")
NAMES = ("shape", "poses", "turns", "places")
MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class PublishedState:
    """All that a step reads and changes; codes are held in the published scale.

    Args:
        start: what the variables begin with, on the device of the model.
        config: rates and scales.
        seed: of the draws of points and windows.

    Attributes:
        variables: shape [S], poses [T, P], turns [T, 3] (axis times angle in the camera's axes, after the start's orientation) and
            places [T, 3].
        adam: over them.
        generator: of all draws.
        history: terms of the energy, shape [iterations, 5].
        iteration: number of those done.
    """

    def __init__(self, start: Start, config: PublishedFitConfig, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.start = start
        self.config = config
        self.shape_scale, self.pose_scale = config.shape_scale or 1.0, config.pose_scale or 1.0
        first = (
            start.shape * self.shape_scale,
            start.poses * self.pose_scale,
            torch.zeros_like(start.places),
            start.places,
        )
        self.variables = {name: value.detach().clone().requires_grad_() for name, value in zip(NAMES, first, strict=True)}
        for variable in self.variables.values():
            variable.grad = torch.zeros_like(variable)  # Adam keeps moments of what no term depends on, too
        rates = (config.shape_rate, config.pose_rate, config.root_rate, config.root_rate)
        groups = [{"params": [self.variables[name]], "lr": rate, "first": rate} for name, rate in zip(NAMES, rates, strict=True)]
        self.adam = Adam(groups, foreach=False)
        self.history = torch.zeros(config.iterations, len(TERMS))
        self.iteration = 0

    @property
    def shape(self) -> Tensor:  # [S]
        """The shape code in the model's scale."""
        return self.variables["shape"] / self.shape_scale

    def body(self, frames: slice) -> tuple[Tensor, Tensor, Tensor]:  # [B, P], [B, 3, 3], [B, 3]
        """Pose codes, orientations and places of some frames."""
        roots = rotation(self.variables["turns"][frames]) @ self.start.roots[frames]
        return self.variables["poses"][frames] / self.pose_scale, roots, self.variables["places"][frames]

    def set_rates(self) -> None:
        """The learning rates of the next iteration: halved after each of equal shares of all iterations."""
        share = max(1, self.config.iterations // (self.config.halvings + 1))
        for group in self.adam.param_groups:
            group["lr"] = group["first"] * 0.5 ** min(self.config.halvings, self.iteration // share)

    def tensors(self) -> dict[str, Tensor]:
        """The state as a checkpoint."""
        named = {name: value.detach().clone() for name, value in self.variables.items()}
        for name, variable in self.variables.items():
            for moment in MOMENTS:
                named[f"adam.{moment}.{name}"] = self.adam.state[variable][moment].clone()
        return named | {"generator": self.generator.get_state(), "history": self.history.clone(), "step": torch.tensor(self.iteration)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from a checkpoint of the same recipe, frames and start."""
        for name, variable in self.variables.items():
            variable.data.copy_(tensors[name])
            moments = {moment: tensors[f"adam.{moment}.{name}"].clone() for moment in MOMENTS}
            self.adam.state[variable] = {key: value if key == "step" else value.to(variable) for key, value in moments.items()}
        self.generator.set_state(tensors["generator"])
        self.history, self.iteration = tensors["history"].clone(), int(tensors["step"])
