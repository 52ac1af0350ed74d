"""Lens distortion: the polynomial and fisheye models of OpenCV and COLMAP, on the plane at depth 1.

Both start from a point (x, y) at depth 1 and end at the point whose image K gives. The perspective models bend it directly:
x (1 + k1 r² + k2 r⁴ + k3 r⁶ + k4 r⁸) / (1 + q1 r² + q2 r⁴ + q3 r⁶) plus tangential and thin-prism terms. The fisheye models first
replace the radius r by the angle θ = atan r from the axis, and then bend in the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.errors import InputError

_STEPS = 50
_TOLERANCE = 1e-12


@dataclass(frozen=True)
class Distortion:
    """Coefficients of one lens; all zero and no fisheye is a pinhole.

    Attributes:
        is_fisheye: whether the radius is the angle from the axis [rad] rather than its tangent.
        radial: factors k1 to k4 of r², r⁴, r⁶, r⁸.
        rational: factors q1 to q3 of r², r⁴, r⁶ in the denominator (k4 to k6 of OpenCV).
        tangential: p1 and p2.
        thin_prism: factors of r² added to x and to y.

    Raises:
        InputError: a coefficient is not finite.
    """

    is_fisheye: bool = False
    radial: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    rational: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tangential: tuple[float, float] = (0.0, 0.0)
    thin_prism: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in self._coefficients()):
            raise InputError("a distortion coefficient is NaN or infinite")

    @property
    def is_pinhole(self) -> bool:
        """Whether nothing is bent."""
        return not self.is_fisheye and not any(self._coefficients())

    def distort(self, points: Tensor) -> Tensor:  # [..., 2] -> [..., 2]
        """Where the lens puts points of the plane at depth 1."""
        return self._bent(self._flattened(points))

    def folds(self, points: Tensor) -> Tensor:  # [..., 2] -> [...] bool
        """Whether the model has turned back on itself at these points of the plane at depth 1, where it describes no lens."""
        return ~(_determinant(self._jacobian(self._flattened(points))) > 0)

    def undistort(self, distorted: Tensor) -> Tensor:  # [..., 2] -> [..., 2]
        """Points of the plane at depth 1 that the lens puts here; NaN where the model reaches no such point in front of the camera."""
        points = distorted.clone()
        for _ in range(_STEPS):  # Newton
            step = _solved(self._jacobian(points), self._bent(points) - distorted)
            points = points - step
            if not bool((step.abs().amax(dim=-1) > _TOLERANCE * (1 + points.abs().amax(dim=-1))).any()):
                break
        good = ((self._bent(points) - distorted).abs().amax(dim=-1) < 1e-9) & (_determinant(self._jacobian(points)) > 0)
        if self.is_fisheye:
            angle = torch.linalg.vector_norm(points, dim=-1)
            good = good & (angle < math.pi / 2)
            points = points * (torch.tan(angle) / angle.clamp(min=1e-12)).where(angle > 1e-12, 1.0)[..., None]
        return torch.where(good[..., None], points, torch.nan)

    def _coefficients(self) -> tuple[float, ...]:
        return (*self.radial, *self.rational, *self.tangential, *self.thin_prism)

    def _flattened(self, points: Tensor) -> Tensor:  # [..., 2] -> [..., 2]
        if not self.is_fisheye:
            return points
        radius = torch.linalg.vector_norm(points, dim=-1)
        return points * (torch.atan(radius) / radius.clamp(min=1e-12)).where(radius > 1e-12, 1.0)[..., None]

    def _bent(self, points: Tensor) -> Tensor:  # [..., 2] -> [..., 2]
        """Every term but the fisheye's angle."""
        (p1, p2), (sx, sy) = self.tangential, self.thin_prism
        x, y = points.unbind(dim=-1)
        square = x * x + y * y
        factor = _polynomial(square, self.radial)
        if any(self.rational):
            factor = factor / _polynomial(square, self.rational)
        along_x, along_y = x * factor, y * factor
        if any((p1, p2, sx, sy)):
            product = 2 * x * y
            along_x = along_x + p1 * product + p2 * (square + 2 * x * x) + sx * square
            along_y = along_y + p2 * product + p1 * (square + 2 * y * y) + sy * square
        return torch.stack([along_x, along_y], dim=-1)

    def _jacobian(self, points: Tensor) -> Tensor:  # [..., 2] -> [..., 2, 2]
        """The derivative of ``_bent``; row i is that of its component i."""
        (p1, p2), (sx, sy) = self.tangential, self.thin_prism
        x, y = points.unbind(dim=-1)
        square = x * x + y * y
        above, below = _polynomial(square, self.radial), _polynomial(square, self.rational)
        factor = above / below
        slope = (_slope(square, self.radial) - factor * _slope(square, self.rational)) / below  # by r²
        mixed = 2 * x * y * slope + 2 * p1 * x + 2 * p2 * y
        rows = (
            (factor + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x + 2 * sx * x, mixed + 2 * sx * y),
            (mixed + 2 * sy * x, factor + 2 * y * y * slope + 2 * p2 * x + 6 * p1 * y + 2 * sy * y),
        )
        return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def _polynomial(square: Tensor, factors: tuple[float, ...]) -> Tensor:
    """1 + Σ factor_i square^i."""
    value = torch.zeros_like(square)
    for factor in reversed(factors):
        value = (value + factor) * square
    return value + 1.0


def _slope(square: Tensor, factors: tuple[float, ...]) -> Tensor:
    """The derivative of ``_polynomial`` by ``square``."""
    value = torch.zeros_like(square)
    for power, factor in reversed(list(enumerate(factors, start=1))):
        value = value * square + power * factor
    return value


def _determinant(matrix: Tensor) -> Tensor:  # [..., 2, 2] -> [...]
    return matrix[..., 0, 0] * matrix[..., 1, 1] - matrix[..., 0, 1] * matrix[..., 1, 0]


def _solved(matrix: Tensor, right: Tensor) -> Tensor:  # [..., 2, 2], [..., 2] -> [..., 2]
    (a, b), (c, d) = (row.unbind(dim=-1) for row in matrix.unbind(dim=-2))
    x, y = right.unbind(dim=-1)
    determinant = a * d - b * c
    return torch.stack([d * x - b * y, a * y - c * x], dim=-1) / determinant[..., None]
