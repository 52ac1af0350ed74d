"""Rest geometry: areas, warp, hinges and the two rest shapes."""

import math

import pytest
import torch

from recon_cli.core.errors import InputError, UsageError
from recon_cli.systems.sft.balance import elastic_forces
from recon_cli.systems.sft.cloth import dihedral_angles, make_cloth
from recon_cli.systems.sft.materials import published


def bent(mesh, radius=0.3):
    x, y, _ = mesh.vertices.unbind(1)
    return mesh.with_vertices(torch.stack([radius * torch.sin(x / radius), y, radius * torch.cos(x / radius)], dim=1))


def test_areas_and_hinges_of_a_sheet(make_sheet):
    cloth = make_cloth(make_sheet(4, 7, size=0.6))
    assert float(cloth.face_area.sum()) == pytest.approx(0.6 * 0.3)
    assert float(cloth.vertex_area.sum()) == pytest.approx(0.6 * 0.3)
    assert len(cloth.hinges) == 3 * 7 + 6 * 4 + 18 - 2 * (3 + 6)  # edges less boundary edges
    torch.testing.assert_close(cloth.hinge_direction.sum(dim=1), torch.ones(len(cloth.hinges), dtype=torch.float64))
    assert cloth.flattening.largest < 1e-9


@pytest.mark.parametrize("degrees", [0.0, 30.0, 45.0, 90.0])
def test_warp_axis_turns_the_material_coordinates(make_sheet, degrees):
    mesh = make_sheet(4, 4)
    cloth = make_cloth(mesh, warp_axis=degrees)
    turn = math.radians(degrees)
    warp = mesh.vertices[:, :2] @ mesh.vertices.new_tensor([math.cos(turn), math.sin(turn)])
    torch.testing.assert_close(cloth.material_coordinates[:, 0], warp - warp.mean(), rtol=0, atol=1e-9)


def test_edges_along_warp_diagonal_and_weft_take_their_own_row(make_sheet):
    cloth = make_cloth(make_sheet(3, 3))
    along = cloth.material_coordinates[cloth.hinges[:, 1]] - cloth.material_coordinates[cloth.hinges[:, 0]]
    flat, upright = along[:, 1].abs() < 1e-6, along[:, 0].abs() < 1e-6
    diagonal = ~flat & ~upright
    for row, chosen in enumerate((flat, diagonal, upright)):
        assert bool(chosen.any())
        torch.testing.assert_close(cloth.hinge_direction[chosen, row], torch.ones(int(chosen.sum()), dtype=torch.float64))


def test_template_rest_shape_has_no_force_and_flat_one_has_bending(make_sheet):
    template = bent(make_sheet(6, 6, jitter=0.1))
    material = published()
    kept = make_cloth(template, rest="template")
    flat = make_cloth(template, rest="flat")
    assert float(kept.hinge_rest_angle.abs().max()) > 0.05
    assert float(elastic_forces(kept, material, template.vertices).abs().max()) < 1e-10
    assert float(elastic_forces(flat, material, template.vertices).abs().max()) > 1e-6


def test_dihedral_angle_is_the_fold(make_sheet):
    for fold in (-2.5, -0.3, 0.0, 1.0, 3.0):
        corners = torch.tensor([[0.0, 0, 0], [0, 1, 0], [-1, 0.3, 0], [math.cos(fold), 0.6, math.sin(fold)]], dtype=torch.float64)
        assert float(dihedral_angles(corners[None])[0]) == pytest.approx(-fold, abs=1e-12) or float(
            dihedral_angles(corners[None])[0]
        ) == pytest.approx(fold, abs=1e-12)
        assert abs(float(dihedral_angles(corners[None])[0])) == pytest.approx(abs(fold), abs=1e-12)


def test_wrong_choices_are_refused(make_sheet):
    with pytest.raises(UsageError, match="curved"):
        make_cloth(make_sheet(), rest="curved")
    with pytest.raises(InputError, match="vertex 25"):
        make_cloth(make_sheet(), pins=[3, 25])
