"""A skeleton is found in a mesh with stretched arms, and individuals of other proportions are closed meshes of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.rigged_mesh import AVERAGE, RiggedMesh, draw_individual, read_closed, rigged
from recon_cli.core.closed_surface import closed_mesh, enclosed_volume
from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.io.meshes import write_mesh
from recon_cli.prepare.synth.body_person import person_skeleton
from recon_cli.prepare.synth.body_person_flesh import person_flesh
from recon_cli.prepare.synth.body_skeleton import Skeleton, placed
from recon_cli.prepare.synth.body_skin import skin_weights, skinned
from recon_cli.prepare.synth.body_solid import Solid, solid_mesh, with_twins

SKELETON = person_skeleton(AVERAGE)


def _upper_arms_turned(skeleton: Skeleton, degrees: float) -> np.ndarray:  # [1, J, 3]
    angles = np.zeros((1, len(skeleton), 3))
    angles[0, [skeleton.find("left_upper_arm"), skeleton.find("right_upper_arm")], 1] = np.radians(degrees)
    return angles


@pytest.fixture(scope="module")
def stretched() -> Mesh:
    """A made-up person with stretched arms, 1.8 m tall, not standing in the origin."""
    solid = Solid(with_twins(person_flesh(AVERAGE, SKELETON)), 0.011)
    vertices, faces = solid_mesh(solid, 0.016)
    weights = skin_weights(solid, SKELETON, vertices, faces)
    pose = placed(SKELETON, _upper_arms_turned(SKELETON, 45.0), np.eye(3)[None])
    posed = skinned(pose, weights, vertices)[0]
    return Mesh(torch.from_numpy(1.8 * posed + [0.3, 0.1, 0.0]), torch.from_numpy(faces))


@pytest.fixture(scope="module")
def body(stretched: Mesh) -> RiggedMesh:
    return rigged(stretched)


def test_the_skeleton_lies_where_that_of_the_body_is(body: RiggedMesh):
    error = np.linalg.norm(body.skeleton.heads - SKELETON.heads, axis=1)
    # The trunk's joints lie towards the back, and the middle of its sections does not.
    assert error.max() < 0.03
    assert error[[SKELETON.find(name) for name in ("left_forearm", "right_hand", "left_shin", "right_foot")]].max() < 0.02


def test_lowered_arms_are_as_wide_as_those_of_the_body(body: RiggedMesh):
    assert np.ptp(body.vertices[:, 1]) == pytest.approx(1, abs=1e-6)
    assert body.vertices[:, 0].max() == pytest.approx(SKELETON.tails[SKELETON.find("left_hand"), 0], abs=0.03)


def test_every_vertex_follows_its_own_side(body: RiggedMesh):
    left = [j for j, name in enumerate(body.skeleton.names) if name.startswith("left_")]
    right = [j for j, name in enumerate(body.skeleton.names) if name.startswith("right_")]
    assert body.weights[body.vertices[:, 0] > 0.03][:, right].max() < 0.02
    assert body.weights[body.vertices[:, 0] < -0.03][:, left].max() < 0.02


def test_individuals_are_closed_and_have_nothing_in_common(body: RiggedMesh):
    first, second = (draw_individual(body, np.random.default_rng(seed)) for seed in (0, 1))
    assert len(first.vertices) != len(second.vertices) or not np.array_equal(first.faces, second.faces)
    for one in (first, second):
        mesh = Mesh(torch.from_numpy(one.vertices), torch.from_numpy(one.faces))
        assert closed_mesh(mesh) is mesh
        assert len(one.vertices) - len(one.faces) // 2 == 2
        assert float(enclosed_volume(mesh.vertices, mesh.faces)) > 0
        assert np.ptp(one.vertices[:, 1]) == pytest.approx(float(one.proportions["stature"]), rel=1e-5)
        assert one.vertices[:, 1].min() == pytest.approx(0, abs=1e-6)


def test_the_same_seed_gives_the_same_individual(body: RiggedMesh):
    first, second = (draw_individual(body, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first.vertices, second.vertices)
    assert np.array_equal(first.weights, second.weights)


def test_unstretched_proportions_leave_the_mesh_as_it_is(body: RiggedMesh, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("benchmarks.rigged_mesh.draw_person", lambda generator: {**AVERAGE, "belly": 0.0})
    monkeypatch.setattr("benchmarks.rigged_mesh.FINENESS", (10**6, 10**6 + 1))
    one = draw_individual(body, np.random.default_rng(0))
    ours = body.vertices[np.lexsort(body.vertices.T)]
    assert np.abs(one.vertices[np.lexsort(one.vertices.T)] - (ours - [0, ours[:, 1].min(), 0])).max() < 2e-6


def test_an_open_mesh_is_refused(stretched: Mesh, tmp_path: Path):
    write_mesh(tmp_path / "open.ply", Mesh(stretched.vertices, stretched.faces[:-1]))
    with pytest.raises(InputError, match="open edges"):
        read_closed(tmp_path / "open.ply")
    write_mesh(tmp_path / "closed.ply", stretched)
    assert read_closed(tmp_path / "closed.ply")[1].startswith("nothing")
