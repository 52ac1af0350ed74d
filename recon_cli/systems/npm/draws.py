"""Random numbers that depend on what they are for and on nothing that was drawn before."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch


class Purpose(IntEnum):
    """What is drawn."""

    SHAPE_NETWORK = 1
    SHAPE_ORDER = 2
    SHAPE_POINTS = 3
    POSE_NETWORK = 4
    POSE_ORDER = 5
    POSE_POINTS = 6


def generator_of(seed: int, purpose: Purpose, *numbers: int) -> torch.Generator:
    """A source of draws for one purpose and numbers (an identity, an epoch): the same whatever was drawn before, and in any process."""
    state = np.random.SeedSequence((seed, int(purpose), *numbers)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))
