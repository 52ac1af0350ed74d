"""Pairs of points near a canonical surface and in a pose."""

import pytest
import torch

from recon_cli.core.closest_points import ClosestPoints
from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.systems.npm.bodies import all_poses_taken
from recon_cli.systems.npm.box import Box
from recon_cli.systems.npm.flow_samples import FlowSamples
from recon_cli.systems.npm.networks_config import FlowNetworkConfig
from recon_cli.systems.npm.skinning import rotation
from tests.systems.npm.test_learning import Family
from tests.systems.npm.tube import tube

CONFIG = FlowNetworkConfig(points=600, offsets=(0.002, 0.01))
BOX = Box(torch.full((3,), 5.0, dtype=torch.float64), 2.2)


def samples(bodies=None, *, seed=0, most=100, memory_mb=10, config=CONFIG):
    return FlowSamples(bodies or Family(poses=3), BOX, config, most=most, memory_mb=memory_mb, seed=seed)


class Turned:
    """A tube whose poses are itself, turned and moved."""

    names = ("a",)
    turn = rotation(torch.tensor([[0.3, -1.2, 2.0]], dtype=torch.float64))[0]

    def canonical(self, identity):
        return tube().with_vertices(2 * tube().vertices + 5)

    def pose_count(self, identity):
        return 1

    def posed(self, identity, pose):
        return (self.canonical(0).vertices - 5) @ self.turn.T + 6


def test_the_pose_is_where_root_and_place_put_the_flowed_points():
    bodies, found = Family(poses=3), samples()
    for item in (0, 4, 11):
        identity, pose = divmod(item, 3)
        points, flow = found.batch(item, epoch=0)
        placed = (points + flow) @ found.roots[item].T + found.places[item]
        mesh = Mesh(BOX.inside(bodies.posed(identity, pose)), bodies.canonical(identity).faces)
        distance = (ClosestPoints(mesh)(placed).on(mesh.vertices) - placed).norm(dim=1)
        assert float(distance[::2].max()) < 0.00201
        assert float(distance[1::2].max()) < 0.01001
        assert float(distance[1::2].max()) > 0.008


def test_offsets_are_the_same_in_every_pose_and_on_the_canonical_surface():
    found = samples()
    first, second = (found.batch(item, epoch=5) for item in (3, 5))  # two poses of one identity
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[1], second[1])
    mesh = Family().canonical(1)
    canonical = Mesh(BOX.inside(mesh.vertices), mesh.faces)
    distance = (ClosestPoints(canonical)(first[0]).on(canonical.vertices) - first[0]).norm(dim=1)
    assert 0.008 < float(distance.max()) < 0.01001


def test_a_rigid_motion_leaves_no_flow():
    found = samples(Turned())
    assert float(found.batch(0, 0)[1].norm(dim=1).max()) < 1e-5
    torch.testing.assert_close(found.roots[0], Turned.turn.float(), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.places[0], torch.full((3,), 1 / 2.2), atol=1e-5, rtol=0)


def test_poses_that_are_not_kept_are_read_again_to_the_same_bytes():
    kept, read = samples(), samples(memory_mb=0)
    assert torch.equal(kept.batch(7, 2)[1], read.batch(7, 2)[1])
    assert not torch.equal(kept.batch(7, 2)[0], kept.batch(7, 3)[0])
    assert not torch.equal(kept.batch(7, 2)[0], samples(seed=1).batch(7, 2)[0])


def test_poses_are_chosen_evenly_over_the_identities():
    assert all_poses_taken(Family(poses=9), 12) == [(identity, pose) for identity in range(4) for pose in (0, 4, 8)]
    assert len(all_poses_taken(Family(poses=2), 100)) == 8
    assert samples(most=8).identity.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_other_vertices_and_no_poses_are_told():
    class Cut(Family):
        def posed(self, identity, pose):
            return super().posed(identity, pose)[:-1] if identity == 2 else super().posed(identity, pose)

    with pytest.raises(InputError, match=r"pose 0 of c has \d+ vertices"):
        samples(Cut(poses=1))
    with pytest.raises(InputError, match="no identity has a posed mesh"):
        samples(Family(poses=0))
