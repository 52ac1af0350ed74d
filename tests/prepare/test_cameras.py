from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recon_cli.core.errors import InputError
from recon_cli.io.cameras import read_camera_file
from recon_cli.io.exr import read_depth
from recon_cli.io.images import image_size, read_frame, read_mask
from recon_cli.io.importers.formats import read_dataset
from recon_cli.io.importers.pfm import write_pfm
from recon_cli.io.points import read_points
from recon_cli.prepare.cameras import Written, write_scene_folder
from tests.io.importers.datasets import WRITERS, PlaneView, measured_shift, photograph, plane_views, write_dataset

SCAN24 = Path(__file__).parents[2] / "../shared/data/dtu_scan24"


def prepared(source: Path, out: Path, **options) -> Written:
    return write_scene_folder(read_dataset(source)[1], out, **options)


def radial(k1: float, k2: float):
    return lambda points: points * (1 + k1 * (points**2).sum(-1, keepdims=True) + k2 * (points**2).sum(-1, keepdims=True) ** 2)


def fisheye(k1: float):
    def bend(points: np.ndarray) -> np.ndarray:
        r = np.linalg.norm(points, axis=-1, keepdims=True)
        angle = np.arctan(r)
        return points * angle * (1 + k1 * angle**2) / r

    return bend


@pytest.mark.parametrize("kind", WRITERS)
def test_the_scene_folder_shows_the_plane_where_its_cameras_say(tmp_path, kind):
    written = prepared(write_dataset(kind, tmp_path / "set"), tmp_path / "scene")
    assert (written.views, written.masks, written.straightened) == (2, 0, 0)
    scene = read_camera_file(tmp_path / "scene" / "cameras.json")
    for index, view in enumerate(plane_views()):
        image = scene.images[index]
        assert image is not None
        assert image.parent == tmp_path / "scene" / "images"
        K = scene.cameras.K[index].numpy()
        pose = scene.cameras.camera_from_world[index].numpy()
        width, height = scene.cameras.size[index].tolist()
        seen = PlaneView(view.name, K, pose[:3, :3], pose[:3, 3], (width, height))
        assert np.abs(measured_shift(read_frame(image)[..., 0].numpy(), seen)).max() < 0.05


