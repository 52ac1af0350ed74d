"""End-point error of a deforming surface (Niemeyer et al. 2019; Palafox et al. 2021)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.closest_points import ClosestPoints, SurfacePoints
from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.sampling import sample_surface
from recon_cli.core.topology import check_finite
from recon_cli.metrics.frame_pairs import FramePair, frame_pairs

FORMULA = (
    "epe = mean_i ||p_i - p*_i||: p* drawn by area on the reference at a keyframe, p its nearest point on the prediction there; "
    "in other frames both are where their barycentric coordinates lead"
)


@dataclass(frozen=True)
class EndPointError:
    """How far the points of one frame are from where they should be.

    Attributes:
        frame: its number.
        keyframe: number of the frame in which the points were paired.
        epe: mean distance of paired points [scene units].
    """

    frame: int
    keyframe: int
    epe: float

    def record(self) -> dict[str, float | int]:
        """All numbers by name."""
        return {"frame": self.frame, "epe": self.epe, "keyframe": self.keyframe}


@dataclass(frozen=True)
class Pairing:
    """Points of a reference and of a prediction that were nearest to each other at a keyframe.

    Attributes:
        keyframe: the frame.
        predicted: points on the prediction.
        reference: points on the reference.
    """

    keyframe: FramePair
    predicted: SurfacePoints
    reference: SurfacePoints

    def error(self, pair: FramePair) -> EndPointError:
        """Mean distance of the points in another frame.

        Raises:
            InputError: a mesh has other faces than at the keyframe, or a vertex is not finite; it names the mesh.
        """
        _expect_same_topology(pair.predicted, self.keyframe.predicted, pair.predicted_name, self.keyframe.predicted_name)
        _expect_same_topology(pair.reference, self.keyframe.reference, pair.reference_name, self.keyframe.reference_name)
        found, truth = self.predicted.on(_positions(pair.predicted)), self.reference.on(_positions(pair.reference))
        return EndPointError(pair.number, self.keyframe.number, float((found - truth).norm(dim=-1).mean()))


def end_point_error(
    predicted_vertices: Tensor,  # [T, V, 3]
    predicted_faces: Tensor,  # [F, 3]
    reference_vertices: Tensor,  # [T, W, 3]
    reference_faces: Tensor,  # [G, 3]
    *,
    samples: int = 100_000,
    keyframe_every: int = 50,
    seed: int = 0,
) -> list[EndPointError]:
    """End-point error in every frame of two deforming meshes [scene units]; see ``end_point_errors``.

    Raises:
        InputError: the numbers of frames differ, or a mesh has no area or a vertex that is not finite.
    """
    pairs = frame_pairs(predicted_vertices, predicted_faces, reference_vertices, reference_faces)
    return list(end_point_errors(pairs, samples=samples, keyframe_every=keyframe_every, seed=seed))


def end_point_errors(
    pairs: Iterable[FramePair], *, samples: int = 100_000, keyframe_every: int = 50, seed: int = 0
) -> Iterator[EndPointError]:
    """End-point error of every frame, one at a time.

    At the first frame, and again after every ``keyframe_every`` frames, new points are drawn by area on the reference and paired with
    the nearest points of the prediction's triangles; up to the next keyframe both are followed by their barycentric coordinates.

    Args:
        pairs: frames in order; between two keyframes the faces of each side stay.
        samples: number of points.
        keyframe_every: frames from one pairing to the next.
        seed: of the points.

    Raises:
        InputError: faces change between two keyframes, a mesh has no area, or a vertex is not finite; it names the mesh.
    """
    generator = torch.Generator().manual_seed(seed)
    pairing = None
    for step, pair in enumerate(pairs):
        for mesh, name in ((pair.predicted, pair.predicted_name), (pair.reference, pair.reference_name)):
            check_finite(mesh, name)
        if pairing is None or step % keyframe_every == 0:
            pairing = _paired(pair, samples, generator)
        yield pairing.error(pair)


def _paired(pair: FramePair, samples: int, generator: torch.Generator) -> Pairing:
    """Points of the reference and the nearest ones of the prediction."""
    try:
        points, face, barycentric = sample_surface(_positions(pair.reference), pair.reference.faces.cpu(), samples, generator=generator)
    except InputError as error:
        raise InputError(error.message, path=pair.reference_name) from error
    try:
        nearest = ClosestPoints(pair.predicted)(points)
    except InputError as error:
        raise InputError(error.message, path=pair.predicted_name) from error
    return Pairing(pair, nearest, SurfacePoints(pair.reference.faces.cpu()[face], barycentric))


def _positions(mesh: Mesh) -> Tensor:  # [V, 3]
    return mesh.vertices.detach().cpu().double()


def _expect_same_topology(mesh: Mesh, key: Mesh, name: str, key_name: str) -> None:
    if len(mesh.vertices) == len(key.vertices) and torch.equal(mesh.faces, key.faces):
        return
    same_count = mesh.faces.shape == key.faces.shape and mesh.vertices.shape == key.vertices.shape
    seen = "the same numbers of vertices and faces but other faces" if same_count else _counts(mesh)
    raise InputError(
        f"has {seen}, expected the faces of the keyframe {key_name} ({_counts(key)}): points are followed by their faces",
        path=name,
        hint="give meshes that keep their faces, or pair anew in each frame with --keyframe-every 1",
    )


def _counts(mesh: Mesh) -> str:
    return f"{len(mesh.vertices)} vertices and {len(mesh.faces)} faces"
