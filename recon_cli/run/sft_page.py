"""The report of a shape-from-template run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from recon_cli.run.charts import Chart, SvgChart, chart_svg, name_and_unit
from recon_cli.run.origin import RunFacts, origin_section
from recon_cli.run.pictures import contact_sheet, encode_jpeg
from recon_cli.run.report import Block, Charts, Facts, Movie, Notes, Number, Page, Picture, Section, Table, Tables, View3D
from recon_cli.run.sft_film import Film
from recon_cli.run.viewer import MeshSequence, pack_sequence
from recon_cli.systems.sft.result import SftResult, TemplateCheck

# A page stays small enough to be mailed: a longer film is linked, a longer sequence is thinned.
MAX_EMBEDDED_FILM = 8 * 2**20
MAX_EMBEDDED_MESHES = 6 * 2**20
_TEXTURE_SIDE = 1280
# Title, unit and scale of the curves that fits record.
_CURVES = {
    "residual": ("Feature residual, root mean square", "", 1.0),
    "strain": ("Mean strain", "%", 100.0),
    "seen": ("Part of the surface compared", "%", 100.0),
    "iterations": ("Solver steps", "", 1.0),
}


def sft_page(result: SftResult, film: Film, facts: RunFacts, *, overlay: Path) -> Page:
    """Everything that a reader needs to judge a fit and to repeat it."""
    frames, vertices = result.positions.shape[:2]
    faces = len(result.template.faces)
    return Page(
        title=facts.title,
        subtitle=f"Shape from template: {frames} frames at {result.fps:g} a second, {vertices} vertices, {faces} faces",
        numbers=verdict(result, film),
        warnings=_warnings(result, film),
        sections=(
            Section(
                "The surface over time", (_view(result),), "Drag to turn, scroll to zoom, shift-drag to move; the charts below follow."
            ),
            Section("What the camera saw, and what was found", _film_blocks(film, overlay)),
            Section("Numbers of every frame", (Charts(curve_charts(result, film)),)),
            Section("Cloth and forces", _physics_blocks(result), "What the simulator needs in order to repeat the motion."),
            Section("Template", _template_blocks(result), "Whether the template lies where the first frame shows it."),
            origin_section(facts),
        ),
        footer="Lengths in metres, forces in newtons. The files behind this page are in the folder out beside it.",
    )


def verdict(result: SftResult, film: Film) -> list[Number]:
    """The numbers that say whether the fit can be trusted."""
    numbers = []
    if film.overlap:
        worst = int(np.argmin(film.overlap))
        numbers.append(
            Number("Silhouette overlap", f"{np.mean(film.overlap):.1%}", "IoU", f"worst {film.overlap[worst]:.1%} in frame {worst}")
        )
    worst = int(np.argmax(film.difference))
    numbers.append(
        Number(
            "Colour difference",
            f"{np.mean(film.difference):.1%}",
            "",
            f"of full range; worst {film.difference[worst]:.1%} in frame {worst}",
        )
    )
    change = 100 * edge_change(result)
    numbers.append(
        Number("Edge length change", f"{change.mean():.2f}", "%", f"mean over edges and frames; worst frame {change.max():.2f} %")
    )
    moved = (result.positions - result.positions[0]).norm(dim=-1)
    numbers.append(
        Number(
            "Motion",
            f"{float(moved.mean()) * 1000:.0f}",
            "mm",
            f"mean distance from the template; largest {float(moved.max()) * 1000:.0f} mm",
        )
    )
    size = result.forces.norm(dim=-1)
    if size.numel():
        numbers.append(
            Number(
                "Corrective force",
                _short(float(size.mean()) * 1000),
                "mN",
                f"mean over vertices and steps; largest {_short(float(size.max()) * 1000)} mN",
            )
        )
    replay = f"{result.replay_error * 1000:.3f}" if result.replay_error >= 1e-6 else "< 0.001"
    numbers.append(Number("Replay error", replay, "mm", "largest distance between the surface and its simulation"))
    return numbers


def edge_change(result: SftResult) -> np.ndarray:  # [T]
    """Mean absolute relative change of the edge lengths against the template, for every frame."""
    from recon_cli.core.topology import edges

    ends = edges(result.template.faces.cpu())
    length = (result.positions[:, ends[:, 0]] - result.positions[:, ends[:, 1]]).norm(dim=-1)  # [T, E]
    return (length / length[0] - 1).abs().mean(dim=1).cpu().numpy()


def curves_of(result: SftResult, film: Film) -> list[Chart]:
    """The fit's own curves, and what was measured on its pictures and meshes."""
    frames = range(len(result.positions))
    charts = [_fit_chart(name, curve.tolist(), frames) for name, curve in result.curves.items()]
    charts.append(Chart("Silhouette overlap", "%", {"overlap": [100 * value for value in film.overlap]}, frames))
    charts.append(Chart("Colour difference", "% of full range", {"difference": [100 * value for value in film.difference]}, frames))
    charts.append(Chart("Edge length change", "%", {"change": (100 * edge_change(result)).tolist()}, frames))
    if len(result.forces):
        size = result.forces.norm(dim=-1).reshape(len(frames) - 1, -1) * 1000  # [T - 1, steps V]
        series = {"mean": size.mean(dim=1).tolist(), "largest": size.amax(dim=1).tolist()}
        charts.append(Chart("Corrective force on a vertex", "mN", series, frames[1:]))
    return charts


def _fit_chart(name: str, values: list[float], frames: Sequence[int]) -> Chart:
    """A curve that the fit recorded; one that is not known here is called what its name says."""
    title, unit, scale = _CURVES.get(name, (*name_and_unit(name), 1.0))
    return Chart(title, unit, {title: [scale * value for value in values]}, frames)


