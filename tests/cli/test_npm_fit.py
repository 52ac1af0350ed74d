"""`recon npm fit` through its own front door; a stand-in takes the place of the solver."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from recon_cli.cli.app import run
from recon_cli.io.exr import read_depth, write_depth
from recon_cli.run import npm_fit
from recon_cli.run.npm_fit import fit as run_fit
from tests.run.fitted_tubes import StandIn, tube_sequence


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tube_sequence(tmp_path_factory.mktemp("tubes"), doubtful=(2,))


@pytest.fixture
def solver(made, monkeypatch):
    """Takes the place of what solves."""
    stand_in = StandIn(made.truth.fitted)
    monkeypatch.setattr(npm_fit, "fit", lambda job, display: run_fit(job, display, solver=stand_in))
    return stand_in


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    file = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    file.write_text("fit:\n  points: 700\n")
    return file


def command(made, recipe, *more):
    return ["npm", "fit", str(made.depth), "--model", str(made.model), "--recipe", str(recipe), *map(str, more)]


def test_a_fit_prints_its_folder_and_its_record(made, recipe, solver, tmp_path, capsys):
    assert run(command(made, recipe, "-o", tmp_path / "run", "-q")) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "run")
    words = ["--json", "--scale", "unknown", "--up", "+z", "--seed", 3, "-q"]
    assert run(command(made, recipe, "-o", tmp_path / "other", *words)) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["frames"] == 4
    assert record["doubtful"] == 1
    assert [call["known"] for call in solver.calls] == [True, False]
    assert [call["seed"] for call in solver.calls] == [0, 3]


def test_what_is_left_out_is_told_on_stderr(made, recipe, solver, tmp_path, capsys):
    assert run(command(made, recipe, "-o", tmp_path / "run")) == 0
    told = capsys.readouterr()
    assert told.err.count("is taken for up; --up +y") == 1
    assert "for up" not in told.out


def test_progress_is_told_in_words(made, recipe, solver, tmp_path, capsys):
    assert run(command(made, recipe, "-o", tmp_path / "run")) == 0
    told = capsys.readouterr().err
    assert "4/4  distance of other solutions [box] 0.5" in told
    assert "spread" not in told


def test_the_recipe_is_printed(made, recipe, capsys):
    assert run(["npm", "fit", "--recipe", str(recipe), "--set", "fit.starts=2", "--print-recipe"]) == 0
    text = capsys.readouterr().out
    assert "points: 700" in text
    assert "starts: 2" in text


def test_a_dry_run_writes_nothing(made, recipe, tmp_path, capsys):
    assert run(command(made, recipe, "-o", tmp_path / "run", "--dry-run", "--json")) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 4
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--up", "north"], 2, "'north' is no upward direction; expected one of auto, camera, +x"),
        (["--unit", "inches"], 2, "--unit inches: expected m, cm, mm"),
        (["--unit", "0.01"], 3, "the depths look like centimetres"),
        (["--unit", "8"], 3, "longest side is about 0.08472 with --unit 8"),
        (["--masks", "missing"], 3, "missing: is no folder; expected masks"),
        (["--camera", "missing.json"], 3, "missing.json: does not exist"),
        (["--scale", "small"], 2, "'small' is not one of"),
        (["--set", "fit.point=3"], 2, "did you mean"),
    ],
)
def test_mistakes_are_said_before_anything_is_computed(made, recipe, solver, tmp_path, capsys, words, code, said):
    assert run(command(made, recipe, "-o", tmp_path / "run", *words)) == code
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()
    assert solver.calls == []


def test_missing_words_are_said(made, recipe, capsys):
    assert run(["npm", "fit", "--recipe", str(recipe)]) == 2
    assert "DEPTH is missing" in capsys.readouterr().err
    assert run(command(made, recipe)) == 2
    assert "-o is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda depth: torch.full_like(depth, torch.nan), "has no valid depth: every pixel of 1 maps is NaN"),
        (lambda depth: torch.where(depth > 0, torch.inf, -1.0), "has no valid depth"),
        (lambda depth: torch.zeros_like(depth), "shows no body in any of 1 frames"),
        (lambda depth: 1000 * depth, "the depths look like millimetres, not metres"),
        (lambda depth: depth[:, 10:], "the depth maps in"),
    ],
)
def test_bad_depth_is_said(made, recipe, solver, tmp_path, capsys, damage, said):
    write_depth(tmp_path / "maps" / "000.exr", damage(read_depth(made.depth / "depth" / "000.exr")))
    words = ["--camera", str(made.depth / "cameras.json"), "--model", str(made.model), "--recipe", str(recipe)]
    assert run(["npm", "fit", str(tmp_path / "maps"), *words, "-o", str(tmp_path / "run")]) == 3
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()


def test_a_model_that_is_none_is_refused(made, recipe, tmp_path, capsys):
    (tmp_path / "model.safetensors").write_bytes(np.zeros(64, dtype=np.uint8).tobytes())
    words = ["npm", "fit", str(made.depth), "--model", str(tmp_path / "model.safetensors"), "--recipe", str(recipe)]
    assert run([*words, "-o", str(tmp_path / "run")]) == 3
    assert "cannot be read as a safetensors file" in capsys.readouterr().err
