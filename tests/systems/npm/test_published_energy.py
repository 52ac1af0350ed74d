import pytest
import torch

from recon_cli.systems.npm import published_energy as energy
from tests.systems.npm.capsule import Capsule, posed, truth


def test_posed_points_are_those_of_the_formula_point_by_point():
    model, body = Capsule(), truth(3)
    points = model.surface(body.shape).vertices[::50]
    found = energy.posed_points(model, body.shape, body.poses, body.roots, body.places, points)
    for frame in range(3):
        for index, point in enumerate(points):
            moved = point + model.flow(body.shape, body.poses[frame : frame + 1], point[None, None])[0, 0]
            expected = body.roots[frame] @ (moved - model.pivot(body.shape)) + body.places[frame]
            torch.testing.assert_close(found[frame, index], expected)


def test_reconstruction_is_the_masked_mean_of_clamped_differences():
    generator = torch.Generator().manual_seed(0)
    distance = 0.2 * torch.randn(40, generator=generator, dtype=torch.float64)
    observed = 0.2 * torch.randn(3, 40, generator=generator, dtype=torch.float64)
    mask = torch.rand(3, 40, generator=generator) < 0.5
    mask[2] = False
    found = energy.reconstruction(distance, observed, mask, clamp=0.1)
    for frame in range(2):
        pairs = [(a, b) for a, b, m in zip(distance.tolist(), observed[frame].tolist(), mask[frame].tolist(), strict=True) if m]
        cut = [abs(max(-0.1, min(0.1, a)) - max(-0.1, min(0.1, b))) for a, b in pairs]
        assert float(found[frame]) == pytest.approx(sum(cut) / len(cut))
    assert float(found[2]) == 0


def test_reconstruction_is_nothing_where_both_agree_and_pulls_both_sides():
    distance = torch.tensor([0.02, -0.01, 0.5], requires_grad=True)
    observed = torch.tensor([[0.02, -0.01, 0.3]])
    assert energy.reconstruction(distance, observed, torch.ones(1, 3, dtype=torch.bool), clamp=0.1).tolist() == [0.0]
    energy.reconstruction(distance, observed - 0.005, torch.ones(1, 3, dtype=torch.bool), clamp=0.1).sum().backward()
    torch.testing.assert_close(distance.grad, torch.tensor([1.0, 1.0, 0.0]) / 3)


def test_code_prior_is_the_squared_length():
    torch.testing.assert_close(energy.code_prior(torch.tensor([[3.0, 4.0], [0.0, 1.0]])), torch.tensor([25.0, 1.0]))


def test_temporal_is_half_the_mean_square_of_what_points_move():
    still = torch.zeros(3, 5, 3)
    assert energy.temporal(still).tolist() == [0.0, 0.0]
    still[1:] += torch.tensor([0.1, 0.0, -0.2])
    torch.testing.assert_close(energy.temporal(still), torch.tensor([0.5 * 0.05 / 3, 0.0]))


def test_icp_is_the_mean_squared_distance_to_the_nearest_point_with_its_gradient():
    generator = torch.Generator().manual_seed(2)
    depth = torch.randn(30, 3, generator=generator, dtype=torch.float64)
    surface = torch.randn(20, 3, generator=generator, dtype=torch.float64).requires_grad_()
    found = energy.icp(depth, surface)
    slow = torch.cdist(depth, surface).amin(dim=1).square().mean()
    torch.testing.assert_close(found, slow)
    torch.testing.assert_close(torch.autograd.grad(found, surface)[0], torch.autograd.grad(slow, surface)[0])
    assert energy.icp(depth, surface[:0]).tolist() == 0.0


def test_the_truth_costs_less_than_bodies_beside_it():
    """The whole of the formula on a body whose field is known: posed points are where the depth says that they are."""
    from recon_cli.systems.npm.projective_tsdf import ProjectiveTsdf
    from recon_cli.systems.npm.published_config import DepthFieldConfig
    from tests.systems.npm.capsule import K, depth_of

    model, body = Capsule(), truth(1)
    vertices, faces = posed(model, body)
    field = ProjectiveTsdf(depth_of(vertices[0], faces), K, DepthFieldConfig())
    surface = model.surface(body.shape).vertices
    points = surface + 0.015 * torch.randn(surface.shape, generator=torch.Generator().manual_seed(0))

    def cost(shift=(0.0, 0.0, 0.0), pose=(0.0, 0.0)):
        moved = energy.posed_points(
            model, body.shape, body.poses + torch.tensor(pose), body.roots, body.places + torch.tensor(shift), points
        )
        observed, mask = field(moved[0])
        return float(energy.reconstruction(model.distance(body.shape, points), observed[None], mask[None], clamp=0.1))

    least = cost()
    for change in ({"shift": (0.03, 0.0, 0.0)}, {"shift": (0.0, 0.03, 0.0)}, {"shift": (0.0, 0.0, -0.03)}, {"pose": (0.4, 0.0)}):
        assert cost(**change) > 1.15 * least
