"""The published fit: one shape code and a pose code a frame, found by Adam (Palafox et al. 2021)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.errors import InputError, NumericsError, StoppedError
from recon_cli.core.hooks import Hooks, NoHooks
from recon_cli.core.sampling import sample_surface
from recon_cli.systems.npm import published_energy as energy
from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.depth_frames import DepthFrames
from recon_cli.systems.npm.doubt import PUBLISHED, quality_of
from recon_cli.systems.npm.fitted import Fitted, FrameQuality
from recon_cli.systems.npm.frame_quality import explained
from recon_cli.systems.npm.parametric_model import ParametricModel
from recon_cli.systems.npm.projective_tsdf import ProjectiveTsdf
from recon_cli.systems.npm.published_config import PublishedFitConfig
from recon_cli.systems.npm.published_state import TERMS, PublishedState
from recon_cli.systems.npm.start import Start


@dataclass(frozen=True)
class PublishedFit:
    """A fit and how it got there.

    Attributes:
        fitted: the body.
        history: weighted terms of the energy, in the order of ``TERMS``, means over the frames of every iteration, shape [iterations, 5].
    """

    fitted: Fitted
    history: Tensor


@dataclass(frozen=True)
class _Problem:
    """What does not change while a fit runs."""

    model: ParametricModel
    start: Start
    config: PublishedFitConfig
    fields: tuple[ProjectiveTsdf, ...]
    cloud: Tensor  # [N, 3]


def fit_published(
    model: ParametricModel,
    frames: DepthFrames,
    start: Start,
    config: PublishedFitConfig,
    *,
    seed: int = 0,
    hooks: Hooks | None = None,
    resume: Mapping[str, Tensor] | None = None,
    device: torch.device | str = "cpu",
) -> PublishedFit:
    """Fit codes, orientations and places to depth maps with the published energy and schedule.

    Every iteration goes once over all frames in windows of ``config.frames`` neighbours, whose borders are drawn anew; a window is a step
    of Adam, with points of its own. Memory grows with the window; of the other frames only depth maps and their points are held.

    Args:
        model: whatever has a signed distance and a flow, with its tensors on ``device``.
        frames: depth of the body alone.
        start: codes, orientations and places to begin with.
        config: the recipe.
        seed: of all draws; the same one gives the same bytes, also when the fit goes on from a checkpoint.
        hooks: progress, checkpoints and the wish to stop.
        resume: a checkpoint of the same model, frames, start, recipe and seed.
        device: where the model is; every draw is made on the CPU.

    Raises:
        InputError: the start does not fit the model or the frames, or a frame has no depth.
        NumericsError: the energy is not finite.
        StoppedError: the hooks asked to stop.
    """
    hooks = hooks or NoHooks()
    problem = _problem(model, frames, start, config, seed, torch.device(device))
    state = PublishedState(problem.start, problem.config, seed + 1)
    if resume is not None:
        state.restore(resume)
    while state.iteration < config.iterations:
        _iterate(problem, state)
        terms = state.history[state.iteration - 1]
        hooks.progress(state.iteration, config.iterations, energy=float(terms.sum()), reconstruction=float(terms[0]))
        hooks.checkpoint(state.tensors(), {"step": state.iteration})
        if hooks.should_stop() and state.iteration < config.iterations:
            raise StoppedError(
                f"stopped after {state.iteration} of {config.iterations} iterations", hint="run the same command again to go on"
            )
    return PublishedFit(_fitted(problem, state, frames), state.history)


def _problem(
    model: ParametricModel, frames: DepthFrames, start: Start, config: PublishedFitConfig, seed: int, device: torch.device
) -> _Problem:
    start.check(model, len(frames))
    config = config.scaled_for(is_whitened=isinstance(model, BodyModel))
    if not len(frames):
        raise InputError("there are no frames to fit to, expected at least one depth map")
    placed = {name: getattr(start, name).to(device, torch.float32) for name in ("shape", "poses", "roots", "places")}
    begin = Start(**placed, unit=start.unit)
    fields = tuple(_field(frames, frame, begin.unit, config, device) for frame in range(len(frames)))
    surface = model.surface(begin.shape)
    generator = torch.Generator().manual_seed(seed)
    points, _, _ = sample_surface(surface.vertices.detach().cpu(), surface.faces.cpu(), config.cloud, generator=generator)
    cloud = points.float() + config.spread * torch.randn(points.shape, generator=generator)
    return _Problem(model, begin, config, fields, cloud)


def _field(frames: DepthFrames, frame: int, unit: float, config: PublishedFitConfig, device: torch.device) -> ProjectiveTsdf:
    depth = frames.depth(frame).to(device, torch.float32) / unit
    try:
        return ProjectiveTsdf(depth, frames.K, config.field)
    except InputError as error:
        hint = "leave the frame out, or look whether its background was removed with the body"
        raise InputError(f"frame {frame}: {error.message}", hint=hint) from error


def _iterate(problem: _Problem, state: PublishedState) -> None:
    """Once over all frames."""
    config = problem.config
    state.set_rates()
    total = len(problem.fields)
    shift = int(torch.randint(config.frames, (1,), generator=state.generator)) if config.frames < total else 0
    for window in _windows(total, config.frames, shift):
        terms = _terms(problem, state, window, _drawn(problem, state))
        loss = terms.mean(dim=1).sum()
        if not bool(torch.isfinite(loss)):
            raise NumericsError(f"the energy of iteration {state.iteration + 1} is not finite", hint="give smaller learning rates")
        state.adam.zero_grad(set_to_none=False)
        loss.backward()
        state.adam.step()
        state.history[state.iteration] += terms.detach().sum(dim=1).cpu() / total
    state.iteration += 1


def _windows(total: int, size: int, shift: int) -> Iterator[slice]:
    """All frames in runs of at most ``size``, the first one shorter by ``shift``."""
    for begin in range(-shift, total, size):
        if begin + size > 0:
            yield slice(max(0, begin), min(total, begin + size))


def _drawn(problem: _Problem, state: PublishedState) -> Tensor:  # [N, 3]
    index = torch.randint(len(problem.cloud), (problem.config.points,), generator=state.generator)
    return problem.cloud[index].to(problem.start.places.device)


def _terms(problem: _Problem, state: PublishedState, window: slice, points: Tensor) -> Tensor:  # [5, B]
    """Weighted terms of the energy of the frames of a window, in the order of ``TERMS``."""
    model, config, weights = problem.model, problem.config, problem.config.weights
    poses, roots, places = state.body(window)
    posed = energy.posed_points(model, state.shape, poses, roots, places, points)
    distance = model.distance(state.shape, points)
    none = places.new_zeros(len(poses))
    fields = problem.fields[window]
    terms = [none] * len(TERMS)
    if weights.reconstruction:
        looked = [field(one) for field, one in zip(fields, posed, strict=True)]
        observed, masks = torch.stack([value for value, _ in looked]), torch.stack([mask for _, mask in looked])
        terms[0] = weights.reconstruction * energy.reconstruction(distance, observed, masks, clamp=config.field.clamp)
    terms[1] = weights.shape * energy.code_prior(state.variables["shape"]).expand_as(none)
    terms[2] = weights.pose * energy.code_prior(state.variables["poses"][window])
    if weights.temporal and len(poses) > 1:
        terms[3] = weights.temporal * _of_frames(energy.temporal(posed))
    if weights.icp and state.iteration < config.icp_share * config.iterations:
        terms[4] = weights.icp * _icp(problem, state, posed, distance, fields)
    return torch.stack(terms)


def _of_frames(pairs: Tensor) -> Tensor:  # [B - 1] -> [B]
    """Terms of neighbours shared out over their frames, with mean half that of the pairs.

    The released fit adds what two neighbours cost each and, once, what they differ: beside the mean over frames a pair counts half.
    """
    none = pairs.new_zeros(1)
    both = torch.cat([none, pairs]) + torch.cat([pairs, none])
    return both * ((len(pairs) + 1) / (4 * len(pairs)))


def _icp(problem: _Problem, state: PublishedState, posed: Tensor, distance: Tensor, fields: tuple[ProjectiveTsdf, ...]) -> Tensor:  # [B]
    config = problem.config
    near = torch.nonzero(distance.detach().abs() < config.icp_band)[:, 0][: config.icp_points]
    found = []
    for field, one in zip(fields, posed, strict=True):
        some = torch.randint(len(field.points), (config.icp_points,), generator=state.generator)
        found.append(energy.icp(field.points[some.to(field.points.device)], one[near]))
    return torch.stack(found)


@torch.no_grad()
def _fitted(problem: _Problem, state: PublishedState, frames: DepthFrames) -> Fitted:
    total = len(problem.fields)
    points = _drawn(problem, state)
    energies = torch.cat([_terms(problem, state, window, points).sum(dim=0) for window in _windows(total, problem.config.frames, 0)])
    poses, roots, places = state.body(slice(None))
    return Fitted(
        shape=state.shape.detach().clone(),
        poses=poses,
        roots=roots,
        places=places.clone(),
        unit=problem.start.unit,
        up=places.new_tensor([0.0, -1.0, 0.0]) if frames.up is None else frames.up.to(places),
        energy=energies,
        quality=_quality(problem, state, frames),
    )


def _quality(problem: _Problem, state: PublishedState, frames: DepthFrames) -> FrameQuality:
    surface = problem.model.surface(state.shape)
    vertices = surface.vertices.to(state.shape)
    rows = []
    for frame in range(len(problem.fields)):
        posed = energy.posed_points(problem.model, state.shape, *state.body(slice(frame, frame + 1)), vertices)[0]
        one = explained(posed, surface.faces, frames.depth(frame) / problem.start.unit, frames.K)
        rows.append((one.residual, one.unexplained, one.overhang))
    residual, unexplained, overhang = torch.tensor(rows).to(vertices).unbind(dim=1)
    return quality_of({"residual": residual, "unexplained": unexplained, "overhang": overhang}, PUBLISHED)
