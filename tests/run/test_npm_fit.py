import re
from dataclasses import replace

import pytest
import torch

from recon_cli.core.errors import InputError, StoppedError
from recon_cli.run.hooks import RunHooks
from recon_cli.run.npm_fit import FitJob, check, fit
from recon_cli.run.npm_inputs import FitSources
from recon_cli.run.npm_model_file import write_model
from recon_cli.systems.npm.config import NpmRecipe
from tests.run.fitted_tubes import StandIn, tube_sequence


class Display:
    def __init__(self):
        self.notes, self.done = [], []

    def note(self, text):
        self.notes.append(text)

    def warn(self, text):
        self.notes.append(text)

    def progress(self, done, total, numbers, *, seconds_left=None):
        self.done.append((done, total))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tube_sequence(tmp_path_factory.mktemp("tubes"), doubtful=(2,))


def job(made, out, **changes):
    return FitJob(FitSources(made.depth, up="camera"), NpmRecipe(), out, model=made.model, **changes)


@pytest.fixture(scope="module")
def finished(made, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    solver, display = StandIn(made.truth.fitted), Display()
    return out, fit(job(made, out, seed=5), display, solver=solver), solver, display


def contents(out):
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted((out / "out").rglob("*")) if path.is_file()}


def test_a_run_leaves_meshes_codes_pictures_and_a_page(finished):
    out, record, solver, display = finished
    assert (out / "DONE").exists()
    names = set(contents(out))
    assert {
        "out/canonical.ply",
        "out/codes.safetensors",
        "out/frames.jsonl",
        "out/camera.json",
        "out/overlay.mp4",
        "out/curves.png",
    } <= names
    assert {f"out/{folder}/00{t}.{kind}" for t in range(4) for folder, kind in (("meshes", "ply"), ("overlay", "png"))} <= names
    assert (record["frames"], record["doubtful"], record["without_body"]) == (4, 1, 0)
    assert record["unexplained"] == pytest.approx((3 * 0.01 + 0.2) / 4)
    assert solver.calls[0]["seed"] == 5
    assert solver.calls[0]["known"] is True
    assert display.done[-1] == (4, 4)


def test_the_page_says_what_is_doubtful_and_needs_no_network(finished):
    page = (finished[0] / "report.html").read_text()
    assert "1 of 4 frames are doubtful (002): part of the depth is not explained (in 1)" in page
    assert not re.search(r'(?:src|href)="http', page)
    assert "Standard deviation" not in page  # of which nothing was computed


def test_the_same_seed_gives_the_same_bytes(made, finished, tmp_path):
    fit(job(made, tmp_path / "again", seed=5), Display(), solver=StandIn(made.truth.fitted))
    assert contents(tmp_path / "again") == contents(finished[0])


def test_a_stopped_run_goes_on_to_the_same_bytes(made, finished, tmp_path, monkeypatch):
    solver = StandIn(made.truth.fitted)
    with monkeypatch.context() as patch:
        patch.setattr(RunHooks, "should_stop", lambda hooks: True)
        with pytest.raises(StoppedError):
            fit(job(made, tmp_path / "run", seed=5), Display(), solver=solver)
    assert not (tmp_path / "run" / "DONE").exists()
    display = Display()
    fit(job(made, tmp_path / "run", seed=5), display, solver=solver)
    assert display.notes[0] == "goes on after 1 of 4 windows"
    resumed = solver.calls[1]["resume"]
    assert resumed is not None
    assert int(resumed["done"]) == 1
    assert contents(tmp_path / "run") == contents(finished[0])


def test_a_run_of_other_inputs_is_not_gone_on_with(made, finished, tmp_path):
    with pytest.raises(InputError, match=r"holds a finished run of recon npm fit$"):
        check(job(made, finished[0]))
    with pytest.raises(InputError, match="measure 1"):
        check(replace(job(made, tmp_path / "run"), sources=FitSources(made.depth, unit="0.01")))
    assert not (tmp_path / "run").exists()


def test_a_dry_run_says_what_would_be_done(made, tmp_path):
    record = check(job(made, tmp_path / "run"))
    assert (record["plan"], record["frames"], record["size"], record["without_body"]) == ("start", 4, [100, 120], 0)
    assert record["up"] == [0.0, -1.0, 0.0]
    assert not (tmp_path / "run").exists()


def test_the_solver_sees_the_depth_of_the_body(made, finished):
    depths = finished[2].calls[0]["depths"]
    for (_, vertices), depth in zip(made.truth.posed(), depths, strict=True):
        assert float(vertices[:, 2].min()) - 0.02 < float(depth[depth > 0].min()) < float(vertices[:, 2].max())
        assert torch.isfinite(depth).all()


def test_a_model_without_starts_is_refused_before_anything_is_computed(made, tmp_path):
    write_model(tmp_path / "model.safetensors", made.truth.model)
    with pytest.raises(InputError, match="to begin a fit from"):
        fit(replace(job(made, tmp_path / "run"), model=tmp_path / "model.safetensors"), Display(), solver=StandIn(made.truth.fitted))
    assert not (tmp_path / "run").exists()


def test_the_solver_of_the_house_is_reached_with_what_the_models_file_holds(made, tmp_path):
    record = fit(job(made, tmp_path / "run"), Display())
    assert record["residual"] < 0.02
    assert record["unit"] == made.truth.model.box.side
    assert len(list((tmp_path / "run" / "out" / "meshes").iterdir())) == 4
