"""A body's shape and its poses from a depth sequence of any length: Gauss-Newton steps on the codes of a skinned model.

The shape is found in a few frames that are spread over the sequence and then held. Poses are found window by window, so that memory
does not grow with the sequence but for the codes. The surest frames give the shape again, and all windows settle with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from recon_cli.core.errors import StoppedError
from recon_cli.core.hooks import Hooks, NoHooks
from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.depth_frames import DepthFrames
from recon_cli.systems.npm.doubt import quality_of
from recon_cli.systems.npm.facing import contenders, ways_to_face
from recon_cli.systems.npm.first_guesses import FirstGuesses
from recon_cli.systems.npm.fit_config import FitConfig
from recon_cli.systems.npm.fit_start import beginning, present_frames, spread_over, starts_of
from recon_cli.systems.npm.fit_state import SCORES, FitState
from recon_cli.systems.npm.fit_steps import Estimate, Free
from recon_cli.systems.npm.fit_window import WindowFitter
from recon_cli.systems.npm.fitted import Fitted
from recon_cli.systems.npm.frame_quality import explained
from recon_cli.systems.npm.motion_gaps import filled
from recon_cli.systems.npm.observed import Observed, depth_points, observed
from recon_cli.systems.npm.postures import Postures
from recon_cli.systems.npm.training_views import Half, uprighted


def fit(
    model: BodyModel,
    guesses: FirstGuesses,
    frames: DepthFrames,
    config: FitConfig,
    *,
    is_scale_known: bool = True,
    seed: int = 0,
    hooks: Hooks | None = None,
    resume: Mapping[str, Tensor] | None = None,
) -> Fitted:
    """Fit a body to depth maps.

    Args:
        model: of the body.
        guesses: where to begin.
        frames: depth of the body alone.
        config: how.
        is_scale_known: whether the depth is in the unit of the training meshes; otherwise the scale is found together with the shape.
        seed: of all draws; the same one gives the same bytes, also when the fit goes on from a checkpoint.
        hooks: progress, checkpoints and the wish to stop.
        resume: a checkpoint of the same model, frames, recipe and seed.

    Raises:
        InputError: no frame has any depth.
        NumericsError: a step is not finite.
        StoppedError: the hooks asked to stop.
    """
    return _Sequence(model, guesses, frames, config, is_scale_known, seed).fitted(hooks or NoHooks(), resume)


class _Sequence:
    def __init__(
        self, model: BodyModel, guesses: FirstGuesses, frames: DepthFrames, config: FitConfig, is_scale_known: bool, seed: int
    ) -> None:
        self.model, self.guesses, self.frames, self.config, self.seed = model, guesses, frames, config, seed
        self.present = present_frames(frames)
        self.begin = beginning(frames, self.present, guesses, model.box.side if is_scale_known else None)
        self.free = Free(unit=not is_scale_known)
        self.solver = WindowFitter(model, config, seed=seed)
        self.windows = _windows(len(self.present), config.window, config.overlap)
        # A window's frames are asked for several times while it is solved; reading one may mean to tell the body from a room again.
        self._depth = lru_cache(maxsize=max(config.window, config.shape_frames))(lambda index: frames.depth(self.present[index]))

    def fitted(self, hooks: Hooks, resume: Mapping[str, Tensor] | None) -> Fitted:
        state = FitState.of(resume) if resume is not None else self._begun(hooks)
        while state.done < 2 * len(self.windows):
            state = self._next(state)
            self._tell(state, hooks)
        return self._result(state)

    def _tell(self, state: FitState, hooks: Hooks) -> None:
        total = 2 * len(self.windows)
        hooks.progress(state.done, total, **_shown(state, self.windows[(state.done - 1) % len(self.windows)]))
        hooks.checkpoint(state.tensors(), {"done": state.done})
        if hooks.should_stop() and state.done < total:
            raise StoppedError(f"stopped after {state.done} of {total} windows", hint="run the same command again to go on")

    def _begun(self, hooks: Hooks) -> FitState:
        """With a shape; where bodies may face more than one way also with the first window, whose limbs tell which."""
        count, chosen = len(self.present), self._chosen()
        begin = Estimate(torch.zeros(self.model.shape_size), _nowhere(self.model, 1))
        seen = self._seen(chosen)
        found = [self.solver.apart(seen, self._starts(chosen, half), begin, free=self.free) for half in self._halves()]
        scores, nowhere = torch.zeros(len(SCORES), count), _nowhere(self.model, count)
        states = [
            FitState(found[number].shape, found[number].unit, nowhere, scores, 0, found[number].postures)
            for number in contenders(found, [self.solver.shape_energy(one, seen) for one in found])
        ]
        if len(states) == 1:
            return states[0]
        window = self.windows[0]
        seen = self._seen(window)
        states = [replace(self._solved(state, 0), done=1) for state in states]
        best = min(states, key=lambda state: self.solver.shape_energy(Estimate(state.shape, state.postures[window], state.unit), seen))
        self._tell(best, hooks)
        return best

    def _chosen(self) -> list[int]:
        return spread_over(range(len(self.present)), self.config.shape_frames)

    def _next(self, state: FitState) -> FitState:
        count = len(self.windows)
        if state.done < count:
            return replace(self._solved(state, state.done), done=state.done + 1)
        if state.done == count:
            state = self._shape_again(state)
        return replace(self._settled(state, state.done - count), done=state.done + 1)

    def _solved(self, state: FitState, number: int) -> FitState:
        window = self.windows[number]
        known = self.config.overlap if number else 0
        begin = Estimate(state.shape, _nowhere(self.model, 1), state.unit)
        before = state.postures[window[:known]] if known else None
        found = self.solver(self._seen(window), self._starts_near(window, state.known), begin, before=before)
        scores = state.scores.clone()
        scores[SCORES.index("spread"), window] = found.spread
        return replace(state, postures=state.postures.replaced(window, found.estimate.postures), scores=scores)

    def _shape_again(self, state: FitState) -> FitState:
        """From the frames that have no rival, or the least, spread over the sequence."""
        spread = state.scores[SCORES.index("spread")]
        sure = (spread <= spread.median()).nonzero()[:, 0].tolist()
        chosen = spread_over(sure, self.config.shape_frames)
        estimate = Estimate(state.shape, state.postures[chosen], state.unit)
        estimate = self.solver.refined_apart(estimate, self._seen(chosen), free=self.free)
        return replace(state, shape=estimate.shape, unit=estimate.unit)

    def _settled(self, state: FitState, number: int) -> FitState:
        window, config = self.windows[number], self.config
        seen = self._seen(window)
        estimate = self.solver.refined(Estimate(state.shape, state.postures[window], state.unit), seen)
        scores = state.scores.clone()
        scores[SCORES.index("deviation"), window] = self.solver.deviation(estimate, seen)
        scores[SCORES.index("energy"), window] = self.solver.energy(estimate, seen, config.track_scales[-1])
        vertices = self.solver.fine.motion.whole(estimate.shape, estimate.postures)
        for index, frame in enumerate(window):
            depth = self._depth(frame) / (self.begin.unit * estimate.unit)
            how = explained(vertices[index], self.model.faces, depth, self.frames.K)
            scores[SCORES.index("residual") :, frame] = torch.tensor([how.residual, how.unexplained, how.overhang])
        return replace(state, postures=state.postures.replaced(window, estimate.postures), scores=scores)

    def _seen(self, chosen: Sequence[int]) -> Observed:
        config = self.config
        found = []
        for index in chosen:
            frame = self.present[index]
            draws = {"points": config.points, "longest": config.longest, "seed": self.seed + frame}
            found.append(observed(self._depth(index), self.frames.K, unit=self.begin.unit, **draws))
        return Observed.joined(found)

    def _halves(self) -> list[Half | None]:
        """Which ways bodies may face."""
        if not self.config.both_ways:
            return [None]
        return ways_to_face(self.guesses.views, [self._points(index) for index in self._chosen()], self.begin.up)

    def _points(self, index: int) -> Tensor:  # [N, 3]
        return depth_points(self._depth(index), self.frames.K.float())

    def _starts(self, chosen: Sequence[int], half: Half | None = None) -> list[Postures]:
        return [starts_of(self.guesses(self._points(index), self.begin.up, self.config.starts, half)) for index in chosen]

    def _starts_near(self, window: Sequence[int], known: Postures) -> list[Postures]:
        """With a solution of the nearest frame that has one, facing about as it does."""
        chosen, upright, found = torch.tensor(self._chosen()), uprighted(self.begin.up), []
        for index in window:
            near = int((chosen - index).abs().argmin())
            half = Half(upright @ known.roots[near], is_opposite=False) if self.config.both_ways else None
            found.append(Postures.joined([known[near : near + 1], *self._starts([index], half)]))
        return found

    def _result(self, state: FitState) -> Fitted:
        count = len(self.frames)
        scores = dict(zip(SCORES, state.scores, strict=True))
        postures = filled(state.postures, self.present, count)
        return Fitted(
            shape=state.shape,
            poses=postures.poses,
            roots=postures.roots,
            places=postures.places,
            unit=self.begin.unit * state.unit,
            up=self.begin.up,
            energy=_everywhere(scores["energy"], self.present, count),
            quality=quality_of({name: _everywhere(values, self.present, count) for name, values in scores.items()}),
        )


def _windows(count: int, window: int, overlap: int) -> list[list[int]]:
    """Runs of neighbours, each but the first beginning with the last of the one before; the last is as long as the others."""
    if count <= window:
        return [list(range(count))]
    step = window - overlap
    begins = list(range(0, count - window, step))
    return [list(range(begin, begin + window)) for begin in begins] + [list(range(begins[-1] + step, count))]


def _nowhere(model: BodyModel, count: int) -> Postures:
    return Postures(torch.zeros(count, model.pose_size), torch.eye(3).repeat(count, 1, 1), torch.zeros(count, 3))


def _everywhere(values: Tensor, present: Sequence[int], count: int) -> Tensor:  # [n] -> [T]
    """NaN where there was nothing to look at."""
    return torch.full((count,), torch.nan).index_copy(0, torch.tensor(present), values)


def _shown(state: FitState, window: Sequence[int]) -> dict[str, float]:
    return {"spread": float(state.scores[SCORES.index("spread"), list(window)].mean())}
