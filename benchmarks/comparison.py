"""Depth maps of several methods on one rig, judged at the same completeness."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.plane_sweep import plane_sweep
from recon_cli.config.recipe import load_recipe, recipe_text
from recon_cli.core.depth_maps import DepthIntervals, DepthMaps
from recon_cli.core.scene import Scene
from recon_cli.io.digest import digest
from recon_cli.metrics.depth import DepthErrors, depth_errors, errors_at_completeness
from recon_cli.systems.mvs.config import MvsRecipe, StartConfig
from recon_cli.systems.mvs.consistency import filter_depths
from recon_cli.systems.mvs.run import INTERVAL_SIZE
from recon_cli.systems.mvs.run import run as solve
from recon_cli.systems.mvs.start import depth_intervals
from recon_cli.systems.mvs.views import neighbour_views

SWEEP_NEIGHBOURS = 6
"""On small rigs the sweep gains 5 % from 4 to 6 where texture is weak and nothing where it is strong, and 1 % from 6 to 8."""


@dataclass(frozen=True)
class Method:
    """A way from pictures to depth maps.

    Attributes:
        name: for the table.
        recipe: of ``recon mvs``; None for the plane sweep.
        has_filter: whether the recipe's consistency filter decides which depths count.
    """

    name: str
    recipe: MvsRecipe | None
    has_filter: bool = True

    @staticmethod
    def of_recipe(name: str, recipe: str, overrides: Sequence[str] = ()) -> Method:
        """A recipe by name or file, with ``key=value`` overrides; overrides that begin with ``filter=off`` switch the filter off."""
        kept = [text for text in overrides if text != "filter=off"]
        return Method(name, load_recipe(recipe, MvsRecipe, kept), has_filter="filter=off" not in overrides)

    @property
    def mark(self) -> str:
        """What tells its unfiltered maps from those of other settings."""
        if self.recipe is None:
            return digest(f"plane sweep {SWEEP_NEIGHBOURS}", ())[:12]
        plain = MvsRecipe()
        return digest(recipe_text(self.recipe.model_copy(update={"filter": plain.filter, "fusion": plain.fusion})), ())[:12]

    def depth_maps(self, scene: Scene, intervals: DepthIntervals, device: str) -> DepthMaps:
        """The method's maps of every view, before its filter."""
        if self.recipe is None:
            return plane_sweep(scene, intervals, neighbours=SWEEP_NEIGHBOURS, device=device)
        maps = solve(scene, self.recipe, intervals=intervals, device=device)
        assert maps is not None
        assert maps.confidence is not None
        # The truth and the filter of a benchmark are on the CPU.
        depth, confidence = (tuple(part.cpu() for part in parts) for parts in (maps.depth, maps.confidence))
        return DepthMaps(scene.cameras, depth, confidence=confidence)

    def filtered(self, maps: DepthMaps, scene: Scene) -> DepthMaps:
        """What the method's filter leaves of its maps, as `recon mvs run` does it; all of them where it has none."""
        if self.recipe is None or not self.has_filter or not any(bool((depth > 0).any()) for depth in maps.depth):
            return maps
        order = neighbour_views(DepthIntervals(maps.cameras, maps.depth, maps.depth), self.recipe.views)
        return filter_depths(maps, order, self.recipe.filter, images=scene.images)[0]


@dataclass(frozen=True)
class Outcome:
    """What a method reached on a rig.

    Attributes:
        method: its name.
        seconds: wall time up to the filter.
        own: errors of all its pixels.
        equal: errors of its surest pixels, at the completeness that all methods reach; None where it found nothing.
    """

    method: str
    seconds: float
    own: DepthErrors
    equal: DepthErrors | None

    def record(self) -> dict[str, object]:
        """All numbers by name."""
        equal = None if self.equal is None else self.equal.record()
        return {"method": self.method, "seconds": self.seconds, "own": self.own.record(), "equal": equal}


@dataclass(frozen=True)
class Bench:
    """How rigs are reconstructed.

    Attributes:
        start: what bounds the depths, for all methods alike.
        device: where to compute.
        cache: folder of unfiltered depth maps, so that a benchmark can go on; None keeps nothing.
        tell: told in words of every finished method.
    """

    start: StartConfig
    device: str = "cpu"
    cache: Path | None = None
    tell: Callable[[str], None] = lambda text: None

    def outcomes(self, name: str, scene: Scene, truth: DepthMaps, methods: Sequence[Method]) -> list[Outcome]:
        """Every method on one rig, all with the same bounds of depth; the least complete one sets the completeness for all."""
        found: dict[str, tuple[DepthMaps, float]] = {}
        bounds: list[DepthIntervals] = []
        for method in methods:
            maps, seconds = self._maps(name, scene, method, bounds)
            found[method.name] = method.filtered(maps, scene), seconds
            self.tell(f"{name}: {method.name}, {found[method.name][1]:.0f} s")
        return judged({key: maps for key, (maps, _) in found.items()}, truth, {key: seconds for key, (_, seconds) in found.items()})

    def _maps(self, name: str, scene: Scene, method: Method, bounds: list[DepthIntervals]) -> tuple[DepthMaps, float]:
        size = "x".join(map(str, scene.cameras.size.max(dim=0).values.tolist()))
        file = None if self.cache is None else self.cache / f"{name}-{len(scene)}-{size}-{method.mark}.npz"
        if file is not None and file.exists():
            return _load(file, scene)
        if not bounds:
            bounds.append(depth_intervals(scene, self.start, max_size=INTERVAL_SIZE))
        began = time.monotonic()
        maps = method.depth_maps(scene, bounds[0], self.device)
        seconds = time.monotonic() - began
        if file is not None:
            _save(file, maps, seconds)
        return maps, seconds


