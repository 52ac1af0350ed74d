"""Scenes of a user's own: scene folders with depth, and DTU's training folder, against the rig that they were written from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.io.images import write_image
from recon_cli.io.scenes import write_scene
from recon_cli.run.mvs_prior_dtu import dtu_scans, is_dtu
from recon_cli.run.mvs_prior_folders import FolderScenes, JoinedScenes, read_training_scene
from tests.systems.mvs.prior_scenes import small_scene


def write_pfm(path, depth):
    height, width = depth.shape
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(f"Pf\n{width} {height}\n-1.0\n".encode() + np.ascontiguousarray(depth.numpy()[::-1]).astype("<f4").tobytes())


def write_dtu(root, item, scan="scan7_train", factor=2):
    """A scan whose pictures are ``factor`` times as large as its depth maps."""
    cameras = item.scene.cameras
    for view, (image, depth) in enumerate(zip(item.scene.images, item.depths.depth, strict=True)):
        large = image.repeat_interleave(factor, dim=0).repeat_interleave(factor, dim=1)
        picture = root / "Rectified" / scan / f"rect_{view + 1:03d}_3_r5000.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        write_image(picture, large)
        write_pfm(root / "Depths" / scan / f"depth_map_{view:04d}.pfm", depth)
        K = cameras.K[view].clone()
        K[:2, 2] -= 0.5
        rows = ["extrinsic", *(" ".join(map(repr, row)) for row in cameras.camera_from_world[view].tolist()), "", "intrinsic"]
        rows += [*(" ".join(map(repr, row)) for row in K.tolist()), "", "425.0 2.5"]
        camera = root / "Cameras" / "train" / f"{view:08d}_cam.txt"
        camera.parent.mkdir(parents=True, exist_ok=True)
        camera.write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A scene folder and a DTU folder of the same rig."""
    root = tmp_path_factory.mktemp("training")
    item = small_scene()
    write_scene(root / "scene", item.scene, depths=item.depths)
    write_dtu(root / "dtu", item)
    return root


@pytest.mark.parametrize("name", ["scene", "dtu"])
def test_what_was_written_is_read(folders, name):
    expected = small_scene()
    (item,) = FolderScenes([folders / name])
    torch.testing.assert_close(item.scene.cameras.K, expected.scene.cameras.K)
    torch.testing.assert_close(item.scene.cameras.camera_from_world, expected.scene.cameras.camera_from_world)
    for view in range(len(expected.scene)):
        assert torch.equal(item.depths.depth[view], expected.depths.depth[view])
        assert torch.equal(item.scene.images[view], expected.scene.images[view])


def test_thinned_depths_keep_their_rays(folders):
    expected = small_scene()
    item = read_training_scene(folders / "scene", max_size=40)
    assert item.scene.cameras.size[0].tolist() == [37, 37]  # a third of 112
    assert item.scene.images[0].shape == (37, 37, 3)
    depth = item.depths.depth[0]
    row, column = (depth > 0).nonzero()[100].tolist()
    assert depth[row, column] == expected.depths.depth[0][3 * row + 1, 3 * column + 1]
    point = item.scene.cameras[0].unproject(torch.tensor([[[column + 0.5, row + 0.5]]]).double(), torch.ones(1, 1).double())
    same = expected.scene.cameras[0].unproject(torch.tensor([[[3 * column + 1.5, 3 * row + 1.5]]]).double(), torch.ones(1, 1).double())
    torch.testing.assert_close(point, same)
    block = expected.scene.images[0][3 * row : 3 * row + 3, 3 * column : 3 * column + 3].float().mean(dim=(0, 1))
    assert float((item.scene.images[0][row, column] - block).abs().max()) <= 0.51


def test_joined_scenes_count_through(folders):
    joined = JoinedScenes(FolderScenes([folders / "scene"]), FolderScenes([folders / "dtu"]))
    assert len(joined) == 2
    assert len(joined[1].scene) == 7
    with pytest.raises(IndexError):
        joined[2]


def test_scenes_without_depth_are_refused_before_anything_is_read(tmp_path, folders):
    for name in ("images", "depth"):
        (tmp_path / "bare" / name).mkdir(parents=True)
    with pytest.raises(InputError, match="no scene to train on"):
        FolderScenes([folders / "scene", tmp_path / "bare"])
    with pytest.raises(InputError, match="no scene to train on"):
        FolderScenes([tmp_path / "nothing"])


def test_dtu_without_common_scans_is_refused(tmp_path):
    for name in ("Cameras/train", "Rectified/scan1_train", "Depths/scan2_train"):
        (tmp_path / name).mkdir(parents=True)
    assert is_dtu(tmp_path)
    with pytest.raises(InputError, match="no scan that is both"):
        dtu_scans(tmp_path)


def test_dtu_cameras_of_another_size_are_refused(tmp_path):
    write_dtu(tmp_path, small_scene())
    path = tmp_path / "Cameras" / "train" / "00000002_cam.txt"
    K = small_scene().scene.cameras.K[2]
    cx = repr(float(K[0, 2]) - 0.5)
    path.write_text(path.read_text().replace(cx, repr(4 * float(K[0, 2]))))
    with pytest.raises(InputError, match="far from the middle"):
        FolderScenes([tmp_path])[0]


def test_dtu_views_without_picture_are_left_out_and_one_is_too_few(tmp_path):
    write_dtu(tmp_path, small_scene())
    pictures = sorted((tmp_path / "Rectified" / "scan7_train").iterdir())
    pictures[3].unlink()
    assert len(FolderScenes([tmp_path])[0].scene) == 6
    for picture in pictures[:3] + pictures[4:6]:
        picture.unlink()
    with pytest.raises(InputError, match="1 views"):
        FolderScenes([tmp_path])[0]
