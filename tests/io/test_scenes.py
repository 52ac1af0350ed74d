from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError, UsageError
from recon_cli.core.points import PointSet
from recon_cli.core.scene import Scene
from recon_cli.io import scenes
from recon_cli.io.depth_folders import read_depth_maps
from recon_cli.io.images import read_mask, write_image
from recon_cli.io.scenes import read_scene, write_scene

SIZES = ((40, 30), (24, 32), (40, 30))
NAMES = ("a", "b.left", "c 3")
SCAN24 = Path(__file__).parents[2] / "../shared/data/dtu_scan24"


def cameras() -> Cameras:
    K = torch.tensor([[[50.0 + i, 0, w / 2], [0, 50, h / 2], [0, 0, 1]] for i, (w, h) in enumerate(SIZES)], dtype=torch.float64)
    poses = torch.eye(4, dtype=torch.float64).repeat(3, 1, 1)
    poses[:, 0, 3] = torch.tensor([0.0, 0.1, 0.25])
    return Cameras(K, poses, torch.tensor(SIZES), NAMES)


def scene(*, has_masks: bool = True) -> Scene:
    generator = torch.Generator().manual_seed(0)
    images = tuple(torch.randint(0, 256, (h, w, 3), generator=generator, dtype=torch.uint8) for w, h in SIZES)
    masks = tuple(torch.zeros(h, w, dtype=torch.bool) for w, h in SIZES)
    for mask in masks:
        mask[5:21, 4:17] = True
    points = PointSet(torch.rand(7, 3, generator=generator))
    return Scene(cameras(), images, masks if has_masks else None, points, torch.tensor([[-1.0, -1, 1], [1, 1, 3]], dtype=torch.float64))


@pytest.fixture
def folder(tmp_path) -> Path:
    write_scene(tmp_path / "scene", scene())
    return tmp_path / "scene"


def change(folder: Path, *path, value) -> None:
    document = json.loads((folder / "cameras.json").read_text())
    place = document
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    (folder / "cameras.json").write_text(json.dumps(document))


def test_what_is_written_comes_back(tmp_path):
    depth = tuple(torch.rand(h, w) for w, h in SIZES)
    write_scene(tmp_path, scene(), depths=DepthMaps(cameras(), depth))
    for path in (tmp_path, tmp_path / "cameras.json"):
        back = read_scene(path)
        assert back.cameras.names == NAMES
        assert torch.equal(back.cameras.K, cameras().K)
        assert all(torch.equal(a, b) for a, b in zip(back.images, scene().images, strict=True))
        assert all(torch.equal(a, b) for a, b in zip(back.masks, scene().masks, strict=True))
        assert torch.equal(back.points.points, scene().points.points)
        assert torch.equal(back.bounds, scene().bounds)
    maps = read_depth_maps(tmp_path, back.cameras)
    assert all(torch.equal(a, b) for a, b in zip(maps.depth, depth, strict=True))


def test_jpeg_and_no_masks(tmp_path):
    write_scene(tmp_path, replace(scene(has_masks=False), points=None, bounds=None), suffix="jpg")
    back = read_scene(tmp_path)
    assert back.masks is None
    assert back.points is None
    assert back.bounds is None
    assert (tmp_path / "images" / "b.left.jpg").exists()


def with_alpha(folder: Path, index: int, alpha: np.ndarray) -> None:
    """Write the picture of a camera again, with this alpha channel."""
    picture = scene().images[index].numpy()
    Image.fromarray(np.concatenate([picture, alpha[..., None]], axis=-1)).save(folder / "images" / f"{NAMES[index]}.png")


def test_alpha_is_the_mask_where_there_are_no_masks(tmp_path):
    write_scene(tmp_path, scene(has_masks=False))
    soft = np.full((30, 40), 127, dtype=np.uint8)
    soft[:9] = 128
    with_alpha(tmp_path, 0, soft)
    with_alpha(tmp_path, 1, np.full((32, 24), 255, dtype=np.uint8))
    notes = []
    back = read_scene(tmp_path, note=notes.append)
    assert notes == ["1 of 3 pictures are transparent in places: without masks/, their alpha channels are the masks"]
    assert back.masks is not None
    assert torch.equal(back.masks[0], torch.from_numpy(soft == 128))
    assert all(bool(mask.all()) for mask in back.masks[1:])
    assert torch.equal(back.images[0], scene().images[0])
    assert int(read_scene(tmp_path, max_size=20).masks[0].sum()) == 20 * 5  # a row of which half is inside counts


