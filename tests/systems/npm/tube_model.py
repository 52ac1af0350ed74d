"""A learned model of the tubes: three parts, soft deformation, shapes that differ in length and width."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.config import SpaceConfig
from recon_cli.systems.npm.skin import Skin
from recon_cli.systems.npm.skinning import Pose
from recon_cli.systems.npm.spaces import body_model
from tests.systems.npm.tube import TREE, tubes


def soft_tubes(*, poses: int = 8, dtype: torch.dtype = torch.float64) -> tuple[BodyModel, Tensor, Tensor]:
    """The model, shape codes of its four tubes [4, S], and pose codes, so many of each tube in turn [4 poses, P]."""
    made = tubes(identities=4, poses=poses)
    registered = made.registered
    generator = torch.Generator().manual_seed(3)
    width = torch.tensor([0.0, 0.03, -0.05, 0.08])[:, None, None] * registered.canonical * torch.tensor([0.0, 1.0, 0.4])
    registered.canonical.add_(width)
    registered.posed.add_(0.01 * torch.randn(registered.posed.shape, generator=generator))
    skin = Skin(TREE, made.joints.float(), made.weights.float(), Pose(made.poses.orientations.float(), made.poses.root.float()), ())
    model, shapes, codes = body_model(registered, skin, SpaceConfig(kept=1.0, soft=4))
    return model.to(dtype=dtype), shapes.to(dtype), codes.to(dtype)
