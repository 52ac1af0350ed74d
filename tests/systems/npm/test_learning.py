"""The whole way on bodies that nobody registered: tubes of several sizes and meshes, bent at two places."""

import pytest
import torch

from recon_cli.core.errors import InputError, StoppedError
from recon_cli.core.hooks import NoHooks
from recon_cli.core.mesh import Mesh
from recon_cli.systems.npm.config import NpmRecipe, SkinConfig, TemplateConfig
from recon_cli.systems.npm.learning import learn
from recon_cli.systems.npm.model_tensors import model_from, model_tensors
from recon_cli.systems.npm.skinning import Pose, rotation, skinned
from tests.systems.npm.tube import TREE, tube

STAGES = TemplateConfig().stages
RECIPE = NpmRecipe(
    template=TemplateConfig(samples=2000, rounds=1, stages=(STAGES[0], STAGES[2])),
    skin=SkinConfig(patches=40, merging=0.008, points=200, rounds=2),
)


class Family:
    """In metres, far from the origin; every tube with rings and segments of its own."""

    names = ("a", "b", "c", "d")

    def __init__(self, poses: int = 10) -> None:
        self._poses = poses
        self._meshes = [tube(0.8 + 0.1 * k, 0.07 + 0.005 * k, rings=37 + 4 * k, segments=11 + k) for k in range(4)]

    def canonical(self, identity: int) -> Mesh:
        mesh = self._meshes[identity]
        return mesh.with_vertices(2 * mesh.vertices + 5)

    def pose_count(self, identity: int) -> int:
        return self._poses

    def posed(self, identity: int, pose: int) -> torch.Tensor:
        points = self._meshes[identity].vertices[None]
        length = 0.8 + 0.1 * identity
        share = points[0, :, 0] / length
        near, far = torch.sigmoid((share + 0.17) / 0.03), torch.sigmoid((share - 0.2) / 0.03)
        weights = torch.stack([1 - near, near - far, far], dim=1)
        joints = torch.tensor([[[-length / 2, 0, 0], [-0.17 * length, 0, 0], [0.2 * length, 0, 0]]], dtype=torch.float64)
        generator = torch.Generator().manual_seed(100 * identity + pose)
        turns = 0.6 * torch.randn(1, 3, 3, generator=generator, dtype=torch.float64)
        return 2 * skinned(points, weights, Pose(TREE.composed(rotation(turns)), joints[:, 0]), joints, TREE)[0] + 5


@pytest.fixture(scope="module")
def learned():
    return learn(Family(), RECIPE)


def test_the_training_bodies_are_explained(learned):
    found = learned.model.posed(learned.shapes[learned.identity], learned.poses, learned.roots, learned.places)
    distance = (found - learned.posed).norm(dim=-1)
    assert len(learned.model.tree) == 3
    assert distance.mean() < 0.004
    assert learned.posed.shape == (40, len(learned.model.vertices), 3)


def test_shapes_and_positions_are_in_the_units_of_the_bodies(learned):
    low, high = Family().canonical(3).vertices.aminmax(dim=0)
    assert learned.model.box.side == pytest.approx(float((high - low).max()))
    outside = learned.model.box.outside(learned.model.canonical(learned.shapes[3]))
    assert float(outside[:, 0].max()) == pytest.approx(float(high[0]), abs=0.03)


def test_a_model_comes_back_from_its_tensors(learned):
    tensors, texts = model_tensors(learned.model)
    back = model_from(tensors, texts, path="model")
    assert back.tree == learned.model.tree
    assert (back.box.side, back.box.middle.tolist()) == (learned.model.box.side, learned.model.box.middle.tolist())
    before = learned.model.posed(learned.shapes[:1], learned.poses[:1], learned.roots[:1], learned.places[:1])
    after = back.posed(learned.shapes[:1], learned.poses[:1], learned.roots[:1], learned.places[:1])
    assert (before - after).norm(dim=-1).max() < 1e-3


@pytest.mark.parametrize(
    ("name", "change", "word"),
    [
        ("kind", "a cake", "a cake"),
        ("version", "7", "version 7"),
        ("parents", "[-1, 0]", "tree"),
        ("parents", "[-1, 2, 0]", "tree"),
        ("parents", "oak", "tree"),
        ("box", "{}", "box"),
        ("box", '{"middle": [0, 0, 0], "side": -1}', "side -1"),
        ("vertices", lambda value: value[:-1], "fit"),
        ("vertices", lambda value: value * torch.nan, "NaN"),
        ("faces", lambda value: value + 10_000, "beyond"),
        ("turns", None, "no turns"),
    ],
)
def test_what_is_no_model_is_told(learned, name, change, word):
    tensors, texts = model_tensors(learned.model)
    if change is None:
        del tensors[name]
    elif callable(change):
        tensors[name] = change(tensors[name])
    else:
        texts[name] = change
    with pytest.raises(InputError, match=word):
        model_from(tensors, texts, path="file.safetensors")


def test_bodies_without_poses_are_refused():
    with pytest.raises(InputError, match="posed"):
        learn(Family(poses=0), RECIPE)


class Stopping(NoHooks):
    """Keeps every state it is offered, and stops after some of them."""

    def __init__(self, stops: int | None = None) -> None:
        self.stops, self.states = stops, []

    def checkpoint(self, tensors, numbers):
        self.states.append({name: value.clone() for name, value in tensors.items()})

    def should_stop(self):
        return len(self.states) == self.stops


TWO_ROUNDS = RECIPE.model_copy(update={"template": RECIPE.template.model_copy(update={"samples": 500, "rounds": 2})})


@pytest.fixture(scope="module")
def run_through():
    hooks = Stopping()
    return learn(Family(poses=6), TWO_ROUNDS, seed=5, hooks=hooks), hooks.states


# States: four warps, four of the second round, the first skin, two better ones.
@pytest.mark.parametrize("stop", [2, 4, 8, 9, 10])
def test_a_stopped_training_goes_on_to_the_same_numbers(run_through, stop):
    through, states = run_through
    assert len(states) == 11
    stopped = Stopping(stop)
    if stop in (2, 10):
        with pytest.raises(StoppedError, match="stopped after"):
            learn(Family(poses=6), TWO_ROUNDS, seed=5, hooks=stopped)
        assert all(torch.equal(value, states[stop - 1][name]) for name, value in stopped.states[-1].items())
    hooks = Stopping()
    resumed = learn(Family(poses=6), TWO_ROUNDS, seed=5, hooks=hooks, resume=states[stop - 1])
    # The skin's last state is offered again where it goes on from one, so that a stop is possible at once.
    assert len(hooks.states) == len(states) - stop + (stop > 8)
    assert resumed.skin_error == through.skin_error
    for name in ("shapes", "poses", "roots", "places", "posed", "registration_error"):
        assert torch.equal(getattr(resumed, name), getattr(through, name)), name
    before, after = model_tensors(through.model), model_tensors(resumed.model)
    assert before[1] == after[1]
    assert all(torch.equal(value, after[0][name]) for name, value in before[0].items())
