"""Edges and boundaries of known meshes, and the refusal of broken ones."""

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.topology import boundary_loops, check_manifold, components, edge_faces, edges

TETRAHEDRON = torch.tensor([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])


def grid(rows, columns, hole=()):
    """A flat grid of quads cut in two; quads named in ``hole`` are left out."""
    ys, xs = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    vertices = torch.stack([xs, ys, 0 * xs], dim=-1).reshape(-1, 3).double()
    faces = []
    for row in range(rows - 1):
        for column in range(columns - 1):
            if (row, column) not in hole:
                a = row * columns + column
                faces += [[a, a + 1, a + columns + 1], [a, a + columns + 1, a + columns]]
    return Mesh(vertices, torch.tensor(faces))


def square():
    return Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2], [0, 2, 3]]))


def test_closed_surface_has_euler_number_two_and_no_boundary():
    info = edge_faces(TETRAHEDRON)
    assert 4 - len(edges(TETRAHEDRON)) + len(TETRAHEDRON) == 2
    assert not bool(info.is_boundary.any())
    assert boundary_loops(TETRAHEDRON) == []


def test_edge_faces_walk_the_edge_in_opposite_directions():
    faces = grid(4, 5).faces
    info = edge_faces(faces)
    assert torch.equal(info.edges.sort(dim=1).values, edges(faces))
    for (a, b), (first, second), (left, right) in zip(info.edges.tolist(), info.faces.tolist(), info.opposite.tolist()):
        assert set(faces[first].tolist()) == {a, b, left}
        walked = faces[first].tolist()
        assert walked[(walked.index(a) + 1) % 3] == b
        if second >= 0:
            assert set(faces[second].tolist()) == {a, b, right}
            walked = faces[second].tolist()
            assert walked[(walked.index(b) + 1) % 3] == a
        else:
            assert right == -1


def test_boundary_loops_of_a_sheet_with_a_hole():
    mesh = grid(5, 6, hole={(1, 2), (2, 2)})
    outer, inner = boundary_loops(mesh.faces)
    assert len(outer) == 2 * (4 + 5)
    assert len(inner) == 6
    points = mesh.vertices[outer][:, :2]
    following = points.roll(-1, dims=0)
    assert float((points[:, 0] * following[:, 1] - points[:, 1] * following[:, 0]).sum()) > 0  # surface on the left
    check_manifold(mesh)


def test_components_are_labelled_by_their_smallest_vertex():
    faces = torch.tensor([[4, 5, 6], [0, 1, 2], [2, 1, 3]])
    assert components(faces, 7).tolist() == [0, 0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("faces", "words"),
    [
        ([[0, 1, 2], [0, 2, 3], [0, 2, 4]], "edge 0-2 belongs to 3 faces (0, 1, 2)"),
        ([[0, 1, 2], [0, 3, 2], [0, 3, 4]], "faces 0, 1 walk edge 0-2 in the same direction"),
        ([[0, 1, 2], [0, 2, 3], [0, 4, 4]], "face 2 (vertices 0-4-4)"),
        ([[0, 1, 2], [0, 2, 3]], "vertex 4"),
    ],
)
def test_broken_topology_is_named(faces, words):
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]])
    with pytest.raises(InputError, match=r"template\.obj") as caught:
        check_manifold(Mesh(vertices, torch.tensor(faces)), path="template.obj")
    assert words in caught.value.message
    assert caught.value.hint


def test_surfaces_that_touch_in_a_point_are_refused():
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [-1, 0, 0], [-1, -1, 0]])
    with pytest.raises(InputError, match="vertex 0"):
        check_manifold(Mesh(vertices, torch.tensor([[0, 1, 2], [0, 3, 4]])))


def test_nan_and_slivers_are_refused():
    mesh = square()
    broken = mesh.vertices.clone()
    broken[2, 1] = float("nan")
    with pytest.raises(InputError, match="vertex 2"):
        check_manifold(mesh.with_vertices(broken))
    flat = mesh.vertices.clone()
    flat[3] = 0.5 * (flat[0] + flat[2])
    with pytest.raises(InputError, match="face 1"):
        check_manifold(mesh.with_vertices(flat))


def test_mesh_without_faces_is_refused():
    with pytest.raises(InputError, match="no faces"):
        check_manifold(Mesh(torch.zeros(3, 3), torch.zeros((0, 3), dtype=torch.int64)))
