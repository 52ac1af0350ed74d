"""Stretching against closed forms, energies and a slow twin of the interpolation."""

import math

import pytest
import torch

from recon_cli.systems.sft.balance import gather
from recon_cli.systems.sft.cloth import make_cloth
from recon_cli.systems.sft.materials import published
from recon_cli.systems.sft.stretching import (
    positive_part,
    sample_weights,
    stretch,
    stretching_forces,
    stretching_matrices,
    stretching_product,
)

CONSTANT = torch.tensor([[100.0, 20.0, 200.0, 30.0]], dtype=torch.float64).repeat(6, 1)


def test_rigid_motion_has_no_stress(make_sheet, normal):
    mesh = make_sheet(jitter=0.1)
    turn = torch.linalg.qr(normal(3, 3)).Q
    state = stretch(make_cloth(mesh), mesh.vertices @ turn.T + 1.0, published().stretching)
    assert float(state.stress.abs().max()) < 1e-8


@pytest.mark.parametrize("axis", [0, 1])
def test_pull_along_warp_and_weft_is_the_constant_times_twice_the_strain(make_sheet, axis):
    mesh = make_sheet(jitter=0.1)
    pulled = mesh.vertices.clone()
    pulled[:, axis] *= 1.1
    stress = stretch(make_cloth(mesh), pulled, CONSTANT).stress
    twice = 1.1**2 - 1
    expected = torch.diag(torch.tensor([[100.0, 20.0], [20.0, 200.0]][axis], dtype=torch.float64)) * twice
    torch.testing.assert_close(stress, expected.expand_as(stress), rtol=0, atol=1e-9)


def test_force_is_minus_the_energy_s_gradient_for_constant_constants(make_sheet, normal):
    mesh = make_sheet(jitter=0.1)
    cloth = make_cloth(mesh, warp_axis=25.0)
    positions = (mesh.vertices + 0.01 * normal(*mesh.vertices.shape)).requires_grad_()
    state = stretch(cloth, positions, CONSTANT)
    strain = 0.5 * (state.deformation @ state.deformation.mT - torch.eye(2))
    energy = 0.5 * (cloth.face_area[:, None, None] * state.stress * strain).sum()
    (gradient,) = torch.autograd.grad(energy, positions)
    forces = gather(cloth, stretching_forces(cloth, state), torch.zeros(len(cloth.hinges), 4, 3, dtype=torch.float64))
    torch.testing.assert_close(forces, -gradient, rtol=1e-10, atol=1e-10)


def test_matrix_is_the_force_s_derivative_under_tension(make_sheet, normal):
    """With constant constants and all stress tensile nothing is cut off: the product is exact."""
    mesh = make_sheet(jitter=0.1)
    cloth = make_cloth(mesh, warp_axis=25.0)
    positions = mesh.vertices * 1.15 + 0.002 * normal(*mesh.vertices.shape)
    motion = normal(*mesh.vertices.shape)
    state = stretch(cloth, positions, CONSTANT)
    torch.testing.assert_close(state.tension, state.stress, rtol=1e-10, atol=1e-10)
    step = 1e-6
    ahead, behind = (stretching_forces(cloth, stretch(cloth, positions + s * step * motion, CONSTANT)) for s in (1, -1))
    torch.testing.assert_close(stretching_product(cloth, state, motion[cloth.faces]), (behind - ahead) / (2 * step), rtol=1e-6, atol=1e-5)


def test_matrices_are_the_product_and_never_negative(make_sheet, normal):
    mesh = make_sheet(jitter=0.1)
    cloth = make_cloth(mesh)
    state = stretch(cloth, mesh.vertices + 0.03 * normal(*mesh.vertices.shape), published("eight_fabrics").stretching)
    matrices = stretching_matrices(cloth, state)
    motion = normal(len(cloth.faces), 3, 3)
    product = (matrices @ motion.flatten(1)[..., None])[..., 0].view(-1, 3, 3)
    torch.testing.assert_close(product, stretching_product(cloth, state, motion), rtol=1e-12, atol=1e-9)
    assert bool((state.tension - state.stress).abs().max() > 1e-3)  # something was cut off
    assert float(torch.linalg.eigvalsh(matrices).min()) > -1e-9 * float(matrices.abs().max())