def judged(found: Mapping[str, DepthMaps], truth: DepthMaps, seconds: Mapping[str, float]) -> list[Outcome]:
    """Errors of every method's maps, of their own and at the completeness that all reach."""
    own = {name: depth_errors(maps, truth) for name, maps in found.items()}
    shared = min((errors.completeness for errors in own.values() if errors.pixels), default=0.0)
    outcomes = []
    for name, maps in found.items():
        equal = errors_at_completeness(maps, truth, shared) if own[name].pixels and shared > 0 else None
        outcomes.append(Outcome(name, seconds[name], own[name], equal))
    return outcomes


def table(rows: Mapping[str, Sequence[Outcome]]) -> str:
    """One line a rig and method, in markdown."""
    lines = [
        "| rig | complete | method | median error | pixels | within 1 px | own complete | own median | spurious | s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, outcomes in rows.items():
        for outcome in outcomes:
            equal, own = outcome.equal, outcome.own
            share = f"{equal.completeness:.3f}" if equal else "-"
            judged = [f"{equal.median:.5f}", f"{equal.median_pixels:.3f}", f"{equal.within_pixels[1.0]:.3f}"] if equal else ["-"] * 3
            alone = [f"{own.completeness:.3f}", f"{own.median:.5f}", f"{own.spurious:.3f}", f"{outcome.seconds:.0f}"]
            lines.append(f"| {' | '.join([name, share, outcome.method, *judged, *alone])} |")
    return "\n".join(lines)


def verdicts(rows: Mapping[str, Sequence[Outcome]], *, best: str = "default") -> str:
    """What the default is worth beside every other method, in markdown: median error saved, and share within a pixel gained."""
    others = [outcome.method for outcome in next(iter(rows.values())) if outcome.method != best]
    lines = ["| rig | " + " | ".join(f"error below {name} | share above {name}" for name in others) + " |"]
    lines.append("|---|" + "---|" * (2 * len(others)))
    for name, outcomes in rows.items():
        by_method = {outcome.method: outcome.equal for outcome in outcomes}
        lines.append(f"| {name} | " + " | ".join(_verdict(by_method.get(best), by_method[other]) for other in others) + " |")
    return "\n".join(lines)


def _verdict(own: DepthErrors | None, other: DepthErrors | None) -> str:
    if own is None or other is None:
        return "- | -"
    return f"{100 * (1 - own.median / other.median):.0f} % | {own.within_pixels[1.0] - other.within_pixels[1.0]:+.3f}"


def summary(rows: Mapping[str, Sequence[Outcome]]) -> str:
    """Geometric mean of the errors and means of the shares over all rigs, one line a method, in markdown."""
    names = [outcome.method for outcome in next(iter(rows.values()))]
    lines = ["| method | pixels | against the first | within 1 px | complete | own complete | s |", "|---|---|---|---|---|---|---|"]
    first = math.nan
    for name in names:
        outcomes = [outcome for row in rows.values() for outcome in row if outcome.method == name]
        equal = [outcome.equal for outcome in outcomes if outcome.equal is not None]
        if not equal:
            lines.append(f"| {name} | - | - | - | - | - | - |")
            continue
        error = math.exp(float(np.mean([math.log(max(one.median_pixels, 1e-9)) for one in equal])))
        first = error if math.isnan(first) else first
        shares = [float(np.mean([one.within_pixels[1.0] for one in equal])), float(np.mean([one.completeness for one in equal]))]
        own, seconds = (float(np.mean(values)) for values in ([o.own.completeness for o in outcomes], [o.seconds for o in outcomes]))
        lines.append(
            f"| {name} | {error:.4f} | {100 * (error / first - 1):+.1f} % | {shares[0]:.3f} | {shares[1]:.3f} | {own:.3f} | {seconds:.0f} |"
        )
    return "\n".join(lines)


def _save(file: Path, maps: DepthMaps, seconds: float) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    confidence = maps.confidence or tuple((depth > 0).float() for depth in maps.depth)
    arrays = {f"depth{view}": depth.cpu().numpy() for view, depth in enumerate(maps.depth)}
    arrays |= {f"confidence{view}": values.cpu().numpy() for view, values in enumerate(confidence)}
    with open(file.with_suffix(".part"), "wb") as stream:
        np.savez(stream, allow_pickle=False, seconds=np.array(seconds), **arrays)
    file.with_suffix(".part").replace(file)


def _load(file: Path, scene: Scene) -> tuple[DepthMaps, float]:
    with np.load(file, allow_pickle=False) as stored:
        depth = tuple(torch.from_numpy(stored[f"depth{view}"]) for view in range(len(scene)))
        confidence = tuple(torch.from_numpy(stored[f"confidence{view}"]) for view in range(len(scene)))
        return DepthMaps(scene.cameras, depth, confidence=confidence), float(stored["seconds"])
