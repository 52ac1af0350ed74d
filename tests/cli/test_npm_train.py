"""`recon npm train` through its own front door."""

from __future__ import annotations

import json
import re

import pytest

from recon_cli.cli.app import run
from recon_cli.io.meshes import read_mesh
from recon_cli.io.records import read_json
from recon_cli.run.hooks import RunHooks
from recon_cli.run.npm_model_file import NAME, read_model_file
from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.network_model import NetworkModel
from tests.run.npm_folders import SMALL, write_tubes

TINY = [
    *("--recipe", "npm_paper", "--set", "networks.resolution=24", "--set", "networks.poses=8"),
    *(f"--set=networks.{part}.{key}" for part in ("shape", "pose") for key in ("width=24", "layers=3", "skip=1", "code=4", "points=64")),
    *("--set", "networks.shape.epochs=40", "--set", "networks.pose.epochs=2", "--set", "networks.shape.rate=0.01"),
]

RECORD = ["run", "model", "report", "identities", "poses", "parts", "shape_size", "pose_size", "registration_error", "shape_error"]
RECORD += ["model_error", "seconds"]


@pytest.fixture(scope="module")
def bodies(tmp_path_factory):
    return write_tubes(tmp_path_factory.mktemp("bodies") / "tubes")


@pytest.fixture(scope="module")
def finished(bodies, tmp_path_factory):
    """A finished training of the default model."""
    out = tmp_path_factory.mktemp("finished") / "run"
    assert run(["npm", "train", str(bodies), "-o", str(out), *SMALL, "-q"]) == 0
    return out


def model_bytes(folder):
    return (folder / "out" / NAME).read_bytes()


def test_training_writes_model_template_figures_and_report(finished, bodies):
    found = read_model_file(finished)
    assert isinstance(found.model, BodyModel)
    assert (found.training["shapes"].shape[0], found.training["identity"].tolist()) == (4, [k for k in range(4) for _ in range(4)])
    assert found.starts["views.poses"].shape == (16, found.model.pose_size)
    assert json.loads(found.texts["origin"])["recipe"]["skin"]["rounds"] == 2
    template = read_mesh(finished / "out" / "template.ply")
    # The tubes are 1.7 to 2.3 long, along x, and their middle is at 5, 5, 5.
    low, high = template.vertices.aminmax(dim=0)
    assert ((low + high) / 2).tolist() == pytest.approx([5, 5, 5], abs=0.05)
    assert 1.7 < float(high[0] - low[0]) < 2.3
    figures = read_json(finished / "out" / "training.json")
    assert (figures["model"], figures["identities"], figures["poses"]) == ("skinned", 4, 16)
    assert list(figures["registration_errors"]) == list("abcd")
    assert len(figures["skin_error"]) == 3
    assert figures["shape_variance"][-1] == pytest.approx(1)
    assert figures["model_error"] < 0.01
    assert 0 < figures["shape_error"] < min(figures["farthest"].values())
    page = (finished / "report.html").read_text()
    assert "Registration error" in page
    assert page.count("data:image/jpeg;base64,") == 4
    assert not re.search(r'(?:src|href)="http', page)


@pytest.mark.parametrize(
    ("stop", "said"),
    [
        pytest.param(2, "goes on after 2 of 4 warps", marks=pytest.mark.slow),
        (6, "goes on after 1 of 2 rounds of poses, joints and weights"),
    ],
)
def test_a_stopped_training_goes_on_to_the_same_bytes(finished, bodies, tmp_path, monkeypatch, capsys, stop, said):
    """In the registration, and after the first round of poses, joints and weights."""
    out = tmp_path / "run"
    command = ["npm", "train", str(bodies), "-o", str(out), *SMALL]
    asked = []
    with monkeypatch.context() as patch:
        patch.setattr(RunHooks.__init__, "__kwdefaults__", {**RunHooks.__init__.__kwdefaults__, "checkpoint_seconds": 0.0})
        patch.setattr(RunHooks, "should_stop", lambda hooks: asked.append(1) or len(asked) == stop)
        assert run(command) == 75
    assert not (out / "DONE").exists()
    assert not (out / "out" / NAME).exists()
    assert run([*command, "--json"]) == 0
    told = capsys.readouterr()
    assert said in told.err
    record = json.loads(told.out)
    assert list(record) == RECORD
    assert (record["run"], record["model"], record["report"]) == (str(out), str(out / "out" / NAME), str(out / "report.html"))
    assert model_bytes(out) == model_bytes(finished)
    assert (out / "out" / "template.ply").read_bytes() == (finished / "out" / "template.ply").read_bytes()


def test_the_networks_of_the_paper_are_trained_by_a_recipe(bodies, tmp_path, capsys):
    out = tmp_path / "run"
    assert run(["npm", "train", str(bodies), "-o", str(out), *TINY, "--device", "cpu", "--json", "-q"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["shape_size"], record["pose_size"], record["poses"]) == (4, 4, 8)
    assert "registration_error" not in record
    found = read_model_file(out)
    assert isinstance(found.model, NetworkModel)
    assert (found.model.resolution, found.training["shapes"].shape) == (24, (4, 4))
    assert len(read_json(out / "out" / "training.json")["shape_losses"]) == 40
    assert "Displacement error" in (out / "report.html").read_text()


def test_a_finished_training_is_not_replaced_by_mistake(finished, bodies, capsys):
    before = model_bytes(finished)
    assert run(["npm", "train", str(bodies), "-o", str(finished), *SMALL, "-q"]) == 3
    assert "holds a finished run" in capsys.readouterr().err
    assert model_bytes(finished) == before


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(bodies, tmp_path, capsys):
    out = tmp_path / "run"
    assert run(["npm", "train", str(bodies), "-o", str(out), "--dry-run", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["plan"], record["model"], record["identities"], record["poses"]) == ("start", "skinned", 4, 16)
    assert record["seconds"] > 0
    assert record["memory_mb"] > 100
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-o", "{tmp}/run"], 2, "BODIES is missing"),
        (["{tmp}"], 2, "-o is missing"),
        (["{tmp}/none", "-o", "{tmp}/run"], 3, "has no manifest.jsonl"),
        (["{tmp}", "-o", "{tmp}/run"], 3, "has no manifest.jsonl"),
        (["{bodies}", "{bodies}", "-o", "{tmp}/run"], 2, "given twice"),
        (["{bodies}", "-o", "{tmp}/run", "--set", "skin.partss=3"], 2, "did you mean 'skin.parts'"),
        (["{bodies}", "-o", "{tmp}/run", "--set", "model=cake"], 2, "model"),
    ],
)
def test_mistakes_are_met_before_anything_is_computed(words, code, said, bodies, tmp_path, capsys):
    assert run(["npm", "train", *(word.format(tmp=tmp_path, bodies=bodies) for word in words)]) == code
    assert said in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "run").exists()


def test_the_recipe_is_printed(capsys):
    assert run(["npm", "train", "--print-recipe"]) == 0
    assert "model: skinned" in capsys.readouterr().out
