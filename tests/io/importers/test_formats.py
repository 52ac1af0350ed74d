from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from recon_cli.core.errors import InputError, UsageError
from recon_cli.io.importers.formats import FORMATS, read_dataset
from recon_cli.io.importers.imported import camera_names
from tests.io.importers.datasets import WRITERS, measured_shift, on_plane, photograph, pixel_grid, plane_views, write_dataset


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("datasets")
    for kind in WRITERS:
        write_dataset(kind, folder / kind)
    return folder


def test_the_picture_of_the_plane_stands_where_the_camera_says():
    for view in plane_views():
        assert np.abs(measured_shift(photograph(view), view)).max() < 0.005
        shifted = type(view)(**{**vars(view), "K": view.integer_K()})
        assert np.abs(measured_shift(photograph(view), shifted)).min() > 0.4  # the harness sees half a pixel


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_comes_back(written, kind):
    name, imported = read_dataset(written / kind)
    assert name == kind.split()[0]
    for index, view in enumerate(plane_views()):
        np.testing.assert_allclose(imported.cameras.K[index].numpy(), view.K, atol=1e-9)
        np.testing.assert_allclose(imported.cameras.camera_from_world[index, :3, :3].numpy(), view.R, atol=1e-12)
        np.testing.assert_allclose(imported.cameras.camera_from_world[index, :3, 3].numpy(), view.t, atol=1e-12)
        assert imported.cameras.size[index].tolist() == list(view.size)
        assert imported.cameras.names[index] == (f"{index:08d}" if kind == "mvsnet" else view.name)
    assert imported.cameras.K.dtype == imported.cameras.camera_from_world.dtype == torch.float64
    assert imported.masks == imported.distortion == imported.depths == (None, None)
    assert all(image.is_file() for image in imported.images)
    assert imported.notes == ()


@pytest.mark.parametrize("kind", WRITERS)
def test_the_plane_takes_pixels_of_one_view_to_the_other(written, kind):
    _, imported = read_dataset(written / kind)
    first, second = plane_views()
    pixels = pixel_grid(first.size).reshape(-1, 2)
    world = on_plane(first, pixels)
    seen, depth = imported.cameras.project(torch.from_numpy(world))
    assert bool((depth > 0).all())
    # Lift with the imported first camera to the plane's depth, and look at it from the imported second camera.
    lifted = imported.cameras[0].unproject(torch.from_numpy(pixels)[None], depth[:1])[0]
    mapped = imported.cameras[1].project(lifted)[0][0].numpy()
    local = world @ second.R.T + second.t
    truth = local[:, :2] / local[:, 2:] * np.diag(second.K)[:2] + second.K[:2, 2]
    assert np.abs(mapped - truth).max() < 0.05
    np.testing.assert_allclose(seen[0].numpy(), pixels, atol=1e-6)


@pytest.mark.parametrize("kind", WRITERS)
def test_another_pixel_convention_may_be_stated(written, kind):
    usual = read_dataset(written / kind)[1].cameras.K[:, :2, 2]
    for first_pixel in (0.0, 0.5):
        stated = read_dataset(written / kind, first_pixel=first_pixel)[1].cameras.K[:, :2, 2]
        expected = usual + FORMATS[kind.split()[0]].first_pixel - first_pixel
        torch.testing.assert_close(stated, expected, rtol=0, atol=1e-9)


def test_a_file_of_the_dataset_may_be_named(written):
    files = {
        "colmap": "sparse/0/images.bin",
        "nerfstudio": "transforms.json",
        "idr": "cameras.npz",
        "mvsnet": "cams/00000001_cam.txt",
        "middlebury": "plane_par.txt",
        "strecha": "a_view.png.camera",
    }
    for kind, file in files.items():
        assert read_dataset(written / kind / file)[0] == kind


def test_unknown_ambiguous_and_wrong_formats(tmp_path, written):
    with pytest.raises(InputError, match="does not exist"):
        read_dataset(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no cameras of a known format.*colmap.*strecha"):
        read_dataset(tmp_path / "empty")
    with pytest.raises(InputError, match="no cameras of idr"):
        read_dataset(written / "colmap", format="idr")
    (tmp_path / "empty" / "cameras.json").write_text("{}")
    with pytest.raises(InputError, match="scene folder already") as caught:
        read_dataset(tmp_path / "empty")
    assert "--to" in str(caught.value.hint)
    both = write_dataset("colmap text", tmp_path / "both")
    WRITERS["nerfstudio"](both, plane_views())
    with pytest.raises(UsageError, match=r"colmap .*nerfstudio"):
        read_dataset(both)
    assert read_dataset(both, format="nerfstudio")[0] == "nerfstudio"


@pytest.mark.parametrize("kind", WRITERS)
def test_a_missing_picture_a_wrong_size_and_a_missing_folder(tmp_path, kind):
    folder = write_dataset(kind, tmp_path / "set")
    victim = sorted(folder.rglob("*.png"))[1]
    kept = victim.read_bytes()
    victim.unlink()
    with pytest.raises(InputError, match=r"1 of 2 cameras have no picture|2 world matrices but 1 pictures"):
        read_dataset(folder)
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / victim.name).write_bytes(kept)
    for picture in folder.rglob("*.png"):
        (tmp_path / "moved" / picture.name).write_bytes(picture.read_bytes())
    assert len(read_dataset(folder, images=tmp_path / "moved")[1].images) == 2
    with pytest.raises(InputError, match="is no folder"):
        read_dataset(folder, images=tmp_path / "nowhere")


