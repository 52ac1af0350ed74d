"""Gradient descent on image energies over a growing window of frames: the loop that shooting and free offsets share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from recon_cli.core.errors import NumericsError, StoppedError
from recon_cli.core.hooks import Hooks
from recon_cli.systems.sft.shooting_config import ShootingConfig
from recon_cli.systems.sft.window import Window, advance, first_window, is_finished, progress

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class Sequence(Protocol):
    """A surface over time as a function of stored values.

    Attributes:
        shared: stored values that act on all frames, by name.
        per_frame: one tensor for every frame after the first, all of one shape.
    """

    shared: Mapping[str, Tensor]
    per_frame: list[Tensor]

    def positions(self, count: int) -> Tensor:  # [count, V, 3]
        """The surface in the first ``count`` frames, with gradients to the stored values.

        Raises:
            NumericsError: there is no finite surface.
        """
        ...

    def confine(self) -> None:
        """Bring stored values that left their range back into it."""
        ...


class Energies(Protocol):
    """Image energies of all frames."""

    def __len__(self) -> int: ...

    def energies_and_gradient(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Energy of every frame [A] and its gradient by positions [A, V, 3]."""
        ...


@dataclass
class Descent:
    """The state of a descent, all of which a checkpoint holds.

    Attributes:
        sequence: what is optimised.
        adam: over the sequence's stored values; frames have their own moments and counts, from when they join.
        window: which frames take part.
        energies: last energy of every frame, zero before it took part, shape [T].
        first_mean: mean energy of the window's first iteration; zero when it has had none.
    """

    sequence: Sequence
    adam: torch.optim.Adam
    window: Window
    energies: Tensor  # [T]
    first_mean: float = 0.0

    def tensors(self) -> dict[str, Tensor]:
        """Everything needed to go on, for a checkpoint."""
        numbers = [self.window.frames, self.window.iterations, self.window.threshold, self.first_mean]
        # Checkpoints hold finite numbers only; a threshold that is not set yet is stored as -1.
        numbers = [-1.0 if number == float("inf") else float(number) for number in numbers]
        state = {"window": torch.tensor(numbers, dtype=torch.float64), "energies": self.energies.clone()}
        for name, values in _named(self.sequence).items():
            state[name] = torch.stack([value.detach() for value in values])
            for moment in _MOMENTS:
                state[f"{name}.{moment}"] = torch.stack([_moment(self.adam, value, moment) for value in values])
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go back to what ``tensors`` gave."""
        frames, iterations, threshold, self.first_mean = state["window"].tolist()
        self.window = Window(int(frames), int(iterations), float("inf") if threshold < 0 else threshold)
        self.energies = state["energies"].clone()
        for name, values in _named(self.sequence).items():
            for index, value in enumerate(values):
                value.data.copy_(state[name][index])
                if float(state[f"{name}.step"][index]) > 0:
                    self.adam.state[value] = {moment: state[f"{name}.{moment}"][index].clone() for moment in _MOMENTS}


def descend(
    sequence: Sequence,
    energies: Energies,
    config: ShootingConfig,
    *,
    hooks: Hooks,
    resume: Mapping[str, Tensor] | None = None,
) -> Descent:
    """Minimise the image energies over the stored values of ``sequence``, which change in place.

    Args:
        sequence: what is optimised.
        energies: of all frames.
        config: window and Adam.
        hooks: who watches; a checkpoint is offered after every iteration.
        resume: the last state that ``hooks.checkpoint`` was given.

    Raises:
        NumericsError: the energy or the surface diverged; the last good state was handed to ``hooks.checkpoint``.
        StoppedError: ``hooks.should_stop`` said so; the same.
    """
    total = len(energies)
    leaves = [*sequence.shared.values(), *sequence.per_frame]
    adam = torch.optim.Adam([leaf for leaf in leaves if leaf.requires_grad], lr=config.descent.learning_rate)
    descent = Descent(sequence, adam, first_window(config.window, total), torch.zeros(total, dtype=torch.float64))
    if resume is not None:
        descent.restore(resume)
    while not is_finished(descent.window, config.window, total):
        _iterate(descent, energies, config)
        done, everything = progress(descent.window, config.window, total)
        taking_part = descent.energies[1 : descent.window.frames]
        hooks.progress(done, everything, energy=float(taking_part.mean()), frames=descent.window.frames)
        hooks.checkpoint(descent.tensors(), {"energy": float(taking_part.mean()), "frames": descent.window.frames})
        if not is_finished(descent.window, config.window, total) and hooks.should_stop():
            raise StoppedError(f"stopped at iteration {done} of {everything}", hint="run the same command again with --resume to go on")
    return descent


def _iterate(descent: Descent, energies: Energies, config: ShootingConfig) -> None:
    """One evaluation, one Adam step, and the window's growth."""
    window, total = descent.window, len(energies)
    descent.adam.zero_grad(set_to_none=True)
    positions = descent.sequence.positions(window.frames)
    found, gradient = energies.energies_and_gradient(positions)
    mean = float(found[1:].mean())
    _check(mean, gradient, descent.first_mean, config.descent.divergence)
    positions.backward(gradient)
    descent.adam.step()
    descent.sequence.confine()
    descent.energies[: window.frames] = found
    descent.window = advance(window, float(found[-1]), config.window, total)
    grown = descent.window.frames > window.frames
    descent.first_mean = 0.0 if grown else descent.first_mean or mean


def _check(mean: float, gradient: Tensor, first_mean: float, divergence: float) -> None:
    hint = "lower shooting.descent.learning_rate or force_scale, raise shooting.damping, or use more steps per frame"
    if not mean < float("inf") or not bool(torch.isfinite(gradient).all()):
        raise NumericsError("the image energy or its gradient is not finite", hint=hint)
    if first_mean > 0 and mean > divergence * first_mean:
        raise NumericsError(f"the image energy grew from {first_mean:.4g} to {mean:.4g} within one window", hint=hint)


def _named(sequence: Sequence) -> dict[str, list[Tensor]]:
    return {**{f"shared.{name}": [value] for name, value in sequence.shared.items()}, "per_frame": sequence.per_frame}


def _moment(adam: torch.optim.Adam, value: Tensor, moment: str) -> Tensor:
    """A part of Adam's state, zero for values it has not moved yet."""
    known = adam.state.get(value, {})
    if moment in known:
        return known[moment]
    return torch.tensor(0.0) if moment == "step" else torch.zeros_like(value.detach())
