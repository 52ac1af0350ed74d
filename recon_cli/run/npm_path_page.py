"""What the page of an interpolation shows: the bodies of the path and their volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recon_cli.run.charts import Chart, chart_svg
from recon_cli.run.mesh_pictures import Stand, from_side
from recon_cli.run.origin import library_versions
from recon_cli.run.pictures import contact_sheet, encode_jpeg, labelled
from recon_cli.run.report import Block, Charts, Code, Facts, Number, Page, Picture, Section, View3D
from recon_cli.run.viewer import MeshSequence, pack_sequence
from recon_cli.systems.npm.codes import Codes
from recon_cli.systems.npm.interpolation import TOLERANCE, Waypoint, What

PICTURES, COLUMNS, SIDE = 10, 5, 240
"""Bodies that are drawn, how many of them in a row, and the side of each picture [px]."""

VIEW_BYTES = 6_000_000

_CHANGING = {"shape": "The shape changes, the pose stays", "pose": "The pose changes, the shape stays", "both": "Shape and pose change"}


@dataclass(frozen=True)
class PathShown:
    """What the page is made of.

    Attributes:
        points: the bodies.
        codes: of them.
        what: changes.
        command: the command line.
        ends: where the two bodies are from.
        model: its file.
    """

    points: Sequence[Waypoint]
    codes: Codes
    what: What
    command: str
    ends: tuple[str, str]
    model: str


def path_page(shown: PathShown) -> Page:
    """The whole page."""
    points = shown.points
    moved = sum(point.moved != 0 for point in points)
    numbers = [
        Number("Largest difference of volume from the line", f"{100 * max(point.deviation for point in points):.2f}", "%"),
        Number("Bodies", f"{len(points)}", note=f"{len(points[0].body.vertices)} vertices, closed, of one piece"),
        Number("Moved to keep their volume", f"{moved}", note=f"where the codes' own is off by more than {100 * TOLERANCE:g} %"),
    ]
    facts = {"from": shown.ends[0], "to": shown.ends[1], "model": shown.model, "versions": library_versions()}
    origin: list[Block] = [Code(shown.command)] if shown.command else []
    sections = [Section("The path", _pictures(shown)), _volumes(points), Section("How it was made", [*origin, Facts(facts)])]
    return Page(title="Between two bodies", subtitle=f"{_CHANGING[shown.what]}", numbers=numbers, sections=sections)


def _volumes(points: Sequence[Waypoint]) -> Section:
    frames = range(len(points))
    series = {"body": [point.volume for point in points], "line": [point.line for point in points]}
    off = {"codes": [100 * (point.code_volume / point.line - 1) for point in points]}
    off |= {"body": [100 * (point.volume / point.line - 1) for point in points]}
    charts = [Chart("Volume", "scene units³", series, frames), Chart("Difference from the line", "%", off, frames)]
    lead = "The line goes straight from the volume of the first body to that of the last."
    return Section("Volume", [Charts([chart_svg(chart, salt=f"path-{index}") for index, chart in enumerate(charts)])], lead)


def _pictures(shown: PathShown) -> list[Block]:
    bodies = [point.body for point in shown.points]
    chosen = np.unique(np.linspace(0, len(bodies) - 1, min(PICTURES, len(bodies))).round().astype(int))
    radius = max(float((body.vertices - _middle(body.vertices)).norm(dim=1).max()) for body in bodies)
    stands = {index: _stand(shown.codes, bodies[index].vertices, radius) for index in chosen}
    pictures = [labelled(from_side(bodies[index], stands[index], 0, side=SIDE)[0], shown.codes.names[index]) for index in chosen]
    sheet = encode_jpeg(contact_sheet(pictures, columns=COLUMNS))
    blocks: list[Block] = [Picture(sheet, "Bodies of the path in rows, from the first to the last", "Seen from the first camera's side.")]
    if all(torch.equal(body.faces, bodies[0].faces) for body in bodies):
        stand = stands[0]
        eye, up = stand.target + 3 * stand.radius * stand.back, stand.up
        positions = np.stack([body.vertices.numpy() for body in bodies])
        sequence = MeshSequence(positions, bodies[0].faces.numpy(), tuple(eye.tolist()), tuple(up.tolist()), fps=10.0)
        blocks.append(View3D(pack_sequence(sequence, max_bytes=VIEW_BYTES), "Every body of the path."))
    return blocks


def _stand(codes: Codes, vertices: Tensor, radius: float) -> Stand:
    """Before a body, at the height of its middle, on the camera's side."""
    up = codes.world_up
    gaze = -codes.world_from_camera[:3, 2].double()
    level = gaze - (gaze @ up) * up
    # A camera that looks straight down has no side; the top of its picture is one then.
    level = level if float(level.norm()) > 0.1 else codes.world_from_camera[:3, 1].double()
    back = torch.nn.functional.normalize(level - (level @ up) * up, dim=0)
    return Stand(_middle(vertices), radius, back, up, is_frontal=True)


def _middle(vertices: Tensor) -> Tensor:  # [V, 3] -> [3]
    return (vertices.amin(dim=0) + vertices.amax(dim=0)) / 2
