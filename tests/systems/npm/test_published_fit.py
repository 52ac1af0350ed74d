"""The published fit on a body whose field is a formula: it converges, repeats itself, and goes on as if it had never stopped."""

from dataclasses import replace

import pytest
import torch

from recon_cli.core.errors import InputError, NumericsError, StoppedError
from recon_cli.core.hooks import NoHooks
from recon_cli.metrics.chamfer import chamfer
from recon_cli.systems.npm.config import SpaceConfig
from recon_cli.systems.npm.published_config import DepthFieldConfig, EnergyWeights, PublishedFitConfig
from recon_cli.systems.npm.published_fit import TERMS, _of_frames, _windows, fit_published
from recon_cli.systems.npm.skin import Skin
from recon_cli.systems.npm.skinning import Pose
from recon_cli.systems.npm.spaces import body_model
from recon_cli.systems.npm.start import Start
from tests.systems.npm.capsule import UNIT, Capsule, CapsuleFrames, depth_of, posed, seen, truth
from tests.systems.npm.tube import TREE, tubes

QUICK = PublishedFitConfig(iterations=4, frames=2, points=200, cloud=2000, icp_points=100, icp_band=0.01)
MODEL = Capsule()


class Recorder(NoHooks):
    """Keeps what is told; asks to stop after some iterations."""

    def __init__(self, stop_after=None):
        self.stop_after, self.steps, self.states = stop_after, [], []

    def progress(self, done, total, **numbers):
        self.steps.append((done, total, numbers))

    def checkpoint(self, tensors, numbers):
        self.states.append({name: tensor.clone() for name, tensor in tensors.items()})

    def should_stop(self):
        return len(self.steps) == self.stop_after


@pytest.fixture(scope="module")
def frames():
    return seen(MODEL, truth(5))


def mean_start(count=5):
    """Mean codes, upright, where the body is in the middle of the sequence."""
    body = truth(count)
    places = body.places.mean(dim=0).expand(count, 3).clone()
    return Start(torch.zeros(2), torch.zeros(count, 2), torch.eye(3).repeat(count, 1, 1), places, UNIT)


def tensors_of(fit):
    fitted = fit.fitted
    quality = (fitted.quality.residual, fitted.quality.unexplained, fitted.quality.overhang, fitted.quality.is_doubtful)
    return [fit.history, fitted.shape, fitted.poses, fitted.roots, fitted.places, fitted.energy, *quality]


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(tensors_of(first), tensors_of(second), strict=True))


def surface_error(fitted, body):
    """Mean over frames of half the Chamfer distance [box]: a capsule may turn about itself unseen."""
    found, _ = posed(MODEL, Start(fitted.shape, fitted.poses, fitted.roots, fitted.places, UNIT))
    wanted, _ = posed(MODEL, body)
    return sum(chamfer(a, b).plain / 2 for a, b in zip(found, wanted, strict=True)) / len(body)


def test_it_converges_from_the_mean(frames):
    """With the hidden side of the body left out of the depth's field, which pulls the published one thin."""
    config = PublishedFitConfig(
        iterations=80,
        frames=3,
        points=1000,
        cloud=20_000,
        shape_rate=4e-3,
        pose_rate=4e-3,
        root_rate=2e-3,
        shape_scale=0.05,
        pose_scale=0.05,
        weights=EnergyWeights(temporal=10.0),
        field=DepthFieldConfig(past_rim=False, behind=0.03),
    )
    body, start = truth(5), mean_start()
    found = fit_published(MODEL, frames, start, config)
    before = surface_error(start, body)
    assert before > 0.02
    assert surface_error(found.fitted, body) < 0.4 * before
    reconstruction = found.history[:, 0]
    assert reconstruction[-5:].mean() < 0.4 * reconstruction[0]
    assert found.fitted.quality.residual.max() < 0.01
    assert not found.fitted.quality.is_doubtful.any()


def test_same_seed_same_bytes_and_another_seed_others(frames):
    first, second, other = (fit_published(MODEL, frames, mean_start(), QUICK, seed=seed) for seed in (3, 3, 4))
    assert same(first, second)
    assert not same(first, other)


