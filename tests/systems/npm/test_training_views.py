"""Training views: a body is recognised from any side and at any size."""

from __future__ import annotations

import math

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.systems.npm.first_guesses import FirstGuesses
from recon_cli.systems.npm.skinning import rotation
from recon_cli.systems.npm.training_views import Half, depth_picture, level_camera, shortest_rotation
from tests.systems.npm.tube import tubes
from tests.systems.npm.tube_frames import learned_tubes


def test_pictures_do_not_depend_on_size_or_place() -> None:
    points = torch.randn(2, 500, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(depth_picture(points), depth_picture(3 * points + torch.tensor([4.0, -2.0, 9.0])), atol=2e-2, rtol=0)


@pytest.mark.parametrize("up", [(0.0, 1.0, 0.0), (0.0, 0.0, -2.0), (0.3, 0.5, 0.8)])
def test_level_cameras_look_level(up: tuple[float, float, float]) -> None:
    axes = level_camera(torch.tensor(up))
    torch.testing.assert_close(axes @ axes.T, torch.eye(3), atol=1e-6, rtol=0)
    assert float(torch.linalg.det(axes)) == pytest.approx(1.0, abs=1e-5)
    direction = torch.nn.functional.normalize(torch.tensor(up), dim=0)
    torch.testing.assert_close(axes @ direction, torch.tensor([0.0, -1.0, 0.0]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("end", [(1.0, 0.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 0.6, 0.8)])
def test_the_shortest_rotation_leads_there(end: tuple[float, float, float]) -> None:
    start, target = torch.tensor([1.0, 0.0, 0.0]), torch.tensor(end)
    torch.testing.assert_close(shortest_rotation(start, target) @ start, target, atol=1e-6, rtol=0)


def test_a_training_view_is_its_own_nearest() -> None:
    model, _, guesses = learned_tubes()
    posed = tubes(identities=6, poses=40).registered.posed
    pose, side = 77, 3
    level = posed[pose] @ level_camera(torch.tensor([0.0, 1.0, 0.0])).T @ guesses.views.turns[side].T
    tilt = rotation(torch.tensor([[0.3, 0.0, 0.2]]))[0]
    begun = guesses(5.0 * level @ tilt.T, tilt @ torch.tensor([0.0, -1.0, 0.0]), 3)
    assert torch.equal(begun.postures.poses[0], guesses.views.poses[pose])
    assert float(begun.distances[0]) < 0.5 * float(begun.distances[1])
    assert float(begun.units[0]) == pytest.approx(5.0, rel=1e-3)
    seen = model.posed(torch.zeros(1, model.shape_size), begun.postures.poses[:1], begun.postures.roots[:1], torch.zeros(1, 3))[0]
    here = level @ tilt.T
    assert float(((seen - seen.mean(dim=0)) - (here - here.mean(dim=0))).norm(dim=-1).mean()) < 0.05


def test_guesses_come_back_from_tensors() -> None:
    model, _, guesses = learned_tubes()
    again = FirstGuesses.of(guesses.tensors(), model.pose_size, path="x")
    points = torch.randn(300, 3, generator=torch.Generator().manual_seed(1))
    first, second = (one(points, torch.tensor([0.0, -1.0, 0.0]), 2) for one in (guesses, again))
    assert torch.equal(first.postures.poses, second.postures.poses)


@pytest.mark.parametrize("name", ["views.pictures", "views.poses", "views.roots"])
def test_views_that_do_not_fit_are_refused(name: str) -> None:
    model, _, guesses = learned_tubes()
    tensors = guesses.tensors()
    with pytest.raises(InputError, match=r"do not fit|has no"):
        FirstGuesses.of(tensors | {name: tensors[name][:-1]}, model.pose_size, path="x")
    with pytest.raises(InputError, match="has no"):
        FirstGuesses.of({key: value for key, value in tensors.items() if key != name}, model.pose_size, path="x")
    with pytest.raises(InputError, match="do not fit"):
        FirstGuesses.of(tensors | {name: tensors[name] * math.nan}, model.pose_size, path="x")


@pytest.mark.parametrize("is_opposite", [False, True])
def test_guesses_of_a_half_face_its_way(is_opposite: bool) -> None:
    _, _, guesses = learned_tubes()
    points = tubes(identities=6, poses=40).registered.posed[12] @ level_camera(torch.tensor([0.0, 1.0, 0.0])).T
    up = torch.tensor([0.0, -1.0, 0.0])
    reference = guesses(points, up, 1).postures.roots[0]
    half = Half(reference, is_opposite)
    roots = guesses(points, up, 5, half).postures.roots
    assert bool(half.holds(roots).all())
    forward = (roots @ reference.T)[:, 0, 0] + (roots @ reference.T)[:, 2, 2]
    assert bool((forward < 0).all()) == is_opposite
