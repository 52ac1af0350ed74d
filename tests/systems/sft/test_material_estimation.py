"""Material and wind back from simulated motion: exact data, noisy data, and data that says nothing."""

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.systems.sft.balance import residual
from recon_cli.systems.sft.cloth import make_cloth
from recon_cli.systems.sft.inverse_dynamics import path_velocities
from recon_cli.systems.sft.material_estimation import (
    LARGEST_FACTOR,
    EstimationSettings,
    _columns,
    _Motion,
    _pack,
    _unpack,
    estimate_material,
    virtual_fields,
)
from recon_cli.systems.sft.materials import Material, published
from recon_cli.systems.sft.simulator import ClothState, Physics, Wind, simulate

PHYSICS = Physics(gravity=(0.0, 9.81, 0.0), mass_damping=0.2)
AIR = torch.tensor([1.0, 0.0, 3.0], dtype=torch.float64)
H = 1 / 120


def altered(material, normal):
    """Another material within the realm of fabrics."""
    return Material(
        torch.tensor(0.3, dtype=torch.float64),
        material.stretching * (1 + 0.2 * normal(6, 4).clamp(-1.5, 1.5)),
        material.bending * (1 + 0.3 * normal(3, 5).clamp(-1.5, 1.5)),
    )


@pytest.fixture
def flag(make_sheet, normal):
    """A sheet held at two corners, swung by gravity and wind: stretched, sheared and folded."""
    mesh = make_sheet(9, 9, jitter=0.15)
    cloth = make_cloth(mesh, pins=[0, 8])
    truth = altered(published("eight_fabrics"), normal)
    wind = Wind(AIR, drag=0.1)
    positions = simulate(cloth, truth, ClothState.at_rest(mesh.vertices), steps=120, h=H, wind=wind, physics=PHYSICS)
    return cloth, truth, positions


def test_exact_motion_gives_material_density_and_wind_back(flag):
    cloth, truth, positions = flag
    start = Wind(torch.tensor([0.0, 0.0, 2.0], dtype=torch.float64), drag=0.1)
    settings = EstimationSettings(ridge=1e-7, iterations=10)
    found = estimate_material(cloth, published("eight_fabrics"), positions, h=H, wind=start, physics=PHYSICS, settings=settings)
    assert found.initial_acceleration > 1.0
    assert found.acceleration < 1e-3
    assert found.wind is not None
    torch.testing.assert_close(found.wind.velocity, AIR, rtol=0, atol=1e-3)
    torch.testing.assert_close(found.material.density, truth.density, rtol=1e-3, atol=0)
    told = found.information > 0.99
    assert int(told[:24].sum()) >= 18
    error = (found.material.stretching / truth.stretching - 1).abs().flatten()[told[:24]]
    assert float(error.max()) < 0.02
    bending = (found.material.bending / truth.bending - 1).abs().flatten()[told[24:39]]
    assert float(bending.max()) < 0.05


def test_noise_of_a_tenth_of_a_millimetre_leaves_only_part_of_it(flag, normal):
    """Accelerations magnify noise by 1 / h²: the estimate still explains more than the published values, and stays within bounds."""
    cloth, _, positions = flag
    noisy = positions + 1e-4 * normal(*positions.shape) * cloth.is_free[:, None]
    found = estimate_material(cloth, published("eight_fabrics"), noisy, h=H, physics=PHYSICS)
    assert found.acceleration < found.initial_acceleration
    assert float(found.material.stretching.min()) >= float(published("eight_fabrics").stretching.min()) - 1e-9
    assert found.wind is None
    torch.testing.assert_close(found.material.density, published("eight_fabrics").density)


def test_motion_without_information_changes_nothing(make_sheet):
    mesh = make_sheet(5, 5)
    still = mesh.vertices.repeat(6, 1, 1)
    initial = published("eight_fabrics")
    found = estimate_material(make_cloth(mesh), initial, still, h=H)
    assert torch.equal(found.material.stretching, initial.stretching) or torch.allclose(
        found.material.stretching, initial.stretching, rtol=1e-12, atol=0
    )
    torch.testing.assert_close(found.material.bending, initial.bending, rtol=1e-12, atol=0)
    torch.testing.assert_close(found.material.density, initial.density, rtol=1e-12, atol=0)
    assert float(found.information.max()) < 1e-6


def test_material_that_explains_all_is_kept(flag):
    cloth, truth, positions = flag
    found = estimate_material(cloth, truth, positions, h=H, wind=Wind(AIR, drag=0.1), physics=PHYSICS)
    assert found.acceleration < 1e-6
    torch.testing.assert_close(found.material.stretching, truth.stretching, rtol=1e-4, atol=1e-4)


def test_columns_are_the_acceleration_s_derivatives(flag, normal):
    """Closed-form columns against finite differences of the balance."""
    cloth, _, positions = flag
    path = positions[60:64]
    motion = _Motion(cloth, path, path_velocities(positions, h=H)[60:64], PHYSICS, H, virtual_fields(cloth, 24))
    wind = Wind(AIR, drag=0.1)
    unknowns = _pack(published("eight_fabrics"), wind)
    (chunk,) = motion.chunks()
    columns = torch.stack(list(_columns(motion, unknowns, wind, chunk)))

    def acceleration(unknowns):
        material, air = _unpack(unknowns, wind)
        balance = residual(cloth, material, air, PHYSICS, H, **chunk)
        return balance / (H * material.density * cloth.vertex_area[:, None])

    direction = normal(43) * unknowns.abs().clamp(min=1e-3)
    ahead, behind = (acceleration(unknowns + s * 1e-6 * direction) for s in (1, -1))
    expected = (ahead - behind) / 2e-6
    got = (columns * direction[:, None, None, None]).sum(dim=0)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6 * float(expected.abs().max()))


def test_two_frames_are_refused(make_sheet):
    mesh = make_sheet(3, 3)
    with pytest.raises(InputError, match="2 frames"):
        estimate_material(make_cloth(mesh), published(), mesh.vertices.repeat(2, 1, 1), h=H)


@pytest.mark.parametrize("count", [5, 30])
def test_fields_are_smooth_and_orthonormal_by_area(make_sheet, count):
    cloth = make_cloth(make_sheet(9, 9, jitter=0.15))
    fields = virtual_fields(cloth, count)
    area = cloth.vertex_area
    gram = (fields / area) @ fields.T * area.sum()
    torch.testing.assert_close(gram, torch.eye(count, dtype=torch.float64), rtol=0, atol=1e-8)
    torch.testing.assert_close((fields[0] / area).std(), torch.tensor(0.0, dtype=torch.float64), rtol=0, atol=1e-8)


def test_jagged_errors_push_constants_to_bounds_that_are_counted(flag, normal):
    """A tenth of a millimetre from vertex to vertex makes any cloth look soft: within the range of fabrics, and said so."""
    cloth, _, positions = flag
    start = published("eight_fabrics")
    jagged = positions + 1e-4 * normal(1, *positions.shape[1:]) * cloth.is_free[:, None]
    found = estimate_material(cloth, start, jagged, h=H, wind=Wind(AIR, drag=0.1), physics=PHYSICS)
    clean = estimate_material(cloth, start, positions, h=H, wind=Wind(AIR, drag=0.1), physics=PHYSICS)
    ratio = (found.material.stretching / found.material.density) / (start.stretching / start.density)
    assert float(ratio[start.stretching > 0].min()) >= 1 / LARGEST_FACTOR - 1e-9
    assert float(ratio[start.stretching > 0].max()) <= LARGEST_FACTOR * 10
    assert found.bounded > clean.bounded
