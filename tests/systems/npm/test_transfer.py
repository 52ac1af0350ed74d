"""Poses of one body on another: its shape and size, the other's turns, and the same floor."""

from dataclasses import replace

import pytest
import torch

from recon_cli.systems.npm.codes import Codes
from recon_cli.systems.npm.skinning import rotation
from recon_cli.systems.npm.transfer import bodies, transferred
from tests.systems.npm.test_interpolation import one
from tests.systems.npm.tube_model import soft_tubes


@pytest.fixture(scope="module")
def tubes():
    return soft_tubes(dtype=torch.float32)


def sequence(tubes) -> Codes:
    _, shapes, poses = tubes
    generator = torch.Generator().manual_seed(9)
    first = one(shapes[1], poses[0], 5, unit=1.3)
    turns, places = rotation(torch.randn(4, 3, generator=generator)), torch.randn(4, 3, generator=generator)
    return replace(first, poses=poses[:4], roots=turns, places=places, names=("a", "b", "c", "d"))


def test_onto_its_own_shape_nothing_changes(tubes):
    model, moving = tubes[0], sequence(tubes)
    found = transferred(model, moving, moving.only(2))
    for before, after in zip(bodies(model, moving), bodies(model, found), strict=True):
        assert (before.vertices - after.vertices).abs().max() < 1e-5


def test_the_shape_is_the_others_and_the_floor_the_same(tubes):
    model, shapes, poses = tubes
    moving, other = sequence(tubes), one(shapes[3], poses[-1], 8, unit=2.6)
    found = transferred(model, moving, other)
    assert torch.equal(found.poses, moving.poses)
    assert torch.equal(found.roots, moving.roots)
    assert torch.equal(found.shape, other.shape)
    assert (float(found.unit), found.names) == (2.6, moving.names)
    way = found.world_places - moving.world_places
    torch.testing.assert_close(way, way[:1].expand_as(way), rtol=0, atol=1e-5)
    assert (torch.linalg.cross(way, moving.world_up.expand_as(way))).abs().max() < 1e-5
    lowest = [min(float((body.vertices @ moving.world_up).min()) for body in bodies(model, codes)) for codes in (moving, found)]
    assert lowest[0] == pytest.approx(lowest[1], abs=1e-5)


def test_a_body_twice_as_large_is_twice_as_large(tubes):
    model, moving = tubes[0], sequence(tubes)
    found = transferred(model, moving, replace(moving.only(0), unit=2 * moving.unit))
    for before, after in zip(bodies(model, moving), bodies(model, found), strict=True):
        sizes = [body.vertices.amax(dim=0) - body.vertices.amin(dim=0) for body in (before, after)]
        torch.testing.assert_close(2 * sizes[0], sizes[1], rtol=1e-4, atol=1e-5)