def distort_cameras(folder: Path, kind: str) -> None:
    """Give both cameras of a dataset the lenses of ``lens_views``."""
    if kind == "nerfstudio":
        document = json.loads((folder / "transforms.json").read_text())
        document["frames"][0].update(k1=-0.18, k2=0.05)
        document["frames"][1].update(camera_model="OPENCV_FISHEYE", k1=0.04)
        (folder / "transforms.json").write_text(json.dumps(document))
        return
    path = folder / "sparse" / "0" / "cameras.txt"
    lines = path.read_text().splitlines()
    lines[1] = lines[1].replace("PINHOLE", "OPENCV") + " -0.18 0.05 0 0"
    lines[2] = lines[2].replace("PINHOLE", "OPENCV_FISHEYE") + " 0.04 0 0 0"
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("kind", ["colmap text", "nerfstudio"])
def test_lenses_are_straightened_to_within_a_twentieth_of_a_pixel(tmp_path, kind):
    bends = (radial(-0.18, 0.05), fisheye(0.04))
    views = [PlaneView(**{**vars(view), "bend": bend}) for view, bend in zip(plane_views(), bends)]
    folder = write_dataset(kind, tmp_path / "set", views)
    distort_cameras(folder, kind)
    (folder / "masks").mkdir()
    for name in ("a_view.png", "b_view.png"):
        width, height = image_size(folder / "images" / name)
        mask = np.zeros((height, width), np.uint8)
        mask[: height // 2] = 255
        Image.fromarray(mask).save(folder / "masks" / name)
    imported = read_dataset(folder, masks=folder / "masks")[1]
    written = write_scene_folder(imported, tmp_path / "scene", link=True)
    assert (written.straightened, written.masks) == (2, 2)
    scene = read_camera_file(tmp_path / "scene" / "cameras.json")
    for index, view in enumerate(views):
        K, pose = scene.cameras.K[index].numpy(), scene.cameras.camera_from_world[index].numpy()
        width, height = scene.cameras.size[index].tolist()
        assert np.diag(K).tolist() == np.diag(view.K).tolist()
        image, mask = scene.images[index], scene.masks[index]
        assert image is not None
        assert mask is not None
        assert not image.is_symlink()
        assert image_size(image) == image_size(mask) == (width, height)
        seen = PlaneView(view.name, K, pose[:3, :3], pose[:3, 3], (width, height))
        assert np.abs(measured_shift(read_frame(image)[..., 0].numpy(), seen)).max() < 0.05
        assert 0.3 < float((read_mask(mask) > 0).double().mean()) < 0.7


def test_points_bounds_and_depth_go_along(tmp_path):
    written = prepared(write_dataset("colmap", tmp_path / "colmap"), tmp_path / "a")
    assert written.points == 2
    assert read_points(tmp_path / "a" / "points.ply").points.tolist() == [[0.5, -0.25, 5.125], [1, 2, 3]]
    assert read_camera_file(tmp_path / "a" / "cameras.json").bounds is None
    prepared(write_dataset("idr", tmp_path / "idr"), tmp_path / "b")
    bounds = read_camera_file(tmp_path / "b" / "cameras.json").bounds
    assert bounds is not None
    assert bounds.tolist() == [[-1.5, -3, 3], [2.5, 1, 7]]
    box = torch.tensor([[0.0, 1, 2], [3, 4, 5]])
    prepared(tmp_path / "idr", tmp_path / "c", bounds=box)
    bounds = read_camera_file(tmp_path / "c" / "cameras.json").bounds
    assert bounds is not None
    assert bounds.tolist() == box.tolist()


def test_depth_maps_that_fit_become_exr(tmp_path):
    folder = write_dataset("mvsnet", tmp_path / "set")
    (folder / "depths").mkdir()
    depth = torch.rand(120, 160)
    unseen = torch.tensor([torch.nan, torch.inf, -1.0])
    write_pfm(folder / "depths" / "00000000.pfm", torch.cat([unseen.expand(120, 3), depth[:, 3:]], dim=1))
    depth[:, :3] = 0
    write_pfm(folder / "depths" / "00000001.pfm", torch.rand(37, 50))
    written = prepared(folder, tmp_path / "scene")
    assert written.depth_maps == 1
    assert "1 of 2 depth maps were left out" in written.notes[0]
    assert torch.equal(read_depth(tmp_path / "scene" / "depth" / "00000000.exr"), depth)


def test_copies_and_links(tmp_path):
    folder = write_dataset("middlebury", tmp_path / "set")
    prepared(folder, tmp_path / "copies")
    prepared(folder, tmp_path / "links", link=True)
    for name in ("a_view.png", "b_view.png"):
        copy, made = (tmp_path / kind / "images" / name for kind in ("copies", "links"))
        assert not copy.is_symlink()
        assert copy.read_bytes() == (folder / name).read_bytes()
        assert made.is_symlink()
        assert os.path.samefile(made, folder / name)


def test_a_view_without_a_mask_gets_a_white_one_where_others_have_theirs(tmp_path):
    folder = write_dataset("nerfstudio", tmp_path / "set")
    Image.new("L", (160, 120), 0).save(folder / "mask.png")
    document = json.loads((folder / "transforms.json").read_text())
    document["frames"][0]["mask_path"] = "mask.png"
    (folder / "transforms.json").write_text(json.dumps(document))
    assert prepared(folder, tmp_path / "scene").masks == 2
    masks = read_camera_file(tmp_path / "scene" / "cameras.json").masks
    assert [read_mask(mask).unique().tolist() for mask in masks if mask is not None] == [[0], [255]]


def test_links_into_the_folder_that_is_replaced(tmp_path):
    folder = write_dataset("middlebury", tmp_path / "set")
    prepared(folder, tmp_path / "scene")
    again = read_dataset(folder, images=tmp_path / "scene" / "images")[1]
    with pytest.raises(InputError, match="no link to it can stay"):
        write_scene_folder(again, tmp_path / "scene", link=True, overwrite=True)
    write_scene_folder(again, tmp_path / "scene", overwrite=True)
    assert read_frame(tmp_path / "scene" / "images" / "a_view.png").shape == (120, 160, 3)


def broken(folder: Path, tmp_path: Path, words: str) -> InputError:
    with pytest.raises(InputError, match=words) as caught:
        prepared(folder, tmp_path / "scene")
    assert not (tmp_path / "scene").exists()
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]
    return caught.value


