"""What `recon eval` prints."""

from __future__ import annotations

import io
import json
import math
import sys

import pytest
import torch

from recon_cli.cli.app import run
from recon_cli.core.mesh import Mesh
from recon_cli.core.points import PointSet
from recon_cli.io.meshes import write_mesh
from recon_cli.io.points import write_points
from tests.metrics.solids import bumpy, sphere


def _square(z: float = 0.0, x: float = 0.0) -> Mesh:
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]) + torch.tensor([x, 0.0, z])
    return Mesh(vertices, torch.tensor([[0, 1, 2], [0, 2, 3]]))


@pytest.fixture
def squares(tmp_path):
    write_mesh(tmp_path / "a.ply", _square())
    write_mesh(tmp_path / "b.obj", _square(0.25))
    return tmp_path


def _records(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_mesh_is_at_zero_from_itself(squares, capsys):
    assert run(["eval", "chamfer", str(squares / "a.ply"), str(squares / "a.ply"), "--json"]) == 0
    (record,) = _records(capsys)
    assert (record["squared"], record["plain"], record["samples_a"], record["samples_b"]) == (0, 0, 30_000, 30_000)


def test_shifted_planes_are_at_their_distance(squares, capsys):
    arguments = ["eval", "chamfer", str(squares / "a.ply"), str(squares / "b.obj"), "--samples", "500", "--seed", "7", "--json"]
    assert run(arguments) == 0
    (record,) = _records(capsys)
    assert record["squared"] == pytest.approx(2 * 0.0625, rel=1e-6)
    assert record["squared_a_to_b"] == record["squared_b_to_a"] == pytest.approx(0.0625, rel=1e-6)
    assert record["plain"] == pytest.approx(0.5, rel=1e-6)
    assert (record["samples_a"], record["seed"], record["align"]) == (500, 7, "no alignment")
    assert "1/|A| sum_a min_b ||a - b||^2" in record["formula"]
    assert record["c_l2"] == pytest.approx(0.0625, rel=1e-6)
    assert "c_l2 = squared / 2" in record["formula"]


def test_a_box_is_the_unit_of_length(squares, capsys):
    for box in ("2", "reference"):
        assert run(["eval", "chamfer", str(squares / "a.ply"), str(squares / "b.obj"), "--samples", "500", "--box", box, "--json"]) == 0
    two, one = _records(capsys)
    assert (two["squared"], two["plain"]) == pytest.approx((0.125 / 4, 0.25), rel=1e-6)
    assert one["squared"] == pytest.approx(0.125, rel=1e-6)
    assert two["unit"] == "box of side 2 scene units"
    assert "longest side" in one["unit"]


def test_a_similarity_scales(squares, capsys):
    ball = sphere(10)
    body = ball.with_vertices(bumpy(ball.vertices))
    write_mesh(squares / "body.ply", body)
    write_mesh(squares / "small.ply", body.with_vertices(0.3 * body.vertices))
    arguments = [*(str(squares / name) for name in ("small.ply", "body.ply")), "--align", "similarity", "--samples", "500"]
    assert run(["eval", "chamfer", *arguments, "--json"]) == 0
    (record,) = _records(capsys)
    assert record["squared"] < 1e-5
    assert "scale" in record["align"]


def test_swapped_inputs_swap_the_directions(squares, capsys):
    write_points(squares / "c.ply", PointSet(torch.rand(70, 3, generator=torch.Generator().manual_seed(0))))
    for names in (("a.ply", "c.ply"), ("c.ply", "a.ply")):
        assert run(["eval", "chamfer", *(str(squares / name) for name in names), "--json"]) == 0
    there, back = _records(capsys)
    assert there["squared_a_to_b"] == back["squared_b_to_a"]
    assert there["squared"] == back["squared"]
    assert (there["samples_b"], back["samples_a"]) == (70, 70)


def test_text_says_the_same_as_json(squares, capsys):
    assert run(["eval", "chamfer", str(squares / "a.ply"), str(squares / "b.obj"), "--samples", "100"]) == 0
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert float(lines["squared"]) == pytest.approx(0.125, rel=1e-5)
    assert lines["align"] == "no alignment"


def test_rigid_alignment_is_named_and_done(squares, capsys):
    assert run(["eval", "chamfer", str(squares / "a.ply"), str(squares / "b.obj"), "--align", "rigid", "--samples", "500", "--json"]) == 0
    (record,) = _records(capsys)
    assert record["squared"] < 1e-12
    assert "ICP" in record["align"]


def test_a_dash_reads_standard_input(squares, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((squares / "a.ply").read_bytes())))
    assert run(["eval", "chamfer", "-", str(squares / "b.obj"), "--samples", "100", "--json"]) == 0
    (record,) = _records(capsys)
    assert record["plain"] == pytest.approx(0.5, rel=1e-6)
    assert run(["eval", "chamfer", "-", "-"]) == 2


