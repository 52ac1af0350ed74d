"""Draws from a seed: random numbers of their own for every cause, and checks of what was asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from recon_cli.core.errors import UsageError


def generators(seed: int | Sequence[int], *causes: str) -> dict[str, np.random.Generator]:
    """A generator for every cause, so that drawing more or less for one leaves the others as they were."""
    children = np.random.SeedSequence(seed).spawn(len(causes))
    return {cause: np.random.default_rng(child) for cause, child in zip(causes, children, strict=True)}


def expect_one_of(name: str, value: str, known: Collection[str]) -> None:
    """Refuse a word that is not known.

    Raises:
        UsageError: naming what is known.
    """
    if value not in known:
        raise UsageError(f"{name} {value!r} is unknown; expected {' or '.join(known)}")


def expect_range(name: str, value: float, low: float, high: float) -> None:
    """Refuse a number outside [low, high].

    Raises:
        UsageError: naming the range.
    """
    if not low <= value <= high:  # NaN is refused too
        raise UsageError(f"{name} is {value}; expected {low:g} to {high:g}")