def curve_charts(result: SftResult, film: Film) -> list[SvgChart]:
    """All curves as SVG for the page."""
    return [chart_svg(chart, salt=f"chart-{k}") for k, chart in enumerate(curves_of(result, film))]


def _warnings(result: SftResult, film: Film) -> list[str]:
    warnings = []
    if min(film.overlap) < 0.7:
        worst = int(np.argmin(film.overlap))
        warnings.append(f"In frame {worst} the surface covers only {film.overlap[worst]:.0%} of what it should: look at the film there.")
    if result.replay_error > 1e-3:
        warnings.append(
            f"The simulator repeats the surface only to {result.replay_error * 1000:.2f} mm: the forces do not explain all of it."
        )
    return warnings


def _view(result: SftResult) -> View3D:
    camera = result.camera.to(device="cpu", dtype=torch.float64)
    pose = camera.world_from_camera[0]
    template = result.template
    force = result.forces.norm(dim=-1).reshape(len(result.positions) - 1, -1, result.positions.shape[1]).mean(dim=1).cpu().numpy()
    has_texture = template.texture is not None and template.uvs is not None and template.face_uvs is not None
    sequence = MeshSequence(
        positions=result.positions.cpu().numpy(),
        faces=template.faces.cpu().numpy(),
        eye=tuple(pose[:3, 3].tolist()),
        up=tuple((-pose[:3, 1]).tolist()),
        fps=result.fps,
        uvs=template.uvs.cpu().numpy() if has_texture and template.uvs is not None else None,
        face_uvs=template.face_uvs.cpu().numpy() if has_texture and template.face_uvs is not None else None,
        texture_jpeg=_texture_jpeg(result) if has_texture else None,
        values=np.concatenate([np.zeros_like(force[:1]), force * 1000]) if len(force) else None,
        values_label="corrective force",
        values_unit="mN",
    )
    return View3D(
        pack_sequence(sequence, max_bytes=MAX_EMBEDDED_MESHES), "The recovered mesh of every frame, from the recording camera at first."
    )


def _texture_jpeg(result: SftResult) -> bytes:
    from recon_cli.run.pictures import resized

    texture = result.template.texture
    assert texture is not None
    picture = (texture.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    scale = min(1.0, _TEXTURE_SIDE / max(picture.shape[:2]))
    return encode_jpeg(resized(picture, round(picture.shape[1] * scale), round(picture.shape[0] * scale)), quality=85)


def _film_blocks(film: Film, overlay: Path) -> list[Block]:
    size = overlay.stat().st_size
    caption = "Input, reconstruction and their difference around the surface. Turquoise: outline of the mask; amber: of the surface."
    blocks: list[Block] = [Movie(caption, "out/overlay.mp4", overlay.read_bytes() if size <= MAX_EMBEDDED_FILM else None)]
    sheet = contact_sheet(film.shown, columns=1)
    blocks.append(
        Picture(encode_jpeg(sheet), "Input, reconstruction and difference of a few frames", "The same for frames spread over the clip.")
    )
    if film.shown_depth:
        near, far = film.depth_range
        depth = encode_jpeg(contact_sheet(film.shown_depth, columns=3))
        blocks.append(Picture(depth, "Coloured depth of a few frames", f"Depth of these frames, between {near:.3f} m and {far:.3f} m."))
    return blocks


def _physics_blocks(result: SftResult) -> list[Block]:
    material = result.material
    wind = ", ".join(f"{value:.3g}" for value in result.wind.tolist())
    steps = f"{result.steps_per_frame} of {1000 / result.fps / result.steps_per_frame:.3g} ms each"
    facts = Facts({"density": f"{float(material.density):.4g} kg/m²", "wind": f"({wind}) m/s", "simulator steps in a frame": steps})
    angles = ["unstrained", "0° from warp", "22.5°", "45°", "67.5°", "90°"]
    stretching = Table(
        "Stretching [N/m]",
        ("stretched", "c11", "c12", "c22", "c33"),
        [(name, *(f"{value:.1f}" for value in row)) for name, row in zip(angles, material.stretching.tolist())],
    )
    bending = Table(
        "Bending [µN·m] by curvature [1/m]",
        ("direction", "0", "5", "10", "15", "20"),
        [(name, *(f"{value * 1e6:.1f}" for value in row)) for name, row in zip(("0° from warp", "45°", "90°"), material.bending.tolist())],
    )
    return [facts, Tables((stretching, bending))]


def _template_blocks(result: SftResult) -> list[Block]:
    blocks: list[Block] = [Facts(template_facts(result.check))]
    if result.notes:
        blocks.append(Notes(result.notes))
    return blocks


def template_facts(check: TemplateCheck) -> dict[str, str]:
    """The template check in words."""
    facts = {"vertices inside the first mask": f"{check.visible_share:.1%}"}
    if check.uv_residual_px is None or check.uv_scale is None:
        return facts | {"texture coordinates": "none; the look is taken from the projection"}
    mean, deviation, largest = check.uv_residual_px
    facts["texture coordinates"] = "a projection into an image" if check.uv_is_projection else "an atlas, not a projection"
    if check.uv_is_projection:
        facts["their distance from the projection"] = f"mean {mean:.2f} px, deviation {deviation:.2f} px, largest {largest:.2f} px"
        facts["their scale against the projection"] = f"{check.uv_scale:.4f}"
    return facts


def _short(value: float) -> str:
    """Three digits, with a power of ten where plain digits would mislead."""
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:.3g}"
    exponent = math.floor(math.log10(abs(value)))
    superscript = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{value / 10**exponent:.1f}×10{superscript}"
