"""The report of a fit of a parametric model to a depth sequence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.run.charts import Chart, chart_svg
from recon_cli.run.mesh_pictures import Stand, three_sides
from recon_cli.run.npm_outputs import FittedBody
from recon_cli.run.npm_overlay import FILM, FULL_SCALE
from recon_cli.run.origin import RunFacts, origin_section
from recon_cli.run.pictures import contact_sheet, encode_jpeg, side_by_side
from recon_cli.run.report import Block, Charts, Facts, Movie, Notes, Number, Page, Picture, Section, View3D
from recon_cli.run.viewer import MeshSequence, pack_sequence
from recon_cli.systems.npm.doubt import Limits
from recon_cli.systems.npm.fitted import FrameQuality

if TYPE_CHECKING:
    from recon_cli.run import pictures

SHOWN_FRAMES = 6
"""Frames whose pictures are on the page, spread over the sequence; half as many again of the doubtful ones."""
MAX_EMBEDDED_FILM = 8 * 2**20
MAX_EMBEDDED_MESHES = 5 * 2**20
LISTED = 12
"""Doubtful frames that are listed one by one."""
_SIDE = 360
_HIGH_RESIDUAL = 0.01
"""No frame is doubted by its residual, but a high one is a reason [box]."""
_HIGH = "A number above the dashed line is high."


@dataclass(frozen=True)
class Measure:
    """One of the numbers that say how good a frame is.

    Attributes:
        title: as a chart has it.
        unit: as a chart has it.
        factor: from the number to the chart's unit.
        reason: what a high number means.
    """

    title: str
    unit: str
    factor: float
    reason: str


MEASURES: Mapping[str, Measure] = {
    "residual": Measure("Distance from the depth, median", "% of the box", 100, "the surface lies off the depth"),
    "unexplained": Measure("Depth not explained", "%", 100, "part of the depth is not explained"),
    "overhang": Measure("Surface beside the silhouette", "%", 100, "part of the surface lies beside the silhouette"),
    "spread": Measure("Distance of other solutions", "% of the box", 100, "other poses explain the depth nearly as well"),
    "deviation": Measure("Standard deviation", "% of the box", 100, "the depth leaves parts of the pose open"),
}


@dataclass(frozen=True)
class FitShown:
    """What the page is made of.

    Attributes:
        body: what was fitted.
        names: of the frames.
        camera: of the depth.
        empty: frames in which the body was not seen.
        pictures: overlays of some frames.
        overlay: the film.
        seconds: time of the fit [s].
        limits: of doubt, the solver's.
        notes: what the inputs' reader and the fit had to say.
    """

    body: FittedBody
    names: Sequence[str]
    camera: Cameras
    empty: Sequence[int]
    pictures: Mapping[int, pictures.Picture]
    overlay: Path
    seconds: float
    limits: Limits
    notes: Sequence[str] = field(default=())


def shown_frames(quality: FrameQuality) -> set[int]:
    """The frames whose pictures are on the page: some spread over the sequence, and the worst of the doubtful ones."""
    count = len(quality.is_doubtful)
    spread = {int(frame) for frame in np.linspace(0, count - 1, min(count, SHOWN_FRAMES)).round()}
    doubtful = torch.nonzero(quality.is_doubtful)[:, 0].tolist()
    worst = sorted(doubtful, key=lambda frame: (-float(quality.unexplained[frame].nan_to_num()), frame))
    return spread | set(worst[: SHOWN_FRAMES // 2])


def fit_page(shown: FitShown, facts: RunFacts) -> Page:
    """Everything that a reader needs to judge a fit and to repeat it."""
    fitted = shown.body.fitted
    doubtful = torch.nonzero(fitted.quality.is_doubtful)[:, 0].tolist()
    verdict = doubt_sentence(fitted.quality, shown.names, shown.empty, shown.limits)
    count, vertices, faces = len(shown.names), len(shown.body.surface.vertices), len(shown.body.faces)
    sections = [
        Section("The body over time", (_view(shown),), "Drag to turn, scroll to zoom; the charts below follow."),
        Section("On the depth", _picture_blocks(shown)),
        Section(
            "How good every frame is",
            _quality_blocks(shown, doubtful),
            _HIGH + (" Doubtful frames are shaded." if doubtful else f" {verdict}"),
        ),
        Section("The body at rest", (_canonical_picture(shown.body),), "The shape that all frames share, in the model's canonical pose."),
    ]
    if shown.notes:
        sections.append(Section("Notes", (Notes(shown.notes),)))
    return Page(
        title=facts.title,
        subtitle=f"A parametric model in {count} depth frames: one shape of {fitted.shape.numel()} numbers, "
        f"{fitted.poses.shape[1]} numbers of pose a frame; {vertices} vertices, {faces} faces",
        numbers=_numbers(shown, doubtful),
        warnings=[verdict] if doubtful else [],
        sections=(*sections, origin_section(facts)),
        footer=f"A box is {fitted.unit:.4g} scene units of the depth. The files behind this page are in the folder out beside it.",
    )


def doubt_sentence(quality: FrameQuality, names: Sequence[str], empty: Sequence[int], limits: Limits) -> str:
    """What is doubtful, and why, in plain words."""
    doubtful = torch.nonzero(quality.is_doubtful)[:, 0].tolist()
    if not doubtful:
        others = "" if limits.spread is None else ", and no other pose was found that does so nearly as well"
        return f"No frame is doubtful: the surface explains the depth{others}."
    first = f"{len(doubtful)} of {len(names)} frames are doubtful ({_ranges(doubtful, names)})"
    counts: dict[str, int] = {}
    for frame in doubtful:
        for reason in reasons(quality, frame, empty, limits):
            counts[reason] = counts.get(reason, 0) + 1
    why = [f"{reason} (in {number})" for reason, number in sorted(counts.items(), key=lambda item: -item[1])]
    return f"{first}: {'; '.join(why)}. Look at them before using them."


def reasons(quality: FrameQuality, frame: int, empty: Sequence[int], limits: Limits) -> list[str]:
    """Why a frame is doubtful."""
    if frame in empty:
        return ["the body is not seen, and its pose is carried over from the neighbours"]
    high = _high(limits)
    found = [measure.reason for name, measure in MEASURES.items() if name in high and float(getattr(quality, name)[frame]) > high[name]]
    return found or ["its numbers together are unlike those of good fits"]


def _high(limits: Limits) -> dict[str, float]:
    """From where on each number is a reason for doubt, where it can be one."""
    return {"residual": _HIGH_RESIDUAL} | {name: most for name, most in asdict(limits).items() if most is not None}


def curves_of(quality: FrameQuality, limits: Limits) -> list[Chart]:
    """The charts of all numbers that were computed, doubtful frames shaded, the solver's limits dashed."""
    frames = range(len(quality.is_doubtful))
    marked = torch.nonzero(quality.is_doubtful)[:, 0].tolist()
    charts, high = [], _high(limits)
    for name, measure in MEASURES.items():
        values = getattr(quality, name)
        if bool(values.isfinite().any()):
            curve = [measure.factor * value if math.isfinite(value) else math.nan for value in values.tolist()]
            limit = measure.factor * high[name] if name in high else None
            charts.append(Chart(measure.title, measure.unit, {measure.title: curve}, frames, marked=marked, limit=limit))
    return charts


