"""Fits beside the truth: what is measured, in which time, and whether doubt is justified."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.npm_accuracy import Outcome, area_under_roc, failures, measured, precision_recall, table
from benchmarks.npm_methods import METHODS, SCORES, Fitter, Found, iterations_within, with_starts
from benchmarks.npm_sequences import HeldFrames, TrueSequence, back_and_forth, listed, read_sequence
from recon_cli.core.closest_points import ClosestPoints
from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.io.meshes import write_mesh
from recon_cli.run.npm_model_file import ModelFile
from recon_cli.systems.npm.observed import depth_points
from recon_cli.systems.npm.skinning import rotation
from tests.run.fitted_tubes import tube_sequence
from tests.systems.npm.tube_frames import learned_tubes, tube_frames

SMALL = ("fit.points=300", "fit.vertices=300", "fit.terms.count=300", "published.points=200", "published.cloud=2000")


def _model() -> ModelFile:
    model, _, guesses = learned_tubes()
    return ModelFile(model, "tubes", starts=guesses.tensors())


def _sequence(count: int) -> TrueSequence:
    frames = tube_frames(count)
    return TrueSequence("tube", HeldFrames(tuple(frames.maps), frames.K, frames.up), frames.vertices.double(), learned_tubes()[0].faces)


def _found(sequence: TrueSequence, vertices: Tensor) -> Found:
    scores = {name: torch.zeros(len(vertices)) for name in SCORES}
    return Found((), vertices, sequence.faces, scores, torch.zeros(len(vertices), dtype=torch.bool), seconds=6.0)


def _outcome(method: str, epe: tuple[float, ...], *, doubted: tuple[bool, ...], spread: tuple[float, ...]) -> Outcome:
    count = len(epe)
    scores = dict.fromkeys(SCORES, (0.0,) * count) | {"spread": spread, "deviation": (math.nan,) * count}
    return Outcome("one", method, 2.0, 0, (0.9,) * count, epe, (1e-5,), scores, doubted)


def test_longer_sequences_go_back_and_forth_without_a_jump():
    assert back_and_forth(4, 9) == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert back_and_forth(4, 3) == [0, 1, 2]
    assert back_and_forth(1, 3) == [0, 0, 0]


def test_a_rolled_camera_sees_the_same_points_elsewhere():
    generator = torch.Generator().manual_seed(0)
    depth = 1 + torch.rand(4, 7, generator=generator, dtype=torch.float64)
    depth[1, 2] = 0
    K = torch.tensor([[5.0, 0, 3.2], [0, 6.0, 1.7], [0, 0, 1]], dtype=torch.float64)
    points = depth_points(depth, K)
    before = TrueSequence("one", HeldFrames((depth,), K, torch.tensor([0.0, -1.0, 0.0])), points[None], torch.zeros(0, 3).long())
    after = before.turned()
    seen, truth = depth_points(after.frames.maps[0], after.frames.K), after.vertices[0]
    assert float((seen[:, None] - truth).norm(dim=-1).amin(dim=1).max()) < 1e-12
    assert after.frames.maps[0].shape == (7, 4)
    assert after.frames.up is not None
    assert after.frames.up.tolist() == [-1, 0, 0]
    again = after.turned().turned().turned()
    assert torch.equal(again.frames.maps[0], depth)
    assert torch.allclose(again.frames.K, K, atol=1e-6)
    assert torch.equal(again.vertices, before.vertices)


def test_depth_of_a_folder_lies_on_its_meshes(tmp_path: Path):
    made = tube_sequence(tmp_path)
    world = torch.linalg.inv(made.camera.camera_from_world[0])
    for frame, vertices in made.truth.posed():
        write_mesh(made.depth / "meshes" / f"{frame:06d}.ply", Mesh(vertices @ world[:3, :3].T + world[:3, 3], made.truth.faces))
    record = {"id": "tube", "depth": "depth", "camera": "cameras.json", "meshes": "meshes"}
    (made.depth / "manifest.jsonl").write_text(json.dumps(record) + "\n")
    found = read_sequence(*listed([made.depth])[0], box=made.truth.model.box.side)
    assert found.frames.up is not None
    assert found.frames.up.tolist() == pytest.approx([0, -0.8, 0.6])
    points = depth_points(found.frames.depth(2).double(), found.frames.K.double())
    feet = ClosestPoints(Mesh(found.vertices[2], found.faces))(points).on(found.vertices[2])
    assert float((feet - points).norm(dim=1).max()) < 1e-3
    with pytest.raises(InputError, match="1 sequences"):
        listed([made.depth], [1])
    with pytest.raises(InputError, match=r"manifest\.jsonl"):
        listed([tmp_path])


def test_a_body_is_as_far_off_as_it_was_moved_after_the_first_frame():
    sequence = _sequence(2)
    moved = sequence.vertices + torch.tensor([0.0, 0.04], dtype=torch.float64)[:, None, None] * torch.tensor([0.0, 0, 1])
    outcome = measured("default", _found(sequence, moved), sequence, box=2.0, is_scale_known=True, every=1, samples=4000)
    assert outcome.epe == pytest.approx((0, 0.02), abs=1e-6)
    assert outcome.iou[0] == 1
    assert 0.3 < outcome.iou[1] < 0.8
    assert 10 * outcome.c_l2[0] < outcome.c_l2[1] < 0.02**2
    assert outcome.seconds == 3.0
    assert outcome.is_bad == (False, True)
    assert not outcome.meets_bars


def test_with_an_unknown_scale_one_similarity_is_for_nothing():
    sequence = _sequence(2)
    turn = rotation(torch.tensor([[0.1, -0.2, 0.1]], dtype=torch.float64))[0]
    moved = 3.7 * sequence.vertices @ turn.T + torch.tensor([0.2, 0.1, -0.3], dtype=torch.float64)
    outcome = measured("default", _found(sequence, moved), sequence, box=1.0, is_scale_known=False, samples=4000)
    assert outcome.mean("iou") > 0.99
    assert outcome.mean("epe") < 1e-3


def test_iterations_fill_the_time_beside_the_set_up():
    assert iterations_within(23.0, lambda count: 3 + 0.5 * count) == 40
    assert iterations_within(2.0, lambda count: 3 + 0.5 * count) == 1


def test_less_to_begin_from():
    model = _model()
    starts = with_starts(model, "orientation").starts
    assert not starts["views.poses"].any()
    assert torch.equal(starts["views.roots"], model.starts["views.roots"])
    with_encoder = replace(model, starts={**model.starts, "encoder.scale": torch.ones(1)})
    assert set(with_starts(with_encoder, "views").starts) == set(model.starts)
    assert with_starts(with_encoder, "all") is with_encoder


@pytest.mark.parametrize("name", ["default", "single-frame"])
def test_every_frame_is_fitted(name: str):
    sequence = _sequence(5)
    found = Fitter(_model(), SMALL)(METHODS[name], sequence.frames)
    assert (found.iterations, len(found.fits)) == (0, 1 if name == "default" else 5)
    assert found.seconds > 0
    assert all(scores.shape == (5,) for scores in found.scores.values())
    assert measured(name, found, sequence, box=1.0, is_scale_known=True, samples=2000).mean("c_l2") < 0.03**2


def test_a_published_fit_begins_where_the_default_ended_and_takes_its_time():
    sequence, fitter = _sequence(2), Fitter(_model(), SMALL)
    default = replace(fitter(METHODS["default"], sequence.frames), seconds=1e-9)
    found = fitter(METHODS["published-headed"], sequence.frames, default=default)
    assert found.iterations == 1
    step = found.fits[0].places - default.fits[0].places
    assert 0 < float(step.abs().max()) < 0.0011
    assert float((found.fits[0].roots - default.fits[0].roots).abs().max()) < 0.005
    assert float(found.fits[0].poses.abs().max()) < 0.1
    longer = fitter(METHODS["published-headed"], sequence.frames, default=replace(default, seconds=found.seconds * 3))
    assert longer.iterations > 1


@pytest.mark.parametrize("name", list(METHODS))
def test_recipes_of_all_methods_are_valid(name: str):
    recipe = Fitter(_model(), SMALL).recipe(METHODS[name])
    assert (recipe.solver == "published") == name.startswith("published")
    assert recipe.fit.points == 300


def test_numbers_that_tell_wrong_frames():
    is_bad = np.array([False, False, True, True])
    assert area_under_roc(is_bad, np.array([1.0, 2, 3, 4])) == 1
    assert area_under_roc(is_bad, np.array([4.0, 3, 2, 1])) == 0
    assert area_under_roc(is_bad, np.zeros(4)) == 0.5
    assert area_under_roc(is_bad, np.array([1.0, 3, 2, np.nan])) == 0.75
    assert math.isnan(area_under_roc(np.zeros(4, dtype=bool), np.zeros(4)))
    precision, recall = precision_recall(is_bad, np.array([True, True, True, False]))
    assert (precision, recall) == (pytest.approx(1 / 3), 0.5)


def test_tables_say_what_was_reached():
    good = _outcome("default", (0.005, 0.007), doubted=(False, True), spread=(0.0, 0.1))
    bad = _outcome("default", (0.005, 0.02), doubted=(False, True), spread=(0.0, 0.3))
    lines = table([good, bad], {"default": "the default"}).splitlines()
    assert lines[-1].startswith(
        "| the default | 2 | 0.900, mean 0.900 | 0.0100, mean 0.0100 | 0.925, mean 0.925 | 50% | 1 of 4 | 2.00 | - |"
    )
    text = failures([good, bad])
    assert "1 of 4 frames are wrong" in text
    assert "- one: 1* EPE 2.00e-2 IoU 0.90" in text
    assert "| spread | 1.000 |" in text
    assert "| residual | 0.500 |" in text
    assert "2 frames are doubted: precision 0.500, recall 1.000" in text
    assert json.loads(json.dumps(good.record(), allow_nan=False))["scores"]["deviation"] == [None, None]
