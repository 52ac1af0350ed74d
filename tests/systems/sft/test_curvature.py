"""The cotangent matrix: constants and planes have no curvature, a sphere has 2 / r, areas add up."""

import numpy as np

from recon_cli.systems.sft.curvature import cotangent_matrix


def sphere(rings: int = 40, sectors: int = 80, radius: float = 0.5):
    theta = np.linspace(0.4, np.pi - 0.4, rings)
    phi = np.linspace(0.0, 2 * np.pi, sectors, endpoint=False)
    t, p = np.meshgrid(theta, phi, indexing="ij")
    vertices = radius * np.stack([np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)], axis=-1).reshape(-1, 3)
    index = np.arange(rings * sectors).reshape(rings, sectors)
    a, b = index[:-1], np.roll(index, -1, axis=1)[:-1]
    c, d = np.roll(index, -1, axis=1)[1:], index[1:]
    faces = np.concatenate([np.stack([a, d, c], -1).reshape(-1, 3), np.stack([a, c, b], -1).reshape(-1, 3)])
    return vertices, faces, index[1:-1].reshape(-1)


def test_plane_is_flat_and_areas_add_up():
    v, u = np.mgrid[0:6, 0:7]
    vertices = np.stack([0.1 * u, 0.1 * v, 1.0 + 0.02 * u + 0.03 * v], axis=-1).reshape(-1, 3)
    index = np.arange(42).reshape(6, 7)
    a, b, c, d = (x.reshape(-1) for x in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)])
    matrix, areas = cotangent_matrix(vertices, faces)
    inner = index[1:-1, 1:-1].reshape(-1)
    np.testing.assert_allclose((matrix @ vertices)[inner], 0.0, atol=1e-12)
    np.testing.assert_allclose(matrix @ np.ones(42), 0.0, atol=1e-12)
    np.testing.assert_allclose(areas.sum(), 0.6 * 0.5 * np.sqrt(1 + 0.2**2 + 0.3**2), rtol=1e-12)
    assert np.linalg.eigvalsh(matrix.toarray()).min() > -1e-12


def test_sphere_has_its_mean_curvature():
    vertices, faces, inner = sphere()
    matrix, areas = cotangent_matrix(vertices, faces)
    curvature = np.linalg.norm((matrix @ vertices) / areas[:, None], axis=1)
    np.testing.assert_allclose(curvature[inner], 2.0 / 0.5, rtol=0.02)