def test_it_goes_on_exactly_where_it_stopped(frames):
    whole = fit_published(MODEL, frames, mean_start(), QUICK, seed=2)
    recorder, rest = Recorder(stop_after=2), Recorder()
    with pytest.raises(StoppedError, match="2 of 4"):
        fit_published(MODEL, frames, mean_start(), QUICK, seed=2, hooks=recorder)
    resumed = fit_published(MODEL, frames, mean_start(), QUICK, seed=2, hooks=rest, resume=recorder.states[-1])
    assert [done for done, _, _ in rest.steps] == [3, 4]
    assert same(whole, resumed)


def test_a_finished_fit_resumes_to_itself(frames):
    recorder = Recorder()
    whole = fit_published(MODEL, frames, mean_start(), QUICK, hooks=recorder)
    assert same(whole, fit_published(MODEL, frames, mean_start(), QUICK, resume=recorder.states[-1]))


def test_global_random_numbers_are_left_alone(frames):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    fit_published(MODEL, frames, mean_start(), QUICK.model_copy(update={"iterations": 1}), seed=7)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("term", TERMS)
def test_a_weight_of_zero_leaves_its_term_out_and_no_other(term, frames):
    start = replace(mean_start(), poses=torch.linspace(0.1, 0.5, 10).reshape(5, 2), shape=torch.ones(2))
    weights = EnergyWeights(**{term: 0.0})
    history = fit_published(MODEL, frames, start, QUICK.model_copy(update={"weights": weights})).history
    for index, name in enumerate(TERMS):
        assert bool((history[0, index] > 0) == (name != term)), name


def test_icp_takes_part_in_the_first_half_alone(frames):
    history = fit_published(MODEL, frames, mean_start(), QUICK).history[:, TERMS.index("icp")]
    assert (history[:2] > 0).all()
    assert (history[2:] == 0).all()


def test_rates_are_halved_after_every_quarter(frames):
    """Adam moves a place that is pulled one way by its rate a step, so its path shows the rates."""
    config = PublishedFitConfig(iterations=8, frames=5, points=500, cloud=2000, weights=EnergyWeights(icp=0.0, temporal=0.0))
    far = replace(mean_start(), places=mean_start().places - torch.tensor([0.0, 0.0, 0.2]))
    recorder = Recorder()
    fit_published(MODEL, frames, far, config, hooks=recorder)
    depths = torch.stack([far.places[:, 2], *(state["places"][:, 2] for state in recorder.states)])
    steps = (depths[1:] - depths[:-1]).mean(dim=1)
    expected = 1e-3 * 0.5 ** torch.tensor([0.0, 0, 1, 1, 2, 2, 3, 3])
    torch.testing.assert_close(steps, expected, rtol=0.25, atol=0)


def test_a_single_frame_and_windows_larger_than_the_sequence(frames):
    one = CapsuleFrames(frames.maps[:1])
    found = fit_published(MODEL, one, mean_start(1), QUICK.model_copy(update={"frames": 20}))
    assert found.fitted.poses.shape == (1, 2)
    assert (found.history[:, TERMS.index("temporal")] == 0).all()


def test_with_priors_alone_codes_shrink_and_the_body_stays(frames):
    start = replace(mean_start(1), shape=torch.ones(2))
    config = QUICK.model_copy(update={"weights": EnergyWeights(reconstruction=0.0, temporal=0.0, icp=0.0)})
    recorder = Recorder()
    found = fit_published(MODEL, CapsuleFrames(frames.maps[:1]), start, config, hooks=recorder).fitted
    assert (found.shape < 1).all()
    assert torch.equal(found.places, start.places)
    assert len(recorder.states) == 4


def test_the_scale_of_codes_stands_for_published_numbers(frames):
    """Scaled codes are pulled as if they were the scaled numbers."""
    start = replace(mean_start(), shape=torch.tensor([2.0, 0.0]))
    scaled = QUICK.model_copy(update={"shape_scale": 0.1, "iterations": 1})
    assert float(fit_published(MODEL, frames, start, scaled).history[0, TERMS.index("shape")]) == pytest.approx(0.1 * 0.2**2, rel=0.02)


