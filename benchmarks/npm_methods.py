"""Ways to fit a model to a depth sequence: the default, without each of its parts, and the published fit in the same time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import torch
from torch import Tensor

from benchmarks.npm_sequences import HeldFrames
from recon_cli.config.recipe import load_recipe
from recon_cli.core.errors import UsageError
from recon_cli.core.hooks import NoHooks
from recon_cli.run.npm_model_file import ModelFile
from recon_cli.run.npm_outputs import FittedBody
from recon_cli.run.npm_solve import solve
from recon_cli.systems.npm.config import NpmRecipe
from recon_cli.systems.npm.fitted import Fitted, FrameQuality
from recon_cli.systems.npm.parametric_model import ParametricModel
from recon_cli.systems.npm.published_fit import fit_published
from recon_cli.systems.npm.start import Start

FEW, MORE = 2, 8
"""Iterations of the two trials from which the published fit's time is told."""
SCORES = ("energy", "residual", "unexplained", "overhang", "spread", "deviation")


@dataclass(frozen=True)
class Method:
    """A way to fit.

    Attributes:
        title: for tables.
        overrides: of the default recipe, ``key=value``.
        starts: of the model's file that it may begin from: all; views without the encoder; of the nearest view the orientation alone.
        is_apart: whether every frame is fitted as a sequence of its own.
        has_equal_time: whether its iterations are chosen so that it takes the default's time.
        is_headed: whether the published fit begins from mean codes where the default has found orientations and places: the nearest view
            of every frame alone is back to front in many, which Adam does not mend.
        is_of_networks: whether it fits the model of networks.
    """

    title: str
    overrides: tuple[str, ...] = ()
    starts: Literal["all", "views", "orientation"] = "all"
    is_apart: bool = False
    has_equal_time: bool = False
    is_headed: bool = False
    is_of_networks: bool = False

    @property
    def needs_default(self) -> bool:
        """Whether the default is fitted before it."""
        return self.has_equal_time or self.is_headed


SCALED = ("solver=published", "published.shape_scale=0.05", "published.pose_scale=0.05")
FAST = ("published.icp_band=0.003", "published.points=1500")
SEEN_SIDE = ("published.field.past_rim=false", "published.field.behind=0.03")

METHODS: dict[str, Method] = {
    "default": Method("default"),
    "published": Method("published energy and field", (*SCALED, *FAST), has_equal_time=True),
    "published-seen": Method("published energy, hidden side left out", (*SCALED, *FAST, *SEEN_SIDE), has_equal_time=True),
    "published-headed": Method("published, from the default's headings", (*SCALED, *FAST), has_equal_time=True, is_headed=True),
    "published-seen-headed": Method(
        "published, hidden side left out, from the default's headings", (*SCALED, *FAST, *SEEN_SIDE), has_equal_time=True, is_headed=True
    ),
    "published-no-icp": Method("published without ICP", (*SCALED, *FAST, "published.weights.icp=0"), has_equal_time=True, is_headed=True),
    "published-no-temporal": Method(
        "published, frames not tied", (*SCALED, *FAST, "published.weights.temporal=0"), has_equal_time=True, is_headed=True
    ),
    "published-long": Method("published, all iterations", (*SCALED, *FAST)),
    "published-headed-long": Method("published, from the default's headings, all iterations", (*SCALED, *FAST), is_headed=True),
    "published-seen-headed-long": Method(
        "published, hidden side left out, from the default's headings, all iterations", (*SCALED, *FAST, *SEEN_SIDE), is_headed=True
    ),
    "published-networks": Method(
        "published form: networks, published energy, from the default's headings",
        ("solver=published", *FAST),
        has_equal_time=True,
        is_headed=True,
        is_of_networks=True,
    ),
    "published-networks-long": Method("the same, all iterations", ("solver=published", *FAST), is_headed=True, is_of_networks=True),
    # Without pairs limbs have nothing to be drawn to.
    "no-icp": Method("no ICP: silhouette and free space alone", ("fit.terms.depth=0", "fit.limb_rounds=0")),
    "no-sliding": Method("ICP across the surface alone", ("fit.terms.sliding=0",)),
    "no-silhouette": Method("ICP alone", ("fit.terms.silhouette=0",)),
    "no-temporal": Method("frames not tied", ("fit.terms.smoothness=0", "fit.path=0", "fit.anchors=0")),
    "no-smoothness": Method("no smoothness", ("fit.terms.smoothness=0",)),
    "no-tracking": Method("no tracking", ("fit.anchors=0",)),
    "no-limbs": Method("limbs not begun anew", ("fit.limb_rounds=0",)),
    "no-encoder": Method("begun from views alone", starts="views"),
    "one-start": Method("begun from one view", ("fit.starts=1",), starts="views"),
    "no-start": Method("begun from the mean pose", ("fit.starts=1",), starts="orientation"),
    "single-frame": Method("every frame alone", is_apart=True),
}


@dataclass(frozen=True)
class Found:
    """What a method says of a sequence.

    Attributes:
        fits: of the whole sequence, or of each frame.
        vertices: in the camera's axes [scene units of the depth], float64, shape [T, V, 3].
        faces: shape [F, 3].
        scores: by name, as ``SCORES``, shape [T] each.
        is_doubtful: shape [T].
        seconds: of the CPU, of all frames.
        iterations: of the published fit; 0 for others.
    """

    fits: tuple[Fitted, ...]
    vertices: Tensor
    faces: Tensor
    scores: Mapping[str, Tensor]
    is_doubtful: Tensor
    seconds: float
    iterations: int = 0