def test_opaque_alpha_is_no_mask(tmp_path):
    write_scene(tmp_path, scene(has_masks=False))
    with_alpha(tmp_path, 0, np.full((30, 40), 255, dtype=np.uint8))
    assert read_scene(tmp_path).masks is None


def test_masks_go_before_alpha(folder):
    with_alpha(folder, 0, np.zeros((30, 40), dtype=np.uint8))
    back = read_scene(folder, note=lambda text: pytest.fail(text))
    assert all(torch.equal(a, b) for a, b in zip(back.masks, scene().masks, strict=True))


def test_views_without_anything_inside_are_skipped_on_request(folder, monkeypatch):
    write_image(folder / "masks" / "a.png", np.zeros((30, 40), dtype=np.uint8))
    with pytest.raises(InputError, match="the mask of camera 'a' is empty"):
        read_scene(folder)
    read = []
    monkeypatch.setattr(scenes, "read_mask", lambda path: read.append(path) or read_mask(path))
    skipped = {}
    assert read_scene(folder, skip=skipped.__setitem__).cameras.names == NAMES[1:]
    assert skipped == {"a": "its mask is empty"}
    assert len(read) == 3


def test_files_are_found_by_name_where_the_record_is_silent(folder):
    for index in range(3):
        change(folder, "cameras", index, "image", value=None)
        change(folder, "cameras", index, "mask", value=None)
    back = read_scene(folder)
    assert all(torch.equal(a, b) for a, b in zip(back.images, scene().images, strict=True))
    assert back.masks is not None
    write_image(folder / "images" / "a.jpg", scene().images[0])
    with pytest.raises(InputError, match=r"a\.jpg and a\.png for camera 'a'"):
        read_scene(folder)


def test_shrinking_keeps_rays_colours_and_majorities(tmp_path):
    """A ramp stays the same ramp over the picture; a mask keeps the pixels of which at least half is inside."""
    ramp = [torch.linspace(0, 250, w).round().to(torch.uint8)[None, :, None].expand(h, w, 3).contiguous() for w, h in SIZES]
    write_scene(tmp_path, replace(scene(), images=tuple(ramp)))
    back = read_scene(tmp_path, max_size=20)
    assert back.cameras.size.tolist() == [[20, 15], [15, 20], [20, 15]]
    point = torch.tensor([[0.05, 0.02, 2.0]], dtype=torch.float64)
    before, after = cameras().project(point)[0], back.cameras.project(point)[0]
    assert torch.allclose(after[:, 0] * torch.tensor(SIZES) / back.cameras.size, before[:, 0])
    column = torch.arange(20) + 0.5
    expected = 250 * (2 * column - 0.5) / 39
    assert torch.allclose(back.images[0][7, 2:-2, 0].double(), expected[2:-2].double(), atol=1.1)
    # Rows 5 to 20 and columns 4 to 16 are inside: 9 rows and 7 columns at half size, but for two corners of a quarter.
    assert int(back.masks[0].sum()) == 9 * 7 - 2
    assert torch.equal(read_scene(tmp_path, max_size=40).images[0], ramp[0])


def test_views_left_out(folder):
    back = read_scene(folder, leave_out=["a"])
    assert back.cameras.names == NAMES[1:]
    assert torch.equal(back.images[0], scene().images[1])
    with pytest.raises(InputError, match=r"no camera 'b\.lef' to leave out") as caught:
        read_scene(folder, leave_out=["b.lef"])
    assert "b.left" in str(caught.value.hint)
    with pytest.raises(InputError, match="all 3 cameras are left out"):
        read_scene(folder, leave_out=NAMES)


def test_a_camera_without_an_image(folder):
    (folder / "images" / "b.left.png").unlink()
    with pytest.raises(InputError, match=r"3 cameras but 2 images; there is none for b\.left"):
        read_scene(folder)
    assert len(read_scene(folder, leave_out=["b.left"])) == 2


