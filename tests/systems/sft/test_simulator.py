"""Steps and sequences: gradients against finite differences, conservation laws, and plain statics."""

import math
from itertools import pairwise

import pytest
import torch

from recon_cli.core.errors import InputError, NumericsError
from recon_cli.systems.sft.balance import elastic_forces, masses
from recon_cli.systems.sft.materials import Material, published
from recon_cli.systems.sft.simulator import ClothState, Physics, Wind, frames_to_steps, make_cloth, simulate, step

PHYSICS = Physics(gravity=(0.0, 9.81, 0.0), mass_damping=0.5, stretching_damping=0.01, bending_damping=0.02)
NAMES = ("positions", "velocities", "forces", "density", "stretching", "bending", "wind")


def finite_difference(loss, inputs, name, direction):
    """Directional derivative, extrapolated from three central differences."""
    # Positions cross the kinks of the interpolation; the loss is smooth in everything else, and larger steps lose fewer digits.
    scale = (1e-5 if name == "positions" else 1e-3) * float(inputs[name].detach().abs().max())

    def difference(h):
        ahead, behind = ({**inputs, name: (inputs[name] + s * h * direction).detach()} for s in (1, -1))
        return float((loss(ahead) - loss(behind)).detach()) / (2 * h)

    return (4 * difference(scale / 2) - difference(scale)) / 3


def scene_inputs(mesh, normal, steps):
    material = published("eight_fabrics")
    return {
        "positions": mesh.vertices + 0.01 * normal(*mesh.vertices.shape),
        "velocities": 0.5 * normal(*mesh.vertices.shape),
        "forces": 0.02 * normal(steps, *mesh.vertices.shape),
        "density": material.density,
        "stretching": material.stretching,
        "bending": 5 * material.bending,
        "wind": torch.tensor([1.0, 2.0, -3.0], dtype=torch.float64),
    }


def run(cloth, inputs, *, windy, steps):
    material = Material(inputs["density"], inputs["stretching"], inputs["bending"])
    wind = Wind(inputs["wind"], drag=0.3) if windy else None
    state = ClothState(inputs["positions"], inputs["velocities"])
    for index in range(steps):
        state = step(cloth, material, state, h=0.005, forces=inputs["forces"][index], wind=wind, physics=PHYSICS)
    return state


@pytest.mark.parametrize("windy", [False, True])
@pytest.mark.parametrize("steps", [1, 6])
def test_gradients_match_finite_differences(make_sheet, normal, windy, steps):
    mesh = make_sheet(5, 4, jitter=0.1)
    cloth = make_cloth(mesh, warp_axis=20.0, pins=[0, 3])
    inputs = {name: value.requires_grad_() for name, value in scene_inputs(mesh, normal, steps).items()}
    weights = normal(2, *mesh.vertices.shape)

    def loss(inputs):
        state = run(cloth, inputs, windy=windy, steps=steps)
        return (weights[0] * state.positions + weights[1] * state.velocities).sum()

    names = NAMES if windy else NAMES[:-1]
    gradients = torch.autograd.grad(loss(inputs), [inputs[name] for name in names])
    for name, gradient in zip(names, gradients):
        direction = normal(*inputs[name].shape) * inputs[name].detach().abs().mean()
        along = float((gradient * direction).sum())
        assert finite_difference(loss, inputs, name, direction / direction.abs().max()) == pytest.approx(
            along / float(direction.abs().max()), rel=1e-6
        ), name


