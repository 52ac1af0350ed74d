"""A file with faces is a mesh, one without is a point set."""

from __future__ import annotations

import io
import sys

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.points import PointSet
from recon_cli.io.meshes import write_mesh
from recon_cli.io.points import write_points
from recon_cli.io.surfaces import names_in, read_surface, surface_names

MESH = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0.5]]), torch.tensor([[0, 1, 2], [1, 3, 2]]))


@pytest.mark.parametrize("name", ["mesh.ply", "mesh.obj"])
def test_faces_make_a_mesh(tmp_path, name):
    write_mesh(tmp_path / name, MESH)
    surface = read_surface(tmp_path / name)
    assert isinstance(surface, Mesh)
    assert torch.equal(surface.vertices.float(), MESH.vertices)
    assert torch.equal(surface.faces, MESH.faces)


def test_no_faces_make_a_point_set(tmp_path):
    write_points(tmp_path / "cloud.ply", PointSet(MESH.vertices))
    (tmp_path / "cloud.obj").write_text("".join(f"v {x} {y} {z}\n" for x, y, z in MESH.vertices.tolist()))
    (tmp_path / "empty_faces.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"
        "element face 0\nproperty list uchar int vertex_indices\nend_header\n1 2 3\n"
    )
    for name, count in (("cloud.ply", 4), ("cloud.obj", 4), ("empty_faces.ply", 1)):
        surface = read_surface(tmp_path / name)
        assert isinstance(surface, PointSet), name
        assert len(surface) == count


def test_a_texture_that_is_missing_does_not_matter(tmp_path):
    (tmp_path / "mesh.obj").write_text("mtllib gone.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1\n")
    assert isinstance(read_surface(tmp_path / "mesh.obj"), Mesh)


@pytest.mark.parametrize(("name", "kind"), [("mesh.ply", Mesh), ("mesh.obj", Mesh), ("cloud.ply", PointSet)])
def test_standard_input_is_read_once_and_told_apart(tmp_path, monkeypatch, name, kind):
    if kind is Mesh:
        write_mesh(tmp_path / name, MESH)
    else:
        write_points(tmp_path / name, PointSet(MESH.vertices))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((tmp_path / name).read_bytes())))
    assert isinstance(read_surface("-"), kind)


def test_a_damaged_standard_input_is_named(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"v 1 2 oops\nf 1 1 1\n")))
    with pytest.raises(InputError) as raised:
        read_surface("-")
    assert raised.value.path == "standard input"


def test_names_are_those_of_surfaces(tmp_path):
    for name in ("b.ply", "a.OBJ", "a.mtl", ".hidden.ply", "notes.txt"):
        (tmp_path / name).write_text("")
    assert surface_names(tmp_path) == ["a.OBJ", "b.ply"]


def test_a_folder_without_any_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match=r"holds 1 other entries, first notes\.txt, expected maps"):
        names_in(tmp_path, (".exr",), expected="maps")
    with pytest.raises(InputError, match="cannot be listed"):
        names_in(tmp_path / "nowhere", (".exr",), expected="maps")
