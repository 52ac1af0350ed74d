from dataclasses import replace

import pytest
import torch

from recon_cli.systems.npm.config import SpaceConfig
from recon_cli.systems.npm.skin import Skin
from recon_cli.systems.npm.skinning import Pose, skinned
from recon_cli.systems.npm.spaces import Components, body_model
from tests.systems.npm.tube import TREE, tubes


def rows(count: int, size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    mixed = torch.randn(count, 5, generator=generator) * torch.tensor([3.0, 2.0, 1.0, 0.5, 0.2])
    return mixed @ torch.randn(5, size, generator=generator) + 7


@pytest.mark.parametrize("shape", [(12, 300), (300, 12)])
def test_codes_are_white_and_give_the_rows_back(shape):
    data = rows(*shape)
    found = Components.of(data, 20, 1.0)
    assert found.codes.shape == (shape[0], 5)
    torch.testing.assert_close(found.codes.T @ found.codes / (shape[0] - 1), torch.eye(5), rtol=0, atol=1e-3)
    torch.testing.assert_close(found.codes.mean(dim=0), torch.zeros(5), rtol=0, atol=1e-3)
    torch.testing.assert_close(found.mean + found.codes @ found.basis, data, rtol=1e-3, atol=1e-3)


def test_no_more_dimensions_than_asked_for_or_needed():
    data = rows(50, 40)
    assert Components.of(data, 2, 1.0).codes.shape[1] == 2
    assert Components.of(data, 20, 0.6).codes.shape[1] < 3
    assert Components.of(data[:1], 20, 1.0).codes.shape == (1, 0)
    assert Components.of(torch.ones(9, 4), 20, 1.0).codes.shape == (9, 0)


@pytest.fixture(scope="module")
def made():
    return tubes(identities=4, poses=16)


@pytest.fixture(scope="module")
def model(made):
    poses = Pose(made.poses.orientations.float(), made.poses.root.float())
    skin = Skin(TREE, made.joints.float(), made.weights.float(), poses, ())
    return body_model(made.registered, skin, SpaceConfig(kept=1.0)), poses


def test_the_training_bodies_come_back(made, model):
    (body, shapes, poses), parts = model
    identity = made.registered.identity
    canonical = body.canonical(shapes)
    assert (canonical - made.registered.canonical).norm(dim=-1).max() < 1e-4
    found = body.posed(shapes[identity], poses, parts.orientations[:, 0], parts.root)
    assert (found - made.registered.posed).norm(dim=-1).max() < 1e-3


def test_codes_are_zero_in_the_mean_and_shapes_are_one_number(made, model):
    (body, _, poses), _ = model
    assert body.shape_size == 1  # tubes differ in length alone
    assert body.pose_size == poses.shape[1]
    assert poses.mean(dim=0).abs().max() < 1e-3
    middle = body.canonical(torch.zeros(1))
    torch.testing.assert_close(middle, made.registered.canonical.mean(dim=0), rtol=0, atol=1e-5)


def test_soft_deformation_beyond_skinning_is_learned(made, model):
    """A swelling that no turn of a part can make."""
    _, parts = model
    registered, identity = made.registered, made.registered.identity
    amount = torch.randn(len(identity), generator=torch.Generator().manual_seed(5)) * 0.02
    swelling = (-(registered.canonical[..., 0] / 0.1).square()).exp()[..., None] * torch.tensor([0.0, 0.0, 1.0])
    soft = registered.canonical[identity] + amount[:, None, None] * swelling[identity]
    posed = skinned(soft, made.weights.float(), parts, made.joints.float()[identity], TREE)
    skin = Skin(TREE, made.joints.float(), made.weights.float(), parts, ())
    changed = replace(registered, posed=posed)
    errors = []
    for soft_size in (0, 4):
        body, shapes, poses = body_model(changed, skin, SpaceConfig(kept=1.0, soft=soft_size))
        found = body.posed(shapes[identity], poses, parts.orientations[:, 0], parts.root)
        errors.append(float((found - posed).square().sum(-1).mean().sqrt()))
    assert errors[1] < 0.35 * errors[0]
