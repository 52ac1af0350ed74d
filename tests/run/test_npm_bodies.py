from pathlib import Path

import pytest
import torch

from recon_cli.core.errors import InputError, UsageError
from recon_cli.core.mesh import Mesh
from recon_cli.io.meshes import read_mesh, write_mesh
from recon_cli.run.npm_bodies import Counts, JoinedBodies, check_bodies
from tests.run.npm_folders import write_tubes


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_tubes(tmp_path / "one", poses=3)


def changed(file: Path, change) -> None:
    mesh = read_mesh(file)
    write_mesh(file, change(mesh))


def refused(folder: Path, kind: type[Exception], *words: str) -> None:
    with pytest.raises(kind) as caught:
        check_bodies(JoinedBodies([folder]), 100)
    for word in words:
        assert word in f"{caught.value} {caught.value.hint}"


def test_folders_are_joined_in_their_order(folder, tmp_path):
    other = write_tubes(tmp_path / "two", poses=2)
    bodies = JoinedBodies([folder, other])
    assert list(bodies.names) == [f"one/{name}" for name in "abcd"] + [f"two/{name}" for name in "abcd"]
    assert [bodies.pose_count(identity) for identity in (3, 4)] == [3, 2]
    assert torch.equal(bodies.posed(5, 1), JoinedBodies([other]).posed(1, 1))
    assert torch.equal(bodies.canonical(6).vertices, bodies.canonical(2).vertices)
    assert check_bodies(bodies, 100) == Counts(8, 20, max(len(bodies.canonical(k).vertices) for k in range(8)))


def test_names_that_only_one_folder_has_stay_as_they_are(folder, tmp_path):
    other = write_tubes(tmp_path / "two")
    manifest = other / "manifest.jsonl"
    manifest.write_text(manifest.read_text().replace('"id": "a"', '"id": "e"'))
    assert list(JoinedBodies([folder, other]).names) == ["a", "one/b", "one/c", "one/d", "e", "two/b", "two/c", "two/d"]


def test_folders_of_one_name_are_told_apart_by_those_they_lie_in(tmp_path):
    bodies = JoinedBodies([write_tubes(tmp_path / part / "train") for part in ("x", "y")])
    assert bodies.names[0] == "x/train/a"
    assert len(set(bodies.names)) == 8


def test_only_what_takes_part_is_read_and_counts_for_the_fingerprint(folder):
    (folder / "a" / "poses" / "000001.ply").write_text("not a mesh")
    bodies = JoinedBodies([folder])
    assert check_bodies(bodies, 8).poses == 8  # the first and the last pose of each
    assert [file.name for file in bodies.files(8)[:3]] == ["rest.ply", "000000.ply", "000002.ply"]
    refused(folder, InputError, "000001.ply")


def test_no_folder_and_the_same_one_twice_are_refused(folder):
    with pytest.raises(UsageError, match="BODIES is missing"):
        JoinedBodies([])
    with pytest.raises(UsageError, match="given twice"):
        JoinedBodies([folder, folder / ".." / "one"])


def test_millimetres_among_metres_are_named(folder):
    for file in [folder / "c" / "rest.ply", *(folder / "c" / "poses").iterdir()]:
        changed(file, lambda mesh: mesh.with_vertices(1000 * mesh.vertices))
    refused(folder, InputError, "rest.ply: c is 2160 long", "at most 1.95", "millimetres among metres?")


def test_poses_in_another_unit_than_their_canonical_mesh_are_named(folder):
    changed(folder / "b" / "poses" / "000002.ply", lambda mesh: mesh.with_vertices(0.001 * mesh.vertices))
    refused(folder, InputError, "000002.ply", "and its canonical mesh 1.95", "same unit")


def test_a_body_inside_out_is_refused(folder):
    changed(folder / "d" / "rest.ply", lambda mesh: Mesh(mesh.vertices, mesh.faces.flip(1)))
    refused(folder, InputError, "d/rest.ply: is inside out", "counter-clockwise")


def test_a_body_with_a_hole_is_refused(folder):
    changed(folder / "a" / "rest.ply", lambda mesh: Mesh(mesh.vertices, mesh.faces[1:]))
    refused(folder, InputError, "a/rest.ply", "3 open edges", "close its holes")


def test_a_flat_body_is_refused(folder):
    changed(folder / "a" / "rest.ply", lambda mesh: mesh.with_vertices(mesh.vertices * torch.tensor([1.0, 0.0, 0.0])))
    refused(folder, InputError, "a/rest.ply", "encloses no volume")


def test_a_pose_with_other_vertices_or_no_number_is_refused(folder):
    file = folder / "a" / "poses" / "000000.ply"
    changed(
        file, lambda mesh: mesh.with_vertices(torch.where(mesh.faces.new_tensor([[True, False, False]]).bool(), mesh.vertices, torch.nan))
    )
    refused(folder, InputError, "000000.ply")
    write_mesh(file, JoinedBodies([folder]).canonical(1))
    refused(folder, InputError, "000000.ply: has", "vertices, expected the", "rest.ply")
