"""How near fitted sequences are to the truth, tables of it, and whether a fit knows which of its frames are wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.npm_methods import SCORES, Found
from benchmarks.npm_sequences import TrueSequence
from recon_cli.metrics.alignment import evenly_spaced, sequence_motion
from recon_cli.metrics.chamfer import chamfer, surface_points
from recon_cli.metrics.end_point import end_point_errors
from recon_cli.metrics.frame_pairs import FramePair, frame_pairs
from recon_cli.metrics.occupancy import volume_overlaps

SAMPLES = 100_000
BARS = {"iou": 0.83, "c_l2": 0.022e-3, "epe": 0.74e-2}
"""Of the paper, on depth of clothed people (Palafox et al. 2021)."""
BAD_EPE, BAD_IOU = 0.015, 0.8
"""A frame beyond either is wrong: limbs are in other places."""


@dataclass(frozen=True)
class Outcome:
    """What a method reached on a sequence; lengths in boxes.

    Attributes:
        sequence: its name.
        method: its name.
        seconds: of the CPU, a frame.
        iterations: of the published fit; 0 for others.
        iou: of every frame.
        epe: of every frame.
        c_l2: of the frames that were looked at.
        scores: what the fit says of every frame, by name.
        is_doubtful: whether the fit doubts it.
    """

    sequence: str
    method: str
    seconds: float
    iterations: int
    iou: tuple[float, ...]
    epe: tuple[float, ...]
    c_l2: tuple[float, ...]
    scores: dict[str, tuple[float, ...]]
    is_doubtful: tuple[bool, ...]

    def mean(self, name: str) -> float:
        """Of iou, epe or c_l2 over the frames."""
        return float(np.mean(getattr(self, name)))

    @property
    def meets_bars(self) -> bool:
        """Whether all three means are as good as the paper's."""
        return self.mean("iou") >= BARS["iou"] and self.mean("c_l2") <= BARS["c_l2"] and self.mean("epe") <= BARS["epe"]

    @property
    def is_bad(self) -> tuple[bool, ...]:
        """Frames that are wrong."""
        return tuple(epe > BAD_EPE or iou < BAD_IOU for iou, epe in zip(self.iou, self.epe, strict=True))

    def record(self) -> dict[str, object]:
        """All numbers by name; no NaN, which JSON has not."""
        scores = {name: [value if math.isfinite(value) else None for value in values] for name, values in self.scores.items()}
        return {**vars(self), "scores": scores}

    def line(self) -> str:
        """For whoever watches."""
        means = f"IoU {self.mean('iou'):.3f}  C-l2 {1e3 * self.mean('c_l2'):.4f}e-3  EPE {1e2 * self.mean('epe'):.3f}e-2"
        told = f"wrong {sum(self.is_bad)}, doubted {sum(self.is_doubtful)} of {len(self.iou)}"
        length = f", {self.iterations} iterations" if self.iterations else ""
        worst = f"worst EPE {1e2 * max(self.epe):.2f}e-2"
        return f"{self.sequence:20} {self.method:22} {means}  {worst}  {told}  {self.seconds:.2f} CPU s a frame{length}"


def measured(
    method: str,
    found: Found,
    sequence: TrueSequence,
    *,
    box: float,
    is_scale_known: bool,
    every: int = 4,
    samples: int = SAMPLES,
    workers: int = 1,
) -> Outcome:
    """Errors of a fit.

    Args:
        method: its name.
        found: what it says.
        sequence: with the truth.
        box: side of the model's box, the unit of the errors [scene units].
        is_scale_known: otherwise one similarity takes the whole sequence onto the truth before anything is measured.
        every: of so many frames one Chamfer distance is taken.
        samples: points of every measure.
        workers: threads of the Chamfer distance.
    """
    pairs = frame_pairs(found.vertices, found.faces, sequence.vertices, sequence.faces)
    if not is_scale_known:
        few = [pairs[index] for index in evenly_spaced(range(len(pairs)))]
        motion = sequence_motion([(pair.predicted, pair.reference) for pair in few], with_scale=True)
        pairs = [pair.aligned(motion) for pair in pairs]
    pairs = [pair.in_units_of(box) for pair in pairs]
    return Outcome(
        sequence=sequence.name,
        method=method,
        seconds=found.seconds / len(sequence),
        iterations=found.iterations,
        iou=tuple(one.iou for one in volume_overlaps(pairs, samples=samples)),
        epe=tuple(one.epe for one in end_point_errors(pairs, samples=samples)),
        c_l2=tuple(_c_l2(pair, samples, workers) for pair in pairs[::every]),
        scores={name: tuple(values.tolist()) for name, values in found.scores.items()},
        is_doubtful=tuple(found.is_doubtful.tolist()),
    )


