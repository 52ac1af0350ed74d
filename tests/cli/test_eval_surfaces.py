"""What `recon eval dtu`, `fscore` and `distance` print."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import pytest
import torch
from scipy.io import savemat

from recon_cli.cli.app import run
from recon_cli.core.mesh import Mesh
from recon_cli.core.points import PointSet
from recon_cli.io.meshes import write_mesh
from recon_cli.io.points import write_points


def _square(z: float = 0.0) -> Mesh:
    vertices = torch.tensor([[0.0, 0, z], [8, 0, z], [8, 8, z], [0, 8, z]])
    return Mesh(vertices, torch.tensor([[0, 1, 2], [0, 2, 3]]))


def _grid(z: float = 0.0) -> PointSet:
    x, y = torch.meshgrid(*[torch.arange(0, 8.1, 0.5)] * 2, indexing="ij")
    return PointSet(torch.stack([x, y, torch.full_like(x, z)], dim=-1).reshape(-1, 3))


@pytest.fixture
def files(tmp_path):
    write_mesh(tmp_path / "mesh.ply", _square(0.25))
    write_points(tmp_path / "scan.ply", _grid())
    cells = np.zeros((9, 9, 9), dtype=np.uint8)
    cells[:, :5] = 1
    savemat(tmp_path / "ObsMask1_10.mat", {"ObsMask": cells, "BB": [[0.0, 0, 0], [8, 8, 8]], "Res": 1.0})
    savemat(tmp_path / "Plane1.mat", {"P": [0.0, 1, 0, -3.9]})
    return tmp_path


def _records(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_dtu_says_its_protocol(files, capsys):
    surfaces = [str(files / "mesh.ply"), str(files / "scan.ply")]
    official = ["--obs-mask", str(files / "ObsMask1_10.mat"), "--plane", str(files / "Plane1.mat")]
    assert run(["eval", "dtu", *surfaces, "--json"]) == 0
    assert run(["eval", "dtu", *surfaces, *official, "--json"]) == 0
    free, masked = _records(capsys)
    assert free["accuracy"] == pytest.approx(0.32, abs=0.05)  # 0.25 above a scan with steps of 0.5
    assert free["overall"] == pytest.approx(0.5 * (free["accuracy"] + free["completeness"]))
    assert "no ObsMask" in free["protocol"]
    assert "no plane" in free["protocol"]
    assert "inside ObsMask" in masked["protocol"]
    assert masked["points_scanned"] == 17 * 9
    assert 0.5 < masked["points_predicted"] / free["points_predicted"] < 0.62


def test_fscores_are_one_record_a_tolerance(files, capsys):
    surfaces = [str(files / "mesh.ply"), str(files / "scan.ply")]
    assert run(["eval", "fscore", *surfaces, "--threshold", "0.6", "--threshold", "0.2", "--samples", "5000", "--json"]) == 0
    small, large = _records(capsys)
    assert (small["threshold"], small["fscore"]) == (0.2, 0)
    assert (large["threshold"], large["precision"], large["recall"], large["voxel"]) == (0.6, 1, 1, None)


def test_tanks_aligns_and_averages(files, capsys):
    generator = torch.Generator().manual_seed(0)
    flat = 8 * torch.rand(3000, 2, generator=generator)
    bumps = torch.cat([flat, (torch.sin(flat[:, :1]) + torch.cos(2 * flat[:, 1:]))], dim=1)
    write_points(files / "truth.ply", PointSet(bumps))
    write_points(files / "far.ply", PointSet(bumps - torch.tensor([100.0, 0, 0.05])))
    (files / "to_truth.txt").write_text("1 0 0 100\n0 1 0 0\n0 0 1 0\n0 0 0 1\n")
    command = ["eval", "fscore", str(files / "far.ply"), str(files / "truth.ply"), "--threshold", "0.04", "--protocol", "tanks", "--json"]
    assert run(command) == 0
    assert run([*command, "--alignment", str(files / "to_truth.txt")]) == 0
    assert run([*command, "--alignment", str(files / "to_truth.txt"), "--icp"]) == 0
    apart, near, refined = _records(capsys)
    assert (apart["fscore"], apart["voxel"], apart["alignment"]) == (0, 0.02, None)
    assert near["fscore"] < 0.5
    assert refined["fscore"] > 0.99
    assert refined["alignment"][2][3] == pytest.approx(0.05, abs=0.01)
    assert run([*command, "--icp"]) == 4
    assert "no point of the prediction is within" in capsys.readouterr().err


def test_eth3d_has_its_own_tolerances(files, capsys):
    assert run(["eval", "fscore", str(files / "scan.ply"), str(files / "scan.ply"), "--protocol", "eth3d", "--json"]) == 0
    records = _records(capsys)
    assert [record["threshold"] for record in records] == [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
    assert {(record["fscore"], record["voxel"]) for record in records} == {(1, 0.01)}


def test_distances_of_points_to_a_mesh(files, capsys):
    command = ["eval", "distance", str(files / "scan.ply"), str(files / "mesh.ply"), "--threshold", "0.2", "--threshold", "0.3"]
    assert run([*command, "--json"]) == 0
    assert run(command) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    record = json.loads(first)
    assert (record["median"], record["p95"], record["points"]) == (0.25, 0.25, 289)
    assert record["within"] == {"0.2": 0, "0.3": 1}
    assert {"median: 0.25", "within.0.3: 1"} <= set(lines)


def test_a_dash_reads_standard_input(files, capsys, monkeypatch):
    data = (files / "mesh.ply").read_bytes()
    for command in (["distance", str(files / "scan.ply"), "-"], ["dtu", "-", str(files / "scan.ply")]):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert run(["eval", *command, "--json"]) == 0
    assert [record.get("median", record.get("accuracy")) > 0 for record in _records(capsys)] == [True, True]
    for name in ("dtu", "distance"):
        assert run(["eval", name, "-", "-"]) == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["distance", "scan.ply", "scan.ply"], 3, "no faces"),
        (["distance", "scan.ply", "gone.ply"], 3, "gone.ply"),
        (["distance", "scan.ply", "mesh.ply", "--threshold", "nan"], 2, "positive"),
        (["fscore", "scan.ply", "scan.ply"], 2, "--threshold"),
        (["fscore", "scan.ply", "scan.ply", "--threshold", "-1"], 2, "positive"),
        (["fscore", "scan.ply", "scan.ply", "--threshold", "1", "--threshold", "2", "--protocol", "tanks"], 2, "expected one"),
        (["fscore", "scan.ply", "scan.ply", "--threshold", "1", "--alignment", "scan.ply"], 3, "4 x 4"),
        (["dtu", "mesh.ply", "scan.ply", "--obs-mask", "Plane1.mat"], 3, "ObsMask"),
        (["dtu", "mesh.ply", "scan.ply", "--plane", "gone.mat"], 3, "gone.mat"),
        (["dtu", "mesh.ply", "scan.ply", "--spacing", "0"], 2, "spacing"),
    ],
)
def test_what_is_wrong_is_said(files, words, code, said, capsys, monkeypatch):
    monkeypatch.chdir(files)
    assert run(["eval", *words]) == code
    told = capsys.readouterr()
    assert said in told.err
    assert told.out == ""
