"""Errors of depth maps against exact ones, pooled over all views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError

FORMULA = (
    "error = |z - z*| over pixels where both are known; relative = error / z*; pixels = error / (z* / f), f = sqrt(fx fy); "
    "completeness = pixels with both / pixels with z*; spurious = pixels with z alone / pixels with z"
)


@dataclass(frozen=True)
class DepthErrors:
    """Differences of two sets of depth maps.

    Attributes:
        mean: of the absolute error [scene units]; NaN, like the next five, where no pixel has both depths.
        median: of the absolute error [scene units].
        rmse: root of its mean square [scene units].
        mean_relative: mean of the error over the true depth.
        median_relative: median of the error over the true depth.
        median_pixels: median of the error in footprints of a pixel, z / f.
        within: share of the compared pixels whose error is at most a threshold [scene units].
        within_pixels: the same for thresholds in footprints of a pixel.
        completeness: share of the pixels with a true depth that have one.
        spurious: share of the pixels with a depth that have no true one.
        pixels: number of compared pixels.
    """

    mean: float
    median: float
    rmse: float
    mean_relative: float
    median_relative: float
    median_pixels: float
    within: dict[float, float]
    within_pixels: dict[float, float]
    completeness: float
    spurious: float
    pixels: int

    def record(self) -> dict[str, object]:
        """All numbers by name."""
        named = {key: {f"{limit:g}": share for limit, share in getattr(self, key).items()} for key in ("within", "within_pixels")}
        return {**vars(self), **named}


@dataclass(frozen=True)
class _Pixels:
    """The pixels of all views that have a depth of either kind, as vectors."""

    error: Tensor  # [P] float64, NaN where a side is unknown
    truth: Tensor  # [P] float64, 0 where unknown
    footprint: Tensor  # [P] float64
    is_predicted: Tensor  # [P] bool
    confidence: Tensor  # [P] float32

    def __getitem__(self, index: Tensor) -> _Pixels:
        return _Pixels(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


def depth_errors(
    predicted: DepthMaps,
    reference: DepthMaps,
    *,
    thresholds: Sequence[float] = (),
    pixel_thresholds: Sequence[float] = (1.0,),
) -> DepthErrors:
    """Errors over all pixels. A depth that is not positive and finite is unknown.

    Args:
        predicted: maps with the names and sizes of ``reference``, in any order.
        reference: exact maps.
        thresholds: of ``within`` [scene units].
        pixel_thresholds: of ``within_pixels`` [footprints of a pixel].

    Raises:
        InputError: the views differ in name or size, or no pixel has a true depth.
    """
    return _summary(_gather(predicted, reference), thresholds, pixel_thresholds)


def depth_errors_by_view(
    predicted: DepthMaps,
    reference: DepthMaps,
    *,
    thresholds: Sequence[float] = (),
    pixel_thresholds: Sequence[float] = (1.0,),
) -> dict[str, DepthErrors]:
    """``depth_errors`` of each view alone, by its name; views without a true depth are left out."""
    found = {}
    for view, name in enumerate(reference.cameras.names):
        if bool(_is_known(reference.depth[view]).any()):
            place = _place(predicted.cameras, name)
            pair = predicted.chosen([place]), reference.chosen([view])
            found[name] = depth_errors(*pair, thresholds=thresholds, pixel_thresholds=pixel_thresholds)
    return found


def errors_at_completeness(
    predicted: DepthMaps,
    reference: DepthMaps,
    completeness: float,
    *,
    thresholds: Sequence[float] = (),
    pixel_thresholds: Sequence[float] = (1.0,),
    seed: int = 0,
) -> DepthErrors:
    """Errors of the most confident pixels that together reach a completeness.

    The pixels of all views are taken in the order of their confidence, those of equal confidence in a random one, until the wanted
    share of the pixels with a true depth is met.

    Args:
        predicted: maps with confidences.
        reference: exact maps.
        completeness: share of the pixels with a true depth, at most that of ``predicted``.
        thresholds: of ``within`` [scene units].
        pixel_thresholds: of ``within_pixels`` [footprints of a pixel].
        seed: of the order among equals.

    Raises:
        InputError: as ``depth_errors``, there is no confidence, or the maps are not that complete.
    """
    if predicted.confidence is None:
        raise InputError("the predicted depth maps have no confidence to sort their pixels by")
    pixels = _gather(predicted, reference)
    truths = int((pixels.truth > 0).sum())
    wanted, found = round(completeness * truths), int((pixels.is_predicted & (pixels.truth > 0)).sum())
    if not 0 < wanted <= found:
        share = found / truths
        raise InputError(f"the depth maps cannot be cut to a completeness of {completeness:.4f}; theirs is {share:.4f}")
    candidates = torch.nonzero(pixels.is_predicted)[:, 0]
    candidates = candidates[torch.randperm(len(candidates), generator=torch.Generator().manual_seed(seed))]
    candidates = candidates[pixels.confidence[candidates].sort(descending=True, stable=True).indices]
    reached = (pixels.truth[candidates] > 0).cumsum(0)
    chosen = torch.zeros_like(pixels.is_predicted)
    chosen[candidates[: int(torch.searchsorted(reached, wanted)) + 1]] = True
    missing = torch.full_like(pixels.error, float("nan"))
    cut = _Pixels(torch.where(chosen, pixels.error, missing), pixels.truth, pixels.footprint, chosen, pixels.confidence)
    return _summary(cut, thresholds, pixel_thresholds)


def _gather(predicted: DepthMaps, reference: DepthMaps) -> _Pixels:
    if set(predicted.cameras.names) != set(reference.cameras.names):
        odd = sorted(set(predicted.cameras.names) ^ set(reference.cameras.names))
        raise InputError(f"{len(odd)} views are on one side only, first {odd[0]}; expected the same views")
    parts = [_view_pixels(predicted, _place(predicted.cameras, name), reference, i) for i, name in enumerate(reference.cameras.names)]
    pixels = _Pixels(*(torch.cat(values) for values in zip(*(vars(part).values() for part in parts), strict=True)))
    if not bool((pixels.truth > 0).any()):
        raise InputError("no pixel of the reference has a depth; expected positive values")
    return pixels


def _view_pixels(predicted: DepthMaps, place: int, reference: DepthMaps, view: int) -> _Pixels:
    found, truth = predicted.depth[place], reference.depth[view]
    if found.shape != truth.shape:
        seen, expected = (f"{depth.shape[1]}x{depth.shape[0]}" for depth in (found, truth))
        raise InputError(
            f"depth map of view {reference.cameras.names[view]} is {seen}, the reference {expected}",
            hint="compute the depth maps at the reference's size",
        )
    is_predicted, is_true = _is_known(found), _is_known(truth)
    either = is_predicted | is_true
    K = reference.cameras.K[view].double()
    known = torch.where(is_true, truth, torch.zeros_like(truth))[either].double()
    error = (found[either].double() - known).abs()
    error = torch.where((is_predicted & is_true)[either], error, torch.full_like(error, float("nan")))
    confidence = torch.ones_like(found) if predicted.confidence is None else predicted.confidence[place]
    return _Pixels(error, known, known / (K[0, 0] * K[1, 1]).sqrt(), is_predicted[either], confidence[either].nan_to_num(0.0))


def _summary(pixels: _Pixels, thresholds: Sequence[float], pixel_thresholds: Sequence[float]) -> DepthErrors:
    compared = pixels[~pixels.error.isnan()]
    error, in_pixels = compared.error, compared.error / compared.footprint
    relative = error / compared.truth
    truths, predictions = int((pixels.truth > 0).sum()), int(pixels.is_predicted.sum())
    return DepthErrors(
        mean=float(error.mean()),
        median=_median(error),
        rmse=float(error.square().mean().sqrt()),
        mean_relative=float(relative.mean()),
        median_relative=_median(relative),
        median_pixels=_median(in_pixels),
        within={limit: float((error <= limit).double().mean()) for limit in thresholds},
        within_pixels={limit: float((in_pixels <= limit).double().mean()) for limit in pixel_thresholds},
        completeness=len(error) / truths if truths else float("nan"),
        spurious=1 - len(error) / predictions if predictions else 0.0,
        pixels=len(error),
    )


def _median(values: Tensor) -> float:
    return float(values.median()) if len(values) else float("nan")


def _is_known(depth: Tensor) -> Tensor:
    return torch.isfinite(depth) & (depth > 0)


def _place(cameras: Cameras, name: str) -> int:
    if name not in cameras.names:
        raise InputError(f"the prediction has no view {name}", hint=f"its views are {', '.join(cameras.names[:8])}")
    return cameras.names.index(name)
