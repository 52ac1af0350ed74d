"""Chamfer distance between two surfaces or point sets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.mesh import Mesh
from recon_cli.core.nearest import nearest_squared_distance
from recon_cli.core.points import PointSet
from recon_cli.core.procrustes import Similarity, procrustes
from recon_cli.core.sampling import sample_surface

FORMULA = (
    "squared = 1/|A| sum_a min_b ||a - b||^2 + 1/|B| sum_b min_a ||b - a||^2 (phi-SfT, Eq. 10); "
    "plain = the same sum with ||.|| instead of ||.||^2; no factor 1/2; c_l2 = squared / 2 (neural parametric models)"
)


@dataclass(frozen=True)
class Chamfer:
    """Mean nearest-neighbour distances of two point sets.

    Attributes:
        squared_a_to_b: mean squared distance [scene units²] from a point of A to its nearest point of B.
        squared_b_to_a: the other direction.
        plain_a_to_b: mean distance [scene units] from a point of A to its nearest point of B.
        plain_b_to_a: the other direction.
        samples_a: number of points of A.
        samples_b: number of points of B.
    """

    squared_a_to_b: float
    squared_b_to_a: float
    plain_a_to_b: float
    plain_b_to_a: float
    samples_a: int
    samples_b: int

    @property
    def squared(self) -> float:
        """Both squared directions summed (φ-SfT, Eq. 10) [scene units²]."""
        return self.squared_a_to_b + self.squared_b_to_a

    @property
    def plain(self) -> float:
        """Both plain directions summed [scene units]."""
        return self.plain_a_to_b + self.plain_b_to_a

    @property
    def c_l2(self) -> float:
        """Half of both squared directions summed (Palafox et al. 2021) [scene units²]."""
        return 0.5 * self.squared

    def record(self) -> dict[str, float | int]:
        """All numbers by name, sums first."""
        return {"squared": self.squared, "plain": self.plain, "c_l2": self.c_l2, **vars(self)}


def chamfer(
    points_a: Tensor,  # [N, 3]
    points_b: Tensor,  # [M, 3]
    *,
    workers: int = -1,
) -> Chamfer:
    """Chamfer distance of two point sets, exact, in float64.

    Raises:
        InputError: a set is empty or has a coordinate that is not finite.
    """
    squared_a, _ = nearest_squared_distance(points_a, points_b, workers=workers)
    squared_b, _ = nearest_squared_distance(points_b, points_a, workers=workers)
    return Chamfer(
        squared_a_to_b=float(squared_a.mean()),
        squared_b_to_a=float(squared_b.mean()),
        plain_a_to_b=float(squared_a.sqrt().mean()),
        plain_b_to_a=float(squared_b.sqrt().mean()),
        samples_a=len(points_a),
        samples_b=len(points_b),
    )


def surface_points(surface: Mesh | PointSet, *, samples: int, seed: int) -> Tensor:  # [N, 3] float64
    """The points that stand for a surface: ``samples`` draws by area on a mesh, all points of a point set.

    Raises:
        InputError: the mesh has no area.
    """
    if isinstance(surface, PointSet):
        return surface.points.detach().cpu().double()
    generator = torch.Generator().manual_seed(seed)
    return sample_surface(surface.vertices.detach().cpu().double(), surface.faces.cpu(), samples, generator=generator)[0]


def rigid_icp(
    points: Tensor,  # [N, 3]
    references: Tensor,  # [M, 3]
    *,
    start: Similarity | None = None,
    iterations: int = 100,
    workers: int = -1,
) -> Similarity:
    """Rigid motion of ``points`` onto ``references`` by point-to-point ICP (Besl and McKay 1992).

    Every round pairs each moved point with its nearest reference and solves for the best motion; it ends when the mean squared
    distance falls by less than a millionth of its value.

    Args:
        points: points that move [scene units].
        references: points that stay [scene units].
        start: motion to begin from; the identity by default.
        iterations: most rounds.
        workers: threads of the search.
    """
    motion = start or Similarity.identity()
    points, references = points.double(), references.double()
    last = float("inf")
    for _ in range(iterations):
        squared, index = nearest_squared_distance(motion(points), references, workers=workers)
        error = float(squared.mean())
        if error >= last * (1 - 1e-6):
            break
        last = error
        motion = procrustes(points, references[index])
    return motion
