"""What the report of the training of a body model shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.run.charts import Chart, chart_svg
from recon_cli.run.npm_body_pictures import (
    DEVIATIONS,
    Trained,
    around,
    directions,
    in_poses,
    modes_sheet,
    part_colors,
    pose_modes,
    reproduced,
    reproduction_row,
    reproduction_sheet,
    shape_modes,
    standing,
)
from recon_cli.run.origin import RunFacts, origin_section
from recon_cli.run.pictures import encode_jpeg
from recon_cli.run.report import Block, Charts, Notes, Number, Page, Picture, Section, View3D
from recon_cli.run.viewer import MeshSequence, pack_sequence
from recon_cli.systems.npm.body_model import BodyModel

if TYPE_CHECKING:
    from recon_cli.run import pictures

SHOWN_MODES = 6
SWING = 12
"""Frames in which a number of the pose goes to both ends and back."""
MAX_VIEW_BYTES = 3 * 2**20


@dataclass(frozen=True)
class TrainingShown:
    """What the page is made of.

    Attributes:
        trained: model and codes; a model whose surface takes long should look for a coarse one.
        figures: of ``npm_train_figures``.
        template: the mean shape [box], or None where networks have none.
        samples: training poses by their number, their words and their surface [box].
        seconds: of the whole training [s].
        warnings: what a reader must know first.
    """

    trained: Trained
    figures: Mapping[str, Any]
    template: Mesh | None
    samples: Sequence[tuple[int, str, Mesh]]
    seconds: float
    warnings: Sequence[str] = ()


def training_page(shown: TrainingShown, facts: RunFacts) -> Page:
    """The whole page."""
    figures = shown.figures
    sections = _drawn_sections(shown)
    charts = Charts([chart_svg(chart, salt=f"npm-{i}") for i, chart in enumerate(training_charts(figures))], is_over_frames=False)
    sections += [Section("Numbers", [charts], "Lengths in thousandths of the box."), origin_section(facts)]
    kind = "a template with bases and a learned skin" if figures["model"] == "skinned" else "networks of signed distance and flow"
    return Page(
        title=facts.title,
        subtitle=f"A parametric model: {kind}",
        numbers=verdict(shown),
        warnings=shown.warnings,
        sections=sections,
        footer=f"A box is {figures['box']:.4g} scene units, the longest side of the canonical meshes. y is taken for up in the pictures.",
    )


def verdict(shown: TrainingShown) -> list[Number]:
    """The numbers that say what was learned and how well."""
    figures = shown.figures
    numbers = [Number("Learned from", f"{figures['identities']}", "identities", f"in {figures['poses']} poses")]
    if figures["model"] == "skinned":
        turning = figures["turning"]
        note = f"of a pose code: {turning} turn {figures['parts']} parts, {figures['pose_size'] - turning} move the surface"
        numbers += [
            Number("Pose", f"{figures['pose_size']}", "numbers", note),
            Number("Shape", f"{figures['shape_size']}", "numbers", f"{figures['vertices']} vertices, {figures['faces']} faces"),
            Number("Registration error", _thousandths(figures["registration_error"]), "box/1000", "mean over the identities"),
        ]
    else:
        numbers += [
            Number("Codes", f"{figures['shape_size']} + {figures['pose_size']}", "numbers", "of shape and of pose"),
        ]
    numbers.append(Number("Shape error", _thousandths(figures["shape_error"]), "box/1000", "mean distance of the identities' vertices"))
    numbers.append(Number("Model error", _thousandths(figures["model_error"]), "box/1000", "mean distance of the training poses' points"))
    numbers.append(Number("Time", f"{shown.seconds:.0f}", "s"))
    return numbers


def training_charts(figures: Mapping[str, Any]) -> list[Chart]:
    """How the training went, and what it left."""
    far = _chart("Farthest vertex of an identity from the model", list(figures["farthest"].values()), "identity", scale=1000.0, first=0)
    if figures["model"] == "networks":
        return [
            far,
            _chart("Distance error", figures["shape_losses"], "epoch", scale=1000.0),
            _chart("Displacement error, root mean square", [(2 * loss) ** 0.5 for loss in figures["pose_losses"]], "epoch", scale=1000.0),
        ]
    return [
        _chart("Registration error", list(figures["registration_errors"].values()), "identity", scale=1000.0, first=0),
        far,
        _chart("Left by skinning, root mean square", figures["skin_error"], "round", scale=1000.0),
        _chart("Model error", figures["model_errors"], "pose", scale=1000.0, first=0),
        _chart("Variance in the first numbers of a shape", figures["shape_variance"], "numbers", unit="%", scale=100.0),
        _chart("Variance in the first numbers of a pose", figures["pose_variance"], "numbers", unit="%", scale=100.0),
    ]


def _chart(title: str, values: Sequence[float], axis: str, *, unit: str = "box/1000", scale: float, first: int = 1) -> Chart:
    shown = list(values) or [0.0]
    return Chart(title, unit, {title: [scale * value for value in shown]}, range(first, first + len(shown)), axis=axis)


def _drawn_sections(shown: TrainingShown) -> list[Section]:
    """All with bodies; networks that have learned little have no surface."""
    if shown.template is None:
        return []
    try:
        return [_template_section(shown, shown.template), *_modes_sections(shown), *_reproduction_sections(shown)]
    except InputError as error:
        return [Section("Bodies", [Notes([f"They cannot be drawn: {error}."])])]


def _template_section(shown: TrainingShown, template: Mesh) -> Section:
    model = shown.trained.model
    is_skinned = isinstance(model, BodyModel)
    if is_skinned:
        template = Mesh(template.vertices, template.faces, colors=part_colors(model.weights))
    shape, mean, along = *_middle(shown.trained), _pose_directions(shown.trained)
    frames = _swing(shown.trained, shape, mean, along)
    picture = Picture(
        encode_jpeg(around(template)),
        "The mean body from the front, the side and behind",
        "The mean body in the canonical pose" + (f"; its {len(model.tree)} parts in colours." if is_skinned else "."),
    )
    lead = f"In the view, the first numbers of the pose go to {DEVIATIONS:g} deviations and back, one after the other."
    blocks: list[Block] = [_view(frames, template), picture] if len(frames) else [picture]
    return Section("The mean body" + (" and its parts" if is_skinned else ""), blocks, lead if len(frames) else "")


def _view(frames: np.ndarray, template: Mesh) -> View3D:
    stand = standing([template])
    x, y, z = (stand.target + 4 * stand.radius * stand.back).tolist()
    colors = None if template.colors is None else template.colors.numpy()
    sequence = MeshSequence(frames, template.faces.numpy(), eye=(x, y, z), up=(0.0, 1.0, 0.0), fps=12.0, colors=colors)
    return View3D(pack_sequence(sequence, max_bytes=MAX_VIEW_BYTES), "Drag to turn, scroll to zoom.")


def _swing(trained: Trained, shape: Tensor, mean: Tensor, along: Tensor) -> np.ndarray:  # [T, V, 3]
    """The mean body while each direction of the pose goes to one end, to the other, and back."""
    phase = torch.sin(2 * torch.pi * torch.arange(SWING) / SWING).to(mean)
    codes = mean + DEVIATIONS * (phase[:, None] * along[:, None]).flatten(0, 1)
    bodies = in_poses(trained.model, shape, codes) if len(codes) else []
    return torch.stack([body.vertices for body in bodies]).numpy() if bodies else np.zeros((0, 0, 3))


def _modes_sections(shown: TrainingShown) -> list[Section]:
    model, (shape, mean) = shown.trained.model, _middle(shown.trained)
    kind = "numbers" if isinstance(model, BodyModel) else "directions in which the training's codes differ most"
    found = []
    shapes = shape_modes(model, shape, _shape_directions(shown.trained))
    if shapes:
        sheet = modes_sheet(shapes, "shape")
        lead = f"Canonical bodies at both ends of the first {kind}."
        found.append(Section("Shapes", [_sheet(sheet, "Bodies of small and large shape numbers", "")], lead))
    poses = pose_modes(model, shape, mean, _pose_directions(shown.trained))
    if poses:
        lead = f"The mean body at both ends of the first {kind} of the pose; its orientation and place are no part of it."
        found.append(Section("Poses", [_sheet(modes_sheet(poses, "pose"), "Bodies of small and large pose numbers", "")], lead))
    return found


def _reproduction_sections(shown: TrainingShown) -> list[Section]:
    rows = [reproduction_row(truth, reproduced(shown.trained, pose), words) for pose, words, truth in shown.samples]
    if not rows:
        return []
    lead = "Left the training surface with its model error, in the middle what the model makes of it, right how far that lies from it."
    sheet = _sheet(reproduction_sheet(rows), "Training poses beside the model's", "From well to badly reproduced.")
    return [Section("Training poses and the model", [sheet], lead)]


def _sheet(sheet: pictures.Picture, alt: str, caption: str) -> Picture:
    return Picture(encode_jpeg(sheet), alt, caption)


def _middle(trained: Trained) -> tuple[Tensor, Tensor]:  # [S], [P]
    """The mean codes."""
    return trained.shapes.mean(dim=0), trained.poses.mean(dim=0)


def _shape_directions(trained: Trained) -> Tensor:  # [D, S]
    if isinstance(trained.model, BodyModel):  # whitened, in the order of their variance
        return torch.eye(trained.model.shape_size)[:SHOWN_MODES]
    return directions(trained.shapes, SHOWN_MODES)


def _pose_directions(trained: Trained) -> Tensor:  # [D, P]
    if isinstance(trained.model, BodyModel):
        return torch.eye(trained.model.pose_size)[:SHOWN_MODES]
    return directions(trained.poses, SHOWN_MODES)


def _thousandths(length: float) -> str:
    return f"{1000 * length:.2f}"