def test_dropping_the_matrix_s_derivative_would_be_seen(make_sheet, normal):
    """The adjoint without ∂A/∂x differs visibly from the exact gradient: the finite differences above do test it."""
    mesh = make_sheet(5, 4, jitter=0.1)
    cloth = make_cloth(mesh)
    inputs = scene_inputs(mesh, normal, 1)
    inputs["positions"].requires_grad_()
    state = run(cloth, inputs, windy=False, steps=1)
    weights = normal(*mesh.vertices.shape)
    (exact,) = torch.autograd.grad((weights * state.velocities).sum(), inputs["positions"])
    # The same derivative of a step whose matrix is that of a fixed state, by finite differences of the right-hand side alone.
    from recon_cli.systems.sft.balance import residual, system

    material = Material(inputs["density"], inputs["stretching"], inputs["bending"])
    shared = (cloth, material, None, PHYSICS, 0.005)
    rest = {"velocities": inputs["velocities"], "new_velocities": torch.zeros_like(inputs["velocities"])}
    elements, diagonal = system(*shared, positions=inputs["positions"].detach(), velocities=inputs["velocities"])
    factor = cloth.matrix.factor((elements[0].numpy(), elements[1].numpy()), diagonal.repeat_interleave(3).numpy(), is_symmetric=True)
    adjoint = torch.from_numpy(factor.solve(weights.numpy()))
    positions = inputs["positions"].detach().requires_grad_()
    (truncated,) = torch.autograd.grad(-(adjoint * residual(*shared, positions=positions, **rest)).sum(), positions)
    assert float((truncated - exact).norm() / exact.norm()) > 0.01


def test_free_cloth_keeps_its_momentum(make_sheet, normal):
    mesh = make_sheet(6, 6, jitter=0.1)
    cloth, material = make_cloth(mesh), published()
    mass = masses(cloth, material)[:, None]
    state = ClothState(mesh.vertices + 0.01 * normal(36, 3), normal(36, 3))
    before = (mass * state.velocities).sum(dim=0)
    for _ in range(20):
        state = step(cloth, material, state, h=0.002)
    torch.testing.assert_close((mass * state.velocities).sum(dim=0), before, rtol=0, atol=1e-12)


def test_internal_forces_have_no_torque(make_sheet, normal):
    mesh = make_sheet(6, 6, jitter=0.1)
    positions = mesh.vertices + 0.03 * normal(36, 3)
    forces = elastic_forces(make_cloth(mesh), published(), positions)
    assert float(forces.abs().max()) > 1.0
    assert float(torch.linalg.cross(positions, forces).sum(dim=0).abs().max()) < 1e-12
    assert float(forces.sum(dim=0).abs().max()) < 1e-12


def test_angular_momentum_is_kept_to_first_order_in_the_step(make_sheet):
    """Implicit Euler loses spin in proportion to its step: halving the step halves the loss."""
    mesh = make_sheet(5, 5)
    cloth, material = make_cloth(mesh), published()
    mass = masses(cloth, material)[:, None]
    centred = mesh.vertices - mesh.vertices.mean(dim=0)
    spin = torch.linalg.cross(torch.tensor([0.3, 0.2, 2.0], dtype=torch.float64).expand_as(centred), centred)

    def loss(h):
        state = ClothState(centred, spin)
        before = (mass * torch.linalg.cross(centred, spin)).sum(dim=0)
        for _ in range(round(0.05 / h)):
            state = step(cloth, material, state, h=h)
        after = (mass * torch.linalg.cross(state.positions, state.velocities)).sum(dim=0)
        return float((after - before).norm() / before.norm())

    coarse, fine = loss(0.0005), loss(0.00025)
    assert coarse < 0.002
    assert fine == pytest.approx(coarse / 2, rel=0.1)


def test_rest_state_stays_still(make_sheet):
    mesh = make_sheet(6, 6, jitter=0.1)
    frames = simulate(make_cloth(mesh), published(), ClothState.at_rest(mesh.vertices), steps=50, h=1 / 120)
    assert float((frames - mesh.vertices).abs().max()) < 1e-9


def test_free_fall(make_sheet):
    mesh = make_sheet()
    frames = simulate(
        make_cloth(mesh), published(), ClothState.at_rest(mesh.vertices), steps=40, h=0.01, physics=Physics(gravity=(0.0, 9.81, 0.0))
    )
    fallen = 9.81 * 0.01**2 * 40 * 41 / 2  # implicit Euler: v = g h k, x = sum of h v
    torch.testing.assert_close(frames[-1], mesh.vertices + torch.tensor([0.0, fallen, 0.0]), rtol=0, atol=1e-8)


