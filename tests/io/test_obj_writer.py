from __future__ import annotations

import os
import resource

import numpy as np
import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.io.obj import read_obj_mesh
from recon_cli.io.obj_writer import write_obj_mesh


def quilt(dtype: torch.dtype) -> Mesh:
    """A textured mesh with seams and awkward numbers."""
    random = np.random.default_rng(3)
    vertices = torch.from_numpy(random.normal(size=(9, 3)) * 10.0 ** random.integers(-30, 30, (9, 3))).to(dtype)
    faces, face_uvs = (torch.from_numpy(random.integers(0, count, (14, 3))) for count in (9, 20))
    texture = torch.from_numpy(random.integers(0, 256, (5, 4, 3)).astype(np.float32) / np.float32(255))
    uvs, normals, colors = (torch.from_numpy(random.uniform(size=shape)).to(dtype) for shape in ((20, 2), (9, 3), (9, 3)))
    return Mesh(vertices, faces, uvs=uvs, face_uvs=face_uvs, texture=texture, normals=normals, colors=colors)


def assert_same(read: Mesh, mesh: Mesh, names: tuple[str, ...]) -> None:
    for name in names:
        expected = getattr(mesh, name)
        assert torch.equal(getattr(read, name).to(expected.dtype), expected), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_everything_comes_back(tmp_path, dtype):
    mesh = quilt(dtype)
    write_obj_mesh(tmp_path / "the quilt.obj", mesh)
    assert sorted(os.listdir(tmp_path)) == ["the quilt.mtl", "the quilt.obj", "the quilt.png"]
    read = read_obj_mesh(tmp_path / "the quilt.obj")
    assert_same(read, mesh, ("vertices", "faces", "uvs", "face_uvs", "texture", "normals", "colors"))


@pytest.mark.parametrize(
    "dropped", [("uvs", "face_uvs", "texture"), ("normals",), ("colors",), ("texture",), ("uvs", "face_uvs", "texture", "normals")]
)
def test_meshes_with_less(tmp_path, dropped):
    full = quilt(torch.float64)
    kept = [name for name in ("uvs", "face_uvs", "texture", "normals", "colors") if name not in dropped]
    mesh = Mesh(full.vertices, full.faces, **{name: getattr(full, name) for name in kept})
    write_obj_mesh(tmp_path / "a.obj", mesh)
    read = read_obj_mesh(tmp_path / "a.obj")
    assert_same(read, mesh, ("vertices", "faces", *kept))
    assert all(getattr(read, name) is None for name in dropped)
    assert (tmp_path / "a.mtl").exists() == ("texture" in kept)


def test_a_sequence_shares_one_texture(tmp_path):
    mesh = quilt(torch.float64)
    write_obj_mesh(tmp_path / "000.obj", mesh)
    write_obj_mesh(tmp_path / "001.obj", mesh, material_library="000.mtl")
    assert sorted(os.listdir(tmp_path)) == ["000.mtl", "000.obj", "000.png", "001.obj"]
    assert_same(read_obj_mesh(tmp_path / "001.obj"), mesh, ("texture", "vertices"))


def test_all_files_or_none(tmp_path):
    mesh = quilt(torch.float64)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Room for the library and the small text, none for the picture's noise.
    noisy = Mesh(mesh.vertices[:3], torch.tensor([[0, 1, 2]]), texture=torch.rand(64, 64, 3))
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        with pytest.raises(InputError, match="cannot be written"):
            write_obj_mesh(tmp_path / "a.obj", noisy)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == []


def test_the_same_mesh_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_obj_mesh(tmp_path / name / "m.obj", quilt(torch.float32))
    for suffix in (".obj", ".mtl", ".png"):
        assert (tmp_path / "a" / f"m{suffix}").read_bytes() == (tmp_path / "b" / f"m{suffix}").read_bytes()


def test_other_programs_read_it(tmp_path):
    open3d = pytest.importorskip("open3d")
    mesh = quilt(torch.float64)
    mesh = Mesh(torch.rand(9, 3, dtype=torch.float64), mesh.faces, uvs=mesh.uvs, face_uvs=mesh.face_uvs, texture=mesh.texture)
    write_obj_mesh(tmp_path / "a.obj", mesh)
    other = open3d.io.read_triangle_mesh(str(tmp_path / "a.obj"), enable_post_processing=False)
    np.testing.assert_allclose(np.asarray(other.vertices)[np.asarray(other.triangles)], mesh.vertices[mesh.faces].numpy(), atol=1e-6)
    np.testing.assert_allclose(np.asarray(other.triangle_uvs).reshape(-1, 3, 2), mesh.uvs[mesh.face_uvs].numpy(), atol=1e-6)
    assert np.asarray(other.textures[-1]).shape == (5, 4, 3)
