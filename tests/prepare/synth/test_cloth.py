"""Samples of cloth: complete, seeded and different from one another. The lattice is coarse here, to be quick."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch

from recon_cli.core.errors import InputError, UsageError
from recon_cli.io.cameras import read_cameras
from recon_cli.io.meshes import read_mesh
from recon_cli.io.video import open_masks, open_video
from recon_cli.prepare.synth import cloth, waving
from recon_cli.prepare.synth.cloth import write_cloth_samples


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(waving, "LATTICE", 10)
    monkeypatch.setattr(waving, "SETTLING_TIME", 0.2)
    monkeypatch.setattr(cloth, "TEXTURE_SIZE", 64)
    monkeypatch.setattr(cloth, "WIDTH", 160)
    monkeypatch.setattr(cloth, "HEIGHT", 120)


def _digests(folder):
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_cloth(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_cloth_samples(tmp_path / name, seed=seed, count=1, frames=3)
    first, again, other = (_digests(tmp_path / name) for name in "abc")
    assert first == again
    assert all(first[name] != other[name] for name in ("clip.mp4", "template.obj", "template.png", "camera.json", "truth.json"))


def test_several_individuals_lie_beside_the_manifest_and_do_not_depend_on_the_count(tmp_path):
    told = []
    write_cloth_samples(tmp_path / "two", seed=3, count=2, frames=2, progress=lambda done, total: told.append((done, total)))
    write_cloth_samples(tmp_path / "one", seed=3, count=1, frames=2)
    records = [json.loads(line) for line in (tmp_path / "two" / "manifest.jsonl").read_text().splitlines()]
    assert [record["video"] for record in records] == ["000000/clip.mp4", "000001/clip.mp4"]
    assert len({record["id"] for record in records}) == 2
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    alone = _digests(tmp_path / "one")
    del alone["manifest.jsonl"]
    assert _digests(tmp_path / "two" / "000000") == alone


def test_an_individual_is_complete(tmp_path):
    write_cloth_samples(tmp_path / "cloth", seed=5, count=1, frames=4)
    clip, masks = open_video(tmp_path / "cloth" / "clip.mp4"), open_masks(tmp_path / "cloth" / "masks")
    assert len(clip) == len(masks) == 4
    camera, template = read_cameras(tmp_path / "cloth" / "camera.json"), read_mesh(tmp_path / "cloth" / "template.obj")
    assert (camera.width, camera.height) == (clip.width, clip.height) == (160, 120)
    pixels, depth = camera.project(template.vertices.double())
    assert bool((depth > 0).all())
    assert bool((pixels > 0).all() & (pixels < torch.tensor([160.0, 120.0])).all())
    first = read_mesh(tmp_path / "cloth" / "meshes" / "000000.ply")
    assert torch.equal(template.vertices.float(), first.vertices.float())
    np.testing.assert_allclose(float(masks[0].float().mean() / 255), 0.7 * 0.7 * 0.75, rtol=0.35)


def test_an_existing_folder_is_kept_unless_told_otherwise(tmp_path):
    write_cloth_samples(tmp_path / "cloth", seed=0, count=1, frames=2)
    before = _digests(tmp_path / "cloth")
    with pytest.raises(InputError, match="is not empty"):
        write_cloth_samples(tmp_path / "cloth", seed=1, count=1, frames=2)
    assert _digests(tmp_path / "cloth") == before
    write_cloth_samples(tmp_path / "cloth", seed=1, count=1, frames=2, overwrite=True)
    assert _digests(tmp_path / "cloth") != before


def test_less_than_two_frames_are_refused(tmp_path):
    with pytest.raises(UsageError, match="two frames"):
        write_cloth_samples(tmp_path / "cloth", seed=0, count=1, frames=1)


@pytest.mark.parametrize("seed", range(8))
def test_every_individual_hangs_by_its_top(seed):
    setup = waving.draw_setup(np.random.default_rng(seed))
    sheet, hanging = waving.hang(setup, np.random.default_rng(seed))
    held = hanging._free[:, 0] == 0
    assert held.any()
    assert sheet.points[held, 1].max() <= waving.PEG * max(setup.size)
    still = hanging.positions[held].copy()
    hanging.run(0.0, 0.02, hanging.stable_step())
    np.testing.assert_array_equal(hanging.positions[held], still)
    assert 0.5 <= setup.size[0] <= 0.8
