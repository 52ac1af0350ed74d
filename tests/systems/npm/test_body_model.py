"""The default model as a fit asks for it: signed distance, flow, pivot and surface."""

import copy

import pytest
import torch

from recon_cli.core.closed_surface import closed_mesh
from recon_cli.core.sampling import sample_surface
from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.canonical_surface import CanonicalSurface
from recon_cli.systems.npm.skinning import rotation
from tests.systems.npm.tube_model import soft_tubes


@pytest.fixture(scope="module")
def tube_model() -> BodyModel:
    return soft_tubes()[0]


def codes(model: BodyModel, poses: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    draw = [torch.randn(*size, generator=generator, dtype=torch.float64) for size in ((model.shape_size,), (poses, model.pose_size))]
    return 0.7 * draw[0], 0.7 * draw[1]


def beside(model: BodyModel, shape: torch.Tensor, count: int, reach: float) -> torch.Tensor:
    """Points within reach of the canonical surface."""
    generator = torch.Generator().manual_seed(2)
    points = sample_surface(model.canonical(shape), model.faces, count, generator=generator)[0]
    return points + reach * torch.randn(count, 3, generator=generator, dtype=torch.float64)


def test_flow_takes_the_canonical_vertices_to_the_posed_body(tube_model):
    shape, pose = codes(tube_model, poses=3)
    generator = torch.Generator().manual_seed(4)
    root = rotation(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    place = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    expected = tube_model.posed(shape.expand(3, -1), pose, root, place)
    vertices = tube_model.surface(shape).vertices.expand(3, -1, -1)
    for points in (vertices, vertices.clone()):  # the same points in all poses are looked up once
        moved = points + tube_model.flow(shape, pose, points) - tube_model.pivot(shape)
        assert ((root[:, None] @ moved[..., None])[..., 0] + place[:, None] - expected).abs().max() < 1e-5


def test_points_beside_the_surface_move_with_it(tube_model):
    """Where the skin is of one part alone, a point keeps its way to the surface, turned."""
    shape, pose = codes(tube_model)
    pose[:, len(tube_model.turn_basis) :] = 0
    points = beside(tube_model, shape, 200, 0.02)
    anchors = tube_model.anchors(shape, points)
    weights = (anchors.barycentric[..., None] * tube_model.weights[anchors.corners]).sum(1)
    rigid = weights.amax(dim=1) > 0.9999
    assert 20 < int(rigid.sum()) < 200
    feet = anchors.on(tube_model.canonical(shape))
    both = torch.cat([points, feet]).expand(2, -1, -1)
    moved = (both + tube_model.flow(shape, pose, both)).reshape(2, 2, 200, 3)
    torch.testing.assert_close(
        (moved[:, 0] - moved[:, 1]).norm(dim=-1)[:, rigid], (points - feet).norm(dim=-1)[rigid].expand(2, -1), rtol=0, atol=1e-4
    )


def test_kept_anchors_give_the_same_flow(tube_model):
    shape, pose = codes(tube_model, poses=3)
    points = beside(tube_model, shape, 50, 0.02).expand(3, -1, -1)
    kept = tube_model.flow(shape, pose, points, anchors=tube_model.anchors(shape, points[0]))
    assert torch.equal(kept, tube_model.flow(shape, pose, points))


def test_distance_is_negative_inside_and_that_of_the_nearest_point(tube_model):
    shape, _ = codes(tube_model)
    surface = tube_model.surface(shape)
    closed_mesh(surface)
    points, face, _ = sample_surface(surface.vertices, surface.faces, 400, generator=torch.Generator().manual_seed(5))
    corners = surface.vertices[surface.faces[face]]
    normal = torch.nn.functional.normalize(torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), dim=-1)
    # The middle of a tube of radius .08 is farther away than this everywhere.
    for step in (-0.003, 0.0, 0.003):
        found = tube_model.distance(shape, points + step * normal)
        assert (found - step).abs().median() < 1e-6
        assert (found - step).abs().max() < 1e-3
    far = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 3.0]], dtype=torch.float64)
    inner, outer = tube_model.distance(shape, far).tolist()
    assert -0.09 < inner < -0.04
    assert outer == pytest.approx(3 - float(surface.vertices[:, 2].max()), abs=2e-3)


