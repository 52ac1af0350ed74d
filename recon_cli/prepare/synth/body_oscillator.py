"""Damped oscillators that are pushed from frame to frame."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from recon_cli.prepare.synth.body_motion import FPS

Array = np.ndarray

STEPS = 12
"""Steps a frame."""


def oscillated(push: Array, rate: float, damping: float, start: Array) -> Array:  # [T, S], [S] -> [T, S]
    """Positions x of x'' + 2 d w x' + w² x = push with w = 2 pi rate, at the frames, integrated by half-implicit Euler.

    Args:
        push: acceleration in every frame [1/s²], linear in between.
        rate: of the free oscillation [1/s].
        damping: d, over the critical damping.
        start: position in the first frame, at rest there.
    """
    stiffness, drag, step = (2 * np.pi * rate) ** 2, 4 * np.pi * rate * damping, 1 / (FPS * STEPS)
    position, speed = start.astype(np.float64), np.zeros(len(start))
    positions = [position]
    for before, after in pairwise(push):
        for k in range(STEPS):
            force = before + (k + 0.5) / STEPS * (after - before)
            speed = speed + step * (force - stiffness * position - drag * speed)
            position = position + step * speed
        positions.append(position)
    return np.array(positions)
