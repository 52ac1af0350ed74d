import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.run.origin import RunFacts
from recon_cli.run.report import render_page
from recon_cli.run.sft_film import Film
from recon_cli.run.sft_page import MAX_EMBEDDED_FILM, curves_of, edge_change, sft_page, template_facts, verdict
from recon_cli.systems.sft.balance import Physics
from recon_cli.systems.sft.materials import published
from recon_cli.systems.sft.result import SftResult, TemplateCheck

TILE = np.zeros((40, 60, 3), dtype=np.uint8)


@pytest.fixture
def result() -> SftResult:
    """Two triangles that grow by a tenth in the second frame and by a fifth in the third, with two steps a frame."""
    vertices = torch.tensor([[0.0, 0.0, 1.0], [0.1, 0.0, 1.0], [0.1, 0.1, 1.0], [0.0, 0.1, 1.0]], dtype=torch.float64)
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    forces = torch.zeros(4, 4, 3, dtype=torch.float64)
    forces[2, 1, 0] = 0.008
    return SftResult(
        positions=torch.stack([vertices, vertices * 1.1, vertices * 1.2]),
        template=Mesh(vertices, faces, uvs=vertices[:, :2] * 10, face_uvs=faces, texture=torch.rand(8, 8, 3)),
        camera=Cameras.pinhole(width=60, height=40, fx=50, fy=50, cx=30, cy=20),
        fps=25.0,
        steps_per_frame=2,
        forces=forces,
        material=published(),
        wind=torch.tensor([1.0, 0.0, -0.5], dtype=torch.float64),
        physics=Physics(),
        curves={"strain": torch.tensor([0.0, 0.01, 0.02]), "own_loss_px": torch.tensor([1.0, 2.0, 3.0])},
        check=TemplateCheck(0.93, (2.5, 1.25, 9.0), 1.014, True),
        replay_error=4e-15,
        notes=("A sentence of the fit.",),
    )


@pytest.fixture
def film() -> Film:
    return Film(overlap=[0.99, 0.97, 0.95], difference=[0.01, 0.02, 0.06], depth_range=(0.9, 1.3), shown=[TILE] * 3, shown_depth=[TILE] * 3)


def page_text(result, film, tmp_path: Path, size: int = 100) -> str:
    (tmp_path / "overlay.mp4").write_bytes(b"m" * size)
    facts = RunFacts("folder / clip", "recon sft fit -o run", "method: tracking\n", {"seed": "0"})
    return render_page(sft_page(result, film, facts, overlay=tmp_path / "overlay.mp4"))


def test_edge_change_is_what_the_scaling_says(result):
    assert edge_change(result) == pytest.approx([0.0, 0.1, 0.2])


def test_verdict_says_means_worst_frames_and_units(result, film):
    numbers = {number.label: number for number in verdict(result, film)}
    assert numbers["Silhouette overlap"].value == "97.0%"
    assert "95.0% in frame 2" in numbers["Silhouette overlap"].note
    assert numbers["Edge length change"].value == "10.00"
    assert (numbers["Corrective force"].value, numbers["Corrective force"].unit) == ("0.5", "mN")
    assert "largest 8 mN" in numbers["Corrective force"].note
    assert numbers["Replay error"].value == "< 0.001"


def test_curves_have_titles_units_and_the_frames_they_belong_to(result, film):
    charts = {chart.title: chart for chart in curves_of(result, film)}
    assert charts["Mean strain"].unit == "%"
    assert next(iter(charts["Mean strain"].series.values())) == pytest.approx([0.0, 1.0, 2.0])
    assert charts["Own loss"].unit == "px"
    force = charts["Corrective force on a vertex"]
    assert list(force.frames) == [1, 2]
    assert force.series["mean"] == pytest.approx([0.0, 1.0])
    assert force.series["largest"] == pytest.approx([0.0, 8.0])


def test_page_tells_the_whole_story(result, film, tmp_path):
    text = page_text(result, film, tmp_path)
    for words in (
        "folder / clip",
        "3 frames at 25 a second",
        "recon sft fit -o run",
        "method: tracking",
        "A sentence of the fit.",
        "1.0140",
        "(1, 0, -0.5) m/s",
    ):
        assert words in text, words
    assert '<p class="warning">' not in text


def test_a_long_film_is_linked_and_a_short_one_embedded(result, film, tmp_path):
    assert "data:video/mp4" in page_text(result, film, tmp_path)
    assert "data:video/mp4" not in page_text(result, film, tmp_path, size=MAX_EMBEDDED_FILM + 1)


def test_a_doubtful_fit_is_called_one(result, film, tmp_path):
    text = page_text(replace(result, replay_error=0.002), replace(film, overlap=[0.99, 0.55, 0.9]), tmp_path)
    assert "In frame 1 the surface covers only 55%" in text
    assert "only to 2.00 mm" in text


def test_a_run_without_texture_depth_or_forces_still_has_a_page(result, film, tmp_path):
    bare = replace(
        result,
        positions=result.positions,
        template=Mesh(result.template.vertices, result.template.faces),
        check=TemplateCheck(1.0, None, None, False),
        curves={},
    )
    text = page_text(bare, replace(film, shown_depth=[]), tmp_path)
    assert "none; the look is taken from the projection" in text
    assert '<option value="0">' not in text


def test_template_facts_do_not_compare_an_atlas_with_a_projection():
    assert "an atlas" in template_facts(TemplateCheck(1.0, (300.0, 90.0, 700.0), 0.3, False))["texture coordinates"]
    assert len(template_facts(TemplateCheck(1.0, (300.0, 90.0, 700.0), 0.3, False))) == 2
    assert math.isclose(float(template_facts(TemplateCheck(1.0, (3.0, 1.0, 9.0), 1.5, True))["their scale against the projection"]), 1.5)
