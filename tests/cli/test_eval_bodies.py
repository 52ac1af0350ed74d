"""What `recon eval iou` and `epe` print."""

from __future__ import annotations

import io
import json
import sys

import pytest
import torch

from recon_cli.cli.app import run
from recon_cli.core.mesh import Mesh
from recon_cli.core.points import PointSet
from recon_cli.io.meshes import write_mesh
from recon_cli.io.points import write_points
from tests.metrics.solids import box, bumpy, sphere, waving


def _records(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def _shifted(mesh: Mesh, x: float) -> Mesh:
    return mesh.with_vertices(mesh.vertices + torch.tensor([x, 0.0, 0.0]))


@pytest.fixture
def folders(tmp_path):
    """Boxes of sides 4, 1 and 1 that stand, and predictions that drift away from them; named in two styles."""
    for t in range(4):
        write_mesh(tmp_path / "found" / f"{t:06d}.ply", _shifted(box((0, 0, 0), (4, 1, 1)), 0.5 * t))
        write_mesh(tmp_path / "true" / f"{t:03d}.obj", box((0, 0, 0), (4, 1, 1)))
    return str(tmp_path / "found"), str(tmp_path / "true")


@pytest.fixture
def turned(tmp_path):
    """A body that moves, and the same one elsewhere at twice the size."""
    ball = sphere(10)
    for t in range(3):
        mesh = ball.with_vertices(waving(bumpy(ball.vertices), 0.5 * t))
        write_mesh(tmp_path / "true" / f"{t}.ply", mesh)
        write_mesh(tmp_path / "found" / f"{t}.ply", mesh.with_vertices(2 * mesh.vertices[:, [2, 0, 1]] + 3))
    return str(tmp_path / "found"), str(tmp_path / "true")


def test_iou_of_two_meshes_is_one_record(tmp_path, capsys):
    write_mesh(tmp_path / "a.ply", box())
    write_mesh(tmp_path / "b.obj", _shifted(box(), 0.5))
    command = ["eval", "iou", str(tmp_path / "a.ply"), str(tmp_path / "b.obj"), "--samples", "100000", "--seed", "3"]
    assert run([*command, "--json"]) == 0
    assert run(command) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    record = json.loads(first)
    assert record["iou"] == pytest.approx(1 / 3, abs=4 * record["standard_error"])
    assert record["volume_reference"] == pytest.approx(1, rel=0.02)
    assert (record["samples"], record["seed"], record["align"]) == (100_000, 3, "no alignment")
    assert "joint bounding box" in record["formula"]
    assert f"iou: {record['iou']:.6g}" in lines


def test_iou_of_folders_is_its_frames_and_their_mean(folders, capsys):
    assert run(["eval", "iou", *folders, "--frames", "0:4:2", "--samples", "100000", "--json"]) == 0
    *frames, summary = _records(capsys)
    assert [record["frame"] for record in frames] == [0, 2]
    assert [record["iou"] for record in frames] == pytest.approx([1, 3 / 5], abs=0.01)
    assert summary["frames"] == 2
    assert summary["mean"]["iou"] == pytest.approx(sum(record["iou"] for record in frames) / 2)


def test_text_is_the_mean_and_frames_are_words(folders, capsys):
    assert run(["eval", "epe", *folders, "--samples", "500", "-v"]) == 0
    said = capsys.readouterr()
    assert "mean.epe: " in said.out
    assert "frame 3: epe " in said.err
    assert "frame 3" not in said.out


def test_epe_follows_the_drift_from_its_keyframes(folders, capsys):
    assert run(["eval", "epe", *folders, "--samples", "500", "--json"]) == 0
    assert run(["eval", "epe", *folders, "--samples", "500", "--keyframe-every", "3", "--json"]) == 0
    records = _records(capsys)
    once, anew = records[:5], records[5:]
    assert [record["epe"] for record in once[:4]] == pytest.approx([0, 0.5, 1, 1.5], abs=1e-6)
    assert once[4]["mean"]["epe"] == pytest.approx(0.75, abs=1e-6)
    assert (once[4]["frames"], once[4]["samples"], once[4]["keyframe_every"], once[4]["unit"]) == (4, 500, 50, "scene unit")
    assert "nearest point on the prediction" in once[4]["formula"]
    assert [record["keyframe"] for record in anew[:4]] == [0, 0, 0, 3]
    assert anew[3]["epe"] < 0.75


@pytest.mark.parametrize(("side", "words"), [("2.5", "box of side 2.5"), ("reference", "longest side")])
def test_lengths_are_in_units_of_the_box(folders, side, words, capsys):
    for unit in ([], ["--box", side]):
        assert run(["eval", "epe", *folders, "--samples", "300", "--json", *unit]) == 0
        assert run(["eval", "sequence", *folders, "--samples", "300", "--json", *unit]) == 0
    records = _records(capsys)
    epe, chamfer, epe_in_box, chamfer_in_box = (records[5 * k + 4] for k in range(4))
    length = 4.0 if side == "reference" else 2.5
    assert words in epe_in_box["unit"]
    assert chamfer_in_box["unit"] == epe_in_box["unit"]
    assert epe_in_box["mean"]["epe"] == pytest.approx(epe["mean"]["epe"] / length)
    for name in ("squared", "c_l2"):
        assert chamfer_in_box["mean"][name] == pytest.approx(chamfer["mean"][name] / length**2)
    for name in ("plain", "vertex_error", "side"):
        assert chamfer_in_box["mean"][name] == pytest.approx(chamfer["mean"][name] / length)
    for name in ("vertex_error_relative", "e3d"):
        assert chamfer_in_box["mean"][name] == pytest.approx(chamfer["mean"][name], abs=1e-9)


def test_one_similarity_brings_the_sequence_back(turned, capsys):
    commands = [["iou", "--samples", "20000"], ["epe", "--samples", "500"], ["sequence", "--samples", "500"]]
    for name, *options in commands:
        assert run(["eval", name, *turned, *options, "--align", "similarity", "--json"]) == 0
    summaries = [record for record in _records(capsys) if "mean" in record]
    assert [summary["align"].split(",")[0] for summary in summaries] == ["one rotation"] * 3
    overlap, points, surfaces = (summary["mean"] for summary in summaries)
    assert overlap["iou"] > 0.99
    assert points["epe"] < 2e-3
    assert surfaces["vertex_error"] < 2e-3
    assert surfaces["c_l2"] < 1e-5


def test_a_rigid_alignment_keeps_the_size(turned, capsys):
    assert run(["eval", "iou", *turned, "--samples", "20000", "--align", "rigid", "--json"]) == 0
    summary = _records(capsys)[-1]
    assert summary["align"].startswith("one rigid motion of the prediction for the whole sequence")
    assert summary["mean"]["iou"] < 0.3


def test_a_dash_reads_standard_input(tmp_path, capsys, monkeypatch):
    write_mesh(tmp_path / "a.ply", box())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((tmp_path / "a.ply").read_bytes())))
    assert run(["eval", "iou", "-", str(tmp_path / "a.ply"), "--samples", "1000", "--json"]) == 0
    assert _records(capsys)[0]["iou"] == 1
    assert run(["eval", "iou", "-", "-"]) == 2


