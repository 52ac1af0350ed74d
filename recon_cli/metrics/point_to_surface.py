"""Distances from points to the triangles of a mesh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from recon_cli.core.closest_points import ClosestPoints
from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh

PERCENTILES = (90, 95, 99)


@dataclass(frozen=True)
class PointDistances:
    """What a set of distances comes to.

    Attributes:
        median: [scene units].
        mean: [scene units].
        rms: root of the mean square [scene units].
        percentiles: distance [scene units] that 90, 95 and 99 % of the points do not exceed.
        within: share of the points no farther than a threshold [scene units].
        points: number of points.
    """

    median: float
    mean: float
    rms: float
    percentiles: dict[int, float]
    within: dict[float, float]
    points: int

    def record(self) -> dict[str, object]:
        """All numbers by name."""
        return {
            **{name: getattr(self, name) for name in ("median", "mean", "rms")},
            **{f"p{percent}": value for percent, value in self.percentiles.items()},
            "within": {f"{threshold:g}": share for threshold, share in self.within.items()},
            "points": self.points,
        }


def point_distances(distances: Tensor, *, thresholds: Sequence[float] = ()) -> PointDistances:  # [N]
    """Median, percentiles and shares of distances [scene units].

    Raises:
        InputError: there are none.
    """
    if not len(distances):
        raise InputError("there are no points to measure; expected at least one")
    values = distances.double().sort().values
    return PointDistances(
        median=_percentile(values, 50),
        mean=float(values.mean()),
        rms=float(values.square().mean().sqrt()),
        percentiles={percent: _percentile(values, percent) for percent in PERCENTILES},
        within={threshold: float((values <= threshold).double().mean()) for threshold in thresholds},
        points=len(values),
    )


def distance_to_surface(points: Tensor, mesh: Mesh) -> Tensor:  # [N, 3] -> [N] float64
    """Distance [scene units] from every point to the nearest point of any triangle.

    Args:
        points: positions [scene units].
        mesh: the surface.

    Raises:
        InputError: the mesh has no faces, or a coordinate is not finite.
    """
    vertices = mesh.vertices.detach().cpu().double()
    return (ClosestPoints(mesh)(points).on(vertices) - points.detach().cpu().double()).norm(dim=-1)


def _percentile(ordered: Tensor, percent: int) -> float:
    """The smallest value that at least this share of all values does not exceed."""
    return float(ordered[max(0, -(-len(ordered) * percent // 100) - 1)])