def _numbers(shown: FitShown, doubtful: Sequence[int]) -> list[Number]:
    fitted = shown.body.fitted
    quality, count = fitted.quality, len(shown.names)
    residual, unexplained = _finite(quality.residual), _finite(quality.unexplained)
    numbers = [
        Number("Doubtful frames", f"{len(doubtful)}", f"of {count}", "shaded in the charts" if doubtful else ""),
        Number(
            "Distance from the depth",
            f"{float(residual.median()):.2%}" if len(residual) else "–",
            "of the box",
            "" if not len(residual) else f"median of the frames: {float(residual.median()) * fitted.unit:.3g} scene units",
        ),
        Number("Depth not explained", f"{float(unexplained.mean()):.1%}" if len(unexplained) else "–", "", "mean of the frames"),
        Number("Time", f"{shown.seconds / max(1, count):.2g}", "s a frame", f"{shown.seconds:.1f} s in all"),
    ]
    if shown.empty:
        numbers.append(Number("Frames without the body", f"{len(shown.empty)}", f"of {count}", "poses there are carried over"))
    return numbers


def _picture_blocks(shown: FitShown) -> list[Block]:
    film = shown.overlay
    caption = (
        f"Left: the depth, with the fitted outline in amber. Middle: the fitted surface; blue where it lies behind the depth, red where "
        f"before it, at full strength from {FULL_SCALE:g} of the box on; grey where there is no depth; turquoise is depth beside it. "
        "Right: from the side, the camera on the left; dots are the depth."
    )
    embedded = film.read_bytes() if film.stat().st_size <= MAX_EMBEDDED_FILM else None
    order = sorted(shown.pictures)
    sheet = contact_sheet([shown.pictures[frame] for frame in order], columns=min(2, len(order)))
    named = ", ".join(shown.names[frame] for frame in order)
    return [
        Movie(caption, f"out/{FILM}", embedded),
        Picture(encode_jpeg(sheet), "Depth, fitted surface and side view of some frames", f"The same for the frames {named}."),
    ]


