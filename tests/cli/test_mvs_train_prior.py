"""`recon mvs train-prior` through its own front door."""

from __future__ import annotations

import json
import re

import pytest

from recon_cli.cli.app import run
from recon_cli.io.records import read_json
from recon_cli.io.scenes import write_scene
from recon_cli.run.hooks import RunHooks
from recon_cli.run.mvs_prior_weights import read_network
from tests.systems.mvs.prior_scenes import small_scene

TINY = [
    *("--set", "steps=3", "--set", "rigs.held_out=1", "--set", "rigs.views=4", "--set", "rigs.size=64"),
    *("--set", "sampling.pixels=48", "--set", "evaluation_pixels=160"),
]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A scene folder with depth."""
    folder = tmp_path_factory.mktemp("prior") / "scene"
    write_scene(folder, small_scene().scene, depths=small_scene().depths)
    return folder


@pytest.fixture(scope="module")
def finished(scene, tmp_path_factory):
    """A finished training of three steps on one scene folder and one rig."""
    out = tmp_path_factory.mktemp("finished") / "run"
    assert run(["mvs", "train-prior", str(scene), "--synthetic", "1", "-o", str(out), *TINY, "-q"]) == 0
    return out


def weights(run_folder):
    return (run_folder / "out" / "mvs_prior.safetensors").read_bytes()


def test_training_writes_weights_curve_and_report(finished):
    read_network(finished)
    assert (finished / "DONE").exists()
    curve = read_json(finished / "out" / "curve.json")
    assert set(curve) == {"learned", "correlation"}
    assert 0 < curve["learned"]["auc"] < 1
    assert (finished / "out" / "curves.png").read_bytes().startswith(b"\x89PNG")
    page = (finished / "report.html").read_text()
    assert "area under the ROC curve" in page
    assert not re.search(r'(?:src|href)="http', page)
    assert len((finished / "metrics.jsonl").read_text().splitlines()) == 3


def test_a_stopped_training_goes_on_to_the_same_bytes(finished, scene, tmp_path, monkeypatch):
    out = tmp_path / "run"
    command = ["mvs", "train-prior", str(scene), "--synthetic", "1", "-o", str(out), *TINY, "-q"]
    with monkeypatch.context() as patch:
        patch.setattr(RunHooks, "should_stop", lambda hooks: True)
        assert run(command) == 75
    assert not (out / "DONE").exists()
    assert run(command) == 0
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 3
    assert weights(out) == weights(finished)


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(scene, tmp_path, capsys):
    out = tmp_path / "run"
    assert run(["mvs", "train-prior", str(scene), "-o", str(out), *TINY, "--dry-run", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["plan"] == "start"
    assert (record["scenes"], record["rigs"], record["steps"]) == (1, 0, 3)
    assert not out.exists()
    assert run(["mvs", "train-prior", "-o", str(out), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rigs"] == 24


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "-o is missing"),
        (["-o", "{tmp}/run", "--synthetic", "0"], 2, "nothing to train on"),
        (["-o", "{tmp}/run", "--synthetic", "0", "--dry-run"], 2, "nothing to train on"),
        (["{tmp}/none", "-o", "{tmp}/run"], 3, "does not exist"),
        (["{tmp}", "-o", "{tmp}/run"], 3, "no scene to train on"),
        (["-o", "{tmp}/run", "--set", "sampling.fewest_cameras=12"], 2, "fewest_cameras"),
        (["-o", "{tmp}/run", "--set", "stepps=3"], 2, "did you mean 'steps'"),
        (["-o", "{tmp}/run", "--synthetic", "-1"], 2, "synthetic"),
    ],
)
def test_mistakes_are_met_before_anything_is_computed(words, code, said, tmp_path, capsys):
    assert run(["mvs", "train-prior", *(word.format(tmp=tmp_path) for word in words)]) == code
    assert said in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "run").exists()


def test_the_recipe_is_printed(capsys):
    assert run(["mvs", "train-prior", "--print-recipe"]) == 0
    assert "learning_rate: 0.006" in capsys.readouterr().out