def test_positive_part_keeps_positive_eigenvalues_only(normal):
    m11, m12, m22 = normal(3, 500)
    p11, p12, p22 = positive_part(m11, m12, m22)
    matrix = torch.stack([m11, m12, m12, m22], dim=-1).view(-1, 2, 2)
    values, vectors = torch.linalg.eigh(matrix)
    expected = vectors @ torch.diag_embed(values.clamp(min=0)) @ vectors.mT
    torch.testing.assert_close(torch.stack([p11, p12, p12, p22], dim=-1).view(-1, 2, 2), expected, rtol=0, atol=1e-12)


def test_positive_part_of_a_multiple_of_the_identity_has_the_identity_s_derivative():
    entries = torch.tensor([2.0, 0.0, 2.0], dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda m: torch.stack(positive_part(*m)), entries)
    torch.testing.assert_close(jacobian, torch.eye(3, dtype=torch.float64))
    nothing = torch.autograd.functional.jacobian(lambda m: torch.stack(positive_part(*m)), torch.zeros(3, dtype=torch.float64))
    assert bool(torch.isfinite(nothing).all())


def slow_weights(e11, e22, e12):
    """Trilinear interpolation of weights by principal stretch and angle, one corner at a time."""
    total = [0.0] * 6
    places = [min(max((e11 + 0.25) * 30, 0), 29 - 1e-5), min(max((e22 + 0.25) * 30, 0), 29 - 1e-5), min(abs(e12) * 30, 29 - 1e-5)]
    for corner in range(8):
        bits = [(corner >> k) & 1 for k in range(3)]
        share = math.prod((p - int(p)) if bit else 1 - (p - int(p)) for p, bit in zip(places, bits))
        a, b, c = ((int(p) + bit) / 30 for p, bit in zip(places, bits))
        cauchy = torch.tensor([[1 + 2 * (a - 0.25), 2 * c], [2 * c, 1 + 2 * (b - 0.25)]], dtype=torch.float64)
        values, vectors = torch.linalg.eigh(cauchy)
        amount = min(max((math.sqrt(max(float(values[1]), 0)) - 1) * 6, 0), 1)
        angle = math.degrees(math.atan2(abs(float(vectors[1, 1])), abs(float(vectors[0, 1]))))
        if float(values[1] - values[0]) < 1e-11:
            angle = 45.0
        total[0] += share * (1 - amount)
        low = min(int(angle / 22.5), 3)
        total[1 + low] += share * amount * (1 - (angle / 22.5 - low))
        total[2 + low] += share * amount * (angle / 22.5 - low)
    return total


def test_interpolation_agrees_with_the_slow_twin(normal):
    strain = torch.cat([0.2 * normal(60, 3), torch.tensor([[5.0, -5.0, 9.0], [0.0, 0.0, 0.0], [0.2, 0.2, 0.0]], dtype=torch.float64)])
    weights = sample_weights(strain)
    expected = torch.tensor([slow_weights(*(row / 2).tolist()) for row in strain], dtype=torch.float64)
    torch.testing.assert_close(weights, expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(weights.sum(-1), torch.ones(63, dtype=torch.float64))


def test_samples_are_met_at_their_own_strains():
    """Unstrained cloth takes row 0; stretched by a sixth along the warp or the weft it takes rows 1 and 5 (within a cell)."""
    full = (7 / 6) ** 2 - 1
    weights = sample_weights(torch.tensor([[-0.1, -0.1, 0.0], [full + 0.07, 0.0, 0.0], [0.0, full + 0.07, 0.0]], dtype=torch.float64))
    torch.testing.assert_close(weights[0, 0], torch.tensor(1.0, dtype=torch.float64))
    assert float(weights[1, 1]) > 0.95
    assert float(weights[2, 5]) > 0.95
