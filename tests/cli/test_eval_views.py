"""What `recon eval depth`, `photometric` and `silhouette` print."""

from __future__ import annotations

import json

import pytest
import torch

from recon_cli.cli.app import run
from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.mesh import Mesh
from recon_cli.core.scene import Scene
from recon_cli.io.depth_folders import write_depth_maps
from recon_cli.io.meshes import write_mesh
from recon_cli.io.scenes import write_scene
from recon_cli.render.depth import mesh_depths

WIDTH, HEIGHT, DISTANCE = 48, 36, 10.0
SHIFTS = (-0.8, 0.0, 0.8)


def _cameras() -> Cameras:
    one = Cameras.pinhole(width=WIDTH, height=HEIGHT, fx=50, fy=50, cx=WIDTH / 2, cy=HEIGHT / 2)
    poses = one.camera_from_world.repeat(3, 1, 1)
    poses[:, 0, 3] = -torch.tensor(SHIFTS, dtype=torch.float64)
    return Cameras(one.K.repeat(3, 1, 1), poses, one.size.repeat(3, 1), ("left", "middle", "right"))


def _wall(z: float = DISTANCE, half: float = 3.0) -> Mesh:
    vertices = torch.tensor([[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]])
    return Mesh(vertices, torch.tensor([[0, 2, 1], [0, 3, 2]]))


def _pictures(maps: DepthMaps) -> tuple[torch.Tensor, ...]:
    """The wall with waves of about seven pixels, black beside it."""
    x, y = (torch.arange(WIDTH) + 0.5 - WIDTH / 2) * DISTANCE / 50, (torch.arange(HEIGHT) + 0.5 - HEIGHT / 2) * DISTANCE / 50
    pictures = []
    for shift, depth in zip(SHIFTS, maps.depth, strict=True):
        level = 128 + 60 * torch.sin(4.3 * (x + shift) + y[:, None]) + 50 * torch.cos(3.7 * y[:, None])
        pictures.append(torch.where(depth > 0, level, torch.zeros(())).to(torch.uint8)[..., None].expand(-1, -1, 3).contiguous())
    return tuple(pictures)


@pytest.fixture
def folder(tmp_path):
    """A scene of a wall from three places, its exact depths, maps that are 2 % too far, and three meshes."""
    maps = mesh_depths(_wall(), _cameras())
    scene = Scene(_cameras(), _pictures(maps), tuple(depth > 0 for depth in maps.depth))
    write_scene(tmp_path / "scene", scene, depths=maps)
    confidence = tuple((depth > 0).float() for depth in maps.depth)
    found = DepthMaps(maps.cameras, tuple(depth * 1.02 for depth in maps.depth), confidence=confidence)
    write_depth_maps(tmp_path / "run" / "out", found)
    for name, mesh in {"true": _wall(), "far": _wall(14.0), "small": _wall(half=1.5)}.items():
        write_mesh(tmp_path / f"{name}.ply", mesh)
    write_mesh(tmp_path / "behind.ply", _wall(-5.0))
    return tmp_path


def _records(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_depth_compares_a_run_with_a_scene(folder, capsys):
    command = ["eval", "depth", str(folder / "run"), str(folder / "scene"), "--threshold", "0.1", "--threshold", "0.3", "--json"]
    assert run(command) == 0
    *views, whole = _records(capsys)
    assert [record["view"] for record in views] == ["left", "middle", "right"]
    assert whole["median"] == pytest.approx(0.2, rel=1e-5)
    assert whole["median_relative"] == pytest.approx(0.02, rel=1e-5)
    assert whole["median_pixels"] == pytest.approx(1, rel=1e-5)  # a pixel covers 10 / 50
    assert whole["within"] == {"0.1": 0, "0.3": 1}
    assert (whole["completeness"], whole["spurious"], whole["views"]) == (1, 0, 3)
    assert run([*command, "--completeness", "0.25"]) == 0
    assert _records(capsys)[-1]["completeness"] == pytest.approx(0.25, abs=1e-3)


def test_depth_is_words_without_json(folder, capsys):
    assert run(["eval", "depth", str(folder / "scene"), str(folder / "scene"), "-v"]) == 0
    said = capsys.readouterr()
    assert "median: 0\n" in said.out
    assert "middle: median 0  completeness 1" in said.err


def test_missing_maps_are_named_or_left_out(folder, capsys):
    (folder / "run" / "out" / "depth" / "middle.exr").unlink()
    command = ["eval", "depth", str(folder / "run"), str(folder / "scene"), "--json"]
    assert run(command) == 3
    assert "middle" in capsys.readouterr().err
    assert run([*command, "--partial"]) == 0
    assert _records(capsys)[-1]["views"] == 2


def test_the_true_mesh_explains_a_held_out_view_best(folder, capsys):
    scores = []
    for name in ("true", "far", "behind"):
        command = ["eval", "photometric", str(folder / f"{name}.ply"), str(folder / "scene"), "--views", "middle", "--json"]
        assert run(command) == 0
        view, mean = _records(capsys)
        assert (view["view"], sorted(view["neighbours"]), mean["views"]) == ("middle", ["left", "right"], 1)
        scores.append(mean)
    assert scores[0]["ncc"] > 0.98
    assert scores[0]["covered"] > 0.95
    assert scores[1]["ncc"] < 0.8
    assert (scores[2]["ncc"], scores[2]["covered"], scores[2]["score"]) == (None, 0, 0)


def test_outlines_overlap(folder, capsys):
    for name in ("true", "small"):
        assert run(["eval", "silhouette", str(folder / f"{name}.ply"), str(folder / "scene"), "--json"]) == 0
    *_, true, _, _, _, small = _records(capsys)
    assert (true["iou"], true["least_iou"]) == (1, 1)
    assert small["iou"] == pytest.approx(0.25, abs=0.03)
    assert small["beyond"] == 0
    assert run(["eval", "silhouette", str(folder / "true.ply"), str(folder / "scene"), "--views", "left,right", "-v"]) == 0
    said = capsys.readouterr()
    assert "views: 2" in said.out
    assert "left: iou 1.0000" in said.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["depth", "run", "nowhere"], 3, "cameras.json"),
        (["depth", "nowhere", "scene"], 3, "nowhere"),
        (["photometric", "true.ply", "scene"], 2, "--views"),
        (["photometric", "true.ply", "scene", "--views", "midle"], 3, "did you mean 'middle'?"),
        (["photometric", "true.ply", "scene", "--views", "left,right,middle"], 3, "leave at least one"),
        (["photometric", "true.ply", "scene", "--views", "left", "--window", "4"], 2, "odd"),
        (["silhouette", "gone.ply", "scene"], 3, "gone.ply"),
        (["silhouette", "true.ply", "run"], 3, "cameras.json"),
    ],
)
def test_what_is_wrong_is_said(folder, words, code, said, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert run(["eval", *words]) == code
    told = capsys.readouterr()
    assert said in told.err
    assert told.out == ""