@pytest.fixture
def files(tmp_path):
    """Meshes and folders, each with one thing wrong."""
    whole, nowhere = box(), box().vertices.clone()
    nowhere[3, 1] = float("nan")
    for name, mesh in {
        "whole": whole,
        "open": Mesh(whole.vertices, whole.faces[2:]),
        "nowhere": whole.with_vertices(nowhere),
        "other": sphere(4),
    }.items():
        write_mesh(tmp_path / f"{name}.ply", mesh)
        write_mesh(tmp_path / name / "0.ply", whole)
        write_mesh(tmp_path / name / "1.ply", mesh)
    write_points(tmp_path / "cloud.ply", PointSet(whole.vertices))
    write_mesh(tmp_path / "short" / "0.ply", whole)
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["iou", "open.ply", "whole.ply"], 3, "open.ply: has 4 open edges of 17"),
        (["iou", "whole", "open"], 3, "open/1.ply: has 4 open edges of 17"),
        (["iou", "nowhere", "whole"], 3, "nowhere/1.ply: vertex 3 has a NaN or infinite coordinate"),
        (["iou", "cloud.ply", "whole.ply"], 3, "no faces"),
        (["iou", "gone.ply", "whole.ply"], 3, "gone.ply"),
        (["iou", "whole", "whole.ply"], 3, "whole: is a folder and whole.ply is not"),
        (["iou", "whole.ply", "whole.ply", "--frames", "0:1"], 2, "--frames"),
        (["iou", "whole", "short"], 3, "expected the same frames on both sides"),
        (["iou", "whole", "empty"], 3, "empty"),
        (["epe", "other", "whole"], 3, "other/1.ply: has 26 vertices and 48 faces, expected the faces of the keyframe other/0.ply"),
        (["epe", "whole", "other"], 3, "other/1.ply: has 26 vertices"),
        (["epe", "whole", "nowhere"], 3, "nowhere/1.ply: vertex 3 has a NaN or infinite coordinate"),
        (["epe", "whole", "short"], 3, "expected the same frames on both sides"),
        (["epe", "whole", "empty"], 3, "empty"),
        (["epe", "whole", "whole", "--box", "0"], 2, "expected its side in scene units"),
        (["epe", "whole", "whole", "--box", "nan"], 2, "expected its side in scene units"),
        (["epe", "whole", "whole", "--box", "mine"], 2, "or reference"),
        (["epe", "whole", "whole", "--frames", "5"], 2, "FIRST:LAST"),
        (["epe", "whole", "whole", "--keyframe-every", "0"], 2, "keyframe-every"),
    ],
)
def test_what_is_wrong_is_said(files, words, code, said, capsys, monkeypatch):
    monkeypatch.chdir(files)
    assert run(["eval", *words]) == code
    told = capsys.readouterr()
    assert said in told.err
    assert told.out == ""


def test_faces_may_change_where_points_are_paired_anew(files, capsys):
    assert run(["eval", "epe", str(files / "other"), str(files / "other"), "--keyframe-every", "1", "--samples", "100", "--json"]) == 0
    assert _records(capsys)[-1]["mean"]["epe"] < 1e-9
