"""Frames in which nothing was seen take what lies between their neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from recon_cli.systems.npm.postures import Postures
from recon_cli.systems.npm.skinning import rotation, turn_of


def filled(postures: Postures, present: Sequence[int], count: int) -> Postures:
    """Postures of all ``count`` frames of those at the frames ``present``, in order: codes and places go straight, orientations turn
    the shortest way; before the first and after the last the body stands still."""
    if len(present) == count:
        return postures
    at, known = torch.arange(count), torch.tensor(present)
    after = torch.searchsorted(known, at).clamp(max=len(present) - 1)
    before = torch.where(known[after] > at, after - 1, after).clamp(min=0)
    span = (known[after] - known[before]).clamp(min=1)
    share = ((at - known[before]).clamp(min=0) / span).clamp(max=1)[:, None]
    first, last = postures[before], postures[after]
    turn = turn_of(last.roots @ first.roots.mT)
    return Postures(
        torch.lerp(first.poses, last.poses, share), rotation(share * turn) @ first.roots, torch.lerp(first.places, last.places, share)
    )
