"""The predicted and the reference surface of one frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.points import PointSet
from recon_cli.core.procrustes import Similarity

Surface = Mesh | PointSet

AnySurface = TypeVar("AnySurface", Mesh, PointSet, Mesh | PointSet)


@dataclass(frozen=True)
class FramePair:
    """Two meshes of one moment.

    Attributes:
        number: of the frame.
        predicted: mesh of the prediction [scene units].
        reference: mesh of the reference [scene units].
        predicted_name: what messages call it, such as its file.
        reference_name: what messages call it.
    """

    number: int
    predicted: Mesh
    reference: Mesh
    predicted_name: str = "the prediction"
    reference_name: str = "the reference"

    def aligned(self, motion: Similarity) -> FramePair:
        """The pair with its prediction moved."""
        return replace(self, predicted=moved(self.predicted, motion))

    def in_units_of(self, side: float) -> FramePair:
        """The pair in units of this length [scene units]."""
        return replace(self, predicted=in_units_of(side, self.predicted), reference=in_units_of(side, self.reference))


def frame_pairs(
    predicted_vertices: Tensor,  # [T, V, 3]
    predicted_faces: Tensor,  # [F, 3]
    reference_vertices: Tensor,  # [T, W, 3]
    reference_faces: Tensor,  # [G, 3]
) -> list[FramePair]:
    """Frames 0, 1, … of two deforming meshes.

    Raises:
        InputError: the numbers of frames differ, or there are none.
    """
    if len(predicted_vertices) != len(reference_vertices) or not len(reference_vertices):
        raise InputError(f"{len(predicted_vertices)} frames against {len(reference_vertices)}; expected the same number, at least one")
    return [
        FramePair(
            t, Mesh(found, predicted_faces), Mesh(truth, reference_faces), f"frame {t} of the prediction", f"frame {t} of the reference"
        )
        for t, (found, truth) in enumerate(zip(predicted_vertices, reference_vertices, strict=True))
    ]


def moved(surface: AnySurface, motion: Similarity) -> AnySurface:
    """The surface elsewhere, in float64; normals of points are dropped."""
    if isinstance(surface, PointSet):
        return replace(surface, points=motion(surface.points.detach().cpu().double()), normals=None)
    return surface.with_vertices(motion(surface.vertices.detach().cpu().double()))


def in_units_of(side: float, surface: AnySurface) -> AnySurface:
    """The surface with its lengths divided by ``side`` [scene units]; as it is where that is 1."""
    return surface if side == 1 else moved(surface, replace(Similarity.identity(), scale=1 / side))


def longest_side(surface: Surface) -> float:
    """Longest side [scene units] of the bounding box along the axes.

    Raises:
        InputError: there are no points, they all coincide, or a coordinate is not finite.
    """
    points = surface.points if isinstance(surface, PointSet) else surface.vertices
    side = float((points.amax(dim=0) - points.amin(dim=0)).max()) if len(points) else 0.0
    if not 0 < side < float("inf"):
        raise InputError(f"the bounding box of {len(points)} points has a longest side of {side:g}; expected a positive length")
    return side
