"""Along a path between bodies: the ends as they are, one closed body in between, its volume near the line between the ends'."""

import math
from dataclasses import replace

import pytest
import torch

from recon_cli.core.closed_surface import closed_mesh, enclosed_volume
from recon_cli.core.errors import InputError
from recon_cli.core.topology import components
from recon_cli.systems.npm.codes import Codes, Posing, in_world
from recon_cli.systems.npm.interpolation import TOLERANCE, path_between, walk
from recon_cli.systems.npm.skinning import rotation
from tests.systems.npm.tube_model import soft_tubes


@pytest.fixture(scope="module")
def tubes():
    return soft_tubes(dtype=torch.float32)


def one(shape: torch.Tensor, pose: torch.Tensor, seed: int, unit: float = 1.0) -> Codes:
    """A body somewhere, before a camera somewhere."""
    generator = torch.Generator().manual_seed(seed)
    world = torch.eye(4, dtype=torch.float64)
    world[:3, :3] = rotation(torch.randn(3, generator=generator, dtype=torch.float64))
    world[:3, 3] = torch.randn(3, generator=generator)
    root, place = rotation(torch.randn(1, 3, generator=generator)), torch.randn(1, 3, generator=generator)
    return Codes(shape, pose[None], root, place, torch.tensor(unit, dtype=torch.float64), torch.tensor([0.0, -1, 0]), world, ("a",))


def ends(tubes, *, unit: float = 1.0, pose_scale: float = 1.0) -> tuple[Codes, Codes]:
    _, shapes, poses = tubes
    return one(shapes[0], pose_scale * poses[1], 1), one(shapes[3], pose_scale * poses[26], 2, unit)


def body_of(model, codes: Codes) -> torch.Tensor:
    return in_world(codes, 0, Posing(model)(codes.shape, codes.poses[0])).vertices


def test_both_ends_are_the_bodies_that_were_given(tubes):
    model, (start, end) = tubes[0], ends(tubes, unit=1.7)
    path = path_between(model, start, end, what="both", frames=5)
    points = list(walk(model, path))
    assert (points[0].body.vertices - body_of(model, start)).abs().max() < 1e-5
    assert (points[4].body.vertices - body_of(model, end)).abs().max() < 1e-5
    assert torch.equal(path.shape[4], end.shape)
    assert torch.equal(path.poses[0], start.poses[0])


@pytest.mark.parametrize("what", ["shape", "pose"])
def test_what_is_not_asked_for_stays(tubes, what):
    model, (start, end) = tubes[0], ends(tubes, unit=1.7)
    path = path_between(model, start, end, what=what, frames=4)
    last = path.only(3)
    shape, pose = (end, start) if what == "shape" else (start, end)
    assert torch.equal(last.shape, shape.shape)
    assert float(last.unit) == pytest.approx(float(shape.unit))
    assert torch.equal(last.poses, pose.poses)
    torch.testing.assert_close(last.world_roots, pose.world_roots, rtol=0, atol=1e-5)
    torch.testing.assert_close(last.world_places, pose.world_places, rtol=0, atol=1e-5)


def test_orientations_take_the_shortest_turn_and_places_go_straight(tubes):
    model, (start, end) = tubes[0], ends(tubes)
    path = path_between(model, start, end, what="both", frames=5)
    between = path.world_roots[:-1].mT @ path.world_roots[1:]
    steps = torch.acos(((between.diagonal(dim1=1, dim2=2).sum(-1) - 1) / 2).clamp(-1, 1))
    whole = start.world_roots[0].T @ end.world_roots[0]
    assert steps.sum() == pytest.approx(math.acos((float(whole.trace()) - 1) / 2), abs=1e-4)
    assert float(steps.max() - steps.min()) < 1e-4
    ways = path.world_places.diff(dim=0)
    torch.testing.assert_close(ways, ways.mean(dim=0).expand_as(ways), rtol=0, atol=1e-5)


@pytest.mark.parametrize("unit", [1.0, 2.5])
@pytest.mark.parametrize("what", ["shape", "pose", "both"])
def test_volumes_follow_the_line_between_the_ends(tubes, what, unit):
    model = tubes[0]
    points = list(walk(model, path_between(model, *ends(tubes, unit=unit), what=what, frames=7)))
    for index, point in enumerate(points):
        assert closed_mesh(point.body) is point.body
        assert int(components(point.body.faces, len(point.body.vertices)).max()) == 0
        assert point.volume == pytest.approx(float(enclosed_volume(point.body.vertices, point.body.faces)))
        assert point.line == pytest.approx(points[0].volume + index / 6 * (points[-1].volume - points[0].volume))
        assert point.deviation <= TOLERANCE + 1e-6


def test_a_similar_body_grows_linearly_in_volume_at_any_ratio(tubes):
    """At constant speed, a body of eight times the volume would be a quarter too small half-way."""
    model, (start, _) = tubes[0], ends(tubes)
    path = path_between(model, start, replace(start, unit=2 * start.unit), what="shape", frames=5)
    volumes = torch.tensor([point.code_volume for point in walk(model, path)])
    torch.testing.assert_close(volumes / volumes[0], torch.linspace(1, 8, 5), rtol=1e-4, atol=0)


def test_a_body_that_loses_its_volume_is_given_it_back(tubes):
    """Beyond all training poses blending collapses at the joints: the codes alone would miss the line."""
    model, (start, end) = tubes[0], ends(tubes, pose_scale=2.5)
    points = list(walk(model, path_between(model, start, end, what="both", frames=9)))
    assert max(abs(point.code_volume / point.line - 1) for point in points) > TOLERANCE
    assert max(point.deviation for point in points) <= TOLERANCE + 1e-6
    assert points[0].moved == points[-1].moved == 0
    assert 0 < max(abs(point.moved) for point in points) < 0.01


def test_a_surface_is_made_once_while_the_shape_stays(tubes):
    made = []

    class Counted:
        def __getattr__(self, name):
            return getattr(tubes[0], name)

        def surface(self, shape):
            made.append(shape)
            return tubes[0].surface(shape)

    posing = Posing(Counted())  # pyright: ignore[reportArgumentType]
    _, shapes, poses = tubes
    for pose in poses[:3]:
        posing(shapes[0], pose)
    posing(shapes[1], poses[0])
    assert len(made) == 2


def test_a_code_of_no_body_is_refused(tubes):
    start, end = ends(tubes)
    huge = replace(end, shape=-1e30 * end.shape)
    with pytest.raises(InputError, match="encloses no volume"):
        path_between(tubes[0], start, huge, what="shape", frames=5)
