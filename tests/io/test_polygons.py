from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recon_cli.core.errors import InputError
from recon_cli.io.polygons import triangulate


def area_vectors(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return np.cross(b - a, c - a) / 2


def signed_area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


def cut(polygon: np.ndarray) -> np.ndarray:
    points = np.concatenate([polygon, np.zeros((len(polygon), 1))], axis=1)
    return area_vectors(points, triangulate(points, np.array([len(polygon)]), np.arange(len(polygon))))[:, 2]


ARROW = np.array([[0, 0], [2, -1], [0, 3], [-2, -1]], float)  # corner 0 is the notch: the diagonal from it is the right one
L = np.array([[0, 0], [2, 0], [2, 1], [1, 1], [1, 3], [0, 3]], float)
COMB = np.array(
    [[0, 0], [9, 0], [9, 5], [8, 5], [8, 1], [6, 1], [6, 5], [5, 5], [5, 1], [3, 1], [3, 5], [2, 5], [2, 1], [1, 1], [1, 4], [0, 4]]
)


@pytest.mark.parametrize("polygon", [ARROW, L, COMB.astype(float)])
@pytest.mark.parametrize("clockwise", [False, True])
def test_concave_polygons_from_every_first_corner(polygon, clockwise):
    polygon = polygon[::-1] if clockwise else polygon
    for shift in range(len(polygon)):
        areas = cut(np.roll(polygon, shift, axis=0))
        assert len(areas) == len(polygon) - 2
        # No overlap and nothing outside: all triangles turn as the polygon does, and together they are as large.
        assert (areas * signed_area(polygon) >= 0).all()
        assert areas.sum() == pytest.approx(signed_area(polygon))


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 12), st.integers(0, 10_000))
def test_star_shaped_polygons_in_space(corners, seed):
    random = np.random.default_rng(seed)
    angles = (np.arange(corners) + random.uniform(0.1, 0.9, corners)) * 2 * np.pi / corners
    radii = random.uniform(0.2, 2, corners)
    polygon = np.stack([radii * np.cos(angles), radii * np.sin(angles), np.zeros(corners)], axis=-1)
    rotation = np.linalg.qr(random.normal(size=(3, 3)))[0]
    rotation *= np.sign(np.linalg.det(rotation))
    points = polygon @ rotation.T + random.normal(size=3)
    areas = area_vectors(points, triangulate(points, np.array([corners]), np.arange(corners))) @ rotation[:, 2]
    assert areas.min() > -1e-9
    assert areas.sum() == pytest.approx(signed_area(polygon[:, :2]))


def test_convex_polygons_are_fans_and_order_is_kept():
    ring = np.array([[np.cos(a), np.sin(a), 0] for a in np.linspace(0, 2 * np.pi, 6, endpoint=False)])
    corners = triangulate(ring, np.array([4, 3, 5, 3]), np.array([0, 1, 2, 3, 3, 4, 5, 1, 2, 3, 4, 5, 5, 0, 1]))
    assert corners.tolist() == [[0, 1, 2], [0, 2, 3], [4, 5, 6], [7, 8, 9], [7, 9, 10], [7, 10, 11], [12, 13, 14]]


def test_degenerate_polygons_end():
    same = np.zeros((7, 3))
    assert triangulate(same, np.array([7, 4]), np.array([0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0])).shape == (7, 3)
    bow = np.array([[0, 0, 0], [1, 1, 0], [1, 0, 0], [0, 1, 0], [-1, 0.5, 0]], float)
    assert triangulate(bow, np.array([5]), np.arange(5)).shape == (3, 3)
    assert triangulate(L @ np.eye(2, 3) * 1e307, np.array([6]), np.arange(6)).shape == (4, 3)


def test_a_vast_concave_polygon_is_refused():
    zigzag = np.stack([np.arange(2000.0), np.arange(2000) % 2, np.zeros(2000)], axis=-1)
    with pytest.raises(InputError, match="face 0 is a concave polygon of 2000 corners"):
        triangulate(zigzag, np.array([2000]), np.arange(2000))
