"""The banded systems against dense ones."""

import numpy as np
import pytest

from recon_cli.core.errors import NumericsError
from recon_cli.systems.sft.cloth import make_cloth


def dense(cloth, per_face, per_hinge, diagonal):
    size = 3 * len(cloth.vertex_area)
    matrix = np.diag(diagonal)
    free = np.repeat(cloth.is_free.numpy(), 3)
    for elements, blocks in ((cloth.faces.numpy(), per_face), (cloth.hinges.numpy(), per_hinge)):
        for corners, block in zip(elements, blocks):
            places = (3 * corners[:, None] + np.arange(3)).flatten()
            keep = np.outer(free[places], free[places])
            matrix[np.ix_(places, places)] += block * keep
    assert matrix.shape == (size, size)
    return matrix


def random_elements(cloth, rng, *, symmetric):
    per_face, per_hinge = rng.normal(size=(len(cloth.faces), 9, 9)), rng.normal(size=(len(cloth.hinges), 12, 12))
    if symmetric:
        per_face, per_hinge = (m @ m.transpose(0, 2, 1) for m in (per_face, per_hinge))
    return per_face, per_hinge


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("pins", [(), (0, 7, 19)])
def test_solves_agree_with_a_dense_matrix(make_sheet, symmetric, pins):
    rng = np.random.default_rng(0)
    cloth = make_cloth(make_sheet(5, 4, jitter=0.1), pins=pins)
    elements = random_elements(cloth, rng, symmetric=symmetric)
    diagonal = rng.uniform(1, 2, size=60) * (1 if symmetric else 40)
    matrix = dense(cloth, *elements, diagonal)
    right = rng.normal(size=(20, 3))
    factor = cloth.matrix.factor(elements, diagonal, is_symmetric=symmetric)
    np.testing.assert_allclose(factor.solve(right).ravel(), np.linalg.solve(matrix, right.ravel()), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(
        factor.solve(right, transposed=True).ravel(), np.linalg.solve(matrix.T, right.ravel()), rtol=1e-9, atol=1e-10
    )


def test_band_is_narrow_on_a_long_strip(make_sheet):
    assert make_cloth(make_sheet(40, 4)).matrix.half_width < 3 * 12
    assert make_cloth(make_sheet(4, 40)).matrix.half_width < 3 * 12


def test_systems_without_a_solution_are_numerics_errors(make_sheet):
    cloth = make_cloth(make_sheet(3, 3))
    nothing = np.zeros((len(cloth.faces), 9, 9)), np.zeros((len(cloth.hinges), 12, 12))
    with pytest.raises(NumericsError, match="positive definite"):
        cloth.matrix.factor(nothing, -np.ones(27), is_symmetric=True)
    with pytest.raises(NumericsError, match="singular"):
        cloth.matrix.factor(nothing, np.zeros(27), is_symmetric=False)