def test_symmetric_fold_stays_symmetric(make_sheet):
    mesh = make_sheet(5, 9, symmetric=True)
    cloth, material = make_cloth(mesh), published()
    mirror = torch.arange(45).view(5, 9).flip(1).flatten()
    x = mesh.vertices[:, 0] - 0.2
    folded = torch.stack([x * 0.8, mesh.vertices[:, 1], 0.4 * x.abs()], dim=1)
    frames = simulate(cloth, material, ClothState.at_rest(folded), steps=40, h=1 / 120, physics=Physics(gravity=(0.0, 0.0, -9.81)))
    reflected = frames[:, mirror] * torch.tensor([-1.0, 1.0, 1.0])
    assert float((frames[-1] - frames[0]).abs().max()) > 0.01
    torch.testing.assert_close(frames, reflected, rtol=0, atol=1e-7)


def test_energy_falls_under_damping(make_sheet, normal):
    """With constant constants the elastic energy is known; kinetic plus elastic energy never rises and nearly vanishes."""
    mesh = make_sheet(5, 5)
    cloth = make_cloth(mesh)
    material = Material(published().density, published().stretching[:1].repeat(6, 1), published().bending[:, :1].repeat(1, 5))
    mass = masses(cloth, material)[:, None]
    physics = Physics(mass_damping=1.0, stretching_damping=0.005, bending_damping=0.005)
    state = ClothState(mesh.vertices, 0.05 * normal(25, 3))

    def energy(state):
        from recon_cli.systems.sft.bending import bend
        from recon_cli.systems.sft.stretching import strain_of, stretch

        stress, strain = stretch(cloth, state.positions, material.stretching).stress, strain_of(cloth, state.positions)[1]
        work = stress[..., 0, 0] * strain[..., 0] + stress[..., 1, 1] * strain[..., 1] + 2 * stress[..., 0, 1] * strain[..., 2]
        bent = bend(cloth, state.positions, material.bending)
        elastic = 0.25 * (cloth.face_area * work).sum() + 0.5 * (bent.coefficient * bent.change.square()).sum()
        return float(elastic + 0.5 * (mass * state.velocities.square()).sum())

    momentum = (mass * state.velocities).sum(dim=0) / mass.sum()
    state = ClothState(state.positions, state.velocities - momentum)
    energies = [energy(state)]
    for _ in range(200):
        state = step(cloth, material, state, h=1 / 240, physics=physics)
        energies.append(energy(state))
    assert all(after <= before * (1 + 1e-9) for before, after in pairwise(energies))
    assert energies[-1] < 0.1 * energies[0]


def test_hanging_strip_stretches_by_its_weight(make_sheet):
    """A strip held at its top: the stress a(c11) at each height carries the weight below; the total length follows by summation."""
    mesh = make_sheet(2, 11, size=1.0)
    pins = [0, 11]
    cloth = make_cloth(mesh, pins=pins)
    constants = torch.tensor([[20.0, 0.0, 20.0, 10.0]], dtype=torch.float64).repeat(6, 1)
    material = Material(torch.tensor(1.0, dtype=torch.float64), constants, published().bending)
    physics = Physics(gravity=(9.81, 0.0, 0.0), mass_damping=8.0)
    end = simulate(cloth, material, ClothState.at_rest(mesh.vertices), steps=400, h=1 / 60, physics=physics)[-1]
    # Per metre of width the cell's tension c (s² - 1) s, s its stretch, equals the weight of all lower vertices.
    width = 0.1
    total, weights = 0.0, cloth.vertex_area.view(2, 11).sum(dim=0) * 9.81
    for cell in range(10):
        load = float(weights[cell + 1 :].sum()) / width
        stretch = 1.0
        for _ in range(50):
            stretch -= (20 * (stretch**2 - 1) * stretch - load) / (20 * (3 * stretch**2 - 1))
        total += 0.1 * stretch
    lower = end.view(2, 11, 3)[:, -1, 0]
    assert total > 1.05
    assert float(lower.mean()) == pytest.approx(total, rel=1e-3)


