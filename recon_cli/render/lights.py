"""Lights without position: ambient, directional and spherical harmonics, and how a surface takes them."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.normals import unit
from recon_cli.kernels.irradiance import irradiance

# Real spherical harmonics of order 2 on the unit sphere, in the order (0,0), (1,-1), (1,0), (1,1), (2,-2) … (2,2):
# factors of 1, y, z, x, xy, yz, 3z² - 1, xz, x² - y² (Ramamoorthi and Hanrahan 2001, Eq. 3).
_HARMONIC_FACTORS = (0.28209479, 0.48860251, 0.48860251, 0.48860251, 1.09254843, 1.09254843, 0.31539157, 1.09254843, 0.54627422)


@dataclass(frozen=True)
class Lights:
    """Light per channel on a surface with unit normal n: ambient + sum_k harmonics_k Y_k(n) + sum_l colors_l max(0, n · d_l).

    Values multiply the surface's colour as it is stored (sRGB), as PyTorch3D's do; 1 leaves it unchanged.

    Attributes:
        ambient: shape [3]; white by default, which leaves a surface unlit.
        directions: from the surface towards the lights in world axes, of any length above zero, shape [L, 3].
        colors: shape [L, 3].
        harmonics: irradiance (the cosine lobe is contained) in real spherical harmonics of order 2 of the world's axes,
            shape [9, 3].

    Raises:
        InputError: a shape does not fit.
    """

    ambient: Tensor = field(default_factory=lambda: torch.ones(3))  # [3]
    directions: Tensor = field(default_factory=lambda: torch.zeros(0, 3))  # [L, 3]
    colors: Tensor = field(default_factory=lambda: torch.zeros(0, 3))  # [L, 3]
    harmonics: Tensor = field(default_factory=lambda: torch.zeros(9, 3))  # [9, 3]

    def __post_init__(self) -> None:
        count = self.directions.shape[0]
        shapes = {"ambient": (3,), "directions": (count, 3), "colors": (count, 3), "harmonics": (9, 3)}
        for name, shape in shapes.items():
            seen = tuple(getattr(self, name).shape)
            if seen != shape:
                raise InputError(f"{name} of the lights has shape {list(seen)}, expected {list(shape)}")

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Lights:
        """The same lights on another device or in another floating type."""
        return Lights(*(value.to(device=device, dtype=dtype) for value in (self.ambient, self.directions, self.colors, self.harmonics)))


def shade(
    albedo: Tensor,  # [N, 3]
    normals: Tensor,  # [N, 3]
    lights: Lights,
) -> tuple[Tensor, Tensor]:  # [N, 3], [N, 3]
    """Lit colours, not clamped, and the normals at length one.

    Args:
        albedo: colours of the surface.
        normals: towards the viewer, in world axes, of any length.
        lights: of the same device and type.
    """
    factors = torch.tensor(_HARMONIC_FACTORS, dtype=albedo.dtype, device=albedo.device)
    polynomial = lights.harmonics * factors[:, None]
    polynomial = torch.cat([polynomial[:1] + lights.ambient, polynomial[1:]])
    units, light = irradiance(normals, polynomial, unit(lights.directions), lights.colors)
    return albedo * light, units
