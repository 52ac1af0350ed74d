"""Meshes before they are photographed."""

from __future__ import annotations

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.topology import check_manifold
from recon_cli.prepare.synth.rig_mesh import check_photographable, extent, merged, smoothed

TETRAHEDRON = Mesh(
    torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64),
    torch.tensor([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]]),
)


def test_merged_meshes_keep_their_order():
    moved = TETRAHEDRON.with_vertices(TETRAHEDRON.vertices + 5)
    both = merged([TETRAHEDRON, moved])
    assert torch.equal(both.vertices[both.faces[:4]], TETRAHEDRON.vertices[TETRAHEDRON.faces])
    assert torch.equal(both.vertices[both.faces[4:]], moved.vertices[moved.faces])


def test_the_extent_is_the_middle_and_the_diagonal():
    centre, diagonal = extent(TETRAHEDRON.with_vertices(TETRAHEDRON.vertices + 2))
    assert centre.tolist() == [2, 2, 2]
    assert diagonal == pytest.approx(12**0.5)


def test_smoothing_rounds_and_leaves_a_manifold():
    fine = smoothed(TETRAHEDRON, at_least=200)
    assert len(fine.faces) == 256
    check_manifold(fine)
    # Loop's limit surface lies inside the convex hull of its mesh.
    assert float(fine.vertices.norm(dim=1).max()) < 3**0.5
    assert torch.equal(smoothed(TETRAHEDRON, at_least=4).vertices, TETRAHEDRON.vertices)


@pytest.mark.parametrize(
    ("mesh", "words"),
    [
        (Mesh(torch.zeros(3, 3), torch.zeros(0, 3, dtype=torch.int64)), "no faces"),
        (Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]])), "one place"),
        (Mesh(torch.full((3, 3), torch.nan), torch.tensor([[0, 1, 2]])), "NaN"),
    ],
)
def test_what_no_picture_could_show_is_refused(mesh, words):
    with pytest.raises(InputError, match=words):
        check_photographable(mesh)


def test_smoothing_refuses_what_is_no_manifold():
    doubled = Mesh(TETRAHEDRON.vertices, torch.cat([TETRAHEDRON.faces, TETRAHEDRON.faces[:1]]))
    with pytest.raises(InputError):
        smoothed(doubled, at_least=100)