def test_pins_hold_exactly(make_sheet, normal):
    mesh = make_sheet(5, 5)
    cloth = make_cloth(mesh, pins=[0, 4])
    frames = simulate(
        cloth, published(), ClothState.at_rest(mesh.vertices), steps=30, h=1 / 60, wind=Wind(normal(3)), forces=0.01 * normal(30, 25, 3)
    )
    assert torch.equal(frames[:, [0, 4]], mesh.vertices[[0, 4]].expand(31, 2, 3))
    assert float((frames[-1] - frames[0]).abs().max()) > 0.01


def test_wind_carries_a_free_sheet_towards_its_own_speed(make_sheet):
    mesh = make_sheet()
    wind = Wind(torch.tensor([0.0, 0.0, 2.0], dtype=torch.float64), drag=0.5)
    cloth, material = make_cloth(mesh), published()
    state, speeds = ClothState.at_rest(mesh.vertices), []
    for _ in range(300):
        state = step(cloth, material, state, h=1 / 60, wind=wind)
        speeds.append(float(state.velocities[:, 2].mean()))
    assert all(later >= earlier - 1e-12 for earlier, later in pairwise(speeds))
    assert 1.5 < speeds[-1] < 2.0


def test_frames_are_every_few_steps(make_sheet, normal):
    mesh = make_sheet(4, 4)
    cloth, material, start = make_cloth(mesh), published(), ClothState.at_rest(mesh.vertices)
    forces = 0.01 * normal(5, 16, 3)
    steps = frames_to_steps(forces, 3)
    every = simulate(cloth, material, start, steps=15, h=1 / 90, forces=steps)
    frames = simulate(cloth, material, start, steps=15, h=1 / 90, forces=steps, steps_per_frame=3)
    assert torch.equal(frames, every[::3])


def test_reruns_are_identical_to_the_bit(make_sheet, normal):
    mesh = make_sheet(6, 6, jitter=0.1)
    forces, wind = 0.05 * normal(10, 36, 3), Wind(normal(3))
    runs = [
        simulate(make_cloth(mesh), published(), ClothState.at_rest(mesh.vertices), steps=10, h=0.01, forces=forces, wind=wind)
        for _ in range(2)
    ]
    assert torch.equal(*runs)


@pytest.mark.parametrize("size", [1e9, 1e300, math.inf, math.nan])
def test_absurd_forces_stop_with_the_step_s_name(make_sheet, size):
    mesh = make_sheet(4, 4)
    forces = torch.zeros(6, 16, 3, dtype=torch.float64)
    forces[3, 5] = size
    with pytest.raises(NumericsError, match="simulation step 4 of 6") as caught:
        simulate(make_cloth(mesh), published(), ClothState.at_rest(mesh.vertices), steps=6, h=0.01, forces=forces)
    assert caught.value.hint
    assert caught.value.exit_code == 4


def test_wrong_shapes_are_refused(make_sheet):
    mesh = make_sheet(4, 4)
    cloth, material, start = make_cloth(mesh), published(), ClothState.at_rest(mesh.vertices)
    with pytest.raises(InputError, match="float32"):
        step(cloth, material, ClothState.at_rest(mesh.vertices.float()), h=0.01)
    with pytest.raises(InputError, match=r"forces .*\[3\]"):
        step(cloth, material, start, h=0.01, forces=torch.zeros(3, dtype=torch.float64))
    with pytest.raises(InputError, match="4 corrective forces for 5 steps"):
        simulate(cloth, material, start, steps=5, h=0.01, forces=torch.zeros(4, 16, 3, dtype=torch.float64))
    with pytest.raises(InputError, match="whole number of frames"):
        simulate(cloth, material, start, steps=5, h=0.01, steps_per_frame=2)
