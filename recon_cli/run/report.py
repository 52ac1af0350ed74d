"""A report page: one HTML file that needs no network and no other file, in the reader's light or dark colours.

A page is a title, a row of numbers, and sections of blocks. Every block knows its HTML; nothing here knows a system.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

from recon_cli.io.atomic import atomic_path
from recon_cli.run.charts import SvgChart


class Block(Protocol):
    """Something that a section shows."""

    def html(self) -> str: ...


@dataclass(frozen=True)
class Number:
    """A number worth a tile: what it is, its value as text, its unit, and a few words on how to read it."""

    label: str
    value: str
    unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A headed part of the page; ``lead`` says in a sentence what it shows."""

    title: str
    blocks: Sequence[Block]
    lead: str = ""


@dataclass(frozen=True)
class Page:
    """Everything a report says, top to bottom."""

    title: str
    subtitle: str
    numbers: Sequence[Number]
    sections: Sequence[Section]
    footer: str = ""
    warnings: Sequence[str] = field(default=())


@dataclass(frozen=True)
class Notes:
    """Sentences as a list."""

    sentences: Sequence[str]

    def html(self) -> str:
        return '<ul class="notes">' + "".join(f"<li>{escape(s)}</li>" for s in self.sentences) + "</ul>"


@dataclass(frozen=True)
class Facts:
    """Names and values in two columns."""

    facts: Mapping[str, str]

    def html(self) -> str:
        rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in self.facts.items())
        return f'<dl class="facts">{rows}</dl>'


@dataclass(frozen=True)
class Code:
    """Text in a fixed-width face; with a ``summary`` it is folded away until asked for."""

    text: str
    summary: str = ""

    def html(self) -> str:
        block = f"<pre>{escape(self.text)}</pre>"
        return f"<details><summary>{escape(self.summary)}</summary>{block}</details>" if self.summary else block


