"""Command groups, found by name and imported only when one of them is used or asked for help."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

GROUPS: Mapping[str, str] = {
    "sft": "Shape from template: a deforming surface from one clip.",
    "mvs": "Multi-view stereo: depth maps and a surface from calibrated pictures.",
    "npm": "Learned spaces of body shape and pose, fitted to depth sequences.",
    "prepare": "Raw captures and synthetic data into scene folders.",
    "eval": "Compare a reconstruction with a reference.",
}
"""Name and summary of each group; the module ``recon_cli.cli.NAME`` holds its ``app``."""


@dataclass
class Invocation:
    """What the whole command line asks for, whichever command it names."""

    debug: bool = False


class Group(TyperGroup):
    """A group that answers a bare call with its help on stderr and exit code 2."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            with contextlib.redirect_stdout(sys.stderr):
                ctx.get_help()
            raise typer.Exit(2)
        return super().parse_args(ctx, args)


class Root(Group):
    """The top level; it knows its groups by name and summary until one is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, summary in GROUPS.items():
            self.add_command(TyperGroup(name=name, help=summary))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, load_group(name) if name and name in GROUPS else command, rest


def load_group(name: str) -> TyperGroup:
    """The commands of a group, each with the flags that every command has."""
    app: typer.Typer = importlib.import_module(f"recon_cli.cli.{name}").app
    app.info.cls = Group
    app.info.name = name
    app.info.help = GROUPS[name]
    group = get_group(app)
    for command in _commands(group):
        command.params.append(_debug_option())
    return group


def _note_debug(ctx: typer.Context, value: bool) -> None:
    if value:
        ctx.ensure_object(Invocation).debug = True


Debug = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of an error.", callback=_note_debug, expose_value=False, show_default=False)
]


def _debug_option() -> Any:
    """``--debug`` as typer makes it, to be given to commands that have no such parameter."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def bare(debug: Debug = False) -> None: ...

    return get_command(app).params[0]


def _commands(group: TyperGroup) -> list[Any]:
    found = []
    for command in group.commands.values():
        found.extend(_commands(command) if isinstance(command, TyperGroup) else [command])
    return found
