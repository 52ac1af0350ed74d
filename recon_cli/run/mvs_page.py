"""The report of a multi-view stereo run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.core.points import PointSet
from recon_cli.run.mesh_pictures import DRAWN_FACES, clustered, packed_view, stand_before, three_sides
from recon_cli.run.mvs_reprojection import Reprojection
from recon_cli.run.origin import RunFacts, origin_section
from recon_cli.run.pictures import (
    BACKDROP,
    color_map,
    colored_depth,
    contact_sheet,
    encode_jpeg,
    in_box,
    labelled,
    scale_strip,
    side_by_side,
)
from recon_cli.run.report import Bars, Block, Facts, Number, Page, Picture, Section, View3D

if TYPE_CHECKING:
    from recon_cli.run import pictures

_SHEET_COLUMNS, _SHEET_SIDE = 6, 176
_ROWS_OF_REPROJECTION = 24
_SIDE_OF_MESH = 420


@dataclass(frozen=True)
class ViewShown:
    """What the page shows of one view, at a small size.

    Attributes:
        name: the view's name.
        depth: optimised z-depth [scene units], 0 where nothing is known, shape [H, W].
        confidence: in [0, 1], shape [H, W].
        found: share of the object's pixels that have a depth.
        kept: share of the object's pixels whose depth other views confirm; None where nothing was fused.
        reprojection: neighbours warped into the view; None where there is none.
        kept_depth: the confirmed depths, shape [H, W]; None where nothing was fused.
    """

    name: str
    depth: np.ndarray
    confidence: np.ndarray
    found: float
    kept: float | None = None
    reprojection: Reprojection | None = None
    kept_depth: np.ndarray | None = None


@dataclass(frozen=True)
class MvsShown:
    """What the page is made of.

    Attributes:
        views: one entry a view.
        cameras: of these views.
        depth_range: depths that the colours stand for [scene units].
        surface: the fused mesh or cloud, or None.
        seconds: time of each stage [s], in order.
        memory_mb: peak of the process, and its estimate.
        warnings: what a reader must know first.
    """

    views: Sequence[ViewShown]
    cameras: Cameras
    depth_range: tuple[float, float]
    surface: Mesh | PointSet | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    memory_mb: tuple[int, int] = (0, 0)
    warnings: Sequence[str] = ()


def mvs_page(shown: MvsShown, facts: RunFacts) -> Page:
    """Everything that a reader needs to judge a reconstruction and to repeat it."""
    sections = []
    if isinstance(shown.surface, Mesh) and len(shown.surface.faces):
        sections.append(_surface_section(shown.surface, shown.cameras))
    sections += [_depth_section(shown), _confidence_section(shown)]
    if any(view.reprojection for view in shown.views):
        sections.append(_reprojection_section(shown))
    sections += [_share_section(shown), _time_section(shown), origin_section(facts)]
    kind = "depth maps and a surface" if shown.surface is not None else "depth maps"
    return Page(
        title=facts.title,
        subtitle=f"Multi-view stereo: {kind} of {len(shown.views)} views",
        numbers=verdict(shown),
        warnings=shown.warnings,
        sections=sections,
        footer="Lengths in the units of the input's cameras. The files behind this page are in the folder out beside it.",
    )


def verdict(shown: MvsShown) -> list[Number]:
    """The numbers that say whether the reconstruction can be trusted."""
    numbers = [
        Number("Pixels with a depth", f"{_mean([view.found for view in shown.views]):.1%}", "", "of the object, mean over the views")
    ]
    kept = [view.kept for view in shown.views if view.kept is not None]
    if kept:
        worst = min((view for view in shown.views if view.kept is not None), key=lambda view: view.kept or 0.0)
        numbers.append(Number("Confirmed by other views", f"{_mean(kept):.1%}", "", f"worst {worst.kept:.1%} in view {worst.name}"))
    scores = mean_scores(shown)
    if scores:
        worst_name = min(scores, key=lambda name: scores[name])
        note = f"NCC of neighbours warped by the depth; worst {scores[worst_name]:.3f} in view {worst_name}"
        numbers.append(Number("Agreement of pictures", f"{_mean(list(scores.values())):.3f}", "", note))
    if isinstance(shown.surface, Mesh):
        numbers.append(Number("Surface", _count(len(shown.surface.faces)), "faces", f"{_count(len(shown.surface.vertices))} vertices"))
    elif shown.surface is not None:
        numbers.append(Number("Surface", _count(len(shown.surface)), "points"))
    numbers.append(Number("Time", f"{sum(shown.seconds.values()):.0f}", "s", "from reading the scene to writing the results"))
    if shown.memory_mb[0]:
        numbers.append(Number("Memory", f"{shown.memory_mb[0] / 1024:.2f}", "GB", f"peak; estimated {shown.memory_mb[1] / 1024:.2f} GB"))
    return numbers


def mean_scores(shown: MvsShown) -> dict[str, float]:
    """NCC of each view with its warped neighbours, where there is any overlap."""
    scores = {view.name: [ncc for ncc in view.reprojection.ncc if math.isfinite(ncc)] for view in shown.views if view.reprojection}
    return {name: _mean(values) for name, values in scores.items() if values}


def _surface_section(mesh: Mesh, cameras: Cameras) -> Section:
    drawn = clustered(mesh, DRAWN_FACES)
    stand = stand_before(drawn.vertices, cameras)
    sides = three_sides(drawn, stand, side=_SIDE_OF_MESH)
    rows = [side_by_side([clay for clay, _ in sides])]
    rows += [side_by_side([colored for _, colored in sides if colored is not None])] if sides[0][1] is not None else []
    sheet = contact_sheet(rows, columns=1)
    record = packed_view(drawn, stand)
    faces = len(mesh.faces)
    thinned = f" Thinned for the page from {_count(faces)} faces; out/mesh.ply has them all." if faces * 3 > _triangles(record) else ""
    blocks: list[Block] = [
        View3D(record, f"The fused surface.{thinned}"),
        Picture(encode_jpeg(sheet), "The mesh from three sides, plain and in its colours", "The whole mesh from three sides."),
    ]
    return Section("The surface", blocks, "Drag to turn, scroll to zoom, shift-drag to move.")


def _triangles(record: Mapping[str, object]) -> int:
    """Corners in a packed mesh: four base64 letters hold three bytes, a corner four."""
    return len(str(record["triangles"])) * 3 // 16


def _depth_section(shown: MvsShown) -> Section:
    near, far = shown.depth_range
    pictures = {view.name: colored_depth(view.depth, near=near, far=far) for view in shown.views}
    strip = scale_strip(near=near, far=far, title="depth", height=_SHEET_SIDE * 2)
    blocks: list[Block] = [_sheet(pictures, strip, "Optimised depth of every view; one scale for all, near is bright.")]
    kept = {view.name: colored_depth(view.kept_depth, near=near, far=far) for view in shown.views if view.kept_depth is not None}
    if kept:
        blocks.append(_sheet(kept, strip, "The depths that other views confirm: these make the surface."))
    return Section("Depth maps", blocks)


def _confidence_section(shown: MvsShown) -> Section:
    pictures = {}
    for view in shown.views:
        picture = color_map("inferno")[np.round(np.clip(view.confidence, 0, 1) * 255).astype(np.uint8)]
        pictures[view.name] = np.where(view.depth[..., None] > 0, picture, np.array(BACKDROP, dtype=np.uint8))
    strip = scale_strip(near=1.0, far=0.0, title="confidence", height=_SHEET_SIDE * 2, name="inferno")
    return Section("Confidence", [_sheet(pictures, strip, "How well the pictures agree about each depth, from 0 to 1.")])


def _reprojection_section(shown: MvsShown) -> Section:
    views = [view for view in shown.views if view.reprojection is not None]
    chosen = views[:: max(1, -(-len(views) // _ROWS_OF_REPROJECTION))]
    rows = [_reprojection_row(view, shown.views) for view in chosen]
    width = max(row.shape[1] for row in rows)
    height = max(row.shape[0] for row in rows)
    sheet = contact_sheet([in_box(row, width, height) for row in rows], columns=2 if len(rows) > 1 else 1, gap=10)
    caption = "Each view's picture, then neighbours moved into it by its depth map, with their normalised cross-correlation."
    if len(chosen) < len(views):
        caption += f" {len(chosen)} of {len(views)} views are shown."
    return Section("Neighbours through the depth", [Picture(encode_jpeg(sheet, quality=82), "Pictures and warped neighbours", caption)])


def _reprojection_row(view: ViewShown, views: Sequence[ViewShown]) -> pictures.Picture:
    found = view.reprojection
    assert found is not None
    labels = [view.name]
    for other, ncc in zip(found.neighbours, found.ncc, strict=True):
        score = f"NCC {ncc:.2f}" if math.isfinite(ncc) else "no overlap"
        labels.append(f"{views[other].name}  {score}")
    return side_by_side([labelled(picture, text) for picture, text in zip(found.pictures, labels, strict=True)], gap=2)


def _share_section(shown: MvsShown) -> Section:
    has_kept = any(view.kept is not None for view in shown.views)
    shares = {view.name: (view.kept if view.kept is not None else view.found) for view in shown.views}
    what = "kept, because other views confirm them" if has_kept else "that have a depth"
    caption = f"Share of the object's pixels in each view {what}."
    return Section("Share of every view", [Bars(caption, shares, {name: f"{share:.1%}" for name, share in shares.items()})])


def _time_section(shown: MvsShown) -> Section:
    facts = {name: f"{seconds:.1f} s" for name, seconds in shown.seconds.items()}
    return Section("Time", [Facts(facts)])


def _sheet(shown: Mapping[str, pictures.Picture], strip: pictures.Picture, caption: str) -> Picture:
    """All pictures in boxes of one size, their names on them, the scale on the right."""
    columns = min(_SHEET_COLUMNS, len(shown))
    height = max(picture.shape[0] for picture in shown.values())
    width = max(picture.shape[1] for picture in shown.values())
    boxes = [labelled(in_box(picture, width, height), name) for name, picture in shown.items()]
    sheet = contact_sheet(boxes, columns=columns)
    total = max(sheet.shape[0], strip.shape[0])
    whole = side_by_side([in_box(sheet, sheet.shape[1], total), in_box(strip, strip.shape[1], total)])
    return Picture(encode_jpeg(whole, quality=85), caption, caption)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _count(number: int) -> str:
    """A number that fits a tile: 123,456 or 1.23 M."""
    return f"{number:,}" if number < 1_000_000 else f"{number / 1e6:.2f} M"
