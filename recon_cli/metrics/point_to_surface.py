"""Distances from points to the triangles of a mesh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.nearest import finite_array

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

    The nearest triangle is found in float32 around the mesh's middle, the distance to it in float64.

    Args:
        points: positions [scene units].
        mesh: the surface.

    Raises:
        InputError: the mesh has no faces, or a coordinate is not finite.
    """
    import numpy as np
    import open3d

    if not len(mesh.faces):
        raise InputError("the mesh has no faces to measure to; expected at least one")
    vertices, queries = finite_array(mesh.vertices, "vertices"), finite_array(points, "points")
    # Open3D works in float32, which holds 4 digits less after the point far from the origin.
    middle = 0.5 * (vertices.min(axis=0) + vertices.max(axis=0))
    vertices, queries = vertices - middle, queries - middle
    faces = mesh.faces.detach().cpu().numpy()
    scene = open3d.t.geometry.RaycastingScene()
    tensor = open3d.core.Tensor.from_numpy
    scene.add_triangles(tensor(vertices.astype(np.float32)), tensor(faces.astype(np.uint32)))
    found = scene.compute_closest_points(tensor(queries.astype(np.float32)))
    corners = torch.from_numpy(vertices[faces[found["primitive_ids"].numpy().astype(np.int64)]])  # [N, 3, 3]
    return distance_to_triangles(torch.from_numpy(queries), corners)


def distance_to_triangles(
    points: Tensor,  # [N, 3]
    corners: Tensor,  # [N, 3, 3]
) -> Tensor:  # [N]
    """Distance [scene units] from every point to its own triangle: to the plane where it projects inside, else to the nearest edge."""
    edges = corners.roll(-1, 1) - corners  # [N, 3, 3]
    from_corner = points[:, None] - corners
    along = (from_corner * edges).sum(-1) / edges.square().sum(-1).clamp(min=torch.finfo(points.dtype).tiny)
    to_edge = (from_corner - along.clamp(0, 1)[..., None] * edges).norm(dim=-1).amin(dim=1)
    normal = torch.linalg.cross(edges[:, 0], edges[:, 1])
    length = normal.norm(dim=-1)
    is_left = (torch.linalg.cross(edges, from_corner) * normal[:, None]).sum(-1) >= 0
    to_plane = (from_corner[:, 0] * normal).sum(-1).abs() / length.clamp(min=torch.finfo(points.dtype).tiny)
    return torch.where(is_left.all(dim=1) & (length > 0), to_plane, to_edge)


def _percentile(ordered: Tensor, percent: int) -> float:
    """The smallest value that at least this share of all values does not exceed."""
    return float(ordered[max(0, -(-len(ordered) * percent // 100) - 1)])