def test_a_missing_file_is_exit_3_without_data(squares, capsys):
    assert run(["eval", "chamfer", str(squares / "a.ply"), str(squares / "gone.ply")]) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert "gone.ply" in said.err


@pytest.fixture
def folders(tmp_path):
    """Predictions 0 to 3, each a little higher; references 0 to 4 at height zero, named in another style."""
    for t in range(4):
        write_mesh(tmp_path / "found" / f"{t:06d}.ply", _square(0.1 * t))
    for t in range(5):
        write_mesh(tmp_path / "true" / f"{t:03d}.obj", _square())
    return str(tmp_path / "found"), str(tmp_path / "true")


def test_a_sequence_prints_its_frames_and_their_mean(folders, capsys):
    assert run(["eval", "sequence", *folders, "--frames", "1:4", "--samples", "200", "--json"]) == 0
    *frames, summary = _records(capsys)
    assert [record["frame"] for record in frames] == [1, 2, 3]
    assert [record["squared"] for record in frames] == pytest.approx([0.02, 0.08, 0.18], rel=1e-5)
    assert summary["frames"] == 3
    assert summary["mean"]["squared"] == pytest.approx(0.28 / 3, rel=1e-5)
    assert summary["mean"]["vertex_error"] == pytest.approx(0.2, rel=1e-5)
    assert summary["mean"]["side"] == pytest.approx(1.0)
    assert summary["mean"]["vertex_error_relative"] == pytest.approx(0.2, rel=1e-5)
    assert summary["mean"]["e3d"] == pytest.approx(0.0, abs=1e-6)
    assert summary["align"] == "no alignment"
    assert {"chamfer", "vertex_error", "e3d"} <= set(summary["formulas"])


def test_text_is_the_mean_and_frames_are_words(folders, capsys):
    assert run(["eval", "sequence", *folders, "--frames", "0:4:3", "--samples", "50", "-v"]) == 0
    said = capsys.readouterr()
    assert "mean.squared: 0.09" in said.out
    assert "frame 3: squared Chamfer 0.18" in said.err
    assert "frame 3" not in said.out


def test_clouds_have_no_vertex_error(folders, tmp_path, capsys):
    for t in range(4):
        write_points(tmp_path / "clouds" / f"{t}.ply", PointSet(_square().vertices))
    assert run(["eval", "sequence", folders[0], str(tmp_path / "clouds"), "--samples", "50", "--json"]) == 0
    summary = _records(capsys)[-1]
    assert "vertex_error" not in summary["mean"]
    assert math.isfinite(summary["mean"]["squared"])


def test_another_count_is_exit_3_with_the_way_out(folders, capsys):
    assert run(["eval", "sequence", *folders]) == 3
    said = capsys.readouterr()
    assert "4 frames" in said.err
    assert "5 frames" in said.err
    assert "--frames" in said.err
    assert said.out == ""


@pytest.mark.parametrize("text", ["5", "a:b", "1:2:0", "1:2:3:4", "-1:3"])
def test_a_range_that_is_none_is_exit_2(folders, text, capsys):
    assert run(["eval", "sequence", *folders, f"--frames={text}"]) == 2
    assert "FIRST:LAST" in capsys.readouterr().err


def test_a_folder_that_is_missing_is_exit_3(folders, capsys):
    assert run(["eval", "sequence", folders[0], "nowhere"]) == 3
    assert "nowhere" in capsys.readouterr().err
