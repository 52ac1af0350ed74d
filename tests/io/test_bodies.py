import json
from pathlib import Path

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.io import bodies as bodies_file
from recon_cli.io.bodies import read_bodies
from recon_cli.io.meshes import read_mesh, write_mesh

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


def test_a_posed_mesh_with_other_faces_is_named(folder):
    other = torch.tensor([1, 0, 2, 3])[FACES]  # the vertices in another order
    write_mesh(folder / "b" / "poses" / "000001.ply", Mesh(CORNERS, other))
    refused(folder, "b/poses/000001.ply", "other faces than rest.ply", "triangle 0 joins the vertices 1, 2, 0, expected 0, 2, 1")
    write_mesh(folder / "b" / "poses" / "000001.ply", Mesh(CORNERS, FACES[:3]))
    refused(folder, "b/poses/000001.ply", "3 faces", "4 of rest.ply")


def test_quads_that_are_cut_along_their_other_diagonals_are_the_same_faces(tmp_path):
    """A cube of quads, of one of which a corner is pushed in beyond its diagonal."""
    corners = torch.tensor([[x, y, z] for x in (0.0, 1) for y in (0.0, 1) for z in (0.0, 1)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    moved = corners.clone()
    moved[1] = torch.tensor([0.0, 0.8, 0.2])
    for place, vertices in (("rest.obj", corners), ("poses/0.obj", moved)):
        lines = [f"v {x} {y} {z}" for x, y, z in vertices.tolist()] + ["f " + " ".join(str(k + 1) for k in quad) for quad in quads]
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text("\n".join(lines) + "\n")
    write_manifest(tmp_path, [{"id": "a", "canonical": "rest.obj", "meshes": "poses"}])
    assert not torch.equal(*(read_mesh(tmp_path / place).faces for place in ("rest.obj", "poses/0.obj")))
    read_all(tmp_path)


def test_every_mesh_is_read_once(folder, monkeypatch):
    read = []
    monkeypatch.setattr(bodies_file, "read_mesh", lambda file, **options: read.append(file) or read_mesh(file, **options))
    read_all(folder)
    assert len(read) == len(set(read)) == 8


@pytest.mark.parametrize("frames", [2, 4])
def test_posed_meshes_that_are_missing_from_those_counted_are_told(folder, frames):
    records = [{"id": name, "canonical": f"{name}/rest.ply", "meshes": f"{name}/poses", "frames": 3} for name in "ab"]
    write_manifest(folder, records)
    read_all(folder)
    write_manifest(folder, [records[0], {**records[1], "frames": frames}])
    refused(folder, "b/poses: holds 3 posed meshes", f"the {frames} that record 2 of manifest.jsonl counts")