class Fitter:
    """Fits one model in several ways.

    Args:
        model: the file.
        networks: the file of a model of networks, for methods that fit one.
        overrides: of the default recipe, before those of a method.
        is_scale_known: whether the depth is in the training bodies' unit.
        seed: of the fits.
    """

    def __init__(
        self,
        model: ModelFile,
        overrides: Sequence[str] = (),
        *,
        networks: ModelFile | None = None,
        is_scale_known: bool = True,
        seed: int = 0,
    ) -> None:
        self.model, self.networks, self.overrides = model, networks, tuple(overrides)
        self.is_scale_known, self.seed = is_scale_known, seed

    def file(self, method: Method) -> ModelFile:
        """Of the model that the method fits.

        Raises:
            UsageError: it is one of networks, and none was given.
        """
        if not method.is_of_networks:
            return self.model
        if self.networks is None:
            raise UsageError(f"'{method.title}' fits a model of networks", hint="give one: --networks MODEL")
        return self.networks

    def recipe(self, method: Method) -> NpmRecipe:
        """The method's.

        Raises:
            UsageError: an override is wrong.
        """
        return load_recipe("npm_default", NpmRecipe, [*self.overrides, *method.overrides])

    def warm(self, method: Method, frames: HeldFrames) -> None:
        """Fit two frames, so that what is loaded once is not in the time of the first sequence."""
        self._fit(replace(method, is_headed=False), frames.only(range(min(2, len(frames)))), _of_length(self.recipe(method), 1))

    def fit(self, method: Method, frames: HeldFrames) -> Fitted:
        """Fit a sequence as one, with the iterations of the recipe."""
        return self._fit(method, frames, self.recipe(method))

    def __call__(self, method: Method, frames: HeldFrames, *, default: Found | None = None) -> Found:
        """Fit a sequence; ``default`` is what the default has found there, for a method that needs it."""
        recipe = self.recipe(method)
        if method.has_equal_time and default is not None:
            count = iterations_within(default.seconds, lambda few: self._timed(method, [frames], _of_length(recipe, few), default)[1])
            recipe = _of_length(recipe, count)
        parts = [frames.only([frame]) for frame in range(len(frames))] if method.is_apart else [frames]
        fits, spent = self._timed(method, parts, recipe, default)
        bodies = [FittedBody(self.file(method).model, fit) for fit in fits]
        return Found(
            fits=tuple(fits),
            vertices=torch.stack([vertices for body in bodies for _, vertices in body.posed()]),
            faces=bodies[0].faces,
            scores={name: torch.cat([_scores(fit)[name] for fit in fits]) for name in SCORES},
            is_doubtful=torch.cat([fit.quality.is_doubtful for fit in fits]),
            seconds=spent,
            iterations=recipe.published.iterations if recipe.solver == "published" else 0,
        )

    def _timed(self, method: Method, parts: Sequence[HeldFrames], recipe: NpmRecipe, default: Found | None) -> tuple[list[Fitted], float]:
        start = time.process_time()
        fits = [self._fit(method, part, recipe, default) for part in parts]
        return fits, time.process_time() - start

    def _fit(self, method: Method, frames: HeldFrames, recipe: NpmRecipe, default: Found | None = None) -> Fitted:
        model = with_starts(self.file(method), method.starts)
        if method.is_headed and default is not None:
            start = _headed(default.fits[0], self.model.model, model.model)
            return fit_published(model.model, frames, start, recipe.published, seed=self.seed).fitted
        settings = {"seed": self.seed, "hooks": NoHooks(), "resume": None, "device": torch.device("cpu")}
        return solve(model, frames, recipe, is_scale_known=self.is_scale_known, **settings)


def _headed(found: Fitted, model: ParametricModel, other: ParametricModel) -> Start:
    """Mean codes of another model, with a canonical body where the fit has one: models differ in box and pivot."""
    unit = found.unit / model.box.side * other.box.side
    pivots = [one.pivot(torch.zeros(one.shape_size)) for one in (model, other)]
    here, there = (one.box.outside(pivot).float() for one, pivot in zip((model, other), pivots, strict=True))  # [scene units]
    moved = found.places + found.roots @ (there - here) / model.box.side
    codes = torch.zeros(other.shape_size), torch.zeros(len(found.poses), other.pose_size)
    return Start(*codes, found.roots, moved * (found.unit / unit), unit)


def with_starts(model: ModelFile, kept: Literal["all", "views", "orientation"]) -> ModelFile:
    """The file with less to begin from; see ``Method``."""
    if kept == "all":
        return model
    starts = {name: value for name, value in model.starts.items() if not name.startswith("encoder.")}
    if kept == "orientation":
        starts["views.poses"] = torch.zeros_like(starts["views.poses"])
    return replace(model, starts=starts)


def iterations_within(seconds: float, spent: Callable[[int], float]) -> int:
    """How many iterations take so long, at least 1, told from two short runs: one part of their time is the set-up."""
    few, more = spent(FEW), spent(MORE)
    each = max((more - few) / (MORE - FEW), 1e-2 * more / MORE)
    return max(1, round((seconds - (few - FEW * each)) / each))


def _of_length(recipe: NpmRecipe, iterations: int) -> NpmRecipe:
    return recipe.model_copy(update={"published": recipe.published.model_copy(update={"iterations": iterations})})


def _scores(fit: Fitted) -> dict[str, Tensor]:
    named = {field.name: getattr(fit.quality, field.name) for field in fields(FrameQuality)}
    return {"energy": fit.energy} | {name: named[name] for name in SCORES[1:]}
