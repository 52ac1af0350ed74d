from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import InputError
from recon_cli.io.cameras import read_camera_file, write_cameras
from recon_cli.io.exporters.colmap import write_colmap
from recon_cli.io.exporters.nerfstudio import write_nerfstudio
from recon_cli.io.importers.formats import read_dataset
from recon_cli.prepare.cameras import write_scene_folder
from recon_cli.prepare.export_cameras import export_scene_folder
from tests.io.importers.datasets import PlaneView, measured_shift, on_plane, photograph, pixel_grid, plane_views, write_dataset

TARGETS = ("colmap", "colmap-text", "nerfstudio")


@pytest.fixture
def scene(tmp_path) -> Path:
    folder = write_dataset("colmap", tmp_path / "set")
    (folder / "masks").mkdir()
    for index, (name, size) in enumerate((("a_view", (160, 120)), ("b_view", (200, 150)))):
        Image.new("L", size, 255).save(folder / "masks" / f"{name}.{'png' if index else 'bmp'}")
    write_scene_folder(read_dataset(folder)[1], tmp_path / "scene")
    return tmp_path / "scene"


@pytest.mark.parametrize("to", TARGETS)
def test_what_goes_out_comes_back(scene, tmp_path, to):
    assert export_scene_folder(scene, tmp_path / "out", to=to) == 2
    name, imported = read_dataset(tmp_path / "out")
    assert name == to.split("-")[0]
    before = read_camera_file(scene / "cameras.json").cameras
    torch.testing.assert_close(imported.cameras.K, before.K, rtol=0, atol=1e-10)
    torch.testing.assert_close(imported.cameras.camera_from_world, before.camera_from_world, rtol=0, atol=1e-12)
    assert imported.cameras.names == before.names
    assert torch.equal(imported.cameras.size, before.size)
    assert imported.points is not None
    assert imported.points.points.tolist() == [[0.5, -0.25, 5.125], [1, 2, 3]]
    assert imported.points.colors is not None
    assert (imported.points.colors * 255).round().tolist() == [[255, 128, 0], [0, 0, 51]]
    assert all(mask is not None and mask.suffix == ".png" for mask in imported.masks)
    assert imported.notes == ()


@pytest.mark.parametrize("to", TARGETS)
def test_the_plane_stands_where_the_exported_cameras_say(scene, tmp_path, to):
    export_scene_folder(scene, tmp_path / "out", to=to, link=True)
    imported = read_dataset(tmp_path / "out")[1]
    first, second = plane_views()
    for index, view in enumerate((first, second)):
        pose = imported.cameras.camera_from_world[index].numpy()
        seen = PlaneView(view.name, imported.cameras.K[index].numpy(), pose[:3, :3], pose[:3, 3], view.size)
        assert np.abs(measured_shift(np.asarray(Image.open(imported.images[index]))[..., 0], seen)).max() < 0.05
    world = on_plane(first, pixel_grid(first.size).reshape(-1, 2))
    local = world @ second.R.T + second.t
    truth = local[:, :2] / local[:, 2:] * np.diag(second.K)[:2] + second.K[:2, 2]
    mapped = imported.cameras[1].project(torch.from_numpy(world))[0][0].numpy()
    assert np.abs(mapped - truth).max() < 0.05


def test_the_text_is_what_colmap_documents(scene, tmp_path):
    export_scene_folder(scene, tmp_path / "out", to="colmap-text")
    sparse = tmp_path / "out" / "sparse" / "0"
    cameras = [line for line in (sparse / "cameras.txt").read_text().splitlines() if not line.startswith("#")]
    assert cameras[0].split()[:4] == ["1", "PINHOLE", "160", "120"]
    assert [float(word) for word in cameras[0].split()[4:]] == [190.0, 185.0, 78.3, 61.2]
    images = [line for line in (sparse / "images.txt").read_text().splitlines() if not line.startswith("#")]
    assert len(images) == 4
    assert images[1] == images[3] == ""
    w, x, y, z = (float(word) for word in images[2].split()[1:5])
    R = plane_views()[1].R
    assert w**2 + x**2 + y**2 + z**2 == pytest.approx(1, abs=1e-14)
    assert 2 * (x * y - w * z) == pytest.approx(R[0, 1], abs=1e-12)
    assert 2 * (y * z + w * x) == pytest.approx(R[2, 1], abs=1e-12)


