"""Samples of bodies: complete, seeded, seen as they are."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch

from recon_cli.core.errors import InputError, UsageError
from recon_cli.io.cameras import read_cameras
from recon_cli.io.exr import read_depth
from recon_cli.io.meshes import read_mesh
from recon_cli.metrics.point_to_surface import distance_to_surface
from recon_cli.prepare.synth.bodies import BodySpec, make_body, write_body_samples

SMALL = BodySpec(family="hands", frames=3, size=64, soft=1.0)


def digests(folder):
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_body(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_body_samples(tmp_path / name, SMALL, seed=seed, count=1)
    first, again, other = (digests(tmp_path / name) for name in "abc")
    assert first == again
    assert all(first[name] != other[name] for name in ("canonical.ply", "meshes/000001.ply", "depth/000001.exr", "truth.json"))


def test_several_individuals_lie_beside_the_manifest_and_do_not_depend_on_the_count(tmp_path):
    told = []
    write_body_samples(tmp_path / "two", SMALL, seed=3, count=2, progress=lambda done, total: told.append((done, total)))
    write_body_samples(tmp_path / "one", SMALL, seed=3, count=1)
    records = [json.loads(line) for line in (tmp_path / "two" / "manifest.jsonl").read_text().splitlines()]
    assert [record["id"] for record in records] == ["hands-3-000000", "hands-3-000001"]
    assert records[1] == {
        "id": "hands-3-000001",
        "family": "hands",
        "canonical": "000001/canonical.ply",
        "meshes": "000001/meshes",
        "camera": "000001/cameras.json",
        "depth": "000001/depth",
        "view": "front",
        "truth": "000001/truth.json",
        "soft": True,
        "motion": "smooth",
        "frames": 3,
    }
    assert told == [(done, 6) for done in range(1, 7)]
    alone = digests(tmp_path / "one")
    del alone["manifest.jsonl"]
    assert digests(tmp_path / "two" / "000000") == alone


def test_without_depth_there_is_no_camera(tmp_path):
    write_body_samples(tmp_path / "bodies", BodySpec(family="hands", frames=2, depth=False, motion="scattered"), seed=0, count=1)
    record = json.loads((tmp_path / "bodies" / "manifest.jsonl").read_text())
    assert not {"camera", "depth", "view"} & set(record)
    assert sorted(path.name for path in (tmp_path / "bodies").iterdir()) == ["canonical.ply", "manifest.jsonl", "meshes", "truth.json"]


def test_depth_is_that_of_the_mesh_and_the_whole_body_is_in_the_picture(tmp_path):
    write_body_samples(tmp_path / "bodies", BodySpec(frames=3, view="side"), seed=1, count=1)
    camera = read_cameras(tmp_path / "bodies" / "cameras.json")
    assert (camera.width, camera.height) == (154, 192)
    canonical = read_mesh(tmp_path / "bodies" / "canonical.ply")
    for t in range(3):
        mesh = read_mesh(tmp_path / "bodies" / "meshes" / f"{t:06d}.ply")
        assert mesh.vertices.dtype == torch.float32
        assert torch.equal(mesh.faces, canonical.faces)
        pixels, ahead = camera.project(mesh.vertices.double())
        margin = torch.tensor([0.079 * camera.width, 0.079 * camera.height])
        assert bool(((pixels > margin) & (pixels < torch.tensor([camera.width, camera.height]) - margin)).all())
        depth = read_depth(tmp_path / "bodies" / "depth" / f"{t:06d}.exr")
        rows, columns = (depth > 0).nonzero(as_tuple=True)
        points = camera.unproject(torch.stack([columns, rows], dim=-1).double()[None] + 0.5, depth[rows, columns].double()[None])[0]
        assert len(points) > 2000
        assert float(distance_to_surface(points, mesh).max()) < 1e-5
        # The nearest vertex is not hidden: the picture holds something about as near.
        assert float(depth[depth > 0].min()) == pytest.approx(float(ahead.min()), abs=0.02)


@pytest.mark.parametrize(("view", "low", "high"), [("front", 0.0, 20.5), ("side", 69.5, 110.5)])
def test_the_camera_stands_off_the_first_heading(moved_body, view, low, high):
    for seed in range(4):
        moved = moved_body("hands", seed, view=view, frames=2)
        eye = moved.camera.world_from_camera[0, :3, 3].numpy()
        towards = eye - moved.positions.reshape(-1, 3).mean(axis=0)
        ahead = moved.motion.placed.rotations[0, 0, :, 2]
        azimuth = np.degrees(np.arctan2(towards[0], towards[2]) - np.arctan2(ahead[0], ahead[2]))
        off = abs((azimuth + 180) % 360 - 180)
        # The eye is straight off the middle of the picture, a little beside that of the body.
        assert low - 6 <= off <= high + 6
        assert 2 * np.degrees(np.arctan(0.5 * moved.camera.height / float(moved.camera.K[0, 0, 0]))) == pytest.approx(67.5, abs=7.5)


def test_noise_and_holes_leave_the_clean_scene_as_it_was(tmp_path):
    write_body_samples(tmp_path / "clean", SMALL, seed=4, count=1)
    noisy = BodySpec(family="hands", frames=3, size=64, soft=1.0, noise=0.01, missing=0.2)
    write_body_samples(tmp_path / "noisy", noisy, seed=4, count=1)
    first, second = digests(tmp_path / "clean"), digests(tmp_path / "noisy")
    assert {name for name in first if first[name] != second[name]} == {"truth.json", *(f"depth/{t:06d}.exr" for t in range(3))}
    vertices = read_mesh(tmp_path / "clean" / "canonical.ply").vertices
    side = float((vertices.amax(dim=0) - vertices.amin(dim=0)).max())
    clean, dirty = (torch.stack([read_depth(tmp_path / kind / "depth" / f"{t:06d}.exr") for t in range(3)]) for kind in ("clean", "noisy"))
    kept = dirty > 0
    assert not bool((kept & (clean == 0)).any())
    assert float(kept.sum() / (clean > 0).sum()) == pytest.approx(0.8, abs=0.005)
    assert float((dirty - clean)[kept].std()) == pytest.approx(0.01 * side, rel=0.1)
    assert json.loads((tmp_path / "noisy" / "truth.json").read_text())["noise_m"] == pytest.approx(0.01 * side, rel=1e-4)


def test_the_truth_places_the_joints(tmp_path):
    write_body_samples(tmp_path / "bodies", SMALL, seed=5, count=1)
    truth = json.loads((tmp_path / "bodies" / "truth.json").read_text())
    moved, _ = make_body(SMALL, seed=[5, 0])
    assert truth["joints"][0] == "forearm"
    assert truth["parents"][0] == -1
    rotations = np.array(truth["joint_rotations_wxyz"])
    assert rotations.shape == (3, 17, 4)
    np.testing.assert_allclose(np.linalg.norm(rotations, axis=-1), 1.0, atol=1e-9)
    expected = moved.motion.placed.joints[:, 0] - moved.body.skeleton.heads[0]
    np.testing.assert_allclose(truth["root_translations_m"], expected, atol=1e-12)
    assert set(truth["soft_states"]) == set(moved.soft) != set()


def test_what_cannot_be_made_leaves_nothing(tmp_path):
    with pytest.raises(UsageError, match="count"):
        write_body_samples(tmp_path / "bodies", SMALL, seed=0, count=0)
    for settings, word in (
        ({"family": "fish"}, "family"),
        ({"motion": "still"}, "motion"),
        ({"view": "top"}, "view"),
        ({"frames": 1}, "frames"),
        ({"noise": float("nan")}, "noise"),
        ({"missing": 1.0}, "missing"),
    ):
        with pytest.raises(UsageError, match=word):
            BodySpec(**settings)
    (tmp_path / "bodies").mkdir()
    (tmp_path / "bodies" / "mine.txt").write_text("keep me")
    with pytest.raises(InputError, match=r"mine\.txt"):
        write_body_samples(tmp_path / "bodies", SMALL, seed=0, count=1, overwrite=True)
