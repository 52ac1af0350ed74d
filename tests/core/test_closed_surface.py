"""What is closed, what becomes closed by merging, and how many edges are open."""

from __future__ import annotations

import math

import pytest
import torch

from recon_cli.core.closed_surface import closed_mesh, enclosed_volume
from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from tests.metrics.solids import box, joined, sphere


def test_a_closed_mesh_stays_as_it_is():
    for mesh in (box(), sphere(6), joined(box(), box()), joined(box(), box((1, 0, 0), (2, 1, 1)))):
        assert closed_mesh(mesh) is mesh


def test_faces_that_share_no_vertices_are_merged():
    mesh = box((-1, -1, 0), (1, 1, 1))
    mirrored = mesh.vertices[mesh.faces].reshape(-1, 3) * torch.tensor([-1.0, -1, 1])  # turns 0 into -0 in places
    found = closed_mesh(Mesh(mirrored, torch.arange(36).reshape(12, 3)))
    assert len(found.vertices) == 8
    assert torch.equal(found.vertices[found.faces], (mirrored + 0.0).reshape(12, 3, 3))


def test_open_edges_are_counted_and_the_file_is_named():
    with pytest.raises(InputError, match=r"a\.ply: has 3 open edges of 18, expected a closed surface") as caught:
        closed_mesh(Mesh(box().vertices, box().faces[1:]), "a.ply")
    assert "close its holes" in (caught.value.hint or "")


def test_open_edges_are_counted_after_merging():
    soup = Mesh(box().vertices[box().faces].reshape(-1, 3)[3:], torch.arange(33).reshape(11, 3))
    with pytest.raises(InputError, match="has 3 open edges of 18"):
        closed_mesh(soup)


def test_a_flipped_face_is_refused():
    faces = box().faces.clone()
    faces[4] = faces[4].flip(0)
    with pytest.raises(InputError, match="flipped against each other at 3 edges of 18"):
        closed_mesh(Mesh(box().vertices, faces))


def test_points_and_broken_vertices_are_refused():
    with pytest.raises(InputError, match="no faces"):
        closed_mesh(Mesh(torch.zeros(3, 3), torch.zeros(0, 3, dtype=torch.int64)))
    vertices = box().vertices.clone()
    vertices[5, 1] = math.nan
    with pytest.raises(InputError, match=r"b\.ply: 1 vertices are NaN or infinite, the first is vertex 5"):
        closed_mesh(Mesh(vertices, box().faces), "b.ply")


def test_the_volume_of_boxes_anywhere():
    mesh = joined(box(), box((1, 0, 0), (3, 1, 2)))
    assert float(enclosed_volume(mesh.vertices.double() + 1000, mesh.faces)) == pytest.approx(5)
    both = torch.stack([mesh.vertices, 2 * mesh.vertices]).double()
    assert enclosed_volume(both, mesh.faces).tolist() == pytest.approx([5, 40])
    assert float(enclosed_volume(mesh.vertices.double(), mesh.faces.flip(1))) == pytest.approx(-5)
