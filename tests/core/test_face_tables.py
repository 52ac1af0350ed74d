import numpy as np
import torch

from recon_cli.core.face_tables import first_difference
from recon_cli.io.polygons import triangulate

FACES = torch.tensor([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])


def test_equal_tables_do_not_differ():
    assert first_difference(FACES, FACES.clone()) is None


def test_the_first_row_of_other_vertices_is_found():
    order = torch.randperm(500, generator=torch.Generator().manual_seed(0))
    grid = torch.stack([torch.arange(498), torch.arange(1, 499), torch.arange(2, 500)], dim=1)
    assert first_difference(grid, order[grid]) == 0
    changed = grid.clone()
    changed[300] = torch.tensor([300, 301, 499])
    assert first_difference(grid, changed) == 300
    assert first_difference(changed, grid) == 300


def test_faces_that_are_turned_over_or_missing_are_other_ones():
    assert first_difference(FACES, FACES.flip(1)) == 0
    assert first_difference(FACES, FACES[:3]) == 3
    assert first_difference(FACES[:3], FACES) == 3


def test_renumbered_vertices_of_a_closed_mesh_are_other_faces_though_the_outline_of_all_is_empty():
    assert first_difference(FACES, torch.tensor([3, 4, 5, 6])[FACES]) == 0
    assert first_difference(FACES, torch.tensor([1, 0, 2, 3])[FACES]) == 0


def test_polygons_that_are_cut_in_another_way_are_the_same():
    """A quad that folds and a pentagon that becomes concave, between triangles and a quad that stays."""
    flat = np.array([[0, 0, 0], [2, 0, 0], [3, 1, 0], [1.5, 3, 0], [0, 2, 0], [5, 0, 0], [5, 2, 0], [6, 6, 0]], dtype=float)
    moved = flat.copy()
    moved[2] = [0.9, 1.2, 0]  # a corner of both moves in
    counts = np.array([3, 5, 4, 3, 4])
    corners = np.array([5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 2, 1, 0, 4, 7, 0, 1, 5, 7])
    tables = [torch.from_numpy(corners[triangulate(points, counts, corners)]) for points in (flat, moved)]
    assert not torch.equal(*tables)
    assert first_difference(*tables) is None
    assert first_difference(tables[0], (tables[1] + 1) % 8) == 0
