"""Accuracy and completeness of a surface by the protocol of the DTU data set (Aanæs et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.lattice import lattice_points
from recon_cli.core.mesh import Mesh
from recon_cli.core.nearest import nearest_squared_distance
from recon_cli.core.observed_volume import ObservedVolume
from recon_cli.core.points import PointSet
from recon_cli.core.thinning import thin_points

OBSERVED = "points of the prediction inside ObsMask (accuracy) and inside its box, 60 mm lower and 120 mm higher (both)"
EVERYWHERE = "no ObsMask: all points of the prediction"
ABOVE = "points of the scan above the plane"
EVERY_POINT = "no plane: all points of the scan"


@dataclass(frozen=True)
class DtuProtocol:
    """Lengths of the protocol [scene units: mm].

    Attributes:
        spacing: of the lattice on a mesh, and the distance to which points are thinned.
        cut: distances of this and more are left out of the means.
        below: how much the lowest corner of ObsMask's box is lowered.
        above: how much its highest corner is raised.
        seed: of the order in which points are thinned.
    """

    spacing: float = 0.2
    cut: float = 20.0
    below: float = 60.0
    above: float = 120.0
    seed: int = 0


@dataclass(frozen=True)
class DtuScore:
    """Means of distances below the cut [mm].

    Attributes:
        accuracy: from the prediction to the scan.
        completeness: from the scan to the prediction.
        accuracy_median: median instead of mean.
        completeness_median: median instead of mean.
        accuracy_kept: share of the prediction's points below the cut.
        completeness_kept: share of the scan's points below the cut.
        points_predicted: of the prediction, thinned, in the observed part.
        points_scanned: of the scan, above the plane.
        protocol: what was left out of account, in words.
    """

    accuracy: float
    completeness: float
    accuracy_median: float
    completeness_median: float
    accuracy_kept: float
    completeness_kept: float
    points_predicted: int
    points_scanned: int
    protocol: str

    @property
    def overall(self) -> float:
        """Mean of accuracy and completeness [mm]."""
        return 0.5 * (self.accuracy + self.completeness)

    def record(self) -> dict[str, float | int | str]:
        """All numbers by name."""
        return {"overall": self.overall, **vars(self)}


def dtu_score(
    predicted: Mesh | PointSet,
    scan: Tensor,  # [M, 3]
    *,
    observed: ObservedVolume | None = None,
    plane: Tensor | None = None,  # [4]
    protocol: DtuProtocol = DtuProtocol(),
    workers: int = -1,
) -> DtuScore:
    """Distances between a prediction and a scan.

    Args:
        predicted: a mesh, on which points are laid out, or a point set.
        scan: points of the reference.
        observed: the official ObsMask; without it every predicted point counts.
        plane: the official plane; without it every point of the scan counts.
        protocol: the lengths.
        workers: threads of the searches.

    Raises:
        InputError: a side has no points where they count, or a coordinate is not finite.
    """
    points = _thinned(predicted, observed, protocol)
    above = scan.double() if plane is None else scan.double()[_is_above(scan, plane)]
    seen = points if observed is None else points[observed.contains(points)]
    _expect_points(seen, "prediction", "inside the observed volume" if observed is not None else "")
    _expect_points(above, "scan", "above the plane" if plane is not None else "")
    to_scan = nearest_squared_distance(seen, scan, reach=protocol.cut, workers=workers)[0].sqrt()
    to_predicted = nearest_squared_distance(above, points, reach=protocol.cut, workers=workers)[0].sqrt()
    words = f"{OBSERVED if observed is not None else EVERYWHERE}; {ABOVE if plane is not None else EVERY_POINT}; cut at {protocol.cut:g}"
    there, back = (_summary(distances, protocol.cut) for distances in (to_scan, to_predicted))
    return DtuScore(there[0], back[0], there[1], back[1], there[2], back[2], len(seen), len(above), words)


def _thinned(predicted: Mesh | PointSet, observed: ObservedVolume | None, protocol: DtuProtocol) -> Tensor:  # [N, 3]
    if isinstance(predicted, Mesh):
        points = lattice_points(predicted.vertices, predicted.faces, protocol.spacing)
    else:
        points = predicted.points.detach().cpu().double()
    box = None if observed is None else observed.grown_box(protocol.below, protocol.above)
    if box is not None:
        # Thinning comes first in the protocol, so what can decide the fate of a point in the box is kept until then.
        points = points[_is_in_box(points, box, protocol.spacing)]
    points = points[thin_points(points, protocol.spacing, generator=torch.Generator().manual_seed(protocol.seed))]
    return points if box is None else points[_is_in_box(points, box)]


def _is_in_box(points: Tensor, box: Tensor, margin: float = 0.0) -> Tensor:  # [N, 3], [2, 3] -> [N] bool
    return ((points >= box[0] - margin) & (points < box[1] + margin)).all(dim=-1)


def _is_above(points: Tensor, plane: Tensor) -> Tensor:  # [N, 3], [4] -> [N] bool
    return points.double() @ plane[:3].double() + plane[3].double() > 0


def _summary(distances: Tensor, cut: float) -> tuple[float, float, float]:
    """Mean and median of the distances below the cut, and their share; no distances have no mean."""
    below = distances[distances < cut]
    median = float(below.median()) if len(below) else float("nan")
    return float(below.mean()), median, len(below) / len(distances)


def _expect_points(points: Tensor, side: str, where: str) -> None:
    if not len(points):
        raise InputError(
            f"the {side} has no points {where}".rstrip() + "; expected at least one",
            hint="both sides, ObsMask and plane must be in the scan's millimetres and frame",
        )