def test_a_jpeg_cut_short_leaves_no_folder(tmp_path):
    folder = write_dataset("nerfstudio", tmp_path / "set")
    victim = folder / "images" / "b_view.png"
    Image.open(victim).save(folder / "images" / "b_view.jpg")
    text = (folder / "transforms.json").read_text().replace("b_view.png", "b_view.jpg")
    (folder / "transforms.json").write_text(text)
    data = (folder / "images" / "b_view.jpg").read_bytes()
    (folder / "images" / "b_view.jpg").write_bytes(data[: len(data) // 2])
    error = broken(folder, tmp_path, "cannot be read as a picture")
    assert error.path == str(folder / "images" / "b_view.jpg")


def test_a_mask_of_another_size(tmp_path):
    folder = write_dataset("colmap", tmp_path / "set")
    (folder / "masks").mkdir()
    for name, size in (("a_view.png", (160, 120)), ("b_view.png", (160, 120))):
        Image.new("L", size, 255).save(folder / "masks" / name)
    error = broken(folder, tmp_path, "is a mask of 160x120, its camera 200x150")
    assert error.path == str(folder / "masks" / "b_view.png")


def test_a_lens_that_cannot_be_straightened(tmp_path):
    folder = write_dataset("colmap text", tmp_path / "set")
    path = folder / "sparse" / "0" / "cameras.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1].replace("PINHOLE", "OPENCV") + " -900 0 0 0", lines[2]]))
    error = broken(folder, tmp_path, "the distortion leaves")
    assert "colmap image_undistorter" in str(error.hint)


def test_an_earlier_scene_is_replaced_only_when_asked(tmp_path):
    folder = write_dataset("middlebury", tmp_path / "set")
    prepared(folder, tmp_path / "scene")
    with pytest.raises(InputError, match="is not empty"):
        prepared(folder, tmp_path / "scene")
    prepared(folder, tmp_path / "scene", overwrite=True)
    (tmp_path / "scene" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds notes\.txt"):
        prepared(folder, tmp_path / "scene", overwrite=True)


def test_a_picture_with_an_orientation_is_taken_as_the_sensor_saw_it(tmp_path):
    """Calibrations are made on the stored pixels; a viewer, and this project, would turn the picture."""
    folder = write_dataset("nerfstudio", tmp_path / "set")
    exif = Image.Exif()
    exif[0x0112] = 6
    path = folder / "images" / "a_view.png"
    Image.fromarray(np.asarray(Image.open(path))).save(path, exif=exif)
    assert image_size(path) == (120, 160)
    prepared(folder, tmp_path / "scene", link=True)
    scene = read_camera_file(tmp_path / "scene" / "cameras.json")
    assert scene.cameras.size[0].tolist() == [160, 120]
    assert scene.images[0] is not None
    np.testing.assert_array_equal(read_frame(scene.images[0])[..., 0].numpy(), photograph(plane_views()[0]))


def test_the_same_dataset_gives_the_same_bytes(tmp_path):
    folder = write_dataset("colmap", tmp_path / "set")
    for name in ("a", "b"):
        prepared(folder, tmp_path / name)
    for path in sorted((tmp_path / "a").rglob("*.*")):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(not SCAN24.exists(), reason="needs the real scan24 in ../shared/data")
def test_the_real_scan_takes_a_few_seconds(tmp_path):
    start = time.perf_counter()
    assert prepared(SCAN24, tmp_path / "scene") == Written(49, 49, 0, 0, 0, ())
    assert time.perf_counter() - start < 20