def _c_l2(pair: FramePair, samples: int, workers: int) -> float:
    points = (surface_points(mesh, samples=samples, seed=seed) for seed, mesh in enumerate((pair.predicted, pair.reference)))
    return chamfer(*points, workers=workers).c_l2


def table(outcomes: Sequence[Outcome], titles: dict[str, str]) -> str:
    """One line a method in markdown: median and mean over the sequences of their means."""
    lines = [
        "| fit | sequences | IoU | C-l2 x 1e-3 | EPE x 1e-2 | meets all three | frames wrong | CPU s a frame | iterations |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for method in dict.fromkeys(outcome.method for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.method == method]
        cells = [titles.get(method, method), str(len(own))]
        for name, factor, digits in (("iou", 1, 3), ("c_l2", 1e3, 4), ("epe", 1e2, 3)):
            values = [factor * outcome.mean(name) for outcome in own]
            cells.append(f"{np.median(values):.{digits}f}, mean {np.mean(values):.{digits}f}")
        wrong = np.concatenate([outcome.is_bad for outcome in own])
        cells += [f"{np.mean([outcome.meets_bars for outcome in own]):.0%}", f"{int(wrong.sum())} of {len(wrong)}"]
        cells += [f"{np.median([outcome.seconds for outcome in own]):.2f}", f"{np.median([outcome.iterations for outcome in own]) or '-'}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def failures(outcomes: Sequence[Outcome]) -> str:
    """Of one method, in markdown: which frames are wrong, and how well its own numbers tell them from the others."""
    is_bad = np.concatenate([outcome.is_bad for outcome in outcomes])
    doubted = np.concatenate([outcome.is_doubtful for outcome in outcomes])
    lines = [f"{is_bad.sum()} of {len(is_bad)} frames are wrong (EPE > {1e2 * BAD_EPE:g}e-2 or IoU < {BAD_IOU:g}), * where doubted:"]
    lines += [line for line in map(_wrong_frames, outcomes) if line]
    lines += ["", "| number | area under the ROC |", "|---|---|"]
    for name in SCORES:
        area = area_under_roc(is_bad, np.concatenate([outcome.scores[name] for outcome in outcomes]))
        lines.append(f"| {name} | {_known(area)} |")
    precision, recall = precision_recall(is_bad, doubted)
    told = f"precision {_known(precision)}, recall {_known(recall)}; {doubted.mean():.1%} of all, {is_bad.mean():.1%} are wrong"
    return "\n".join([*lines, "", f"{doubted.sum()} frames are doubted: {told}"])


def _wrong_frames(outcome: Outcome) -> str:
    told = [
        f"{frame}{'*' * doubted} EPE {1e2 * epe:.2f}e-2 IoU {iou:.2f}"
        for frame, (bad, doubted, epe, iou) in enumerate(zip(outcome.is_bad, outcome.is_doubtful, outcome.epe, outcome.iou, strict=True))
        if bad
    ]
    return f"- {outcome.sequence}: {', '.join(told)}" if told else ""


def _known(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def area_under_roc(is_bad: np.ndarray, score: np.ndarray) -> float:  # [N], [N]
    """Chance that a wrong frame has a higher score than a right one, ties counting half (Mann and Whitney); NaN scores highest.

    NaN where all frames are wrong or none is.
    """
    from scipy.stats import rankdata

    bad, good = int(is_bad.sum()), int((~is_bad).sum())
    if not bad or not good:
        return math.nan
    ranks = rankdata(np.where(np.isnan(score), np.inf, score))
    return float((ranks[is_bad].sum() - bad * (bad + 1) / 2) / (bad * good))


def precision_recall(is_bad: np.ndarray, is_doubted: np.ndarray) -> tuple[float, float]:  # [N], [N]
    """Share of the doubted frames that are wrong, and of the wrong ones that are doubted; NaN of none."""
    both = int((is_bad & is_doubted).sum())
    precision, recall = (both / int(some.sum()) if some.any() else math.nan for some in (is_doubted, is_bad))
    return precision, recall
