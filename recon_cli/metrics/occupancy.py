"""Volumetric intersection over union of two closed surfaces (Mescheder et al. 2019; Palafox et al. 2021)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.closed_surface import closed_mesh
from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.winding import CHUNK, Winding
from recon_cli.metrics.frame_pairs import FramePair, frame_pairs

FORMULA = (
    "iou = |A and B| / |A or B| over points uniform in the joint bounding box; inside is where the surface winds around; "
    "standard_error = sqrt(iou (1 - iou) / |A or B|)"
)


@dataclass(frozen=True)
class VolumeOverlap:
    """How far two solids are the same.

    Attributes:
        frame: its number.
        iou: share of the points inside either solid that are inside both.
        standard_error: of ``iou``, from the number of points that it rests on.
        volume_predicted: [scene units³], from the share of the points inside.
        volume_reference: [scene units³].
        samples: number of points drawn.
    """

    frame: int
    iou: float
    standard_error: float
    volume_predicted: float
    volume_reference: float
    samples: int

    def record(self) -> dict[str, float | int]:
        """All numbers by name."""
        return dict(vars(self))


def iou(
    predicted_vertices: Tensor,  # [T, V, 3]
    predicted_faces: Tensor,  # [F, 3]
    reference_vertices: Tensor,  # [T, W, 3]
    reference_faces: Tensor,  # [G, 3]
    *,
    samples: int = 1_000_000,
    seed: int = 0,
) -> list[VolumeOverlap]:
    """Intersection over union in every frame of two deforming solids [scene units]; see ``volume_overlap``.

    Raises:
        InputError: the numbers of frames differ, or a surface is not closed.
    """
    pairs = frame_pairs(predicted_vertices, predicted_faces, reference_vertices, reference_faces)
    return list(volume_overlaps(pairs, samples=samples, seed=seed))


def volume_overlaps(pairs: Iterable[FramePair], *, samples: int = 1_000_000, seed: int = 0) -> Iterator[VolumeOverlap]:
    """Intersection over union of every frame, one at a time.

    Raises:
        InputError: a surface is not closed; it names the mesh.
    """
    for pair in pairs:
        predicted, reference = solids(pair)
        yield volume_overlap(predicted, reference, samples=samples, seed=seed, frame=pair.number)


def solids(pair: FramePair) -> tuple[Mesh, Mesh]:
    """Both meshes of a frame as closed surfaces.

    Raises:
        InputError: one is not closed; it names the mesh.
    """
    return closed_mesh(pair.predicted, pair.predicted_name), closed_mesh(pair.reference, pair.reference_name)


def volume_overlap(predicted: Mesh, reference: Mesh, *, samples: int = 1_000_000, seed: int = 0, frame: int = 0) -> VolumeOverlap:
    """Intersection over union of two solids, by points drawn uniformly in their joint bounding box.

    The published protocol draws them in the unit box. Points outside both solids count for neither, and those inside either are
    uniform there whichever box they were drawn in: the expectation is the same, but in the smaller box more of the points fall inside
    either, and the variance is that of their number. The same seed gives the same points, so swapping the sides changes nothing.

    Args:
        predicted: closed, as ``closed_mesh`` gives it [scene units].
        reference: closed [scene units].
        samples: number of points.
        seed: of the points.
        frame: the number that the result carries.

    Raises:
        InputError: no point is inside either solid.
    """
    low, high = _joint_box(predicted, reference)
    sides = Winding(predicted), Winding(reference)
    generator = torch.Generator().manual_seed(seed)
    inside = torch.zeros(3, dtype=torch.int64)  # the prediction, the reference, both
    for start in range(0, samples, CHUNK):
        draws = torch.rand(min(CHUNK, samples - start), 3, generator=generator, dtype=torch.float64)
        first, second = (side(low + draws * (high - low)) != 0 for side in sides)
        inside += torch.stack([first.sum(), second.sum(), (first & second).sum()])
    return _overlap(inside.tolist(), float((high - low).prod()), samples, frame)


def _joint_box(predicted: Mesh, reference: Mesh) -> tuple[Tensor, Tensor]:  # [3], [3]
    """Lowest and highest coordinates of what the faces of both meshes use."""
    corners = torch.cat([mesh.vertices.detach().cpu().double()[mesh.faces.cpu().flatten()] for mesh in (predicted, reference)])
    return corners.amin(dim=0), corners.amax(dim=0)


def _overlap(inside: list[int], box: float, samples: int, frame: int) -> VolumeOverlap:
    predicted, reference, both = inside
    either = predicted + reference - both
    if not either:
        raise InputError(
            f"none of {samples} points of frame {frame} is inside a solid: both are (nearly) nothing beside their joint bounding box",
            hint="look whether the two have the same place and scale; if so, draw more points with --samples",
        )
    share = both / either
    return VolumeOverlap(
        frame=frame,
        iou=share,
        standard_error=math.sqrt(share * (1 - share) / either),
        volume_predicted=box * predicted / samples,
        volume_reference=box * reference / samples,
        samples=samples,
    )
