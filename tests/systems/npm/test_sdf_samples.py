"""Points around a canonical body and their exact distances."""

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.systems.npm.box import Box
from recon_cli.systems.npm.networks_config import ShapeNetworkConfig
from recon_cli.systems.npm.sdf_samples import DistanceSamples, SignedDistance, distance_points
from tests.systems.npm.test_learning import Family

CONFIG = ShapeNetworkConfig(points=1000, near=0.7, spread=(0.01, 0.03), padding=0.1, drawn=2, kept=5)
BOX = Box(torch.full((3,), 5.0, dtype=torch.float64), 2.2)


def cube(half: float) -> Mesh:
    """Axis-aligned about the origin, counter-clockwise from outside."""
    corners = torch.tensor([[x, y, z] for x in (-half, half) for y in (-half, half) for z in (-half, half)], dtype=torch.float64)
    quads = torch.tensor([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
    return Mesh(corners, torch.cat([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]))


def test_distances_of_a_cube_are_exact():
    points = 1.2 * (torch.rand(1000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5)
    beyond = points.abs() - 0.3
    truth = beyond.clamp(min=0).norm(dim=1) + beyond.amax(dim=1).clamp(max=0)
    torch.testing.assert_close(SignedDistance(cube(0.3))(points), truth, atol=1e-7, rtol=0)


def test_points_lie_near_the_surface_and_uniform_in_the_box_in_the_shares_asked_for():
    points = distance_points(cube(0.3), CONFIG, generator=torch.Generator().manual_seed(1))
    distance = SignedDistance(cube(0.3))(points).abs()
    near, uniform = distance[:700], points[700:]
    assert float(near[::2].mean()) == pytest.approx(0.01 * 0.8, rel=0.15)  # |N(0, 1)| has the mean .8
    assert float(near[1::2].mean()) == pytest.approx(0.03 * 0.8, rel=0.2)
    assert float(uniform.abs().max()) == pytest.approx(0.6, rel=0.01)
    assert float(uniform.std()) == pytest.approx(1.2 / 12**0.5, rel=0.05)


def test_a_batch_holds_its_own_distances_to_half_precision():
    points, distance = DistanceSamples(Family(), BOX, CONFIG, seed=0).batch(1, 0)
    mesh = Family().canonical(1)
    truth = SignedDistance(mesh.with_vertices(BOX.inside(mesh.vertices)))(points)
    assert points.shape == (1000, 3)
    assert bool(((distance - truth).abs() <= 6e-4 * truth.abs() + 1e-7).all())
    assert 0.2 < float((distance < 0).float().mean()) < 0.5


def test_draws_depend_on_identity_and_epoch_alone():
    samples, others = (DistanceSamples(Family(), BOX, CONFIG, seed=3) for _ in range(2))
    late = others.batch(2, 6)[0]
    batches = [samples.batch(2, epoch)[0] for epoch in range(7)]
    assert torch.equal(late, batches[6])
    assert torch.equal(batches[0], batches[2])  # two epochs' points are kept and taken in turn
    assert not torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[0], batches[5])  # drawn anew
    assert not torch.equal(DistanceSamples(Family(), BOX, CONFIG, seed=4).batch(2, 0)[0], batches[0])


def test_an_open_surface_has_no_signed_distance():
    mesh = cube(0.3)
    with pytest.raises(InputError, match="open edges"):
        SignedDistance(Mesh(mesh.vertices, mesh.faces[1:]))
