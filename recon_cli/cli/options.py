"""Every flag that more than one command has, once: name, meaning and check are the same everywhere."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


def _checked_device(text: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", text):
        raise typer.BadParameter(f"{text!r} is not a device; expected auto, cpu or cuda:N")
    return text


class Format(StrEnum):
    """How pictures are stored."""

    png = "png"
    jpg = "jpg"


Out = Annotated[Path, typer.Option("-o", "--out", metavar="PATH", help="Where the result goes.", show_default=False)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a result that is already there.")]
RecipeName = Annotated[str, typer.Option("--recipe", metavar="NAME|FILE", help="A shipped recipe, or a YAML file.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one key of the recipe, such as a.b=0.5; may be repeated.", show_default=False),
]
PrintRecipe = Annotated[bool, typer.Option("--print-recipe", help="Print the resolved recipe as YAML and stop.")]
Device = Annotated[
    str,
    typer.Option(
        "--device", metavar="auto|cpu|cuda:N", help="Where to compute; auto takes a GPU if there is one.", callback=_checked_device
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="The same seed gives the same bytes on the same device.")]
Resume = Annotated[
    bool, typer.Option("--resume/--fresh", help="Go on with an unfinished run of the same recipe and inputs, or start it over.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check recipe, inputs and output, and stop before computing.")]
MaxSize = Annotated[
    int | None, typer.Option("--max-size", min=16, metavar="PX", help="Shrink images whose longest side is larger.", show_default=False)
]
ShardText = Annotated[
    str | None,
    typer.Option("--shard", metavar="i/N", help="Compute only part i of N (1/N is the first), to share a job.", show_default=False),
]
MemoryLimit = Annotated[
    int | None,
    typer.Option("--memory-limit", min=1, metavar="MB", help="Refuse before the start what is estimated to need more.", show_default=False),
]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say more on stderr.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing on stderr but warnings and errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON record a line.")]
