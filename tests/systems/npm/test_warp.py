import numpy as np
import pytest

from recon_cli.systems.npm.warp import WarpLattice

POINTS = np.random.default_rng(0).uniform(-0.5, 0.5, (500, 3))


@pytest.fixture(scope="module")
def lattice() -> WarpLattice:
    return WarpLattice(POINTS, 0.11)


def test_the_same_displacement_everywhere_moves_all_points_by_it(lattice):
    moved = lattice.weights(POINTS) @ np.tile([0.1, -0.2, 0.3], (lattice.count, 1))
    assert moved == pytest.approx(np.tile([0.1, -0.2, 0.3], (500, 1)))


def test_it_is_free_and_a_linear_one_does_not_bend(lattice):
    ones = np.ones(lattice.count)
    assert ones @ lattice.stretching @ ones == pytest.approx(0, abs=1e-12)
    places = np.linalg.lstsq(lattice.weights(POINTS).toarray(), POINTS, rcond=None)[0]
    rough = np.random.default_rng(1).standard_normal(lattice.count)
    assert rough @ lattice.bending @ rough > 1
    assert lattice.weights(POINTS) @ places == pytest.approx(POINTS, abs=1e-9)


def test_a_point_between_nodes_is_displaced_smoothly(lattice):
    warp = np.random.default_rng(2).standard_normal((lattice.count, 3))
    line = np.linspace([-0.3, -0.2, 0.1], [0.3, 0.25, -0.1], 2001)
    moved = lattice.weights(line) @ warp
    steps = np.diff(moved, axis=0)
    assert np.abs(np.diff(steps, axis=0)).max() < 0.02 * np.abs(steps).max()


def test_nodes_that_no_point_feels_do_not_exist(lattice):
    assert lattice.count < WarpLattice(np.concatenate([POINTS, POINTS + 5.0]), 0.11).count <= 2 * lattice.count + 500
