from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.points import PointSet
from recon_cli.io.importers.formats import read_dataset
from recon_cli.io.importers.nerfstudio import read_nerfstudio
from recon_cli.io.points import write_points
from tests.io.importers.datasets import plane_views, write_dataset


@pytest.fixture
def path(tmp_path) -> Path:
    return write_dataset("nerfstudio", tmp_path / "set") / "transforms.json"


def change(path: Path, frame: int | None, **values: Any) -> None:
    document = json.loads(path.read_text())
    place = document if frame is None else document["frames"][frame]
    for key, value in values.items():
        if value is None:
            place.pop(key, None)
        else:
            place[key] = value
    path.write_text(json.dumps(document))


def test_frames_inherit_from_the_top(path):
    first = json.loads(path.read_text())["frames"][0]
    shared = {key: first[key] for key in ("fl_x", "fl_y", "cx", "cy", "w", "h")}
    change(path, 0, **dict.fromkeys(shared))
    change(path, None, **shared)
    imported = read_nerfstudio(path)
    for index, view in enumerate(plane_views()):
        np.testing.assert_allclose(imported.cameras.K[index].numpy(), view.K, atol=1e-12)


def test_the_angle_of_view_gives_a_focal_length(path):
    change(path, 0, fl_x=None, fl_y=None, cx=None, cy=None, w=None, h=None, camera_angle_x=2 * math.atan(80 / 190.0))
    K = read_nerfstudio(path).cameras.K[0]
    torch.testing.assert_close(K, torch.tensor([[190.0, 0, 80], [0, 190, 60], [0, 0, 1]], dtype=torch.float64))


def test_a_suffix_may_be_left_out(path):
    change(path, 0, file_path="images/a_view")
    assert read_nerfstudio(path).images[0] == path.parent / "images" / "a_view.png"


def test_blenders_data_sets_are_found(path):
    path.rename(path.parent / "transforms_train.json")
    assert read_dataset(path.parent)[0] == "nerfstudio"


def test_points_and_masks_are_named_by_the_file(path):
    cloud = PointSet(torch.tensor([[0.1, 0.2, 0.3]], dtype=torch.float64))
    write_points(path.parent / "sparse_pc.ply", cloud)
    change(path, None, ply_file_path="sparse_pc.ply")
    change(path, 1, mask_path="images/b_view.png")
    imported = read_nerfstudio(path)
    assert imported.points is not None
    assert torch.equal(imported.points.points, cloud.points)
    assert imported.masks == (None, path.parent / "images" / "b_view.png")


def test_pictures_of_a_given_folder_are_found_by_their_names_alone(path):
    change(path, 0, file_path="/elsewhere/a_view.png")
    assert read_nerfstudio(path, images=path.parent / "images").images[0] == path.parent / "images" / "a_view.png"


def test_lenses_are_read(path):
    change(path, 0, k1=0.1, k2=0.2, k3=0.3, k4=0.4, p1=0.5, p2=0.6)
    change(path, 1, camera_model="OPENCV_FISHEYE", k1=0.0)
    first, second = read_nerfstudio(path).distortion
    assert first is not None
    assert (first.is_fisheye, first.radial, first.tangential) == (False, (0.1, 0.2, 0.3, 0.4), (0.5, 0.6))
    assert second is not None
    assert second.is_fisheye
    change(path, 0, camera_model="PINHOLE")
    assert read_nerfstudio(path).distortion[0] is None


@pytest.mark.parametrize(
    ("frame", "values", "words"),
    [
        (0, {"camera_model": "EQUIRECTANGULAR"}, "EQUIRECTANGULAR"),
        (0, {"camera_model": ["PINHOLE"]}, "camera model"),
        (1, {"fl_x": "long"}, r"frames\[1\].fl_x is 'long'"),
        (1, {"fl_x": None}, r"frames\[1\].fl_x is missing"),
        (1, {"k1": True}, r"frames\[1\].k1 is True"),
        (1, {"fl_y": 10**400}, r"frames\[1\].fl_y"),
        (0, {"w": 160.5}, r"frames\[0\].w is 160.5, expected a whole number"),
        (0, {"file_path": 3}, r"frames\[0\].file_path is 3"),
        (0, {"file_path": None}, r"frames\[0\].file_path is missing"),
        (0, {"file_path": "images/c_view.png"}, r"1 of 2 cameras have no picture; the first is images/c_view.png"),
        (0, {"mask_path": "masks/a.png"}, r"frames\[0\].mask_path names .*masks/a.png, which does not exist"),
        (1, {"file_path": "../b_view.png"}, r"frames\[1\].file_path names '\.\./b_view.png', which lies outside of"),
        (1, {"file_path": "/b_view.png"}, r"frames\[1\].file_path names '/b_view.png', which lies outside of"),
        (0, {"mask_path": "images/../../a.png"}, r"frames\[0\].mask_path names .*a.png', which lies outside of"),
        (None, {"ply_file_path": "..\\sparse.ply"}, "ply_file_path names .*sparse.ply', which lies outside of"),
        (0, {"transform_matrix": None}, r"frames\[0\].transform_matrix is missing"),
        (0, {"transform_matrix": [[1, 2], [3, 4]]}, "expected 4 rows of 4 finite numbers"),
        (0, {"transform_matrix": [["a"] * 4] * 4}, "expected 4 rows of 4 finite numbers"),
        (0, {"transform_matrix": [[0] * 4] * 3 + [[0, 0, 0, 1]]}, "expected a rotation and a translation"),
        (0, {"transform_matrix": (np.eye(4) * 2).tolist()}, "expected a last row of 0, 0, 0, 1"),
        (0, {"transform_matrix": np.diag([2, 2, 2, 1]).tolist()}, "no rotation"),
        (0, {"transform_matrix": np.diag([1, 1, -1, 1]).tolist()}, "no rotation"),
        (None, {"frames": [3]}, "no list of frames"),
        (None, {"frames": []}, "no cameras"),
        (None, {"ply_file_path": "sparse.ply"}, "does not exist"),
        (None, {"ply_file_path": 7}, "ply_file_path is 7"),
    ],
)
def test_faults_are_named(path, frame, values, words):
    change(path, frame, **values)
    with pytest.raises(InputError, match=words):
        read_nerfstudio(path)


def test_nan_is_no_json_number(path):
    path.write_text(path.read_text().replace('"fl_x": 190.0', '"fl_x": NaN'))
    with pytest.raises(InputError, match="NaN is not a JSON number"):
        read_nerfstudio(path)