def test_a_ray_that_slips_through_an_edge_does_no_harm(tube_model):
    shape, _ = codes(tube_model)
    points = beside(tube_model, shape, 300, 0.03)
    surface = CanonicalSurface(tube_model.surface(shape))
    found = surface.nearest(points)
    expected, winding = surface.is_inside(points, found), surface._winding
    is_lost = torch.arange(300) % 7 == 0

    def with_losses(asked):
        # Only rays from the very points are lost, not those from aside.
        same = (asked[:, None] == points[None]).all(-1)
        return torch.where((same & is_lost).any(dim=1), 1 - winding(asked), winding(asked))

    surface.__dict__["_winding"] = with_losses
    assert torch.equal(surface.is_inside(points, found), expected)
    assert not torch.equal(with_losses(points) != 0, expected)


def test_distance_has_the_derivatives_of_differences(tube_model):
    shape, _ = codes(tube_model)
    points = beside(tube_model, shape, 60, 0.03)
    # A difference over the border between two triangles is none of either.
    assert _agreeing(lambda s, x: tube_model.distance(s, x), shape, points, 1e-6) > 0.93


def test_flow_has_the_derivatives_of_differences(tube_model):
    shape, pose = codes(tube_model, poses=1)
    points = beside(tube_model, shape, 60, 0.01)
    assert _agreeing(lambda s, x: tube_model.flow(s, pose, x[None])[0].sum(-1), shape, points, 1e-6) > 0.93
    loose = pose.clone().requires_grad_()
    weight = torch.randn(60, 3, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    (slopes,) = torch.autograd.grad((tube_model.flow(shape, loose, points[None])[0] * weight).sum(), loose)
    for number in range(tube_model.pose_size):
        step = torch.zeros_like(pose)
        step[0, number] = 1e-6
        ends = [(tube_model.flow(shape, pose + sign * step, points[None])[0] * weight).sum() for sign in (1, -1)]
        assert float(slopes[0, number]) == pytest.approx(float(ends[0] - ends[1]) / 2e-6, rel=1e-4, abs=1e-5)


def _agreeing(function, shape, points, step) -> float:
    """Share of the points whose derivatives in shape and place are those of differences."""
    good = torch.ones(len(points), dtype=torch.bool)
    for axis in range(3):
        loose = points.clone().requires_grad_()
        (slope,) = torch.autograd.grad(function(shape, loose).sum(), loose)
        move = torch.zeros(3, dtype=torch.float64)
        move[axis] = step
        numeric = (function(shape, points + move) - function(shape, points - move)) / (2 * step)
        good &= (numeric - slope[:, axis]).abs() < 1e-3 * (1 + numeric.abs())
    loose = shape.clone().requires_grad_()
    values = function(loose, points)
    slopes = torch.stack([torch.autograd.grad(value, loose, retain_graph=True)[0] for value in values])
    for number in range(len(shape)):
        move = torch.zeros_like(shape)
        move[number] = step
        numeric = (function(shape + move, points) - function(shape - move, points)) / (2 * step)
        good &= (numeric - slopes[:, number]).abs() < 1e-3 * (1 + numeric.abs())
    return float(good.double().mean())


def test_a_copy_of_a_model_that_was_asked_answers_alike(tube_model):
    shape, _ = codes(tube_model)
    points = beside(tube_model, shape, 20, 0.02)
    before = tube_model.distance(shape, points)
    assert torch.equal(copy.deepcopy(tube_model).distance(shape, points), before)
    single = tube_model.to(dtype=torch.float32)
    assert (single.distance(shape.float(), points.float()) - before).abs().max() < 1e-5
