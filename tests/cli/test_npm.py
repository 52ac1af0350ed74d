"""What `recon npm interpolate` and `recon npm transfer` write, print and refuse."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from recon_cli.cli.app import run
from recon_cli.core.closed_surface import enclosed_volume
from recon_cli.io.meshes import read_mesh
from recon_cli.io.records import read_json
from recon_cli.io.weights import read_tensors, write_tensors
from recon_cli.run.npm_codes import read_codes, write_codes
from recon_cli.run.npm_model_file import model_digest, read_model_file, write_model
from tests.systems.npm.test_interpolation import one
from tests.systems.npm.tube_model import soft_tubes


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A training and two fits of two frames each."""
    folder = tmp_path_factory.mktemp("runs")
    model, shapes, poses = soft_tubes(dtype=torch.float32)
    write_model(folder / "model" / "out" / "npm_model.safetensors", model)
    digest = model_digest(model)
    for name, shape, first, unit in (("a", shapes[0], 0, 1.0), ("b", shapes[3], 24, 1.5)):
        codes = one(shape, poses[first], first, unit=unit)
        two = replace(codes, poses=poses[first : first + 2], roots=codes.roots.repeat(2, 1, 1), places=codes.places.repeat(2, 1))
        write_codes(folder / name / "out" / "codes.safetensors", replace(two, names=("000007", "000008")), digest)
    return folder


def words(runs, command, out, *more):
    return ["npm", command, str(runs / "a"), str(runs / "b"), "-o", str(out), "--model", str(runs / "model"), *more]


def meshes(folder):
    return [read_mesh(path) for path in sorted((folder / "meshes").iterdir())]


def test_bodies_between_two_others(runs, tmp_path, capsys):
    out = tmp_path / "path"
    assert run(words(runs, "interpolate", out, "--frames", "5", "--frame-b", "1", "--json")) == 0
    record = json.loads(capsys.readouterr().out)
    bodies = meshes(out)
    assert sorted(path.name for path in out.iterdir()) == ["codes.safetensors", "meshes", "report.html", "volumes.json"]
    assert (record["path"], record["frames"], record["what"], len(bodies)) == (str(out), 5, "both", 5)
    assert read_json(out / "volumes.json") == {name: value for name, value in record.items() if name != "path"}
    assert all(torch.equal(body.faces, bodies[0].faces) for body in bodies)
    volumes = [float(enclosed_volume(body.vertices.double(), body.faces)) for body in bodies]
    assert volumes == pytest.approx(record["volumes"], rel=1e-4)
    assert volumes == pytest.approx(torch.linspace(volumes[0], volumes[-1], 5).tolist(), rel=0.031)
    page = (out / "report.html").read_text()
    assert "data:image/jpeg;base64," in page
    assert "Difference from the line" in page


def test_the_codes_of_a_path_can_be_gone_on_with(runs, tmp_path, capsys):
    assert run(words(runs, "interpolate", tmp_path / "path", "--frames", "3", "--what", "shape", "-q")) == 0
    again = ["npm", "interpolate", str(tmp_path / "path"), str(runs / "b"), "-o", str(tmp_path / "on")]
    assert run([*again, "--model", str(runs / "model"), "--frame-a", "2", "--frames", "2", "-q"]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "path"), str(tmp_path / "on")]
    last, first = meshes(tmp_path / "path")[-1], meshes(tmp_path / "on")[0]
    assert (last.vertices - first.vertices).abs().max() < 1e-5


