import json
from dataclasses import replace

import pytest
import torch

from recon_cli.io.cameras import read_cameras
from recon_cli.io.meshes import read_mesh
from recon_cli.run import npm_outputs
from recon_cli.run.npm_codes import read_codes
from recon_cli.run.npm_model_file import read_model_file
from recon_cli.run.npm_outputs import FittedBody, write_body
from tests.run.fitted_tubes import tube_sequence

NAMES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tube_sequence(tmp_path_factory.mktemp("tubes"), doubtful=(2,))


@pytest.fixture(scope="module")
def written(made, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    digest = read_model_file(made.model).digest
    return out, write_body(out, made.truth, made.camera, NAMES, digest), digest


def test_a_posed_body_is_the_models_own_posing(made):
    model, fitted = made.truth.model, made.truth.fitted
    expected = model.posed(fitted.shape.expand(4, -1), fitted.poses, fitted.roots, fitted.places)
    found = torch.stack([vertices for _, vertices in made.truth.posed()])
    assert torch.allclose(found, expected.double(), atol=1e-5)
    twice = FittedBody(model, replace(fitted, unit=2 * fitted.unit))
    assert torch.allclose(torch.stack([vertices for _, vertices in twice.posed()]), 2 * found)


def test_frames_are_the_same_however_they_are_batched(made, monkeypatch):
    together = [vertices for _, vertices in made.truth.posed()]
    monkeypatch.setattr(npm_outputs, "BATCH", 3)
    for (_, apart), expected in zip(made.truth.posed(), together, strict=True):
        assert torch.allclose(apart, expected, atol=1e-6)
    assert [frame for frame, _ in made.truth.posed([3, 1])] == [3, 1]


def test_meshes_lie_in_the_world_and_project_onto_the_depth(made, written):
    out, _, _ = written
    camera = read_cameras(out / "camera.json")
    assert torch.equal(camera.camera_from_world, made.camera.camera_from_world)
    faces = read_mesh(out / "meshes" / "a.ply").faces
    for (_, vertices), name in zip(made.truth.posed(), NAMES, strict=True):
        mesh = read_mesh(out / "meshes" / f"{name}.ply")
        assert torch.equal(mesh.faces, faces)
        pixels, depth = made.camera.project(mesh.vertices.double())
        own = vertices @ made.camera.K[0].T
        assert torch.allclose(pixels[0], own[:, :2] / own[:, 2:], atol=1e-3)
        assert torch.allclose(depth[0], vertices[:, 2], atol=1e-5)
    assert len(list((out / "meshes").iterdir())) == 4


def test_the_canonical_mesh_lies_where_the_training_bodies_do(made, written):
    mesh = read_mesh(written[0] / "canonical.ply")
    model, fitted = made.truth.model, made.truth.fitted
    assert torch.allclose(mesh.vertices.double(), model.box.outside(model.canonical(fitted.shape)), atol=1e-6)


def test_codes_and_quality_come_back(made, written):
    out, _, digest = written
    codes = read_codes(out / "codes.safetensors", made.truth.model, digest)
    assert torch.equal(codes.poses, made.truth.fitted.poses)
    assert codes.names == NAMES
    records = [json.loads(line) for line in (out / "frames.jsonl").read_text().splitlines()]
    assert [record["frame"] for record in records] == list(NAMES)
    assert [record["is_doubtful"] for record in records] == [False, False, True, False]
    assert records[2]["unexplained"] == pytest.approx(0.2)
    assert records[0]["deviation"] is None


def test_the_reach_covers_all_frames(made, written):
    reach = written[1]
    projected = [v @ made.camera.K[0].T for _, v in made.truth.posed()]
    pixels = torch.cat([p[:, :2] / p[:, 2:] for p in projected])
    assert torch.allclose(reach.low, pixels.amin(dim=0))
    assert torch.allclose(reach.high, pixels.amax(dim=0))
