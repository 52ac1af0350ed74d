"""Overlap of a surface's outlines with masks."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.core.scene import Scene


@dataclass(frozen=True)
class Overlap:
    """Two masks of one view.

    Attributes:
        name: of the view.
        iou: pixels inside both over pixels inside either; 1 where both are empty.
        missing: share of the reference that the prediction does not cover.
        beyond: share of the prediction that lies outside the reference.
    """

    name: str
    iou: float
    missing: float
    beyond: float

    def record(self) -> dict[str, float | str]:
        """All numbers by name."""
        return {"view": self.name, "iou": self.iou, "missing": self.missing, "beyond": self.beyond}


def overlap(predicted: Tensor, reference: Tensor, *, name: str = "") -> Overlap:  # [H, W], [H, W]
    """Overlap of two masks; non-zero is inside.

    Raises:
        InputError: their sizes differ.
    """
    if predicted.shape != reference.shape:
        seen, expected = ("x".join(map(str, reversed(mask.shape))) for mask in (predicted, reference))
        raise InputError(f"mask of view {name} is {seen}, the reference {expected}")
    first, second = predicted != 0, reference != 0
    both, either = int((first & second).sum()), int((first | second).sum())
    areas = int(first.sum()), int(second.sum())
    return Overlap(
        name,
        iou=both / either if either else 1.0,
        missing=1 - both / areas[1] if areas[1] else 0.0,
        beyond=1 - both / areas[0] if areas[0] else 0.0,
    )


def silhouette_overlaps(scene: Scene, surface: DepthMaps) -> list[Overlap]:
    """Overlap of where a surface has a depth with the mask of every view.

    Raises:
        InputError: the scene has no masks, or the views differ in name or size.
    """
    if scene.masks is None:
        raise InputError("the scene has no masks to compare outlines with", hint="add masks/, one picture a view")
    if surface.cameras.names != scene.cameras.names:
        raise InputError("the depths of the surface are not those of the scene's views")
    pairs = zip(scene.cameras.names, surface.depth, scene.masks, strict=True)
    return [overlap(depth > 0, mask, name=name) for name, depth, mask in pairs]
