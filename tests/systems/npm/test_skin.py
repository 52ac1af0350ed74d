import pytest
import torch

from recon_cli.core.hooks import NoHooks
from recon_cli.systems.npm.config import SkinConfig
from recon_cli.systems.npm.posing import fitted_joints, fitted_poses
from recon_cli.systems.npm.rigid_parts import rigid_parts
from recon_cli.systems.npm.skeleton import find_skeleton
from recon_cli.systems.npm.skin import learn_skin
from recon_cli.systems.npm.skin_weights import first_weights, fitted_weights
from recon_cli.systems.npm.skinning import Pose, skinned
from tests.systems.npm.tube import TREE, tubes

CONFIG = SkinConfig(patches=40, merging=0.008, points=200, rounds=3)


@pytest.fixture(scope="module")
def made():
    return tubes()


def test_parts_are_found_where_the_tube_bends(made):
    registered = made.registered
    before = registered.canonical[registered.identity]
    label = rigid_parts(before, registered.posed, registered.template.vertices, registered.template.faces, CONFIG)
    assert label.unique().tolist() == [0, 1, 2]
    truth = made.weights.argmax(dim=1)
    named = torch.stack([label[truth == part].mode().values for part in range(3)])
    assert len(named.unique()) == 3
    assert (named[truth] == label).double().mean() > 0.93


def test_a_body_that_never_bends_is_one_part(made):
    registered = made.registered
    same = registered.canonical[registered.identity]
    label = rigid_parts(same, same + 0.3, registered.template.vertices, registered.template.faces, CONFIG)
    assert not label.any()


def test_the_tree_is_the_chain_and_its_joints_are_near_the_bends(made):
    registered = made.registered
    label = made.weights.argmax(dim=1)
    skeleton = find_skeleton(registered.canonical, registered.posed, registered.identity, registered.template.faces, label)
    assert sorted(skeleton.tree.parents) == [-1, 0, 0]  # the middle part is nearest to the middle
    found = skeleton.joints[:, 1:].sort(dim=1).values.double()
    truth = made.joints[:, 1:].sort(dim=1).values
    assert (found - truth).norm(dim=-1).max() < 0.03
    assert skeleton.gap.max() < 0.02


def test_a_body_of_one_part_has_a_tree_without_joints(made):
    registered = made.registered
    label = torch.zeros(registered.posed.shape[1], dtype=torch.int64)
    skeleton = find_skeleton(registered.canonical, registered.posed, registered.identity, registered.template.faces, label)
    assert skeleton.tree.parents == (-1,)
    assert skeleton.joints.shape == (3, 1, 3)


def test_parts_without_a_common_border_are_joined_all_the_same(made):
    registered = made.registered
    faces = registered.template.faces
    label = (made.weights.argmax(dim=1) > 0).long()
    apart = faces[(label[faces] == label[faces][:, :1]).all(dim=1)]  # two tubes, open where they were one
    skeleton = find_skeleton(registered.canonical, registered.posed, registered.identity, apart, label)
    assert skeleton.tree.parents == (-1, 0)


def test_known_points_give_the_poses_back(made):
    registered, identity = made.registered, made.registered.identity
    points, joints = registered.canonical.double()[identity], made.joints[identity]
    posed = skinned(points, made.weights, made.poses, joints, TREE)
    still = Pose(torch.eye(3, dtype=torch.float64).expand(len(identity), 3, 3, 3), joints[:, 0])
    found = fitted_poses(points, posed, made.weights, joints, TREE, still, steps=12)
    left = skinned(points, made.weights, found, joints, TREE) - posed
    assert left.norm(dim=-1).max() < 1e-4
    assert (found.root - made.poses.root).norm(dim=-1).max() < 1e-3


def test_known_poses_give_the_joints_back(made):
    registered, identity = made.registered, made.registered.identity
    points = registered.canonical.double()[identity]
    posed = skinned(points, made.weights, made.poses, made.joints[identity], TREE)
    moved = made.joints.clone()
    moved[:, 1:] += 0.02
    found = moved
    for _ in range(4):
        found = fitted_joints(points, posed, identity, made.weights, found, TREE, made.poses)
    assert (found - made.joints)[:, 1:].norm(dim=-1).max() < 0.2 * (moved - made.joints)[:, 1:].norm(dim=-1).max()


def test_known_poses_give_the_weights_back(made):
    registered, identity = made.registered, made.registered.identity
    start = first_weights(made.weights.argmax(dim=1), registered.template.faces)
    poses = Pose(made.poses.orientations.float(), made.poses.root.float())
    found = fitted_weights(
        registered.canonical[identity],
        registered.posed,
        made.joints.float()[identity],
        TREE,
        poses,
        start,
        registered.template.faces,
        bones=2,
        smoothness=1e-8,
    )
    torch.testing.assert_close(found.sum(dim=1), torch.ones(len(found)))
    assert found.min() >= 0
    assert ((found > 0).sum(dim=1) <= 2).all()
    assert (found - made.weights).abs().mean() < 0.3 * (start - made.weights).abs().mean()
    assert (found - made.weights).abs().mean() < 0.01


def test_a_skin_learned_from_nothing_explains_the_poses(made):
    skin = learn_skin(made.registered, CONFIG, seed=0, hooks=NoHooks())
    assert len(skin.tree) == 3
    assert list(skin.error) == sorted(skin.error, reverse=True)
    assert skin.error[-1] < 0.002


def test_the_same_seed_learns_the_same_bytes(made):
    first, second = (learn_skin(made.registered, CONFIG, seed=3, hooks=NoHooks()) for _ in range(2))
    assert torch.equal(first.weights, second.weights)
    assert torch.equal(first.poses.orientations, second.poses.orientations)