def test_a_named_picture_that_is_gone_is_asked_for_by_its_name(folder):
    record = json.loads((folder / "cameras.json").read_text())
    record["cameras"][1]["image"] = "images/b.left.jpg"
    (folder / "cameras.json").write_text(json.dumps(record))
    (folder / "images" / "b.left.png").unlink()
    with pytest.raises(InputError, match="there is none for") as caught:
        read_scene(folder)
    assert "b.left.jpg" in str(caught.value.hint)


def test_a_picture_that_is_not_its_cameras_size(folder):
    write_image(folder / "images" / "c 3.png", np.zeros((30, 41, 3), np.uint8))
    with pytest.raises(InputError, match=r"picture of camera 'c 3' is 41x30, its camera 40x30"):
        read_scene(folder)


def test_a_mask_that_is_not_its_cameras_size_is_empty_or_missing(folder):
    write_image(folder / "masks" / "a.png", np.zeros((15, 20), np.uint8))
    with pytest.raises(InputError, match=r"mask of camera 'a' is 20x15"):
        read_scene(folder)
    write_image(folder / "masks" / "a.png", np.full((30, 40), 127, np.uint8))
    with pytest.raises(InputError, match="mask of camera 'a' is empty"):
        read_scene(folder)
    (folder / "masks" / "a.png").unlink()
    with pytest.raises(InputError, match=r"3 cameras but 2 masks; there is none for a"):
        read_scene(folder)


def test_a_corrupt_jpeg(tmp_path):
    write_scene(tmp_path, scene(), suffix="jpg")
    data = (tmp_path / "images" / "a.jpg").read_bytes()
    (tmp_path / "images" / "a.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"images/a\.jpg"):
        read_scene(tmp_path)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("cameras", 1, "K", 0, 0), 0.0, "a positive number"),
        (("cameras", 1, "name"), "a", "both named 'a'"),
        (("cameras", 1, "name"), "../a", "part of a file name"),
        (("bounds",), [[0, 0, 0], [1, 1]], "bounds"),
    ],
)
def test_records_that_are_not_valid(folder, path, value, said):
    change(folder, *path, value=value)
    with pytest.raises(InputError, match=said):
        read_scene(folder)


def test_cameras_all_alike(folder):
    for index in range(3):
        change(folder, "cameras", index, "camera_from_world", 0, 3, value=0.5)
    with pytest.raises(InputError, match="all 3 cameras stand in one place"):
        read_scene(folder)


def test_no_scene(tmp_path):
    with pytest.raises(InputError, match=r"has no cameras\.json") as caught:
        read_scene(tmp_path)
    assert "recon prepare cameras" in str(caught.value.hint)
    with pytest.raises(InputError, match="does not exist"):
        read_scene(tmp_path / "nothing")
    write_scene(tmp_path, scene())
    with pytest.raises(UsageError, match="at least 1"):
        read_scene(tmp_path, max_size=0)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(not SCAN24.is_dir(), reason="needs scan24 in ../shared/data")
def test_49_pictures_at_half_size_in_seconds(tmp_path):
    names = tuple(f"{i:06d}" for i in range(49))
    poses = torch.eye(4, dtype=torch.float64).repeat(49, 1, 1)
    poses[:, 0, 3] = torch.arange(49)
    K = torch.tensor([[2900.0, 0, 800], [0, 2900, 600], [0, 0, 1]], dtype=torch.float64).expand(49, 3, 3)
    (tmp_path / "images").symlink_to(SCAN24.resolve() / "images")
    (tmp_path / "masks").mkdir()
    for i, name in enumerate(names):
        (tmp_path / "masks" / f"{name}.png").symlink_to(SCAN24.resolve() / "mask" / f"{i:03d}.png")
    from recon_cli.io.cameras import write_cameras

    write_cameras(tmp_path / "cameras.json", Cameras(K, poses, torch.tensor([[1600, 1200]] * 49), names))
    began = time.process_time()
    back = read_scene(tmp_path, max_size=800)
    assert time.process_time() - began < 8  # two cores
    assert back.cameras.size[0].tolist() == [800, 600]
    assert 0.5 < float(back.masks[0].double().mean()) < 0.8
