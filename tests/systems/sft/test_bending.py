"""Bending against its energy, its derivative and the published constants."""

import torch

from recon_cli.systems.sft.balance import gather
from recon_cli.systems.sft.bending import bend, bending_forces, bending_matrices, bending_product, curvature_weights, dihedral_slopes
from recon_cli.systems.sft.cloth import dihedral_angles, make_cloth
from recon_cli.systems.sft.materials import published

CONSTANT = torch.full((3, 5), 2e-4, dtype=torch.float64)


def test_slope_is_the_angle_s_derivative(normal):
    corners = normal(50, 4, 3).requires_grad_()
    (gradient,) = torch.autograd.grad(dihedral_angles(corners).sum(), corners)
    torch.testing.assert_close(dihedral_slopes(corners), gradient, rtol=1e-9, atol=1e-9)


def test_force_is_minus_the_energy_s_gradient_for_constant_constants(make_sheet, normal):
    mesh = make_sheet(jitter=0.1)
    cloth = make_cloth(mesh)
    positions = (mesh.vertices + 0.02 * normal(*mesh.vertices.shape)).requires_grad_()
    state = bend(cloth, positions, CONSTANT)
    energy = (2e-4 * cloth.hinge_shape * state.change.square() / 4).sum()
    (gradient,) = torch.autograd.grad(energy, positions)
    forces = gather(cloth, torch.zeros(len(cloth.faces), 3, 3, dtype=torch.float64), bending_forces(state))
    torch.testing.assert_close(forces, -gradient, rtol=1e-9, atol=1e-12)


def test_matrix_is_the_force_s_derivative_where_flat(make_sheet, normal):
    """At zero angle the part that is left out, angle times second derivative, vanishes."""
    mesh = make_sheet(jitter=0.1)
    cloth = make_cloth(mesh)
    motion, step = normal(*mesh.vertices.shape), 1e-5
    product = bending_product(bend(cloth, mesh.vertices, CONSTANT), motion[cloth.hinges])
    ahead, behind = (bending_forces(bend(cloth, mesh.vertices + s * step * motion, CONSTANT)) for s in (1, -1))
    torch.testing.assert_close(product, (behind - ahead) / (2 * step), rtol=1e-5, atol=1e-6 * float(product.abs().max()))


def test_matrices_are_the_product_and_never_negative(make_sheet, normal):
    mesh = make_sheet(jitter=0.1)
    cloth = make_cloth(mesh)
    state = bend(cloth, mesh.vertices + 0.02 * normal(*mesh.vertices.shape), published().bending)
    motion = normal(len(cloth.hinges), 4, 3)
    matrices = bending_matrices(state)
    product = (matrices @ motion.flatten(1)[..., None])[..., 0].view(-1, 4, 3)
    torch.testing.assert_close(product, bending_product(state, motion), rtol=1e-10, atol=1e-15)
    assert float(torch.linalg.eigvalsh(matrices).min()) > -1e-12 * float(matrices.abs().max())


def test_moment_balances_force_and_torque(make_sheet, normal):
    mesh = make_sheet(jitter=0.1)
    cloth = make_cloth(mesh)
    positions = mesh.vertices + 0.02 * normal(*mesh.vertices.shape)
    forces = bending_forces(bend(cloth, positions, published().bending))
    assert float(forces.sum(dim=1).abs().max()) < 1e-12
    assert float(torch.linalg.cross(positions[cloth.hinges], forces).sum(dim=1).abs().max()) < 1e-12


def test_curvature_weights_interpolate_the_five_samples(make_sheet):
    cloth = make_cloth(make_sheet())
    expectations = {
        0.0: [1.0, 0, 0, 0, 0],
        2.5: [0.5, 0.5, 0, 0, 0],
        -7.5: [0, 0.5, 0.5, 0, 0],
        20.0: [0, 0, 0, 0, 1.0],
        90.0: [0, 0, 0, 0, 1.0],
    }
    for curvature, expected in expectations.items():
        weights = curvature_weights(cloth, curvature / cloth.hinge_curvature)
        torch.testing.assert_close(weights, torch.tensor(expected, dtype=torch.float64).expand_as(weights), rtol=0, atol=1e-9)


def test_published_rows_and_columns_are_met(make_sheet):
    cloth = make_cloth(make_sheet())
    bending = published().bending
    upright = cloth.hinge_direction[:, 2] == 1
    mesh = make_sheet()
    flat = bend(cloth, mesh.vertices, bending)
    torch.testing.assert_close(flat.coefficient[upright], 0.5 * cloth.hinge_shape[upright] * bending[2, 0], rtol=1e-9, atol=0)
