"""The irregular sheet covers its rectangle, and grids ride on it."""

from __future__ import annotations

import numpy as np
import pytest

from recon_cli.prepare.synth.sheet import embed, grid, hexagonal_sheet

SIZE = (0.7, 0.55)


def _areas(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Signed areas: negative for a face that the viewer sees counter-clockwise, since y points down."""
    first, second = points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]]
    return 0.5 * (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])


@pytest.fixture(scope="module")
def sheet():
    return hexagonal_sheet(SIZE, 0.04, np.random.default_rng(0))


def test_faces_tile_the_rectangle_once(sheet):
    areas = _areas(sheet.points, sheet.faces)
    assert (areas < 0).all()
    assert -areas.sum() == pytest.approx(SIZE[0] * SIZE[1], rel=1e-12)
    assert len(np.unique(sheet.faces)) == len(sheet.points)


def test_most_vertices_have_six_neighbours_and_no_two_cells_are_alike(sheet):
    neighbours = np.bincount(sheet.faces.reshape(-1))
    assert np.median(neighbours) == 6
    assert np.unique(np.round(_areas(sheet.points, sheet.faces), 9)).size > 0.9 * len(sheet.faces)


def test_a_grid_tiles_the_rectangle_once():
    mesh = grid(SIZE, 7, 5)
    areas = _areas(mesh.points, mesh.faces)
    assert len(mesh.points) == 48
    assert len(mesh.faces) == 70
    np.testing.assert_allclose(areas, -SIZE[0] * SIZE[1] / 70, rtol=1e-12)


def test_texture_coordinates_start_at_the_bottom_left():
    mesh = grid(SIZE, 4, 3)
    np.testing.assert_allclose(mesh.uvs[0], [0, 1])
    np.testing.assert_allclose(mesh.uvs[-1], [1, 0])


def test_embedded_points_are_where_they_were_and_move_linearly(sheet):
    points = grid(SIZE, 9, 8).points
    embedding = embed(sheet, points)
    assert embedding.weights.min() > -1e-9
    np.testing.assert_allclose(embedding(sheet.points), points, atol=1e-12)
    matrix = np.array([[1.0, 0.3, 0.2], [-0.5, 0.8, 0.1]])
    several = np.stack([sheet.points @ matrix, 2 * sheet.points @ matrix])
    np.testing.assert_allclose(embedding(several), np.stack([points @ matrix, 2 * points @ matrix]), atol=1e-12)
