"""What the report of a training of the photo-consistency network shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from recon_cli.run.charts import Chart, chart_svg
from recon_cli.run.origin import RunFacts, origin_section
from recon_cli.run.report import Charts, Number, Page, Section, Table
from recon_cli.systems.mvs.prior_measures import PriorCurve
from recon_cli.systems.mvs.prior_training import Training

SHOWN_STEPS = 200
"""Points of a training curve; each is the mean of the steps around it."""


@dataclass(frozen=True)
class Measured:
    """The same points, classified by the network and by plain correlation."""

    learned: PriorCurve
    correlation: PriorCurve


def curve_charts(training: Training, curves: Measured) -> list[Chart]:
    """Loss, accuracy and the two ROC curves."""
    percent = np.arange(101)
    roc = {
        "network": _true_positives(curves.learned, percent / 100),
        "correlation": _true_positives(curves.correlation, percent / 100),
    }
    return [
        Chart("Points on the surface that are kept", "%", roc, percent.tolist(), axis="points off the surface that are kept [%]"),
        _history("Loss", "", training.losses),
        _history("Accuracy of a step", "%", 100 * training.accuracy),
    ]


def prior_page(training: Training, curves: Measured, facts: RunFacts) -> Page:
    """The whole page."""
    learned, correlation = curves.learned, curves.correlation
    numbers = [
        Number("area under the ROC curve", f"{learned.auc:.3f}", note=f"correlation {correlation.auc:.3f}"),
        Number(
            "points on the right side of one half", f"{100 * learned.accuracy:.1f}", "%", f"correlation {100 * correlation.accuracy:.1f} %"
        ),
        Number("points measured", f"{learned.points}", note="half of them on the surface"),
    ]
    charts = Charts([chart_svg(chart, salt=f"prior-{i}") for i, chart in enumerate(curve_charts(training, curves))])
    lead = "On rendered rigs that were not trained on. Correlation has the threshold that is best for these very points."
    sections = [Section("Classification", [charts, _distance_table(curves)], lead), origin_section(facts)]
    return Page(
        title=facts.title, subtitle="A network that scores how well pictures agree about a point", numbers=numbers, sections=sections
    )


def _distance_table(curves: Measured) -> Table:
    rows = [
        (f"{low:g} to {high:g} px", *(f"{value:.3f}" for value in values))
        for (low, high), *values in zip(
            curves.learned.bins,
            curves.learned.bin_auc,
            curves.correlation.bin_auc,
            curves.learned.bin_accuracy,
            curves.correlation.bin_accuracy,
            strict=True,
        )
    ]
    header = ("off the surface by", "area, network", "area, correlation", "accuracy, network", "accuracy, correlation")
    return Table("By distance from the surface, in pixels of disparity", header, rows)


def _true_positives(curve: PriorCurve, at: np.ndarray) -> list[float]:
    return (100 * np.interp(at, curve.false_positives, curve.true_positives)).tolist()


def _history(title: str, unit: str, values: Tensor) -> Chart:
    size = max(1, len(values) // SHOWN_STEPS)
    blocks: Sequence[Tensor] = values.split(size)
    steps = [min((i + 1) * size, len(values)) for i in range(len(blocks))]
    return Chart(title, unit, {title: [float(block.mean()) for block in blocks]}, steps, axis="step")
