"""Errors of a deforming surface over the frames of a sequence."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.normals import face_areas, vertex_normals
from recon_cli.core.procrustes import Similarity, procrustes
from recon_cli.metrics import alignment
from recon_cli.metrics.chamfer import Chamfer, chamfer, rigid_icp, surface_points
from recon_cli.metrics.frame_pairs import Surface, moved

PROTOCOLS = {
    "none": "no alignment",
    "rigid": "rigid alignment of the prediction (phi-SfT, Sec. 4.2): Procrustes in the first frame where vertices correspond, else ICP; "
    "later frames are refined from it by point-to-point ICP",
    "similarity": alignment.PROTOCOLS["similarity"],
}

VERTEX_FORMULAS = {
    "vertex_error": "mean_i ||v_i - v*_i||",
    "vertex_error_relative": "vertex_error / side, side = square root of the first reference frame's area",
    "e3d": "||V - V*||_F / ||V*||_F after Procrustes with scale, in the reference's own coordinates",
    "normal_error_degrees": "mean_i angle(n_i, n*_i), area-weighted vertex normals",
}


@dataclass(frozen=True)
class VertexError:
    """Errors between two meshes whose vertices correspond.

    Attributes:
        vertex_error: mean distance of corresponding vertices [scene units].
        vertex_error_max: largest such distance [scene units].
        e3d: Frobenius norm of the difference over that of the reference, after Procrustes with scale (facts of φ-SfT's synthetic
            benchmark).
        normal_error_degrees: mean angle between corresponding vertex normals [degrees].
    """

    vertex_error: float
    vertex_error_max: float
    e3d: float
    normal_error_degrees: float


def vertex_error(predicted: Mesh, reference: Mesh) -> VertexError:
    """Errors of corresponding vertices.

    Raises:
        InputError: the meshes differ in their number of vertices.
    """
    found, truth = predicted.vertices.detach().cpu().double(), reference.vertices.detach().cpu().double()
    if found.shape != truth.shape:
        raise InputError(f"{len(found)} vertices do not correspond to {len(truth)}; expected the same number")
    distances = (found - truth).norm(dim=-1)
    aligned = procrustes(found, truth, with_scale=True)(found)
    return VertexError(
        vertex_error=float(distances.mean()),
        vertex_error_max=float(distances.max()),
        e3d=float((aligned - truth).norm() / truth.norm()),
        normal_error_degrees=_normal_error(found, truth, reference.faces.cpu()),
    )


def side_length(mesh: Mesh) -> float:
    """Side [scene units] of the square that has the mesh's area."""
    return float(face_areas(mesh.vertices.detach().double(), mesh.faces).sum().sqrt())


def _normal_error(
    found: Tensor,  # [V, 3]
    truth: Tensor,  # [V, 3]
    faces: Tensor,  # [F, 3]
) -> float:
    first, second = vertex_normals(found, faces), vertex_normals(truth, faces)
    # atan2 is exact for small angles, where the arc cosine loses half of the digits.
    sine, cosine = torch.linalg.cross(first, second).norm(dim=-1), (first * second).sum(dim=-1)
    return float(torch.rad2deg(torch.atan2(sine, cosine)).mean())


@dataclass(frozen=True)
class FrameError:
    """What is wrong in one frame.

    Attributes:
        frame: its number.
        chamfer: distance of the two surfaces.
        vertices: errors of corresponding vertices, where both sides are meshes with the same number of them; never aligned rigidly, but
            after a similarity.
    """

    frame: int
    chamfer: Chamfer
    vertices: VertexError | None

    def record(self) -> dict[str, float | int]:
        """All numbers by name."""
        return {"frame": self.frame, **self.chamfer.record(), **(vars(self.vertices) if self.vertices else {})}


@dataclass(frozen=True)
class Comparison:
    """How surfaces are compared.

    Attributes:
        samples: points drawn on a mesh; all points of a point set are taken.
        seed: of the draws; both sides use the same one, so that equal meshes are at distance zero.
        align: "none", "rigid" or "similarity", see ``PROTOCOLS``.
    """

    samples: int = 30_000
    seed: int = 0
    align: str = "none"


def compare(
    predicted: Surface, reference: Surface, comparison: Comparison, *, frame: int = 0, start: Similarity | None = None
) -> FrameError:
    """Errors of one frame; ``start`` is the motion that a rigid alignment begins from, or the whole of a similarity.

    Raises:
        InputError: a side has no points or no area.
    """
    if comparison.align == "similarity":
        predicted = moved(predicted, start or _similarity([(predicted, reference)], comparison))
    first, second = _points(predicted, comparison), _points(reference, comparison)
    if comparison.align == "rigid":
        first = rigid_icp(first, second, start=start or _first_motion(predicted, reference), workers=1)(first)
    return FrameError(frame, chamfer(first, second, workers=1), _corresponding(predicted, reference))


def compare_sequence(
    load: Callable[[int], tuple[Surface, Surface]],
    frames: Sequence[int],
    comparison: Comparison,
) -> list[FrameError]:
    """Errors of every frame, several frames at a time.

    Args:
        load: gives the predicted and the reference surface of a frame number.
        frames: the numbers, the first of which a rigid alignment of the others starts from.
        comparison: how.
    """
    start = _start(load, frames, comparison)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda frame: compare(*load(frame), comparison, frame=frame, start=start), frames))


def _start(load: Callable[[int], tuple[Surface, Surface]], frames: Sequence[int], comparison: Comparison) -> Similarity | None:
    """What ``compare`` starts from in every frame."""
    if comparison.align == "similarity":
        return _similarity([load(frame) for frame in alignment.evenly_spaced(frames)], comparison)
    if comparison.align == "rigid":
        predicted, reference = load(frames[0])
        first, second = _points(predicted, comparison), _points(reference, comparison)
        return rigid_icp(first, second, start=_first_motion(predicted, reference))
    return None


def _similarity(pairs: Sequence[tuple[Surface, Surface]], comparison: Comparison) -> Similarity:
    return alignment.sequence_motion(pairs, with_scale=True, seed=comparison.seed)


def mean_errors(errors: Sequence[FrameError]) -> dict[str, float]:
    """Mean over the frames of every number that all frames have."""
    records = [error.record() for error in errors]
    names = [name for name in records[0] if name != "frame" and all(name in record for record in records)]
    return {name: sum(record[name] for record in records) / len(records) for name in names}


def _points(surface: Surface, comparison: Comparison) -> Tensor:  # [N, 3]
    return surface_points(surface, samples=comparison.samples, seed=comparison.seed)


def _corresponding(predicted: Surface, reference: Surface) -> VertexError | None:
    if isinstance(predicted, Mesh) and isinstance(reference, Mesh) and len(predicted.vertices) == len(reference.vertices):
        return vertex_error(predicted, reference)
    return None


def _first_motion(predicted: Surface, reference: Surface) -> Similarity:
    if isinstance(predicted, Mesh) and isinstance(reference, Mesh) and len(predicted.vertices) == len(reference.vertices):
        return procrustes(predicted.vertices, reference.vertices)
    return Similarity.identity()
