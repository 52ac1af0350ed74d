from __future__ import annotations

import numpy as np
import pytest
import torch

from recon_cli.core.hooks import NoHooks
from recon_cli.core.mesh import Mesh
from recon_cli.run.npm_body_pictures import directions, in_poses, part_colors, reproduced, reproduction_row, standing
from recon_cli.run.npm_train_figures import variance_shares
from recon_cli.run.npm_train_page import TrainingShown, training_charts, training_page
from recon_cli.run.origin import RunFacts
from recon_cli.run.report import render_page
from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.config import SkinConfig, SpaceConfig
from recon_cli.systems.npm.learning import Learned, model_error
from recon_cli.systems.npm.skin import learn_skin
from recon_cli.systems.npm.spaces import body_model
from tests.systems.npm.tube import tubes


@pytest.fixture(scope="module")
def learned() -> Learned:
    """Three tubes in twelve poses each."""
    registered = tubes().registered
    skin = learn_skin(registered, SkinConfig(patches=40, merging=0.008, points=200, rounds=1), seed=0, hooks=NoHooks())
    model, shapes, poses = body_model(registered, skin, SpaceConfig())
    roots, places = skin.poses.orientations[:, 0], skin.poses.root
    return Learned(model, shapes, poses, roots, places, registered.identity, registered.posed, registered.error, skin.error)


FIGURES = {
    "model": "networks",
    "box": 2.0,
    "identities": 3,
    "poses": 36,
    "shape_size": 4,
    "pose_size": 5,
    "shape_error": 0.002,
    "model_error": 0.0031,
    "farthest": {"a": 0.01, "b": 0.02, "c": 0.03},
    "shape_losses": [0.03, 0.01],
    "pose_losses": [0.02, 0.005],
}


def test_the_model_s_training_poses_are_where_the_bodies_were(learned):
    error = model_error(learned)
    assert error.shape == (36,)
    for pose in (0, 20):
        distance = (reproduced(learned, pose).vertices - learned.posed[pose]).norm(dim=-1)
        assert float(distance.mean()) == pytest.approx(float(error[pose]), abs=1e-5)
        assert float(distance.mean()) < 0.01


def test_a_body_in_a_pose_is_about_its_pivot(learned):
    shape, pose = learned.shapes[1], learned.poses[12]
    (body,) = in_poses(learned.model, shape, pose[None])
    place = torch.zeros(1, 3)
    expected = learned.model.posed(shape[None], pose[None], torch.eye(3)[None], place)[0]
    torch.testing.assert_close(body.vertices, expected, atol=2e-6, rtol=0)


def test_the_first_numbers_hold_the_most_variance(learned):
    assert isinstance(learned.model, BodyModel)
    shape, pose = variance_shares(learned.model)
    assert (len(shape), len(pose)) == (learned.model.shape_size, learned.model.pose_size)
    for shares in (shape, pose):
        assert shares == sorted(shares)
        assert shares[-1] == pytest.approx(1)
    assert shape[0] > 0.99  # the tubes differ in their length alone


def test_directions_are_those_in_which_codes_differ():
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(500, 3, generator=generator) * torch.tensor([0.1, 3.0, 1.0]) + 7
    found = directions(codes, 2)
    assert found.shape == (2, 3)
    assert found.abs().argmax(dim=1).tolist() == [1, 2]
    assert found.norm(dim=1).tolist() == pytest.approx(codes.std(dim=0)[[1, 2]].tolist(), rel=0.02)
    assert directions(torch.ones(4, 3), 2).shape == (0, 3)


def test_every_part_has_a_colour_of_its_own():
    colors = part_colors(torch.eye(24))
    assert torch.cdist(colors, colors).add(torch.eye(24)).min() > 0.08
    assert float(colors.min()) >= 0
    assert float(colors.max()) <= 1
    torch.testing.assert_close(part_colors(torch.tensor([[0.5, 0.5]])), colors[:2].mean(dim=0, keepdim=True))


def test_a_pose_that_is_missed_is_bright(learned):
    truth = reproduced(learned, 0)
    same = reproduction_row(truth, truth, "same")
    moved = reproduction_row(truth, truth.with_vertices(truth.vertices + torch.tensor([0.0, 0.02, 0.0])), "moved")
    third = same.shape[1] * 2 // 3 + 4
    assert same[:, third:].astype(int).sum() < moved[:, third:].astype(int).sum()
    assert np.array_equal(same.shape, moved.shape)


def test_long_bodies_are_seen_from_the_side():
    box = torch.tensor([[-1.0, 0, -1], [1, 1, 1], [0, 1, 0]])
    wide, long = (Mesh(box * torch.tensor(scale), torch.tensor([[0, 1, 2]])) for scale in ([1.0, 1, 0.3], [0.3, 1, 1.0]))
    assert float(standing([wide]).back[2]) > 0.8
    assert float(standing([long]).back[0]) > 0.7


def test_the_page_of_a_model_without_a_surface_has_its_numbers_all_the_same(learned):
    shown = TrainingShown(learned, FIGURES, None, [], 12.0, ["A warning."])
    page = render_page(training_page(shown, RunFacts("bodies", "recon npm train", "model: networks\n", {"seed": "0"})))
    assert "A warning." in page
    assert "3.10" in page
    assert "Displacement error" in page
    assert "data:image/jpeg" not in page
    charts = {chart.title: chart for chart in training_charts(FIGURES)}
    assert next(iter(charts["Displacement error, root mean square"].series.values())) == pytest.approx([200, 100])
    assert next(iter(charts["Farthest vertex of an identity from the model"].series.values())) == [10, 20, 30]
