"""The closed surface of one shape: nearest points, signed distances, and what moves with it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from recon_cli.core.closest_points import ClosestPoints, SurfacePoints, closest_in_triangles
from recon_cli.core.mesh import Mesh
from recon_cli.core.normals import gather_rows, unit
from recon_cli.core.winding import Winding

TOUCHING = 1e-6
"""Points this near count as on the surface [box]: their normal is the triangle's, as float32 does not hold the way to them."""

_ASIDE = ((3e-6, -2e-6, 1e-6), (-2e-6, 1e-6, 3e-6))
"""Where a ray begins anew [box]."""


class CanonicalSurface:
    """What is asked of a closed surface again and again; each structure is built when it is first needed.

    Args:
        mesh: the surface, without gradients [box].
    """

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    @cached_property
    def _closest(self) -> ClosestPoints:
        return ClosestPoints(self._mesh)

    @cached_property
    def _winding(self) -> Winding:
        return Winding(self._mesh)

    def nearest(self, points: Tensor) -> SurfacePoints:  # [N, 3]
        """Nearest points of the surface, on the points' device, barycentric coordinates float64."""
        found = self._closest(points)
        return SurfacePoints(found.corners.to(points.device), found.barycentric.to(points.device))

    def is_inside(self, points: Tensor, found: SurfacePoints) -> Tensor:  # [N, 3] -> [N]
        """Whether the surface winds around points, given their nearest points; where it overlaps itself too.

        One ray in a million slips through an edge. A point whose ray says something else than the triangle nearest to it is asked
        twice more, a little aside, and the majority counts.
        """
        inside = self._winding(points) != 0
        corners = self._mesh.vertices.double()[found.corners]  # [N, 3, 3]
        way = points.double() - (found.barycentric[:, :, None] * corners).sum(dim=1)
        normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        doubtful = (inside != ((way * normal).sum(dim=1) < 0).cpu()).nonzero()[:, 0]
        if len(doubtful):
            asked = points[doubtful.to(points.device)].double()
            again = [self._winding(asked + asked.new_tensor(aside)) != 0 for aside in _ASIDE]
            inside[doubtful] = inside[doubtful].int() + again[0].int() + again[1].int() >= 2
        return inside.to(points.device)


class LatestSurfaces:
    """The surfaces of the shapes that were asked for last, as a fit asks for the same one many times."""

    def __init__(self, most: int = 4) -> None:
        self._most = most
        self._kept: OrderedDict[bytes, CanonicalSurface] = OrderedDict()

    def of(self, shape: Tensor, mesh: Callable[[Tensor], Mesh]) -> CanonicalSurface:  # [S]
        """The surface of a shape code, which ``mesh`` makes."""
        values = shape.detach()
        key = values.cpu().double().numpy().tobytes()
        if key not in self._kept:
            self._kept[key] = CanonicalSurface(mesh(values))
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def __reduce__(self) -> tuple[type[LatestSurfaces], tuple[int]]:
        """A copy of a model begins with none: the structures cannot be copied."""
        return LatestSurfaces, (self._most,)


def anchored(points: Tensor, found: SurfacePoints, vertices: Tensor) -> SurfacePoints:
    """Nearest points whose barycentric coordinates follow small changes of points and vertices; values as found.

    Args:
        points: shape [N, 3].
        found: their nearest points.
        vertices: of the surface, shape [V, 3].
    """
    if not torch.is_grad_enabled() or not (points.requires_grad or vertices.requires_grad):
        return SurfacePoints(found.corners, found.barycentric.to(points.dtype))
    corners = gather_rows(vertices.double(), found.corners)  # [N, 3, 3]
    return SurfacePoints(found.corners, closest_in_triangles(points.double(), corners).to(points.dtype))


def signed_distance(points: Tensor, found: SurfacePoints, is_inside: Tensor, vertices: Tensor) -> Tensor:
    """Signed distance of points [box], negative inside, shape [N].

    Its derivative in a point is the outward unit vector n along the way from the nearest point, and in what moves the surface
    -n . dx of the nearest point x: the nearest point's own sliding changes no distance.

    Args:
        points: shape [N, 3].
        found: their nearest points.
        is_inside: whether each is inside, shape [N].
        vertices: of the surface, shape [V, 3].
    """
    corners = gather_rows(vertices, found.corners).double()  # [N, 3, 3]
    way = points.double() - (found.barycentric[:, :, None] * corners).sum(dim=1)
    with torch.no_grad():
        length = way.norm(dim=-1, keepdim=True)
        outwards = torch.where(is_inside[:, None], -way, way) / length.clamp(min=TOUCHING)
        flat = unit(torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
        outwards = torch.where(length > TOUCHING, outwards, flat)
    return (outwards * way).sum(dim=-1).to(points.dtype)
