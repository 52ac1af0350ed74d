"""The banded solver against a dense one."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix, diags

from recon_cli.core.banded import TRIANGLE_PAIRS, plan_band
from recon_cli.core.errors import NumericsError


def grid(rows: int, columns: int):
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    y, x = np.divmod(np.arange(rows * columns), columns)
    return np.stack([x, y, 0.1 * x * y], axis=1).astype(float), faces


def adjacency(faces, count):
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    pairs = np.concatenate([pairs, pairs[:, ::-1], np.repeat(np.arange(count)[:, None], 2, 1)])
    return csr_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))


def dense_from_blocks(blocks, faces, count):
    dense = np.zeros((3 * count, 3 * count))
    for face, corners in enumerate(faces):
        for k, (i, j) in enumerate(TRIANGLE_PAIRS):
            a, b = corners[i], corners[j]
            dense[3 * a : 3 * a + 3, 3 * b : 3 * b + 3] += blocks[face, k]
            if i != j:
                dense[3 * b : 3 * b + 3, 3 * a : 3 * a + 3] += blocks[face, k].T
    return dense


@pytest.mark.parametrize("shuffled", [False, True])
def test_solution_equals_dense_solve(shuffled):
    rng = np.random.default_rng(0)
    points, faces = grid(5, 7)
    if shuffled:
        order = rng.permutation(len(points))
        points, faces = points[np.argsort(order)], order[faces]
    count = len(points)
    jacobian = rng.normal(size=(len(faces), 4, 9))
    full = np.einsum("fki,fkj->fij", jacobian, jacobian)
    blocks = np.stack([full[:, 3 * i : 3 * i + 3, 3 * j : 3 * j + 3] for i, j in TRIANGLE_PAIRS], axis=1)
    constant = (adjacency(faces, count) + diags(np.full(count, 20.0))).tocsr()
    layout = plan_band(points, faces, constant)
    right = rng.normal(size=(count, 3))

    solution = layout.solve(layout.add_triangle_blocks(layout.constant_band(constant), blocks), right)

    dense = dense_from_blocks(blocks, faces, count) + np.kron(constant.toarray(), np.eye(3))
    np.testing.assert_allclose(solution, np.linalg.solve(dense, right.ravel()).reshape(-1, 3), rtol=1e-9, atol=1e-12)


def test_numbering_does_not_widen_a_shuffled_grid_much():
    rng = np.random.default_rng(1)
    points, faces = grid(6, 40)
    order = rng.permutation(len(points))
    points, faces = points[np.argsort(order)], order[faces]
    layout = plan_band(points, faces, adjacency(faces, len(points)))
    assert layout.width <= 3 * 14 + 2


def test_indefinite_system_is_an_error():
    points, faces = grid(3, 3)
    layout = plan_band(points, faces, adjacency(faces, 9))
    with pytest.raises(NumericsError):
        layout.solve(layout.constant_band(diags(np.full(9, -1.0))), np.ones((9, 3)))
