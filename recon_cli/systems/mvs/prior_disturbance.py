"""Pictures as other cameras would have taken them: exposure, tint, tone curve, blur and noise."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from recon_cli.systems.mvs.prior_config import DisturbanceConfig

_REACH = 3  # pixels of the blur on each side


def disturbed(image: Tensor, config: DisturbanceConfig, generator: torch.Generator) -> Tensor:  # [H, W, 3] uint8 -> [H, W, 3] in [0, 1]
    """A picture, changed at random."""
    draws = 2 * torch.rand(5, generator=generator) - 1
    blur, noise, is_blurred = torch.rand(3, generator=generator).tolist()
    bright = image.float() / 255
    gain = torch.exp(config.gain * draws[0] + config.tint * draws[1:4])
    changed = bright.clamp(min=1e-4) ** torch.exp(config.gamma * draws[4]) * gain
    if is_blurred < 0.5:
        changed = _blurred(changed, config.blur * blur)
    grain = torch.randn(image.shape, generator=generator) * (config.noise / 255 * noise)
    return (changed + grain).clamp(0, 1)


def _blurred(image: Tensor, deviation: float) -> Tensor:  # [H, W, 3]
    steps = torch.arange(-_REACH, _REACH + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (steps / max(deviation, 1e-3)) ** 2)
    kernel = (kernel / kernel.sum()).expand(3, 1, 1, -1)
    planes = functional.pad(image.permute(2, 0, 1)[None], (_REACH,) * 4, mode="replicate")
    planes = functional.conv2d(planes, kernel, groups=3)
    return functional.conv2d(planes, kernel.transpose(2, 3), groups=3)[0].permute(1, 2, 0)