def test_what_a_fit_says_of_itself(frames):
    found = fit_published(MODEL, frames, mean_start(), QUICK).fitted
    assert found.unit == UNIT
    assert found.up.tolist() == [0.0, -1.0, 0.0]
    up = torch.tensor([0.0, -0.8, -0.6])
    told = fit_published(MODEL, CapsuleFrames(frames.maps, up=up), mean_start(), QUICK).fitted
    assert torch.equal(told.up, up)
    torch.testing.assert_close(found.roots @ found.roots.mT, torch.eye(3).expand(5, 3, 3), rtol=0, atol=1e-5)
    assert found.energy.shape == (5,)
    assert torch.isnan(found.quality.spread).all()
    assert torch.isnan(found.quality.deviation).all()


def test_a_bad_fit_is_doubtful(frames):
    beside = replace(mean_start(), places=mean_start().places + torch.tensor([0.3, 0.0, 0.0]))
    assert fit_published(MODEL, frames, beside, QUICK).fitted.quality.is_doubtful.all()


def test_a_frame_without_a_body_is_named(frames):
    broken = CapsuleFrames((*frames.maps[:2], torch.zeros_like(frames.maps[0]), *frames.maps[3:]))
    with pytest.raises(InputError, match="frame 2: a depth map has nothing"):
        fit_published(MODEL, broken, mean_start(), QUICK)


def test_a_start_of_another_sequence_is_refused(frames):
    with pytest.raises(InputError, match="poses"):
        fit_published(MODEL, frames, mean_start(4), QUICK)


def test_an_infinite_rate_is_a_numerics_error(frames):
    with pytest.raises(NumericsError, match="not finite"):
        fit_published(MODEL, frames, mean_start(), QUICK.model_copy(update={"pose_rate": 1e30}))


@pytest.mark.parametrize(("total", "size"), [(1, 6), (6, 6), (7, 3), (20, 6)])
def test_windows_take_every_frame_once(total, size):
    for shift in range(size if total > size else 1):
        windows = list(_windows(total, size, shift))
        taken = [frame for window in windows for frame in range(total)[window]]
        assert taken == list(range(total))
        assert all(0 < window.stop - window.start <= size for window in windows)


def test_pairs_are_shared_out_over_their_frames():
    pairs = torch.tensor([1.0, 2.0, 6.0])
    shares = _of_frames(pairs)
    assert float(shares.mean()) == pytest.approx(0.5 * float(pairs.mean()))
    assert shares.tolist() == pytest.approx([1 / 3, 1.0, 8 / 3, 2.0])


@pytest.mark.parametrize("distance", ["nearest", "ray"])
def test_both_distances_of_the_depth_are_fitted_to(distance, frames):
    config = QUICK.model_copy(update={"field": DepthFieldConfig(distance=distance)})
    assert torch.isfinite(fit_published(MODEL, frames, mean_start(), config).history).all()


def test_the_learned_body_model_is_fitted_as_any_other():
    made = tubes()
    skin = Skin(TREE, made.joints.float(), made.weights.float(), Pose(made.poses.orientations.float(), made.poses.root.float()), ())
    model, shapes, poses = body_model(made.registered, skin, SpaceConfig(kept=1.0))
    near = poses[:1] + torch.tensor([[0.0], [0.05]])
    roots, places = torch.eye(3).repeat(2, 1, 1), torch.tensor([[0.0, 0.0, 1.6], [0.02, 0.0, 1.6]])
    vertices = model.posed(shapes[:1].expand(2, -1), near, roots, places)
    frames = CapsuleFrames(tuple(depth_of(one, model.faces) for one in vertices))
    start = Start(shapes[0], near, roots, places + torch.tensor([0.01, 0.02, -0.02]), 1.0)
    config = PublishedFitConfig(iterations=16, points=300, cloud=2000, root_rate=4e-3, field=DepthFieldConfig(past_rim=False, behind=0.03))
    found = fit_published(model, frames, start, config)
    assert found.history[-1, 0] < 0.7 * found.history[0, 0]
    assert (found.fitted.places - places).norm(dim=1).mean() < 0.7 * (start.places - places).norm(dim=1).mean()
    assert found.fitted.quality.overhang.max() < 0.2
