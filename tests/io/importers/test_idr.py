from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.io.images import read_mask
from recon_cli.io.importers.formats import read_dataset
from recon_cli.io.importers.idr import read_idr
from recon_cli.io.importers.projection import decompose_projection
from recon_cli.io.points import read_points
from tests.io.importers.datasets import K_of, roll_pitch_yaw, write_dataset

SCAN24 = Path(__file__).parents[3] / "../shared/data/dtu_scan24"


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_dataset("idr", tmp_path / "set")


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


def test_the_unit_sphere_becomes_the_bounds(folder):
    bounds = read_idr(folder / "cameras.npz").bounds
    assert bounds is not None
    assert bounds.tolist() == [[-1.5, -3, 3], [2.5, 1, 7]]


def test_an_archive_without_scale_has_no_bounds(folder):
    path = folder / "cameras.npz"
    np.savez(path, **{name: array for name, array in arrays_of(path).items() if name.startswith("world")})
    assert read_idr(path).bounds is None


def test_decomposition_of_any_multiple():
    generator = np.random.default_rng(1)
    for _ in range(50):
        K = K_of(*generator.uniform(100, 3000, size=4))
        K[0, 1] = generator.uniform(-5, 5)
        R, t = roll_pitch_yaw(*generator.uniform(-3, 3, size=3)), generator.normal(size=3) * 100
        factor = generator.choice([-1, 1]) * 10 ** generator.uniform(-6, 6)
        found, pose = decompose_projection(factor * K @ np.concatenate([R, t[:, None]], axis=1))
        np.testing.assert_allclose(found, K, rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(pose[:3, :3], R, atol=1e-9)
        np.testing.assert_allclose(pose[:3, 3], t, rtol=1e-8, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"world_mat_1": None}, "1 world matrices but 2 pictures"),
        ({"world_mat_2": np.eye(4)}, "3 world matrices but 2 pictures"),
        ({"world_mat_0": None}, "1 world matrices but no world_mat_0"),
        ({"world_mat_0": np.zeros((4, 4))}, "world_mat_0: K is singular"),
        ({"world_mat_1": np.ones((4, 4))}, "world_mat_1: K is singular"),
        ({"world_mat_0": np.eye(4) * 1e300}, "world_mat_0: K is singular"),
        ({"world_mat_0": np.full((4, 4), np.nan)}, "world_mat_0: holds NaN"),
        ({"scale_mat_1": np.full((4, 4), np.inf)}, r"scale_mat \d is singular or not finite"),
        ({"scale_mat_0": np.zeros((4, 4)), "scale_mat_1": np.zeros((4, 4))}, r"scale_mat \d is singular or not finite"),
        ({"world_mat_0": np.eye(3)}, r"world_mat_0 has shape \[3, 3\]"),
        ({"world_mat_0": np.zeros((300, 300))}, "world_mat_0 takes 720128 bytes"),
        ({"world_mat_0": np.array([["a"] * 4] * 4)}, "world_mat_0 holds values of type <U1 expected numbers"),
    ],
)
def test_faults_are_named(folder, change, words):
    path = folder / "cameras.npz"
    arrays = {**arrays_of(path), **change}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(InputError, match=words) as caught:
        read_idr(path)
    assert caught.value.path == str(path)


class Trap:
    sprung = False

    def __reduce__(self):
        return (setattr, (Trap, "sprung", True))


def test_pickles_are_never_opened(folder):
    path = folder / "cameras.npz"
    np.savez(path, world_mat_0=np.array([Trap()] * 16, dtype=object).reshape(4, 4))
    with pytest.raises(InputError, match="pickled objects, which could run code"):
        read_idr(path)
    assert not Trap.sprung


def test_archives_with_hostile_headers(folder):
    path = folder / "cameras.npz"
    for header in ("{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776, 4), }", "__import__('os')", "{", ""):
        member = io.BytesIO()
        member.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("world_mat_0.npy", member.getvalue())
        with pytest.raises(InputError, match="world_mat_0"):
            read_idr(path)
    path.write_bytes(b"PK no archive")
    for source in (path, folder):
        with pytest.raises(InputError, match="cannot be read as an IDR"):
            read_dataset(source)


def test_any_byte_changed_is_read_or_refused(folder):
    path = folder / "cameras.npz"
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(100):
        data = bytearray(whole)
        data[generator.integers(len(data))] = generator.integers(256)
        path.write_bytes(bytes(data))
        try:
            imported = read_idr(path)
        except InputError:
            continue
        assert bool(torch.isfinite(imported.cameras.K).all())


def test_fewer_masks_than_pictures(folder):
    (folder / "mask").mkdir()
    (folder / "mask" / "000.png").write_bytes((folder / "image" / "a_view.png").read_bytes())
    with pytest.raises(InputError, match="2 pictures but 1 masks"):
        read_idr(folder / "cameras.npz")


@pytest.mark.data
@pytest.mark.skipif(not SCAN24.exists(), reason="needs the real scan24 in ../shared/data")
def test_tracks_of_the_real_scan_project_into_its_masks():
    name, imported = read_dataset(SCAN24)
    assert (name, len(imported.cameras)) == ("idr", 49)
    tracks = read_points(SCAN24 / "tracks.ply").points.double()
    assert imported.bounds is not None
    inside_box = ((tracks > imported.bounds[0]) & (tracks < imported.bounds[1])).all(dim=1)
    assert float(inside_box.double().mean()) > 0.99
    pixels, depth = imported.cameras.project(tracks)
    assert bool((depth > 0).all())
    for view in range(0, 49, 12):
        assert imported.masks[view] is not None
        mask = read_mask(str(imported.masks[view])) > 0
        column, row = pixels[view].floor().long().unbind(dim=1)
        seen = (column >= 0) & (row >= 0) & (column < mask.shape[1]) & (row < mask.shape[0])
        assert float(mask[row[seen], column[seen]].double().mean()) > 0.99