def _quality_blocks(shown: FitShown, doubtful: Sequence[int]) -> list[Block]:
    quality = shown.body.fitted.quality
    blocks: list[Block] = [Charts([chart_svg(chart, salt=f"npm-{index}") for index, chart in enumerate(curves_of(quality, shown.limits))])]
    if doubtful:
        facts = {
            f"frame {shown.names[frame]}": ", ".join(reasons(quality, frame, shown.empty, shown.limits)) for frame in doubtful[:LISTED]
        }
        more = len(doubtful) - LISTED
        blocks.append(Facts(facts | ({"and": f"{more} more doubtful frames: is_doubtful in out/frames.jsonl"} if more > 0 else {})))
    return blocks


def _view(shown: FitShown) -> View3D:
    """The body of as many frames as a page may hold, first seen from the camera."""
    count, vertices = len(shown.body), len(shown.body.surface.vertices)
    most = max(1, MAX_EMBEDDED_MESHES // (6 * vertices))
    chosen = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()
    up = tuple(shown.body.fitted.up.double().tolist())
    positions = np.stack([placed.float().numpy() for _, placed in shown.body.posed(chosen)])
    sequence = MeshSequence(positions, shown.body.faces.numpy(), eye=(0.0, 0.0, 0.0), up=up, fps=10.0)  # pyright: ignore[reportArgumentType]
    caption = "The fitted surface" + ("." if len(chosen) == count else f" in {len(chosen)} of {count} frames.")
    return View3D(pack_sequence(sequence, max_bytes=2**62), f"{caption} First seen from the depth camera.")


def _canonical_picture(body: FittedBody) -> Picture:
    """The canonical mesh from three sides: upright, and from where the camera saw it in the mean."""
    mesh: Mesh = body.canonical
    roots = body.fitted.roots.cpu().double()
    up = _mean_direction(roots, body.fitted.up.cpu().double())
    back = _mean_direction(roots, torch.tensor([0.0, 0.0, -1.0]).double())
    level = back - (back @ up) * up
    if float(level.norm()) < 0.1:
        level = torch.linalg.cross(up, torch.eye(3, dtype=torch.float64)[int(up.abs().argmin())])
    low, high = mesh.vertices.double().amin(dim=0), mesh.vertices.double().amax(dim=0)
    target = (low + high) / 2
    radius = float((mesh.vertices.double() - target).norm(dim=1).max())
    stand = Stand(target, radius, torch.nn.functional.normalize(level, dim=0), up, is_frontal=False)
    views = [clay for clay, _ in three_sides(mesh, stand, side=_SIDE)]
    return Picture(encode_jpeg(side_by_side(views)), "The canonical mesh from three sides", "out/canonical.ply from three sides.")


def _mean_direction(roots: Tensor, direction: Tensor) -> Tensor:  # [T, 3, 3], [3] -> [3]
    """A direction of the camera's axes, in the body's, in the mean of the frames."""
    mean = (roots.mT @ direction).mean(dim=0)
    return torch.nn.functional.normalize(mean if float(mean.norm()) > 1e-3 else roots[0].T @ direction, dim=0)


def _finite(values: Tensor) -> Tensor:
    return values[values.isfinite()]


def _ranges(frames: Sequence[int], names: Sequence[str]) -> str:
    """Names of frames, neighbours joined: "003 to 007, 012"."""
    runs: list[list[int]] = []
    for frame in frames:
        if runs and frame == runs[-1][-1] + 1:
            runs[-1].append(frame)
        else:
            runs.append([frame])
    words = [names[run[0]] if len(run) == 1 else f"{names[run[0]]} to {names[run[-1]]}" for run in runs]
    return ", ".join(words[:6]) + (f" and {len(words) - 6} more stretches" if len(words) > 6 else "")