@pytest.mark.parametrize("kind", ["colmap", "nerfstudio", "strecha"])
def test_a_picture_of_another_size_than_its_camera(tmp_path, kind):
    folder = write_dataset(kind, tmp_path / "set")
    victim, other = sorted(folder.rglob("*.png"))
    victim.write_bytes(other.read_bytes())
    with pytest.raises(InputError, match="is 200x150, its camera 160x120") as caught:
        read_dataset(folder)
    assert caught.value.path == str(victim)
    assert "--images" in str(caught.value.hint)


@pytest.mark.parametrize("kind", WRITERS)
def test_cameras_all_alike(tmp_path, kind):
    view = plane_views()[0]
    turned = type(view)(**{**vars(view), "name": "b_view", "R": plane_views()[1].R, "t": -plane_views()[1].R @ view.centre})
    folder = write_dataset(kind, tmp_path / "set", [view, turned])
    with pytest.raises(InputError, match="all 2 cameras stand in the same place"):
        read_dataset(folder)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_focal_length_of_zero(tmp_path, kind):
    views = plane_views()
    flat = type(views[0])(**{**vars(views[1]), "K": views[1].K * np.array([[0.0, 1, 1], [1, 1, 1], [1, 1, 1]])})
    pictures = write_dataset(kind, tmp_path / "good")
    folder = tmp_path / "set"
    with pytest.MonkeyPatch.context() as patch:  # its picture cannot be taken
        patch.setattr("tests.io.importers.datasets.write_pictures", lambda *args, **kwargs: None)
        write_dataset(kind, folder, [views[0], flat])
    for picture in pictures.rglob("*.png"):
        target = folder / picture.relative_to(pictures)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(picture.read_bytes())
    with pytest.raises(InputError, match="K is singular"):
        read_dataset(folder)


def test_rounding_below_the_diagonal_of_K_is_removed(tmp_path):
    path = write_dataset("middlebury", tmp_path / "set") / "plane_par.txt"
    before = read_dataset(path)[1].cameras.K
    lines = [line.split() for line in path.read_text().splitlines()]
    lines[1][4], lines[1][9] = "1e-12", "1.0000001"
    path.write_text("\n".join(map(" ".join, lines)))
    after = read_dataset(path)[1].cameras.K
    assert after[0, 1, 0] == 0
    assert after[0, 2].tolist() == [0, 0, 1]
    torch.testing.assert_close(after, before, rtol=2e-7, atol=0)
    lines[1][4] = "0.1"
    path.write_text("\n".join(map(" ".join, lines)))
    with pytest.raises(InputError, match="no calibration matrix"):
        read_dataset(path)


def test_a_principal_point_that_belongs_to_another_size_is_noted(tmp_path):
    views = plane_views()
    quarter = [type(view)(**{**vars(view), "K": np.diag([0.25, 0.25, 1]) @ view.K}) for view in views]
    _, imported = read_dataset(write_dataset("nerfstudio", tmp_path / "set", quarter))
    assert len(imported.notes) == 1
    assert "2 of 2 cameras" in imported.notes[0]


def test_names_stay_unique():
    assert camera_names(["a/1.jpg", "b/2.jpg"]) == ("1", "2")
    assert camera_names(["a/1.jpg", "b\\1.jpg"]) == ("a_1", "b_1")
    assert camera_names(["1.jpg", "1.png"]) == ("1.jpg", "1.png")
    with pytest.raises(InputError, match=r"two cameras have the same picture a_1\.jpg"):
        camera_names(["a/1.jpg", "a/1.jpg", "b/1.jpg"])


def test_masks_are_found_by_either_name(tmp_path):
    folder = write_dataset("colmap", tmp_path / "set")
    (folder / "masks").mkdir()
    (folder / "masks" / "a_view.png.png").write_bytes((folder / "images" / "a_view.png").read_bytes())
    with pytest.raises(InputError, match=r"has no mask of b_view\.png, expected b_view\.png\.png or b_view\.png"):
        read_dataset(folder)
    (folder / "masks" / "b_view.png").write_bytes((folder / "images" / "b_view.png").read_bytes())
    _, imported = read_dataset(folder)
    assert [mask.name for mask in imported.masks if mask] == ["a_view.png.png", "b_view.png"]
    (folder / "none").mkdir()
    with pytest.raises(InputError, match="holds no pictures"):
        read_dataset(folder, masks=folder / "none")


def test_numbered_masks_may_have_fewer_zeros(tmp_path):
    folder = write_dataset("mvsnet", tmp_path / "set")
    (folder / "masks").mkdir()
    for number in ("000", "001"):
        (folder / "masks" / f"{number}.png").write_bytes((folder / "images" / "00000000.png").read_bytes())
    assert [mask.name for mask in read_dataset(folder)[1].masks if mask] == ["000.png", "001.png"]


def test_a_frame_of_json_that_is_no_dataset(tmp_path):
    (tmp_path / "other.json").write_text(json.dumps({"frames": 3}))
    with pytest.raises(InputError, match="no list of frames"):
        read_dataset(tmp_path / "other.json")


def test_numbered_masks_go_by_the_order_of_the_pictures(tmp_path):
    from recon_cli.core.errors import InputError
    from recon_cli.io.importers.pictures import Masks

    (tmp_path / "masks").mkdir()
    for index, name in enumerate(["view2.png", "view10.png", "view9.png"]):
        (tmp_path / name).write_bytes(b"")
        (tmp_path / "masks" / f"{index:06d}.png").write_bytes(b"")
    outlines = Masks(tmp_path / "masks", [], pictures=tmp_path)
    assert [outlines.of(name).stem for name in ("view2.png", "view9.png", "view10.png")] == ["000000", "000001", "000002"]
    (tmp_path / "masks" / "000002.png").unlink()
    with pytest.raises(InputError, match="has no mask of view2"):
        Masks(tmp_path / "masks", [], pictures=tmp_path).of("view2.png")
