"""How a run came about, as its report tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recon_cli.run.report import Block, Code, Facts, Section
from recon_cli.run.versions import versions


@dataclass(frozen=True)
class RunFacts:
    """How a run came about, as its folder records it.

    Attributes:
        title: what was reconstructed, such as the clip's name.
        command: the command line.
        recipe_text: the resolved recipe as YAML.
        facts: name and value of whatever else identifies the run (seed, device, versions, times).
    """

    title: str
    command: str
    recipe_text: str
    facts: Mapping[str, str]


def origin_section(facts: RunFacts) -> Section:
    """What a reader needs in order to repeat the run."""
    blocks: list[Block] = [Code(facts.command), Facts(facts.facts), Code(facts.recipe_text, summary="Recipe, with every key")]
    return Section("How it was made", blocks)


def library_versions() -> str:
    """Names and versions of recon and its libraries in one line."""
    return ", ".join(f"{name} {version}" for name, version in versions().items() if isinstance(version, str) and name != "system")


def title_of(path: Path) -> str:
    """The name of an input, with its folder's where that says more."""
    name = path.resolve()
    return f"{name.parent.name} / {name.stem}" if name.parent.name else name.stem
