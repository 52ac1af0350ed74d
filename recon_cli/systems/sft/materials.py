"""Measured cloth: density, 24 stretching and 15 bending parameters of Wang et al. 2011, "Data-driven elastic models for cloth"."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches

import torch
from torch import Tensor

from recon_cli.core.errors import InputError, UsageError

# Directions of the largest principal strain from the warp [degrees] of stretching rows 1 to 5; row 0 is the unstrained cloth.
STRETCHING_ANGLES = (0.0, 22.5, 45.0, 67.5, 90.0)
# Directions of a bent edge from the warp [degrees] of the bending rows, and curvatures [1/m] of its columns.
BENDING_ANGLES = (0.0, 45.0, 90.0)
BENDING_CURVATURES = (0.0, 5.0, 10.0, 15.0, 20.0)


@dataclass(frozen=True)
class Material:
    """Elastic properties of one cloth; any of the tensors may require a gradient.

    Attributes:
        density: mass per area [kg/m²], shape [].
        stretching: (c11, c12, c22, c33) [N/m] at six strains, shape [6, 4]. Row 0 is the unstrained cloth, rows 1 to 5 are stretched by
            a sixth in the directions ``STRETCHING_ANGLES``; 1 is the warp, 2 the weft, 3 the shear.
        bending: stiffness [N·m] by direction and curvature, shape [3, 5].

    Raises:
        InputError: a shape does not fit, a number is not finite, or the density is not positive.
    """

    density: Tensor  # []
    stretching: Tensor  # [6, 4]
    bending: Tensor  # [3, 5]

    def __post_init__(self) -> None:
        for name, shape in (("density", ()), ("stretching", (6, 4)), ("bending", (3, 5))):
            value = getattr(self, name)
            if tuple(value.shape) != shape:
                raise InputError(f"material {name} has shape {list(value.shape)}, expected {list(shape)}")
            if not bool(torch.isfinite(value.detach()).all()):
                raise InputError(f"material {name} has a NaN or infinite entry")
        if float(self.density.detach()) <= 0:
            raise InputError(f"material density is {float(self.density.detach()):g} kg/m², expected more than 0")

    def with_density(self, density: float) -> Material:
        """The same stretching and bending with another density [kg/m²]."""
        return replace(self, density=torch.tensor(density, dtype=self.density.dtype, device=self.density.device))

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Material:
        """The same material on another device or in another floating type."""
        return Material(*(value.to(device=device, dtype=dtype) for value in (self.density, self.stretching, self.bending)))

    def detach(self) -> Material:
        """The same numbers outside any graph."""
        return Material(self.density.detach(), self.stretching.detach(), self.bending.detach())


# Means over measured fabrics, the initial values of φ-SfT (Sec. 3.3). Bending in 1e-6 N·m.
_PUBLISHED = {
    "eight_fabrics": (
        0.230,
        [
            [68.874, 16.233, 210.213, 41.034],
            [90.167, 40.413, 348.171, 3.453],
            [83.715, 67.470, 290.468, 5.372],
            [124.982, 62.130, 308.294, 51.698],
            [126.789, 74.556, 353.094, -20.492],
            [135.949, 45.907, 379.524, 40.441],
        ],
        [
            [52.631, 63.923, 82.300, 77.269, 57.150],
            [46.188, 37.197, 45.169, 42.762, 27.716],
            [44.673, 44.821, 45.103, 45.191, 30.551],
        ],
    ),
    "ten_fabrics": (
        0.2188,
        [
            [456.963, 13.938, 574.416, 45.222],
            [493.808, 39.828, 713.104, 6.366],
            [488.680, 65.786, 663.256, 9.518],
            [521.792, 55.641, 673.416, 63.653],
            [523.041, 73.899, 707.076, -8.507],
            [530.443, 49.190, 733.941, 40.108],
        ],
        [
            [59.817, 71.517, 94.017, 88.597, 69.628],
            [51.816, 42.856, 52.634, 51.370, 38.750],
            [51.408, 54.876, 60.259, 60.725, 48.900],
        ],
    ),
}

# Densities of the single fabrics [kg/m²].
DENSITIES = {
    "11oz-black-denim": 0.324,
    "camel-ponte-roma": 0.284,
    "gray-interlock": 0.187,
    "ivory-rib-knit": 0.276,
    "navy-sparkle-sweat": 0.224,
    "pink-ribbon-brown": 0.228,
    "royal-target": 0.220,
    "tango-red-jet-set": 0.113,
    "white-dots-on-blk": 0.128,
    "white-swim-solid": 0.204,
}


def published(name: str = "ten_fabrics") -> Material:
    """A published mean material in float64: "eight_fabrics" (the authors' code) or "ten_fabrics" (the paper, Sec. 3.3).

    Raises:
        UsageError: there is no such material.
    """
    density, stretching, bending = _PUBLISHED[_known(name, _PUBLISHED, "material")]
    return Material(
        torch.tensor(density, dtype=torch.float64),
        torch.tensor(stretching, dtype=torch.float64),
        torch.tensor(bending, dtype=torch.float64) * 1e-6,
    )


def fabric_density(name: str) -> float:
    """Density [kg/m²] of a named fabric.

    Raises:
        UsageError: there is no such fabric.
    """
    return DENSITIES[_known(name, DENSITIES, "fabric")]


def _known(name: str, table: dict, kind: str) -> str:
    if name in table:
        return name
    close = get_close_matches(name, table, n=1)
    raise UsageError(
        f"there is no {kind} {name!r}; known are {', '.join(sorted(table))}",
        hint=f"did you mean {close[0]!r}?" if close else f"choose a known {kind}",
    )
