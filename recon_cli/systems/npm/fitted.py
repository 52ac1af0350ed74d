"""What a fit finds."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class FrameQuality:
    """How well every frame is explained, and how sure that is; nothing here has seen a truth.

    Attributes:
        residual: median distance of the depth's points from the fitted surface that faces the camera [box], shape [T].
        unexplained: share of the depth's points that are farther from it than three hundredths of the box, shape [T].
        overhang: share of the fitted surface's vertices that fall outside of the body's silhouette by more than two pixels, shape [T].
        spread: root mean square distance of the vertices from other solutions whose energy is nearly as low [box], shape [T]; 0 where there
            is only one, NaN where none was looked for.
        deviation: root mean square standard deviation of the vertices by the curvature of the energy [box], shape [T]; NaN where it was not
            computed.
        is_doubtful: whether a frame should not be trusted without looking, shape [T].
    """

    residual: Tensor
    unexplained: Tensor
    overhang: Tensor
    spread: Tensor
    deviation: Tensor
    is_doubtful: Tensor


@dataclass(frozen=True)
class Fitted:
    """A body of one shape in T frames, in the camera's axes: ``root @ (x + flow(x) - pivot) + place``, times ``unit``.

    Attributes:
        shape: code, shape [S].
        poses: codes, shape [T, P].
        roots: orientations, from the body's axes to the camera's, shape [T, 3, 3].
        places: where the pivot is [box], shape [T, 3].
        unit: scene units of the depth a box.
        up: the direction in the camera's axes that was taken for up, shape [3].
        energy: of the last step, shape [T]; of different solvers it cannot be compared.
        quality: of every frame.
    """

    shape: Tensor
    poses: Tensor
    roots: Tensor
    places: Tensor
    unit: float
    up: Tensor
    energy: Tensor
    quality: FrameQuality
