"""Line charts of per-frame numbers: one drawing, as SVG that follows the page's light or dark colours, and as PNG."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Names of numbers end in their unit ("residual_px"); what a reader sees instead.
_UNITS = {
    "px": "px",
    "m": "m",
    "mm": "mm",
    "n": "N",
    "mn": "mN",
    "j": "J",
    "mj": "mJ",
    "s": "s",
    "ms": "ms",
    "mps": "m/s",
    "percent": "%",
    "deg": "°",
}
# Inches. The margins are fixed: a layout that measures every label costs more than the rest of the drawing.
_PLOT_WIDTH, _PLOT_HEIGHT = 2.96, 1.4
_LEFT, _RIGHT, _BOTTOM = 0.66, 0.08, 0.42
_ROOM_FOR_TITLE, _ROOM_FOR_NONE = 0.28, 0.06


@dataclass(frozen=True)
class Palette:
    """Colours of a chart: words and ticks, axis lines, grid, and the lines in turn."""

    ink: str
    axis: str
    grid: str
    lines: tuple[str, ...]
    paper: str


PRINT = Palette("#1d2129", "#9aa1ac", "#e4e7ec", ("#0b6e99", "#c2570c", "#5b3fa8"), "#ffffff")
# Stand-ins that no chart uses otherwise; each becomes a CSS variable of the page.
_THEMED = Palette("#010201", "#010202", "#010203", ("#010204", "#010205", "#010206"), "none")
_VARIABLES = {
    "#010201": "var(--ink-soft)",
    "#010202": "var(--axis)",
    "#010203": "var(--grid)",
    "#010204": "var(--line-1)",
    "#010205": "var(--line-2)",
    "#010206": "var(--line-3)",
}


@dataclass(frozen=True)
class Chart:
    """One or more numbers over the frames of a clip, or over something else that is counted, sharing a unit.

    Attributes:
        title: what is shown, as a phrase.
        unit: unit of the vertical axis, "" for a pure number.
        series: values by name; every series has the length of ``frames``.
        frames: frame numbers of the values.
        axis: what the horizontal axis counts.
        marked: frames that are shaded.
        limit: where a number is high; the vertical axis then goes from 0 at least to there, which is dashed.
    """

    title: str
    unit: str
    series: Mapping[str, Sequence[float]]
    frames: Sequence[int]
    axis: str = "frame"
    marked: Sequence[int] = ()
    limit: float | None = None


@dataclass(frozen=True)
class SvgChart:
    """A chart as inline SVG, with the place of its axes [points] so that a page can move a cursor over it."""

    svg: str
    title: str
    left: float
    right: float
    top: float
    bottom: float
    first_frame: int
    last_frame: int


def charts_of(curves: Mapping[str, Sequence[float]]) -> list[Chart]:
    """One chart a curve, its unit taken from the end of its name ("residual_px" is "residual" in px)."""
    charts = []
    for name, values in curves.items():
        title, unit = name_and_unit(name)
        charts.append(Chart(title=title, unit=unit, series={title: list(values)}, frames=range(len(values))))
    return charts


def name_and_unit(name: str) -> tuple[str, str]:
    """Split "mean_force_n" into ("Mean force", "N"); a name without a known unit has the unit ""."""
    words = name.split("_")
    unit = _UNITS.get(words[-1], "") if len(words) > 1 else ""
    phrase = " ".join(words[:-1] if unit else words)
    return phrase[:1].upper() + phrase[1:], unit


def chart_svg(chart: Chart, *, salt: str) -> SvgChart:
    """The chart as SVG whose colours are CSS variables and whose words are text; ``salt`` keeps ids apart on one page."""
    from io import StringIO

    import matplotlib

    figure, axes = _figure(1, 1, top=_ROOM_FOR_NONE)
    _draw(axes[0], chart, _THEMED, title=False)
    buffer = StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    box = axes[0].get_window_extent()
    low, high = (float(axes[0].transData.transform((frame, 0))[0]) for frame in (chart.frames[0], chart.frames[-1]))
    scale, height = 72 / figure.dpi, figure.get_figheight() * 72
    return SvgChart(
        svg=_themed(buffer.getvalue(), chart),
        title=chart.title,
        left=low * scale,
        right=high * scale,
        top=height - box.y1 * scale,
        bottom=height - box.y0 * scale,
        first_frame=int(chart.frames[0]),
        last_frame=int(chart.frames[-1]),
    )


def charts_png(charts: Sequence[Chart]) -> bytes:
    """All charts on one white sheet, two in a row, as a PNG file in memory."""
    from io import BytesIO

    columns = min(2, len(charts))
    rows = -(-len(charts) // columns)
    figure, axes = _figure(rows, columns, top=_ROOM_FOR_TITLE)
    for panel, chart in zip(axes, charts, strict=False):
        _draw(panel, chart, PRINT, title=True)
    for panel in axes[len(charts) :]:
        panel.set_axis_off()
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=150, facecolor=PRINT.paper, metadata={"Software": None})
    return buffer.getvalue()


def _figure(rows: int, columns: int, *, top: float) -> tuple[Figure, list[Axes]]:
    """A figure without pyplot (no window system, no state shared between threads) and its panels row by row, ``top`` inches above each."""
    from matplotlib.figure import Figure

    width, height = _LEFT + _PLOT_WIDTH + _RIGHT, top + _PLOT_HEIGHT + _BOTTOM
    figure = Figure(figsize=(width * columns, height * rows))
    size = (_PLOT_WIDTH / width / columns, _PLOT_HEIGHT / height / rows)
    axes = []
    for place in range(rows * columns):
        left, bottom = place % columns + _LEFT / width, rows - 1 - place // columns + _BOTTOM / height
        axes.append(figure.add_axes((left / columns, bottom / rows, *size)))
    return figure, axes


def _draw(axes: Axes, chart: Chart, palette: Palette, *, title: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    for color, (name, values) in zip(palette.lines * (1 + len(chart.series) // len(palette.lines)), chart.series.items()):
        alone = len(values) == 1
        axes.plot(list(chart.frames), list(values), color=color, linewidth=1.5, label=name, marker="o" if alone else None, markersize=4)
    for frame in chart.marked:
        axes.axvspan(frame - 0.5, frame + 0.5, color=palette.lines[1], alpha=0.18, linewidth=0)
    if chart.limit is not None:
        axes.axhline(chart.limit, color=palette.lines[1], linewidth=1.0, linestyle=(0, (4, 3)))
        axes.set_ylim(0, max(1.05 * chart.limit, axes.get_ylim()[1]))
    if title:
        axes.set_title(chart.title, color=palette.ink, fontsize=10, loc="left")
    axes.set_xlabel(chart.axis, color=palette.ink, fontsize=8.5)
    axes.set_ylabel(chart.unit, color=palette.ink, fontsize=8.5)
    axes.tick_params(colors=palette.axis, labelcolor=palette.ink, labelsize=8, length=3)
    axes.grid(True, color=palette.grid, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_facecolor("none")
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(palette.axis)
    if len(chart.series) > 1:
        axes.legend(frameon=False, fontsize=8, labelcolor=palette.ink)


def _themed(svg: str, chart: Chart) -> str:
    """Only the <svg> element, in the page's colours and typeface, with a name for those who hear the page."""
    body = svg[svg.index("<svg") :]
    for color, variable in _VARIABLES.items():
        body = body.replace(color, variable)
    body = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</defs>", "", body, flags=re.DOTALL)
    body = re.sub(r" font-family: [^;\"]*;", "", body)
    # Matplotlib numbers its groups anew in every file; on one page the same ids would repeat.
    body = re.sub(r' id="(?:figure|patch|axes|matplotlib\.axis|xtick|ytick|line2d|text|legend)_\d+"', "", body)
    over = "over the frames" if chart.axis == "frame" else f"over {chart.axis}"
    label = f"{chart.title} {over}{f', in {chart.unit}' if chart.unit else ''}"
    return body.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
