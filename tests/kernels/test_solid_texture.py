"""The pattern in space against a slow twin in plain torch, and what its settings promise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.kernels import launch
from recon_cli.kernels.solid_texture import SolidTexture, solid_texture

MASK = 0xFFFFFFFF
PALETTE = torch.tensor([[0.6, 0.5, 0.4], [0.2, 0.3, 0.7], [0.7, 0.2, 0.2], [0.1, 0.6, 0.3]])
TEXTURE = SolidTexture(
    PALETTE,
    seed=77,
    cell_frequency=3.0,
    cell_contrast=0.8,
    bend=0.3,
    joint=0.1,
    dot=0.3,
    tone_frequency=5.0,
    octaves=4,
    gain=0.9,
    tone_contrast=0.5,
    region_frequency=1.0,
    flat_level=0.1,
    flat_contrast=0.2,
)


def points(count: int, *, seed: int = 0, reach: float = 3.0) -> Tensor:  # [N, 3]
    return reach * (2 * torch.rand(count, 3, generator=torch.Generator().manual_seed(seed)) - 1)


def scrambled(x: Tensor, y: Tensor, z: Tensor, seed: int) -> Tensor:
    h = (x * 73856093) ^ (y * 19349663) ^ (z * 83492791) ^ ((seed * 0x9E3779B1) & MASK)
    h = h & MASK
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & MASK
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & MASK
    return h ^ (h >> 16)


def noise(p: Tensor, seed: int) -> Tensor:  # [N, 3] -> [N]
    base = p.floor()
    t = p - base
    t = t**3 * (t * (6 * t - 15) + 10)
    total = torch.zeros(len(p), dtype=p.dtype)
    for corner in range(8):
        bits = torch.tensor([corner & 1, corner >> 1 & 1, corner >> 2])
        weight = torch.where(bits.bool(), t, 1 - t).prod(dim=1)
        value = (scrambled(*(base.long() + bits).unbind(1), seed) >> 8).to(p.dtype) / 2**23 - 1
        total += weight * value
    return total


def grain(p: Tensor, texture: SolidTexture) -> Tensor:
    turn = 2 / 3 * torch.tensor([[2.0, -1, 2], [2, 2, -1], [-1, 2, 2]], dtype=p.dtype)
    amplitudes = texture.gain ** torch.arange(texture.octaves, dtype=p.dtype)
    total = torch.zeros(len(p), dtype=p.dtype)
    for octave, amplitude in enumerate(amplitudes):
        total += amplitude * noise(p, texture.seed + 307 + octave)
        p = p @ turn.T
    return total / amplitudes.norm()


def ramp(low: float, high: float, value: Tensor) -> Tensor:
    t = ((value - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def ink(p: Tensor, texture: SolidTexture) -> Tensor:
    q = p * texture.cell_frequency
    q = q + texture.bend * torch.stack([noise(0.7 * q, texture.seed + k) for k in (101, 102, 103)], dim=1)
    base = q.floor().long()
    shifts = torch.cartesian_prod(*[torch.arange(-1, 2)] * 3)  # [27, 3]
    cells = base[:, None] + shifts
    h = scrambled(*cells.unbind(-1), texture.seed)  # [N, 27]
    seeds = cells + torch.stack([h & 1023, h >> 10 & 1023, h >> 20 & 1023], dim=-1) / 1024
    near = (q[:, None] - seeds).norm(dim=-1).sort(dim=1)
    label = h.gather(1, near.indices[:, :1])[:, 0]
    label = scrambled(label & 65535, label >> 16, torch.tensor(7), texture.seed)
    palette = texture.palette.to(p)
    count = len(palette)
    first, second = palette[label % count], palette[label // count % count]
    color = second + ramp(0.85 * texture.dot, texture.dot, near.values[:, 0])[:, None] * (first - second)
    return color * (0.3 + 0.7 * ramp(0.5 * texture.joint, texture.joint, near.values[:, 1] - near.values[:, 0]))[:, None]


def twin(p: Tensor, texture: SolidTexture) -> Tensor:
    p = p.double()
    place = noise(p * texture.region_frequency, texture.seed + 211)
    share = texture.flat_contrast + (1 - texture.flat_contrast) * ramp(texture.flat_level - 0.1, texture.flat_level + 0.1, place)
    color = texture.palette[0].double()
    color = color + (share * texture.cell_contrast)[:, None] * (ink(p, texture) - color)
    tone = 1 + share * texture.tone_contrast * grain(p * texture.tone_frequency, texture)
    return (color * tone.clamp(min=0.1)[:, None]).clamp(0, 1)


def test_matches_the_twin() -> None:
    p = points(4000)
    difference = (solid_texture(p, TEXTURE) - twin(p, TEXTURE)).abs().amax(dim=1)
    # Where two seeds are equally near but for rounding, either cell is right.
    assert float((difference < 1e-3).double().mean()) > 0.999
    assert float(difference.median()) < 1e-5


def test_the_number_of_bands_does_not_matter(monkeypatch) -> None:
    p = points(1000)
    whole = solid_texture(p, TEXTURE)
    monkeypatch.setattr(launch, "worker_count", lambda: 1)
    assert torch.equal(solid_texture(p, TEXTURE), whole)


def test_without_contrast_it_is_the_ground() -> None:
    plain = replace(TEXTURE, cell_contrast=0.0, tone_contrast=0.0)
    torch.testing.assert_close(solid_texture(points(50), plain), PALETTE[:1].expand(50, 3))


def test_a_flat_level_above_all_noise_flattens_everything() -> None:
    flat = solid_texture(points(2000), replace(TEXTURE, flat_level=1.5, flat_contrast=0.01))
    lively = solid_texture(points(2000), replace(TEXTURE, flat_level=-2.0))
    assert float(flat.std(dim=0).max()) < 0.02 * float(lively.std(dim=0).min()) + 0.01


def test_a_small_step_changes_little_and_seeds_change_much() -> None:
    smooth = replace(TEXTURE, joint=0.0, dot=0.0, cell_contrast=0.0)
    p = points(2000)
    step = solid_texture(p + 1e-3, smooth) - solid_texture(p, smooth)
    assert float(step.abs().max()) < 0.05
    other = solid_texture(p, replace(smooth, seed=78)) - solid_texture(p, smooth)
    assert float(other.abs().mean()) > 0.03


@pytest.mark.parametrize(("given", "palette"), [(torch.zeros(4, 2), PALETTE), (torch.zeros(4, 3), PALETTE[0])])
def test_wrong_shapes_are_refused(given, palette) -> None:
    with pytest.raises(InputError, match="expected"):
        solid_texture(given, replace(TEXTURE, palette=palette))


def test_no_points_are_fine() -> None:
    assert solid_texture(torch.zeros(0, 3), TEXTURE).shape == (0, 3)
