from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.io.importers.colmap import find_colmap, read_colmap
from recon_cli.io.importers.colmap_models import MODELS, lens
from tests.io.importers.datasets import write_dataset


@pytest.fixture(params=["colmap", "colmap text"])
def sparse(request, tmp_path) -> Path:
    return write_dataset(request.param, tmp_path / "set") / "sparse" / "0"


def test_points_come_with_their_colours(sparse):
    points = read_colmap(sparse).points
    assert points is not None
    assert points.points.tolist() == [[0.5, -0.25, 5.125], [1, 2, 3]]
    assert points.colors is not None
    assert torch.equal((points.colors * 255).round().to(torch.int), torch.tensor([[255, 128, 0], [0, 0, 51]], dtype=torch.int))


def test_a_model_may_have_no_points(sparse):
    next(sparse.glob("points3D.*")).unlink()
    assert read_colmap(sparse).points is None


@pytest.mark.parametrize("name", ["cameras", "images", "points3D"])
def test_binaries_cut_short_anywhere_are_refused(tmp_path, name):
    sparse = write_dataset("colmap", tmp_path / "set") / "sparse" / "0"
    path = sparse / f"{name}.bin"
    whole = path.read_bytes()
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"middle of a record|has room for at most|name does not end") as caught:
            read_colmap(sparse)
        assert caught.value.path == str(path)


@pytest.mark.parametrize("count", [3, 10**6, 2**63, 2**64 - 1])
@pytest.mark.parametrize(
    ("name", "offset"), [("cameras", 0), ("images", 0), ("images", 8 + 64 + 11), ("points3D", 0), ("points3D", 8 + 43)]
)
def test_hostile_counts_are_refused_at_once(tmp_path, count, name, offset):
    sparse = write_dataset("colmap", tmp_path / "set") / "sparse" / "0"
    data = bytearray((sparse / f"{name}.bin").read_bytes())
    data[offset : offset + 8] = struct.pack("<Q", count)
    (sparse / f"{name}.bin").write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"announces|middle of a record|name does not end|length"):
        read_colmap(sparse)


def test_any_byte_changed_is_read_or_refused(tmp_path):
    sparse = write_dataset("colmap", tmp_path / "set") / "sparse" / "0"
    generator = np.random.default_rng(0)
    for name in ("cameras", "images", "points3D"):
        path = sparse / f"{name}.bin"
        whole = path.read_bytes()
        for _ in range(40):
            data = bytearray(whole)
            data[generator.integers(len(data))] = generator.integers(256)
            path.write_bytes(bytes(data))
            try:
                imported = read_colmap(sparse)
            except InputError:
                continue
            assert bool(torch.isfinite(imported.cameras.K).all())
        path.write_bytes(whole)


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("cameras", "PINHOLE", "FOV", "model FOV"),
        ("cameras", "PINHOLE", "RAD_TAN_THIN_PRISM_FISHEYE", "model RAD_TAN"),
        ("cameras", "PINHOLE", "OPENCV", "OPENCV has 4 parameters, expected 8"),
        ("cameras", "190.0", "nan", "'nan', expected a finite number"),
        ("cameras", "160", "160.5", "'160.5', expected a whole number"),
        ("cameras", "7 PINHOLE", "70 PINHOLE", "is of camera 7, which the cameras file lacks"),
        ("images", "a_view.png", "", "holds 9 words"),
        ("images", "a_view.png", "../images/a_view.png", r"view names '\.\./images/a_view.png', which lies outside of"),
        ("images", "a_view.png", "/etc/a_view.png", "view names '/etc/a_view.png', which lies outside of"),
        ("images", "9 0.", "9 1.", "quaternion of length"),
        ("points3D", "5.125", "inf", "'inf', expected a finite number"),
        ("points3D", "4 1 2 3 0 0 51 0.1", "4 1 2", "holds 3 words"),
    ],
)
def test_faults_in_text_are_named(tmp_path, name, old, new, words):
    sparse = write_dataset("colmap text", tmp_path / "set") / "sparse" / "0"
    path = sparse / f"{name}.txt"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=words):
        read_colmap(sparse)


@pytest.mark.parametrize(("number", "name"), [(7, "FOV"), (11, "RAD_TAN_THIN_PRISM_FISHEYE"), (99, "number 99"), (-1, "number -1")])
def test_a_model_that_is_not_read_says_what_to_run(tmp_path, number, name):
    sparse = write_dataset("colmap", tmp_path / "set") / "sparse" / "0"
    data = bytearray((sparse / "cameras.bin").read_bytes())
    data[12:16] = struct.pack("<i", number)
    (sparse / "cameras.bin").write_bytes(bytes(data))
    with pytest.raises(InputError, match=f"model {name}") as caught:
        read_colmap(sparse)
    assert "colmap image_undistorter" in str(caught.value.hint)


def test_every_model_has_its_parameters_in_the_right_place():
    for number, (name, names) in MODELS.items():
        values = [100.0 + index for index in range(len(names))]
        K, distortion = lens(number, values)
        given = dict(zip(names, values))
        assert K[0, 0] == given.get("fx", given.get("f"))
        assert K[1, 1] == given.get("fy", given.get("f"))
        assert K[:2, 2].tolist() == [given["cx"], given["cy"]]
        assert distortion.is_fisheye == ("FISHEYE" in name)
        assert distortion.radial == tuple(given.get(f"k{i}", 0.0) for i in range(1, 5))
        assert distortion.tangential == (given.get("p1", 0.0), given.get("p2", 0.0))
        with pytest.raises(InputError, match=f"{len(names) + 1} parameters"):
            lens(number, [*values, 0.0])
    # COLMAP's order of FULL_OPENCV is k1 k2 p1 p2 k3 k4 k5 k6, of THIN_PRISM_FISHEYE k1 k2 p1 p2 k3 k4 sx1 sy1.
    full = lens(6, [1, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])[1]
    assert (full.radial, full.tangential, full.rational) == ((1, 2, 5, 0), (3, 4), (6, 7, 8))
    prism = lens(10, [1, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])[1]
    assert (prism.radial, prism.tangential, prism.thin_prism) == ((1, 2, 5, 6), (3, 4), (7, 8))


def test_of_several_models_the_largest_is_read(tmp_path):
    folder = write_dataset("colmap", tmp_path / "set")
    small = folder / "sparse" / "1"
    small.mkdir()
    for path in (folder / "sparse" / "0").iterdir():
        (small / path.name).write_bytes(path.read_bytes())
    data = (small / "images.bin").read_bytes()
    (small / "images.bin").write_bytes(struct.pack("<Q", 1) + data[8:])
    (folder / "sparse" / "0").rename(folder / "sparse" / "2")
    found = find_colmap(folder)
    assert found == folder / "sparse" / "2"
    assert "2 models" in read_colmap(found).notes[0]


def test_pictures_may_lie_in_folders_of_their_own(tmp_path):
    folder = write_dataset("colmap text", tmp_path / "set")
    (folder / "images" / "left").mkdir()
    (folder / "images" / "right").mkdir()
    (folder / "images" / "a_view.png").rename(folder / "images" / "left" / "1.png")
    (folder / "images" / "b_view.png").rename(folder / "images" / "right" / "1.png")
    path = folder / "sparse" / "0" / "images.txt"
    path.write_text(path.read_text().replace("a_view.png", "left/1.png").replace("b_view.png", "right\\1.png"))
    imported = read_colmap(path.parent)
    assert imported.cameras.names == ("left_1", "right_1")
