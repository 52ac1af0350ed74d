import torch
from scipy.spatial.transform import Rotation

from recon_cli.systems.npm.skinning import Pose, Tree, carried, crossed, left_jacobian, levers, rotation, skinned, turn_of
from tests.systems.npm.tube import TREE, tubes

BRANCHED = Tree((-1, 0, 1, 1, 0))


def draws(*shape: int, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


def test_rotations_are_those_of_scipy_also_when_small():
    turns = torch.cat([draws(20, 3), draws(21, 3, scale=1e-5), torch.zeros(1, 3, dtype=torch.float64)])
    torch.testing.assert_close(rotation(turns), torch.from_numpy(Rotation.from_rotvec(turns.numpy()).as_matrix()))
    torch.testing.assert_close(turn_of(rotation(turns)), turns)


def test_the_left_jacobian_is_the_derivative_of_a_rotation():
    for scale in (1.0, 1e-4):
        turns, change = draws(10, 3, scale=scale), 1e-6 * draws(11, 3)[:10]
        moved = rotation((left_jacobian(turns) @ change[..., None])[..., 0]) @ rotation(turns)
        torch.testing.assert_close(moved, rotation(turns + change), rtol=0, atol=1e-11)


def test_crossed_is_a_cross_product():
    lever, turn = draws(7, 3), draws(8, 3)[:7]
    torch.testing.assert_close((crossed(lever) @ turn[..., None])[..., 0], torch.linalg.cross(turn, lever))


def test_relative_turns_compose_to_the_orientations_again():
    turns = rotation(draws(4, 5, 3))
    torch.testing.assert_close(BRANCHED.relative(BRANCHED.composed(turns)), turns)


def test_below_names_all_that_hangs_on_a_part():
    assert BRANCHED.below.tolist() == [[1, 1, 1, 1, 1], [0, 1, 1, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]


def test_at_rest_nothing_moves_and_a_turned_root_turns_all():
    made = tubes()
    points, joints = made.registered.canonical[:1].double(), made.joints[:1]
    still = Pose(torch.eye(3, dtype=torch.float64).expand(1, 3, 3, 3), joints[:, 0])
    torch.testing.assert_close(skinned(points, made.weights, still, joints, TREE), points)
    turn = rotation(torch.tensor([[0.3, 0.5, -0.2]], dtype=torch.float64))
    whole = Pose(turn[:, None].expand(1, 3, 3, 3), joints[:, 0])
    expected = (points - joints[:, :1]) @ turn.mT + joints[:, :1]
    torch.testing.assert_close(skinned(points, made.weights, whole, joints, TREE), expected)


def test_skinned_is_the_mean_of_what_the_parts_do():
    made = tubes()
    identity = made.registered.identity
    points = made.registered.canonical[identity].double()
    moved, _ = carried(points, made.poses, made.joints[identity], TREE)
    mean = torch.einsum("vk,bvki->bvi", made.weights, moved)
    torch.testing.assert_close(skinned(points, made.weights, made.poses, made.joints[identity], TREE), mean)


def test_levers_are_the_derivative_with_respect_to_turns():
    made = tubes(identities=1, poses=2)
    identity = made.registered.identity
    points, joints = made.registered.canonical[identity].double()[:, ::37], made.joints[identity]
    weights = made.weights[::37]
    moved, places = carried(points, made.poses, joints, TREE)
    turns = crossed(levers(moved, weights, places, TREE))
    step = 1e-6
    for part in range(3):
        for axis in range(3):
            small = torch.zeros(2, 3, 3, dtype=torch.float64)
            small[:, part, axis] = step
            after = Pose(TREE.composed(rotation(small)) @ made.poses.orientations, made.poses.root)
            change = skinned(points, weights, after, joints, TREE) - skinned(points, weights, made.poses, joints, TREE)
            torch.testing.assert_close(change / step, turns[:, :, part, :, axis], rtol=0, atol=1e-5)