def test_the_binaries_have_colmaps_sizes(scene, tmp_path):
    export_scene_folder(scene, tmp_path / "out", to="colmap")
    sparse = tmp_path / "out" / "sparse" / "0"
    assert (sparse / "cameras.bin").stat().st_size == 8 + 2 * (24 + 32)
    assert (sparse / "images.bin").stat().st_size == 8 + 2 * (64 + len("a_view.png") + 1 + 8)
    assert (sparse / "points3D.bin").stat().st_size == 8 + 2 * 51
    assert struct.unpack_from("<Q3d3B", (sparse / "points3D.bin").read_bytes(), 8) == (1, 0.5, -0.25, 5.125, 255, 128, 0)


def test_half_turns_have_a_quaternion_too(tmp_path):
    turns = [np.diag(signs) for signs in ([1.0, -1, -1], [-1.0, 1, -1], [-1.0, -1, 1])]
    poses = torch.eye(4, dtype=torch.float64).repeat(3, 1, 1)
    for index, turn in enumerate(turns):
        poses[index, :3, :3] = torch.from_numpy(turn)
        poses[index, 0, 3] = index
    K = torch.tensor([[[9.0, 0, 2], [0, 9, 1.5], [0, 0, 1]]], dtype=torch.float64).repeat(3, 1, 1)
    cameras = Cameras(K, poses, torch.tensor([[4, 3]] * 3))
    (tmp_path / "images").mkdir()
    for name in cameras.names:
        Image.new("RGB", (4, 3)).save(tmp_path / "images" / f"{name}.png")
    write_colmap(tmp_path / "sparse" / "0", cameras, [f"{name}.png" for name in cameras.names])
    read = read_dataset(tmp_path)[1].cameras.camera_from_world
    torch.testing.assert_close(read, poses, rtol=0, atol=1e-12)


def test_a_skew_that_moves_pixels_is_refused(tmp_path):
    K = torch.tensor([[[900.0, 2.0, 320], [0, 900, 240], [0, 0, 1]]], dtype=torch.float64)
    cameras = Cameras(K, torch.eye(4, dtype=torch.float64)[None], torch.tensor([[640, 480]]))
    with pytest.raises(InputError, match="skew of 2"):
        write_colmap(tmp_path / "sparse", cameras, ["a.png"])
    with pytest.raises(InputError, match="skew of 2"):
        write_nerfstudio(tmp_path / "transforms.json", cameras, ["a.png"])
    assert not list(tmp_path.iterdir())
    cameras.K[0, 0, 1] = 0.01
    write_nerfstudio(tmp_path / "transforms.json", cameras, ["a.png"])
    assert json.loads((tmp_path / "transforms.json").read_text())["frames"][0]["fl_x"] == 900


def test_a_folder_that_is_no_scene_and_cameras_without_pictures(scene, tmp_path):
    with pytest.raises(InputError, match=r"holds no cameras\.json"):
        export_scene_folder(tmp_path / "set", tmp_path / "out", to="colmap")
    views = read_camera_file(scene / "cameras.json")
    write_cameras(scene / "cameras.json", views.cameras, images=["images/a_view.png", None])
    with pytest.raises(InputError, match="camera b_view has no image"):
        export_scene_folder(scene, tmp_path / "out", to="colmap")
    write_cameras(scene / "cameras.json", views.cameras, images=["images/a_view.png", "images/a_view.png"])
    with pytest.raises(InputError, match="is 160x120, its camera 200x150"):
        export_scene_folder(scene, tmp_path / "out", to="nerfstudio")
    assert not (tmp_path / "out").exists()


def test_the_photograph_of_the_test_is_the_picture(scene):
    np.testing.assert_array_equal(np.asarray(Image.open(scene / "images" / "a_view.png"))[..., 0], photograph(plane_views()[0]))