@dataclass(frozen=True)
class Table:
    """Rows of text under a header; the first column names its row."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def html(self) -> str:
        head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in self.header)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self.rows)
        return f"<table><caption>{escape(self.caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


@dataclass(frozen=True)
class Tables:
    """Tables beside each other where the window is wide enough."""

    tables: Sequence[Table]

    def html(self) -> str:
        return '<div class="tables">' + "".join(table.html() for table in self.tables) + "</div>"


@dataclass(frozen=True)
class Bars:
    """A bar for each name, its length a share in [0, 1], its value as text."""

    caption: str
    shares: Mapping[str, float]
    texts: Mapping[str, str]

    def html(self) -> str:
        rows = "".join(
            f'<div class="bar"><span class="bar-name">{escape(name)}</span><span class="bar-track">'
            f'<span class="bar-fill" style="width:{100 * min(1.0, max(0.0, share)):.1f}%"></span></span>'
            f'<span class="bar-value">{escape(self.texts[name])}</span></div>'
            for name, share in self.shares.items()
        )
        caption = escape(self.caption)
        return f'<figure><div class="bars" role="img" aria-label="{caption}">{rows}</div><figcaption>{caption}</figcaption></figure>'


@dataclass(frozen=True)
class Charts:
    """Small charts in a grid; those over frames have a cursor that follows the frame of the 3D view."""

    charts: Sequence[SvgChart]
    is_over_frames: bool = True

    def html(self) -> str:
        return '<div class="charts">' + "".join(_chart(chart, has_cursor=self.is_over_frames) for chart in self.charts) + "</div>"


@dataclass(frozen=True)
class Picture:
    """An embedded JPEG or PNG; ``alt`` says in words what can be seen."""

    data: bytes
    alt: str
    caption: str

    def html(self) -> str:
        kind = "image/png" if self.data.startswith(b"\x89PNG") else "image/jpeg"
        image = f'<img alt="{escape(self.alt)}" src="{_data_uri(kind, self.data)}">'
        return f"<figure>{image}<figcaption>{escape(self.caption)}</figcaption></figure>"


@dataclass(frozen=True)
class Movie:
    """A film, embedded when ``data`` is given and otherwise linked by its path relative to the page."""

    caption: str
    link: str
    data: bytes | None = None

    def html(self) -> str:
        source = escape(self.link) if self.data is None else _data_uri("video/mp4", self.data)
        video = f'<video controls loop muted playsinline preload="auto" src="{source}"></video>'
        return (
            f'<figure>{video}<figcaption>{escape(self.caption)} <a href="{escape(self.link)}">{escape(self.link)}</a></figcaption></figure>'
        )


@dataclass(frozen=True)
class View3D:
    """The interactive view of a packed mesh sequence (``recon_cli.run.viewer``)."""

    record: Mapping[str, Any]
    caption: str

    def html(self) -> str:
        modes = [("1", "shaded")]
        if "texture" in self.record:
            modes.insert(0, ("0", "texture"))
        if "colors" in self.record:
            modes.insert(0, ("4", "colours"))
        if "values" in self.record:
            modes.append(("2", f"{self.record['valuesLabel']}, 0 to {self.record['valuesTop']:.3g} {self.record['valuesUnit']}"))
        options = "".join(f'<option value="{value}">{escape(name)}</option>' for value, name in modes)
        return _asset("viewer.html").format(
            options=options,
            last=int(self.record["frames"]) - 1,
            still=" hidden" if int(self.record["frames"]) == 1 else "",
            caption=escape(self.caption),
            data=json.dumps(self.record, separators=(",", ":")).replace("<", "\\u003c"),
        )


def render_page(page: Page) -> str:
    """The page as HTML text."""
    sections = "".join(_section(section) for section in page.sections)
    has_view = any(isinstance(block, View3D) for section in page.sections for block in section.blocks)
    warnings = "".join(f'<p class="warning">{escape(text)}</p>' for text in page.warnings)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(page.title)}</title><style>{_asset('report.css')}</style></head><body><main>"
        f'<h1>{escape(page.title)}</h1><p class="subtitle">{escape(page.subtitle)}</p>{warnings}'
        f'<div class="numbers">{"".join(_number(number) for number in page.numbers)}</div>{sections}'
        f"<footer>{escape(page.footer)}</footer></main>"
        + (f"<script>{_asset('viewer.js')}</script>" if has_view else "")
        + "</body></html>\n"
    )


def write_page(path: Path, page: Page) -> None:
    """Write the page; it appears whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(render_page(page), encoding="utf-8")


def _section(section: Section) -> str:
    lead = f'<p class="lead">{escape(section.lead)}</p>' if section.lead else ""
    return f"<section><h2>{escape(section.title)}</h2>{lead}{''.join(block.html() for block in section.blocks)}</section>"


def _number(number: Number) -> str:
    unit = f'<span class="unit">{escape(number.unit)}</span>' if number.unit else ""
    note = f'<div class="note">{escape(number.note)}</div>' if number.note else ""
    return (
        f'<div class="number"><div class="label">{escape(number.label)}</div>'
        f'<div class="value">{escape(number.value)}{unit}</div>{note}</div>'
    )


def _chart(chart: SvgChart, *, has_cursor: bool) -> str:
    if not has_cursor:
        return f'<figure class="chart"><figcaption>{escape(chart.title)}</figcaption>{chart.svg}</figure>'
    place = f"{chart.left:.2f} {chart.right:.2f} {chart.first_frame} {chart.last_frame}"
    cursor = f'<line data-cursor="{place}" x1="{chart.left:.2f}" x2="{chart.left:.2f}" y1="{chart.top:.2f}" y2="{chart.bottom:.2f}"/></svg>'
    return (
        f'<figure class="chart"><figcaption>{escape(chart.title)}</figcaption>{chart.svg.rstrip().removesuffix("</svg>")}{cursor}</figure>'
    )


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{b64encode(data).decode('ascii')}"


def _asset(name: str) -> str:
    return (resources.files("recon_cli.run") / "assets" / name).read_text(encoding="utf-8")
