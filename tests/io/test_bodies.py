import json
from pathlib import Path

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.io.bodies import read_bodies
from recon_cli.io.meshes import write_mesh

FACES = torch.tensor([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
CORNERS = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])


@pytest.fixture
def folder(tmp_path) -> Path:
    for index, name in enumerate("ab"):
        write_mesh(tmp_path / name / "rest.ply", Mesh(CORNERS * (index + 1), FACES))
        for pose in range(3):
            write_mesh(tmp_path / name / "poses" / f"{pose:06d}.ply", Mesh(CORNERS * (index + 1) + pose, FACES))
    write_manifest(tmp_path, [{"id": name, "canonical": f"{name}/rest.ply", "meshes": f"{name}/poses"} for name in "ab"])
    return tmp_path


def write_manifest(folder: Path, records: list) -> None:
    (folder / "manifest.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def read_all(folder: Path) -> None:
    bodies = read_bodies(folder)
    for identity in range(len(bodies.names)):
        bodies.canonical(identity)
        for pose in range(bodies.pose_count(identity)):
            bodies.posed(identity, pose)


def refused(folder: Path, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_all(folder)
    for word in words:
        assert word in str(caught.value)


def test_identities_and_their_poses_are_read(folder):
    bodies = read_bodies(folder)
    assert bodies.names == ("a", "b")
    assert [bodies.pose_count(identity) for identity in (0, 1)] == [3, 3]
    torch.testing.assert_close(bodies.canonical(1).vertices, CORNERS * 2)
    torch.testing.assert_close(bodies.posed(1, 2), CORNERS * 2 + 2)
    assert read_bodies(folder / "manifest.jsonl").names == bodies.names


def test_a_missing_or_empty_manifest_is_told(folder, tmp_path_factory):
    refused(tmp_path_factory.mktemp("empty"), "manifest.jsonl")
    (folder / "manifest.jsonl").write_text("\n\n")
    refused(folder, "no identity")


@pytest.mark.parametrize(
    ("record", "word"),
    [
        ([1, 2], "no object"),
        ({"id": "a", "meshes": "a/poses"}, "canonical"),
        ({"id": "a", "canonical": 3, "meshes": "a/poses"}, "canonical"),
        ({"id": "a", "canonical": "a/lost.ply", "meshes": "a/poses"}, "lost.ply"),
        ({"id": "a", "canonical": "../a/rest.ply", "meshes": "a/poses"}, "outside"),
        ({"id": "b", "canonical": "a/rest.ply", "meshes": "a/poses"}, "twice"),
    ],
)
def test_a_wrong_record_is_told(folder, record, word):
    write_manifest(folder, [{"id": "b", "canonical": "b/rest.ply", "meshes": "b/poses"}, record])
    refused(folder, word, "manifest.jsonl")


def test_a_posed_mesh_with_other_vertices_is_named(folder):
    more = torch.cat([CORNERS, CORNERS[:1]])
    write_mesh(folder / "a" / "poses" / "000001.ply", Mesh(more, FACES))
    refused(folder, "000001.ply", "5 vertices", "4 of rest.ply")


def test_a_vertex_that_is_not_finite_is_told(folder):
    broken = CORNERS.clone()
    broken[2, 1] = torch.nan
    write_mesh(folder / "b" / "poses" / "000002.ply", Mesh(broken, FACES))
    refused(folder, "000002.ply")


def test_an_open_canonical_mesh_is_told(folder):
    write_mesh(folder / "b" / "rest.ply", Mesh(CORNERS, FACES[:3]))
    refused(folder, "rest.ply", "open edge")
