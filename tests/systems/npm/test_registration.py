import numpy as np
import pytest
import torch

from recon_cli.core.closest_points import ClosestPoints
from recon_cli.core.hooks import NoHooks
from recon_cli.core.mesh import Mesh
from recon_cli.core.normals import face_normals
from recon_cli.core.sampling import sample_surface
from recon_cli.systems.npm.config import TemplateConfig
from recon_cli.systems.npm.registration import Cloud, Registration
from recon_cli.systems.npm.template import register
from tests.systems.npm.tube import tube

CONFIG = TemplateConfig()


def cloud(mesh: Mesh) -> Cloud:
    points, face, _ = sample_surface(mesh.vertices, mesh.faces, 3000, generator=torch.Generator().manual_seed(0))
    return Cloud(points.numpy(), face_normals(mesh.vertices, mesh.faces)[face].numpy())


def bent(mesh: Mesh, height: float) -> Mesh:
    vertices = mesh.vertices.clone()
    vertices[:, 2] += height * (4 * vertices[:, 0].square() - 0.4)
    return mesh.with_vertices(vertices)


def distance(points: np.ndarray, mesh: Mesh) -> np.ndarray:
    found = ClosestPoints(mesh)(torch.from_numpy(points)).on(mesh.vertices)
    return np.linalg.norm(points - found.numpy(), axis=1)


def test_a_tube_is_warped_onto_a_bent_one():
    template, target = tube(), bent(tube(rings=67, segments=17), 0.08)
    registration = Registration(template, CONFIG.stages, reach=CONFIG.reach)
    found = registration.onto(template.vertices.numpy(), cloud(target))
    before, after = distance(template.vertices.numpy(), target), distance(found, target)
    assert after.mean() < 0.002 < 0.01 < before.mean()
    # The way along the tube is kept: no vertex has slid far.
    assert np.abs(found[:, 0] - template.vertices.numpy()[:, 0]).max() < 0.05
    back = distance(target.vertices.numpy(), template.with_vertices(torch.from_numpy(found)))
    assert back.mean() < 0.002


def test_on_itself_it_stays():
    template = tube()
    registration = Registration(template, CONFIG.stages[:3], reach=CONFIG.reach)
    found = registration.onto(template.vertices.numpy(), cloud(template))
    assert np.linalg.norm(found - template.vertices.numpy(), axis=1).mean() < 0.004


class Family:
    """Tubes of different sizes and meshes; one pose each, which is the canonical one moved aside."""

    names = ("a", "b", "c")
    meshes = (tube(0.9, 0.07), bent(tube(1.0, 0.08, rings=51), 0.05), tube(1.1, 0.09, segments=16))

    def canonical(self, identity: int) -> Mesh:
        mesh = self.meshes[identity]
        return mesh.with_vertices(10 * mesh.vertices + 3)

    def pose_count(self, identity: int) -> int:
        return 2

    def posed(self, identity: int, pose: int) -> torch.Tensor:
        return self.canonical(identity).vertices + 10 * pose


@pytest.fixture(scope="module")
def registered():
    return register(Family(), CONFIG, poses=6, seed=0, hooks=NoHooks())


def test_all_identities_get_the_vertices_of_one_mesh(registered):
    assert registered.canonical.shape == (3, len(registered.template.vertices), 3)
    assert registered.identity.tolist() == [0, 0, 1, 1, 2, 2]
    assert registered.error.max() < 0.003
    for identity in range(3):
        surface = Family().canonical(identity)
        inside = surface.with_vertices(registered.box.inside(surface.vertices))
        assert distance(registered.canonical[identity].double().numpy(), inside).max() < 1e-5


def test_poses_follow_the_canonical_surface(registered):
    moved = registered.posed - registered.canonical[registered.identity]
    expected = torch.tensor([0.0, 10 / registered.box.side])[torch.arange(6) % 2]
    torch.testing.assert_close(moved, expected[:, None, None].expand_as(moved).float(), rtol=0, atol=1e-5)


def test_the_box_has_a_longest_side_of_one(registered):
    assert registered.box.side == pytest.approx(1.1 * 10 + 0.9, rel=0.02)
    assert registered.canonical.abs().max() < 0.51
    torch.testing.assert_close(registered.box.outside(registered.box.inside(torch.ones(2, 3))), torch.ones(2, 3).double())


def test_a_fine_mesh_is_thinned_and_stays_closed():
    from recon_cli.core.closed_surface import closed_mesh

    found = register(Family(), TemplateConfig(vertices=200, rounds=1, stages=CONFIG.stages[:1]), poses=3, seed=0, hooks=NoHooks())
    assert 150 <= len(found.template.vertices) <= 250
    closed_mesh(found.template)


def joined(first: Mesh, second: Mesh) -> Mesh:
    return Mesh(torch.cat([first.vertices, second.vertices]), torch.cat([first.faces, second.faces + len(first.vertices)]))


class Legged:
    """Bodies as wide as each other: two legs with a web between them, and two without."""

    def __init__(self) -> None:
        away = torch.tensor([0.0, 0.0, 0.2], dtype=torch.float64)
        legs = [tube(1.0, radius) for radius in (0.08, 0.07)]
        apart = [joined(leg.with_vertices(leg.vertices - away), leg.with_vertices(leg.vertices + away)) for leg in legs]
        web = tube(1.0, 0.28)
        self.names = ("web", "legs", "wide web", "thin legs")
        self._meshes = [web, apart[0], web.with_vertices(web.vertices * torch.tensor([1.0, 1.2, 1.0])), apart[1]]

    def canonical(self, identity: int) -> Mesh:
        return self._meshes[identity]

    def pose_count(self, identity: int) -> int:
        return 0

    def posed(self, identity: int, pose: int) -> torch.Tensor:
        raise AssertionError


def test_the_template_has_webs_or_none_as_the_recipe_says():
    for member, has_web in (("slender", False), ("stout", True)):
        config = TemplateConfig(vertices=5000, samples=200, rounds=1, stages=CONFIG.stages[:1], member=member)
        found = register(Legged(), config, poses=1, seed=0, hooks=NoHooks())
        assert (len(found.template.vertices) != 2 * len(tube().vertices)) == has_web
