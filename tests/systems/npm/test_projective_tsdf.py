import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.systems.npm.projective_tsdf import ProjectiveTsdf
from recon_cli.systems.npm.published_config import DepthFieldConfig

K = torch.tensor([[100.0, 0.0, 30.0], [0.0, 100.0, 20.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
RAY, NEAREST = DepthFieldConfig(distance="ray"), DepthFieldConfig()


def wall(depth=1.0):
    """A slanted wall over the left 40 of 60 columns, 40 rows."""
    column = torch.arange(60, dtype=torch.float64) + 0.5
    values = depth / (1 - 0.3 * (column - 30) / 100)  # the plane z = depth + 0.3 x
    return torch.where(column < 40, values, 0.0).expand(40, 60).contiguous()


def sphere(radius=0.3, distance=1.5, size=120):
    """The near side of a sphere on the axis, and the camera that sees it."""
    K = torch.tensor([[2.0 * size, 0.0, size / 2], [0.0, 2.0 * size, size / 2], [0.0, 0.0, 1.0]], dtype=torch.float64)
    line = (torch.arange(size, dtype=torch.float64) + 0.5 - size / 2) / (2.0 * size)
    squared = 1 + line[:, None].square() + line.square()
    root = distance**2 - squared * (distance**2 - radius**2)
    return torch.where(root > 0, (distance - root.clamp(min=0).sqrt()) / squared, 0.0), K


def lifted(column, row, z):
    column, row, z = torch.broadcast_tensors(*(torch.as_tensor(value, dtype=torch.float64) for value in (column, row, z)))
    return torch.stack([(column - 30) / 100 * z, (row - 20) / 100 * z, z], dim=-1).reshape(-1, 3)


def test_along_a_ray_the_distance_is_that_of_its_depth():
    field, place = ProjectiveTsdf(wall(), K, RAY), torch.tensor([12.5, 20.5, 33.5])
    depth = wall()[20, place.long()]
    for gap in (0.08, 0.02, 0.0, -0.008):
        points = lifted(place, 20.5, depth - gap)
        found, is_observed = field(points)
        ray = points.norm(dim=1) / points[:, 2]
        torch.testing.assert_close(found, gap * ray, rtol=0, atol=1e-4)
        assert is_observed.all()


def test_depth_is_interpolated_on_a_surface_and_not_across_its_edge():
    field = ProjectiveTsdf(wall(), K, RAY)
    points = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)  # on the plane, between four pixels
    assert abs(float(field(points)[0])) < 1e-5
    near = ProjectiveTsdf(torch.where(torch.arange(60) < 20, 1.0, 2.0).double().expand(40, 60), K, RAY)
    found, _ = near(lifted([19.9, 20.1], 20.5, [0.97, 1.97]))
    torch.testing.assert_close(found, torch.tensor([0.03, 0.03], dtype=torch.float64), rtol=0, atol=1e-3)


def test_what_is_behind_outside_or_in_a_small_hole_is_unobserved_and_free_space_is_not():
    depth = wall()
    depth[10:12, 10:12] = 0.0
    depth[20:30, 20:30] = 0.0  # larger than twelve pixels: a hole through which one sees
    for config in (RAY, NEAREST):
        field = ProjectiveTsdf(depth, K, config)
        surface = float(depth[5, 5])
        points = lifted(
            [5.5, 5.5, 5.5, 10.5, 25.5, 50.5, 70.0, 5.5],
            [5.5, 5.5, 5.5, 10.5, 25.5, 20.5, 20.5, 5.5],
            [surface - 0.5, surface + 0.009, surface + 0.011, 0.9, 1.5, 1.0, 1.0, -1.0],
        )
        _, is_observed = field(points)
        assert is_observed.tolist() == [True, True, False, False, True, True, False, False]


def test_a_ray_that_meets_nothing_counts_as_the_clamp_or_by_the_nearest_point():
    depth = wall()
    beside = lifted(42.0, 20.5, depth[20, 39])
    assert float(ProjectiveTsdf(depth, K, RAY)(beside)[0]) == pytest.approx(0.1)
    corner = lifted(39.5, 20.5, depth[20, 39])
    assert float(ProjectiveTsdf(depth, K, NEAREST)(beside)[0]) == pytest.approx(float((beside - corner).norm()))


def test_the_nearest_distance_is_that_of_the_surface_and_the_one_along_the_ray_is_larger():
    depth, K = sphere()
    generator = torch.Generator().manual_seed(0)
    away = torch.randn(3000, 3, generator=generator, dtype=torch.float64)
    away = away / away.norm(dim=1, keepdim=True)
    away = away[away[:, 2] < -0.5]  # on the side of the camera
    truth = torch.empty(len(away), dtype=torch.float64).uniform_(-0.008, 0.09, generator=generator)
    points = (0.3 + truth)[:, None] * away + torch.tensor([0.0, 0.0, 1.5], dtype=torch.float64)
    errors = {}
    for config in (RAY, NEAREST):
        found, is_observed = ProjectiveTsdf(depth, K, config)(points)
        assert is_observed.float().mean() > 0.9
        errors[config.distance] = (found - truth)[is_observed]
    assert errors["nearest"].abs().max() < 0.003  # a pixel is 0.006 wide
    assert errors["nearest"].abs().mean() < 0.0003
    assert errors["ray"].mean() > 0.006


def test_free_points_behind_the_rim_may_be_left_out():
    depth = wall()
    points = lifted(42.0, 20.5, [0.9 * depth[20, 39], 1.03 * depth[20, 39]])
    assert ProjectiveTsdf(depth, K, NEAREST)(points)[1].tolist() == [True, True]
    assert ProjectiveTsdf(depth, K, DepthFieldConfig(past_rim=False))(points)[1].tolist() == [True, False]


@pytest.mark.parametrize("config", [RAY, NEAREST], ids=["ray", "nearest"])
def test_gradients_are_those_of_finite_differences(config):
    depth, K = sphere()
    field = ProjectiveTsdf(depth, K, config)
    generator = torch.Generator().manual_seed(1)
    points = torch.tensor([0.0, 0.0, 1.2], dtype=torch.float64) + 0.1 * torch.randn(200, 3, generator=generator, dtype=torch.float64)
    found, is_observed = field(points.requires_grad_())
    (gradient,) = torch.autograd.grad(found[is_observed].sum(), points)
    step, numeric = 1e-7, torch.empty_like(points)
    for axis in range(3):
        shift = step * torch.eye(3, dtype=torch.float64)[axis]
        numeric[:, axis] = ((field(points + shift)[0] - field(points - shift)[0]) / (2 * step)).detach()
    # Beyond the clamp, and where formulae meet, a difference says nothing.
    is_smooth = is_observed & (found.detach().abs() < 0.0999) & ((numeric - gradient).norm(dim=1) < 10)
    assert is_smooth.sum() > 50
    torch.testing.assert_close(gradient[is_smooth], numeric[is_smooth], rtol=1e-5, atol=1e-5)


def test_lookups_take_single_precision_and_no_gradient_flows_where_nothing_is_seen():
    field = ProjectiveTsdf(wall().float(), K, NEAREST)
    points = lifted([5.5, 70.0], 5.5, [0.8, 1.0]).float().requires_grad_()
    found, is_observed = field(points)
    assert found.dtype == torch.float32
    found[is_observed].sum().backward()
    assert torch.isfinite(points.grad).all()
    assert points.grad[1].abs().max() == 0


def test_a_map_without_a_body_is_refused():
    with pytest.raises(InputError, match="nothing of the body"):
        ProjectiveTsdf(torch.zeros(4, 5), K, NEAREST)