def test_the_same_command_gives_the_same_meshes_and_codes(runs, tmp_path):
    for name in ("one", "two"):
        assert run(words(runs, "interpolate", tmp_path / name, "--frames", "3", "-q")) == 0
    for file in ("codes.safetensors", "volumes.json", "meshes/000001.ply"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_poses_on_another_shape(runs, tmp_path, capsys):
    out = tmp_path / "worn"
    assert run(words(runs, "transfer", out, "--json")) == 0
    record = json.loads(capsys.readouterr().out)
    assert sorted(path.name for path in out.iterdir()) == ["canonical.ply", "codes.safetensors", "meshes"]
    assert sorted(path.name for path in (out / "meshes").iterdir()) == ["000007.ply", "000008.ply"]
    canonical, bodies = read_mesh(out / "canonical.ply"), meshes(out)
    assert record == {"path": str(out), "frames": 2, "vertices": len(canonical.vertices), "faces": len(canonical.faces)}
    assert all(torch.equal(body.faces, canonical.faces) for body in bodies)
    found = read_model_file(runs / "model")
    mine, theirs, worn = (read_codes(path, found.model, found.digest) for path in (runs / "a", runs / "b", out))
    assert torch.equal(worn.shape, theirs.shape)
    assert torch.equal(worn.poses, mine.poses)
    extent = canonical.vertices[:, 0].max() - canonical.vertices[:, 0].min()
    shape = found.model.surface(theirs.shape).vertices[:, 0]
    assert float(extent) == pytest.approx(1.5 * float(shape.max() - shape.min()), rel=1e-4)


@pytest.mark.parametrize("command", ["interpolate", "transfer"])
def test_what_is_there_stays_unless_told(runs, tmp_path, capsys, command):
    out = tmp_path / "out"
    assert run(words(runs, command, out, "-q")) == 0
    before = (out / "codes.safetensors").stat().st_mtime_ns
    assert run(words(runs, command, out)) == 3
    assert "--overwrite" in capsys.readouterr().err
    assert (out / "codes.safetensors").stat().st_mtime_ns == before
    assert run(words(runs, command, out, "--overwrite", "-q")) == 0
    assert (out / "codes.safetensors").stat().st_mtime_ns > before
    (out / "diary.txt").write_text("mine")
    assert run(words(runs, command, out, "--overwrite")) == 3
    assert "diary.txt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "more", "complaint"),
    [("interpolate", ("--frame-a", "2"), "has 2 frames, but frame 2 is asked for"), ("transfer", ("--frame", "5"), "choose one of 0 to 1")],
)
def test_frames_that_are_not_there_are_told(runs, tmp_path, capsys, command, more, complaint):
    assert run(words(runs, command, tmp_path / "out", *more)) == 3
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_codes_of_another_model_are_told(runs, tmp_path, capsys):
    write_model(tmp_path / "other.safetensors", replace(soft_tubes(dtype=torch.float32)[0], turns=torch.zeros(2, 3)))
    command = [
        "npm",
        "transfer",
        str(runs / "a"),
        str(runs / "b"),
        "-o",
        str(tmp_path / "out"),
        "--model",
        str(tmp_path / "other.safetensors"),
    ]
    assert run(command) == 3
    told = capsys.readouterr().err
    assert "codes of another model" in told
    assert "--model" in told


def test_a_model_without_an_inside_is_told(runs, tmp_path, capsys):
    tensors, texts = read_tensors(runs / "model" / "out" / "npm_model.safetensors")
    write_tensors(tmp_path / "open.safetensors", tensors | {"faces": tensors["faces"][1:]}, texts)
    found = read_model_file(tmp_path / "open.safetensors")
    mine = read_model_file(runs / "model")
    write_codes(tmp_path / "codes.safetensors", read_codes(runs / "a", mine.model, mine.digest), found.digest)
    command = ["npm", "interpolate", *2 * [str(tmp_path)], "-o", str(tmp_path / "out"), "--model", str(tmp_path / "open.safetensors")]
    assert run(command) == 3
    assert "3 open edges" in capsys.readouterr().err


@pytest.mark.parametrize("more", [("--frames", "1"), ("--what", "colour"), ("--frame-a", "-1")])
def test_wrong_words_are_exit_2(runs, tmp_path, more):
    assert run(words(runs, "interpolate", tmp_path / "out", *more)) == 2
