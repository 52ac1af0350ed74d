"""Precision, recall and F-score of a surface (Knapitsch et al. 2017; Schöps et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.errors import InputError, NumericsError
from recon_cli.core.nearest import nearest_squared_distance
from recon_cli.core.thinning import voxel_means

ETH3D_THRESHOLDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Tolerances of the ETH3D benchmark [m]."""

ETH3D_VOXEL = 0.01
"""Cell in which points are averaged before an ETH3D figure [m]."""

_ROUNDS = ((1.0, 80.0), (0.5, 20.0), (0.5, 2.0))
"""Cell and reach of each round of ICP, in thresholds."""

_ICP_STEPS = 20


@dataclass(frozen=True)
class FScore:
    """How two point sets agree within a threshold.

    Attributes:
        threshold: τ [scene units].
        precision: share of the predicted points within τ of the reference.
        recall: share of the reference points within τ of the prediction.
    """

    threshold: float
    precision: float
    recall: float

    @property
    def fscore(self) -> float:
        """Harmonic mean of precision and recall; 0 where both are 0."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total > 0 else 0.0

    def record(self) -> dict[str, float]:
        """All numbers by name."""
        return {"threshold": self.threshold, "precision": self.precision, "recall": self.recall, "fscore": self.fscore}


def fscores(
    predicted: Tensor,  # [N, 3]
    reference: Tensor,  # [M, 3]
    thresholds: Sequence[float],
    *,
    voxel: float | None = None,
    workers: int = -1,
) -> list[FScore]:
    """F-scores of two point sets, one a threshold.

    Args:
        predicted: points of the prediction.
        reference: points of the reference.
        thresholds: τ [scene units].
        voxel: side of the cells in which both sides are averaged first [scene units]; None takes the points as they are.
        workers: threads of the searches.

    Raises:
        InputError: a side is empty, a coordinate is not finite, or there is no positive threshold.
    """
    _check_thresholds(thresholds)
    if voxel is not None:
        predicted, reference = voxel_means(predicted, voxel), voxel_means(reference, voxel)
    if not len(predicted):
        raise InputError("the prediction has no points; expected at least one")
    reach = max(thresholds)
    there = nearest_squared_distance(predicted, reference, reach=reach, workers=workers)[0].sqrt()
    back = nearest_squared_distance(reference, predicted, reach=reach, workers=workers)[0].sqrt()
    return [FScore(float(tau), _share(there, tau), _share(back, tau)) for tau in thresholds]


def align_in_rounds(
    predicted: Tensor,  # [N, 3]
    reference: Tensor,  # [M, 3]
    threshold: float,
    *,
    start: Tensor | None = None,  # [4, 4]
    with_scale: bool = True,
) -> Tensor:  # [4, 4] float64
    """Motion of the prediction onto the reference by three rounds of point-to-point ICP that look less and less far.

    As in the evaluation of Tanks and Temples: cells of τ, τ/2 and τ/2, pairs up to 80 τ, 20 τ and 2 τ apart, 20 steps each.

    Args:
        predicted: points that move [scene units].
        reference: points that stay [scene units].
        threshold: τ [scene units].
        start: where to begin, such as an alignment of the cameras' paths; the identity by default.
        with_scale: whether the motion may scale.

    Raises:
        InputError: a side is empty, the start is no transform, or the threshold is not positive.
        NumericsError: no point of the prediction comes near the reference.
    """
    _check_thresholds([threshold])
    motion = torch.eye(4, dtype=torch.float64) if start is None else _checked_transform(start)
    # Around the reference's middle: ICP on coordinates far from the origin loses digits.
    to_middle, from_middle = _shift(-reference.double().mean(dim=0)), _shift(reference.double().mean(dim=0))
    motion = to_middle @ motion
    middle = moved(reference, to_middle)
    for cell, reach in _ROUNDS:
        source = voxel_means(moved(predicted, motion), cell * threshold)
        motion = _icp(source, voxel_means(middle, cell * threshold), reach * threshold, with_scale) @ motion
    return from_middle @ motion


def moved(points: Tensor, motion: Tensor) -> Tensor:  # [N, 3], [4, 4] -> [N, 3] float64
    """The points after a transform."""
    return points.double() @ motion[:3, :3].double().T + motion[:3, 3].double()


def _icp(source: Tensor, target: Tensor, reach: float, with_scale: bool) -> Tensor:  # [4, 4]
    import open3d

    if not len(source) or not len(target):
        raise InputError("an alignment needs points on both sides")
    clouds = [open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points.numpy())) for points in (source, target)]
    registration = open3d.pipelines.registration
    found = registration.registration_icp(
        *clouds,
        reach,
        torch.eye(4, dtype=torch.float64).numpy(),
        registration.TransformationEstimationPointToPoint(with_scale),
        registration.ICPConvergenceCriteria(max_iteration=_ICP_STEPS),
    )
    if found.fitness <= 0.0:
        raise NumericsError(
            f"no point of the prediction is within {reach:g} of the reference", hint="give a first alignment, or a larger threshold"
        )
    return torch.from_numpy(found.transformation.copy())


def _shift(offset: Tensor) -> Tensor:  # [3] -> [4, 4]
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, 3] = offset
    return matrix


def _share(distances: Tensor, threshold: float) -> float:
    return float((distances < threshold).double().mean())


def _check_thresholds(thresholds: Sequence[float]) -> None:
    if not thresholds or not all(0.0 < threshold < float("inf") for threshold in thresholds):
        raise InputError(f"thresholds are {', '.join(f'{value:g}' for value in thresholds) or 'none'}; expected positive lengths")


def _checked_transform(matrix: Tensor) -> Tensor:
    matrix = matrix.double()
    if matrix.shape != (4, 4) or not bool(torch.isfinite(matrix).all()) or matrix[3].tolist() != [0, 0, 0, 1]:
        raise InputError(f"an alignment of shape {list(matrix.shape)} is no transform; expected 4 x 4 finite numbers, last row 0 0 0 1")
    return matrix
