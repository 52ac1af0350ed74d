"""What `recon prepare synth` writes, prints and refuses."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from recon_cli.cli.app import run


def test_synth_lists_what_it_makes(tmp_path, monkeypatch, capsys):
    from recon_cli.prepare.synth import cloth, waving

    monkeypatch.setattr(waving, "LATTICE", 8)
    monkeypatch.setattr(waving, "SETTLING_TIME", 0.1)
    monkeypatch.setattr(cloth, "TEXTURE_SIZE", 32)
    assert run(["prepare", "synth", "cloth", "--seed", "4", "--frames", "2", "-o", str(tmp_path / "cloth"), "--json", "-q"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["kind"] == "cloth"
    assert (record["seed"], record["count"], record["frames"]) == (4, 1, 2)
    (item,) = [json.loads(line) for line in Path(record["manifest"]).read_text().splitlines()]
    assert (tmp_path / "cloth" / item["video"]).is_file()


def test_synth_makes_rigs_of_a_given_mesh(tmp_path, capsys):
    (tmp_path / "pyramid.obj").write_text("v 0 1 0\nv -1 0 1\nv 1 0 1\nv 0 0 -1\nf 1 2 3\nf 1 3 4\nf 1 4 2\nf 2 4 3\n")
    options = ["--layout", "hemisphere", "--texture", "weak", "--size", "32", "--views", "4", "--format", "jpg", "--json", "-q"]
    mesh = ["--mesh", str(tmp_path / "pyramid.obj")]
    assert run(["prepare", "synth", "rig", "--seed", "2", *mesh, *options, "-o", str(tmp_path / "rig")]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record == {
        "path": str(tmp_path / "rig"),
        "manifest": str(tmp_path / "rig" / "manifest.jsonl"),
        "kind": "rig",
        "seed": 2,
        "count": 1,
    }
    assert sorted(os.listdir(tmp_path / "rig" / "images")) == [f"{view:06d}.jpg" for view in range(4)]
    assert sorted(os.listdir(tmp_path / "rig" / "depth")) == [f"{view:06d}.exr" for view in range(4)]


def test_synth_makes_bodies_as_asked_for(tmp_path, capsys):
    options = ["--family", "hands", "--frames", "2", "--motion", "scattered", "--view", "around", "--size", "48", "--soft", "1"]
    noise = ["--noise", "0.005", "--missing", "0.1", "--json", "-q"]
    assert run(["prepare", "synth", "bodies", "--seed", "2", *options, *noise, "-o", str(tmp_path / "hand")]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record == {
        "path": str(tmp_path / "hand"),
        "manifest": str(tmp_path / "hand" / "manifest.jsonl"),
        "kind": "bodies",
        "seed": 2,
        "count": 1,
        "frames": 2,
    }
    (item,) = [json.loads(line) for line in Path(record["manifest"]).read_text().splitlines()]
    assert (item["family"], item["view"], item["soft"], item["motion"]) == ("hands", "around", True, "scattered")
    assert sorted(os.listdir(tmp_path / "hand" / item["depth"])) == ["000000.exr", "000001.exr"]
    spec = json.loads((tmp_path / "hand" / "truth.json").read_text())["spec"]
    assert (spec["size"], spec["noise"], spec["missing"]) == (48, 0.005, 0.1)


def test_bodies_without_depth_have_twenty_frames_unless_told_otherwise(tmp_path, capsys):
    assert run(["prepare", "synth", "bodies", "--family", "hands", "--no-depth", "-o", str(tmp_path / "hand"), "-q"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'hand'}\n"
    assert len(os.listdir(tmp_path / "hand" / "meshes")) == 20
    assert not (tmp_path / "hand" / "depth").exists()


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        ("cloth", ["--views", "4"]),
        ("cloth", ["--format", "jpg"]),
        ("rig", ["--frames", "4"]),
        ("rig", ["--views", "1"]),
        ("rig", ["--no-depth"]),
        ("cloth", ["--size", "64"]),
        ("bodies", ["--views", "3"]),
        ("bodies", ["--family", "fish"]),
        ("bodies", ["--missing", "2"]),
    ],
)
def test_options_of_another_kind_are_exit_2(tmp_path, kind, option, capsys):
    assert run(["prepare", "synth", kind, *option, "-o", str(tmp_path / "x")]) == 2
    assert option[0] in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_an_unknown_kind_is_exit_2(tmp_path, capsys):
    assert run(["prepare", "synth", "unicorns", "-o", str(tmp_path / "x")]) == 2
    assert "cloth" in capsys.readouterr().err
