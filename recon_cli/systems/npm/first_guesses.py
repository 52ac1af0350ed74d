"""Where fits of a model begin: the training views most like a frame, and what an encoder makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.systems.npm.depth_encoder import DepthEncoder
from recon_cli.systems.npm.postures import Postures
from recon_cli.systems.npm.training_views import CELLS, Begun, Half, TrainingViews

VIEWS = ("mean", "axes", "pictures", "poses", "roots", "extents")
ABOUT_FACE = ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0))
"""Half a turn about the vertical of a level camera."""
SHORT = ("axes", "pictures", "extents")
"""Kept in half precision."""


@dataclass(frozen=True)
class FirstGuesses:
    """Of one model.

    Attributes:
        views: of its training bodies.
        encoder: trained on them; None where there is none.
    """

    views: TrainingViews
    encoder: DepthEncoder | None

    def __call__(self, points: Tensor, up: Tensor, count: int, half: Half | None = None) -> Begun:  # [N, 3], [3]
        """The ``count`` nearest training views, and behind them the encoder's guess, of one half if one is given; distances and unit as
        ``TrainingViews.nearest``."""
        seen = self.views.seen(points, up)
        begun = self.views.nearest(seen, count, half)
        if self.encoder is None:
            return begun
        poses, roots = self.encoder(seen.picture[None])
        if half is not None and not bool(half.holds(roots)):
            roots = self.views.turns.new_tensor(ABOUT_FACE) @ roots
        guess = Postures(poses, seen.upright.T @ roots, torch.zeros(1, 3))
        return Begun(
            Postures.joined([begun.postures, guess]),
            torch.cat([begun.distances, begun.distances[-1:]]),
            torch.cat([begun.units, begun.units[:1]]),
        )

    def tensors(self) -> dict[str, Tensor]:
        """By name, the large ones in half precision."""
        found = {f"views.{name}": getattr(self.views, name) for name in VIEWS}
        found = {name: value.half() if name.removeprefix("views.") in SHORT else value for name, value in found.items()}
        if self.encoder is not None:
            found["encoder.scale"] = self.encoder.scale
            for number, (weight, bias) in enumerate(zip(self.encoder.weights, self.encoder.biases, strict=True)):
                found |= {f"encoder.{number}.weight": weight.half(), f"encoder.{number}.bias": bias.half()}
        return found

    @staticmethod
    def of(tensors: Mapping[str, Tensor], pose_size: int, *, path: str) -> FirstGuesses:
        """Of a file's tensors.

        Raises:
            InputError: there are none, or they do not fit each other or the model.
        """
        missing = [f"views.{name}" for name in VIEWS if f"views.{name}" not in tensors]
        if missing:
            raise InputError(f"has no {', '.join(missing)} to begin a fit from", path=path, hint="train the model again: recon npm train")
        values = {name: tensor.float() for name, tensor in tensors.items()}
        views = TrainingViews(**{name: values[f"views.{name}"] for name in VIEWS})
        encoder = _encoder(values)
        fits = _fit_each_other(views, pose_size) and (encoder is None or _fits(encoder, views, pose_size))
        if not fits or not all(bool(value.isfinite().all()) for value in values.values()):
            raise InputError("has training views that do not fit its model", path=path, hint="copy or train it again")
        return FirstGuesses(views, encoder)


def _encoder(values: Mapping[str, Tensor]) -> DepthEncoder | None:
    if "encoder.scale" not in values:
        return None
    count = sum(name.startswith("encoder.") and name.endswith(".weight") for name in values)
    names = [f"encoder.{number}" for number in range(count)]
    if not all(f"{name}.weight" in values and f"{name}.bias" in values for name in names):
        return DepthEncoder(values["encoder.scale"], (), ())
    return DepthEncoder(
        values["encoder.scale"], tuple(values[f"{name}.weight"] for name in names), tuple(values[f"{name}.bias"] for name in names)
    )


def _fit_each_other(views: TrainingViews, pose_size: int) -> bool:
    count, axes = len(views.poses), views.axes.shape[0]
    return (
        views.extents.ndim == 2
        and views.mean.shape == (CELLS**2,)
        and views.axes.shape == (axes, CELLS**2)
        and views.poses.shape == (count, pose_size)
        and views.roots.shape == (count, 3, 3)
        and len(views.extents) == count
        and count > 0
        and views.pictures.shape == (views.extents.numel(), axes)
    )


def _fits(encoder: DepthEncoder, views: TrainingViews, pose_size: int) -> bool:
    sizes = [encoder.scale.shape[0], *(len(bias) for bias in encoder.biases)]
    is_chain = all(weight.shape == (after, before) for weight, before, after in zip(encoder.weights, sizes, sizes[1:], strict=False))
    return bool(encoder.weights) and is_chain and sizes[0] == views.axes.shape[0] and sizes[-1] == pose_size + 6
