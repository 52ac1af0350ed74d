from __future__ import annotations

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.points import PointSet
from recon_cli.io.meshes import FORMATS, read_mesh, write_mesh
from recon_cli.io.points import read_points, write_points


@pytest.fixture
def mesh() -> Mesh:
    return Mesh(torch.rand(5, 3, dtype=torch.float64), torch.tensor([[0, 1, 2], [2, 3, 4]]))


@pytest.mark.parametrize("suffix", [*FORMATS, ".PLY", ".Obj"])
@pytest.mark.parametrize("binary", [True, False])
def test_every_format_keeps_a_mesh(tmp_path, mesh, suffix, binary):
    path = tmp_path / f"a{suffix}"
    write_mesh(path, mesh, binary=binary)
    for geometry_only in (True, False):
        read = read_mesh(path, geometry_only=geometry_only)
        assert torch.equal(read.vertices, mesh.vertices)
        assert torch.equal(read.faces, mesh.faces)
    assert torch.equal(read_points(path).points, mesh.vertices)


def test_unknown_suffixes(tmp_path, mesh):
    for call in (
        lambda p: read_mesh(p),
        lambda p: write_mesh(p, mesh),
        lambda p: read_points(p),
        lambda p: write_points(p, PointSet(mesh.vertices)),
    ):
        for name in ("a.stl", "a"):
            with pytest.raises(InputError, match=r"are not (read|written) as .*expected \.ply") as caught:
                call(tmp_path / name)
            assert ".ply" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_missing_files_suggest_their_neighbours(tmp_path, mesh):
    write_mesh(tmp_path / "template.obj", mesh)
    with pytest.raises(InputError, match="does not exist, expected an OBJ mesh") as caught:
        read_mesh(tmp_path / "templat.obj")
    assert "template.obj" in caught.value.hint


def test_points_come_back(tmp_path, mesh):
    cloud = PointSet(mesh.vertices, normals=mesh.vertices * 2, colors=mesh.vertices)
    write_points(tmp_path / "a.ply", cloud)
    read = read_points(tmp_path / "a.ply")
    assert torch.equal(read.points, cloud.points)
    assert torch.equal(read.normals, cloud.normals)
    assert torch.equal(read.colors, cloud.colors)
    with pytest.raises(InputError, match="point cloud of 5 points"):
        read_mesh(tmp_path / "a.ply")
