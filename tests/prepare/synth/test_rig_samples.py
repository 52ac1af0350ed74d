"""Rigs on disk."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from recon_cli.core.errors import InputError, UsageError
from recon_cli.io.exr import read_depth
from recon_cli.io.meshes import read_mesh, write_mesh
from recon_cli.io.scenes import read_scene
from recon_cli.prepare.synth import rig_samples
from recon_cli.prepare.synth.rig import RigSpec, make_rig
from recon_cli.prepare.synth.rig_picture import exact_depth
from recon_cli.prepare.synth.rig_samples import write_rig_samples

TINY = RigSpec(size=40, views=3)


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    from recon_cli.prepare.synth.rig_object import draw_object

    monkeypatch.setattr(rig_samples, "draw_object", lambda generator: draw_object(generator, cells=20))


def test_a_rig_comes_back_as_it_was_made(tmp_path):
    write_rig_samples(tmp_path / "rig", TINY, seed=3, count=1)
    (record,) = [json.loads(line) for line in (tmp_path / "rig" / "manifest.jsonl").read_text().splitlines()]
    assert record == {
        "id": "rig-3-000000",
        "images": "images",
        "masks": "masks",
        "cameras": "cameras.json",
        "mesh": "mesh.ply",
        "depth": "depth",
    }
    mesh = read_mesh(tmp_path / "rig" / "mesh.ply")
    scene = read_scene(tmp_path / "rig")
    made = make_rig(mesh, TINY, seed=[3, 0])
    for view, name in enumerate(scene.cameras.names):
        depth = read_depth(tmp_path / "rig" / "depth" / f"{name}.exr")
        assert torch.equal(depth, exact_depth(mesh, scene.cameras[view])[0])
        assert torch.equal(depth > 0, scene.mask(view))
        assert torch.equal(scene.images[view], made.scene.images[view])


def test_several_rigs_lie_in_numbered_folders_and_do_not_depend_on_their_number(tmp_path):
    write_rig_samples(tmp_path / "two", TINY, seed=3, count=2, suffix="jpg")
    write_rig_samples(tmp_path / "one", TINY, seed=3, count=1, suffix="jpg")
    records = [json.loads(line) for line in (tmp_path / "two" / "manifest.jsonl").read_text().splitlines()]
    assert [record["id"] for record in records] == ["rig-3-000000", "rig-3-000001"]
    assert all((tmp_path / "two" / path).exists() for record in records for key, path in record.items() if key != "id")
    for path in sorted((tmp_path / "one").rglob("*.*")):
        if path.name != "manifest.jsonl":
            twin = tmp_path / "two" / "000000" / path.relative_to(tmp_path / "one")
            assert twin.read_bytes() == path.read_bytes()
    assert not torch.equal(
        read_mesh(tmp_path / "two" / "000000" / "mesh.ply").vertices[:50], read_mesh(tmp_path / "two" / "000001" / "mesh.ply").vertices[:50]
    )


def test_a_given_mesh_is_photographed_unchanged(tmp_path):
    from recon_cli.prepare.synth.rig_object import draw_object

    given = draw_object(np.random.default_rng(8), cells=20)
    given = given.with_vertices(given.vertices.double() * 100 + 7)
    write_mesh(tmp_path / "given.obj", given)
    write_rig_samples(tmp_path / "rig", TINY, seed=0, count=1, mesh_path=tmp_path / "given.obj")
    mesh = read_mesh(tmp_path / "rig" / "mesh.ply")
    assert torch.equal(mesh.vertices, given.vertices)
    assert torch.equal(mesh.faces, given.faces)


def test_what_cannot_be_made_leaves_nothing(tmp_path):
    with pytest.raises(UsageError, match="count"):
        write_rig_samples(tmp_path / "rig", TINY, seed=0, count=0)
    with pytest.raises(InputError, match=r"no-mesh\.obj"):
        write_rig_samples(tmp_path / "rig", TINY, seed=0, count=1, mesh_path=tmp_path / "no-mesh.obj")
    assert not (tmp_path / "rig").exists()
    write_rig_samples(tmp_path / "rig", TINY, seed=0, count=1)
    with pytest.raises(InputError, match="not empty"):
        write_rig_samples(tmp_path / "rig", TINY, seed=0, count=1)
    write_rig_samples(tmp_path / "rig", TINY, seed=0, count=1, overwrite=True)


def test_progress_runs_through_all_rigs(tmp_path):
    told = []
    write_rig_samples(tmp_path / "rig", TINY, seed=0, count=2, progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 6) for done in range(1, 7)]
