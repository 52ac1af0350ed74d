"""What `recon prepare cameras` writes, prints and refuses."""

from __future__ import annotations

import json
import os

import pytest

from recon_cli.cli.app import run
from recon_cli.io.cameras import read_camera_file
from tests.io.importers.datasets import write_dataset


@pytest.fixture
def dataset(tmp_path):
    return write_dataset("colmap", tmp_path / "set")


def test_a_dataset_there_and_back(dataset, tmp_path, capsys):
    scene, out, again = (str(tmp_path / name) for name in ("scene", "out", "again"))
    assert run(["prepare", "cameras", str(dataset), "-o", scene]) == 0
    assert capsys.readouterr().out == f"{scene}\n"
    assert sorted(os.listdir(scene)) == ["cameras.json", "images", "points.ply"]
    assert run(["prepare", "cameras", scene, "-o", out, "--to", "nerfstudio", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"path": out, "format": "nerfstudio", "views": 2}
    assert run(["prepare", "cameras", out, "-o", again, "--json", "--quiet"]) == 0
    said = capsys.readouterr()
    counts = {"views": 2, "masks": 0, "straightened": 0, "depth_maps": 0, "points": 2}
    assert json.loads(said.out) == {"path": again, "format": "nerfstudio", **counts, "notes": []}
    assert said.err == ""


def test_bounds_links_and_another_pixel_convention(dataset, tmp_path):
    options = ["--format", "colmap", "--bounds=-1,-2,-3,1,2,3.5", "--first-pixel", "0", "--link", "--images", str(dataset / "images")]
    assert run(["prepare", "cameras", str(dataset), "-o", str(tmp_path / "scene"), *options]) == 0
    scene = read_camera_file(tmp_path / "scene" / "cameras.json")
    assert scene.bounds is not None
    assert scene.bounds.tolist() == [[-1, -2, -3], [1, 2, 3.5]]
    assert scene.cameras.K[0, :2, 2].tolist() == pytest.approx([78.8, 61.7])
    assert (tmp_path / "scene" / "images" / "a_view.png").is_symlink()


@pytest.mark.parametrize("bounds", ["1,2,3", "a,b,c,d,e,f", "0,0,0,1,1,0", "0,0,0,1,1,nan", "0,0,0,1,1,inf", " "])
def test_bounds_that_are_no_box(dataset, tmp_path, capsys, bounds):
    assert run(["prepare", "cameras", str(dataset), "-o", str(tmp_path / "scene"), f"--bounds={bounds}"]) == 2
    assert "expected X0,Y0,Z0,X1,Y1,Z1" in capsys.readouterr().err


def test_options_that_do_not_go_with_an_export(dataset, tmp_path, capsys):
    assert run(["prepare", "cameras", str(dataset), "-o", str(tmp_path / "out"), "--to", "colmap", "--masks", str(dataset)]) == 2
    assert "--masks does not go with --to" in capsys.readouterr().err


def test_what_is_no_dataset_or_no_scene(dataset, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run(["prepare", "cameras", str(tmp_path / "empty"), "-o", str(tmp_path / "out")]) == 3
    assert "holds no cameras of a known format" in capsys.readouterr().err
    assert run(["prepare", "cameras", str(dataset), "-o", str(tmp_path / "out"), "--to", "colmap"]) == 3
    assert "try: recon prepare cameras" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_notes_are_warnings(dataset, tmp_path, capsys):
    path = write_dataset("nerfstudio", tmp_path / "other") / "transforms.json"
    document = json.loads(path.read_text())
    document["frames"][0]["cx"] = 1.0
    path.write_text(json.dumps(document))
    assert run(["prepare", "cameras", str(path), "-o", str(tmp_path / "scene"), "--quiet"]) == 0
    assert "warning: the principal point of 1 of 2 cameras" in capsys.readouterr().err
