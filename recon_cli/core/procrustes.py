"""Best rigid or similarity transform between corresponding points."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.errors import InputError


@dataclass(frozen=True)
class Similarity:
    """``scale * rotation @ x + translation``.

    Attributes:
        rotation: proper rotation, shape [3, 3].
        translation: [scene units], shape [3].
        scale: positive factor.
    """

    rotation: Tensor  # [3, 3]
    translation: Tensor  # [3]
    scale: float = 1.0

    def __call__(self, points: Tensor) -> Tensor:  # [N, 3] -> [N, 3]
        return self.scale * points @ self.rotation.transpose(0, 1) + self.translation

    def after(self, first: Similarity) -> Similarity:
        """The transform that applies ``first``, then this one."""
        return Similarity(self.rotation @ first.rotation, self(first.translation[None])[0], self.scale * first.scale)

    def inverse(self) -> Similarity:
        """The transform back."""
        back = self.rotation.transpose(0, 1)
        return Similarity(back, -(back @ self.translation) / self.scale, 1 / self.scale)

    @staticmethod
    def identity() -> Similarity:
        return Similarity(torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))


def procrustes(
    source: Tensor,  # [N, 3]
    target: Tensor,  # [N, 3]
    *,
    with_scale: bool = False,
) -> Similarity:
    """The transform of ``source`` with the least sum of squared distances to ``target`` (Umeyama 1991, Eq. 40-42), in float64.

    Raises:
        InputError: the shapes differ, or the source points coincide while a scale is asked for.
    """
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 3 or not len(source):
        raise InputError(f"cannot align points of shape {list(source.shape)} to {list(target.shape)}; expected the same [N, 3]")
    source, target = source.detach().cpu().double(), target.detach().cpu().double()
    source_mean, target_mean = source.mean(dim=0), target.mean(dim=0)
    centred = source - source_mean
    left, singular, right = torch.linalg.svd((target - target_mean).T @ centred)
    # A reflection would fit mirrored points better, but no motion makes one.
    signs = torch.ones(3, dtype=torch.float64)
    signs[2] = torch.sign(torch.linalg.det(left) * torch.linalg.det(right))
    rotation = left @ torch.diag(signs) @ right
    scale = 1.0
    if with_scale:
        spread = float(centred.square().sum())
        if spread <= 0.0:
            raise InputError(f"cannot find the scale of {len(source)} coinciding points")
        scale = float((singular * signs).sum()) / spread
    return Similarity(rotation, target_mean - scale * rotation @ source_mean, scale)
