"""Membrane energy: stillness at rest, a closed form under stretch, gradients against finite differences."""

import numpy as np

from recon_cli.systems.sft.membrane import membrane_blocks, rest_membrane, strain


def triangle_pair():
    vertices = np.array([[0.0, 0.0, 1.0], [0.5, 0.0, 1.0], [0.5, 0.4, 1.1], [0.0, 0.4, 1.0]])
    return vertices, np.array([[0, 1, 2], [0, 2, 3]])


def total_gradient(membrane, positions):
    _, gradients, _ = membrane_blocks(membrane, positions)
    total = np.zeros_like(positions)
    np.add.at(total, membrane.faces, gradients)
    return total


def test_rest_shape_has_no_strain_in_any_pose():
    vertices, faces = triangle_pair()
    membrane = rest_membrane(vertices, faces, stiffness=100.0, poisson=0.3)
    angle = 0.7
    rotation = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    moved = vertices @ rotation.T + [0.3, -2.0, 5.0]
    np.testing.assert_allclose(strain(membrane, moved), 0.0, atol=1e-12)
    np.testing.assert_allclose(total_gradient(membrane, moved), 0.0, atol=1e-10)


def test_uniaxial_stretch_has_the_closed_form_energy():
    vertices = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    membrane = rest_membrane(vertices, faces, stiffness=50.0, poisson=0.0)
    green = (1.1**2 - 1.0) / 2.0
    _, _, energy = membrane_blocks(membrane, vertices * [1.1, 1.0, 1.0])
    np.testing.assert_allclose(energy, 0.5 * 50.0 * green**2, rtol=1e-12)


def test_gradient_is_the_derivative_of_the_energy():
    rng = np.random.default_rng(0)
    vertices, faces = triangle_pair()
    membrane = rest_membrane(vertices, faces, stiffness=120.0, poisson=0.3)
    positions = vertices + 0.05 * rng.normal(size=vertices.shape)
    gradient = total_gradient(membrane, positions)
    step = 1e-6
    for index in np.ndindex(*positions.shape):
        offset = np.zeros_like(positions)
        offset[index] = step
        difference = (membrane_blocks(membrane, positions + offset)[2] - membrane_blocks(membrane, positions - offset)[2]) / (2 * step)
        np.testing.assert_allclose(gradient[index], difference, rtol=1e-6, atol=1e-8)


def test_blocks_are_the_gradient_s_derivative_at_rest():
    vertices, faces = triangle_pair()
    membrane = rest_membrane(vertices, faces, stiffness=80.0, poisson=0.2)
    blocks, _, _ = membrane_blocks(membrane, vertices)
    direction = np.random.default_rng(1).normal(size=vertices.shape)
    product = np.zeros_like(vertices)
    from recon_cli.core.banded import TRIANGLE_PAIRS

    for face, corners in enumerate(faces):
        for k, (i, j) in enumerate(TRIANGLE_PAIRS):
            product[corners[i]] += blocks[face, k] @ direction[corners[j]]
            if i != j:
                product[corners[j]] += blocks[face, k].T @ direction[corners[i]]
    step = 1e-6
    difference = (total_gradient(membrane, vertices + step * direction) - total_gradient(membrane, vertices - step * direction)) / (
        2 * step
    )
    np.testing.assert_allclose(product, difference, rtol=1e-5, atol=1e-6)
