"""The ``recon`` command: its groups, the switches above them, and the way out."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import MutableMapping, Sequence
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.main import get_group

from recon_cli import __version__
from recon_cli.cli.console import emit
from recon_cli.cli.errors import exit_code_of
from recon_cli.cli.groups import Debug, Invocation, Root
from recon_cli.cli.options import Json
from recon_cli.core.errors import StoppedError, UsageError

LIBRARY_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

app = typer.Typer(
    name="recon",
    cls=Root,
    add_completion=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    show_versions: Annotated[
        bool, typer.Option("--show-versions", help="Print versions of recon, its libraries, system and devices.")
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Command-line 3D reconstruction.

    stdout is for the next program, words go to stderr. Exit codes: 0 done, 1 bug, 2 usage, 3 input, 4 numerics, 5 some scenes failed,
    75 stopped and resumable, 130 Ctrl-C.
    """
    if version:
        emit({"recon": __version__} if json else __version__, json=json)
    elif show_versions:
        from recon_cli.run.versions import versions

        emit(versions(), json=json)
    elif ctx.invoked_subcommand is None:
        ctx.fail("Missing command.")
    else:
        return
    raise typer.Exit


def run(args: Sequence[str]) -> int:
    """Carry out one command line, words on stderr and all, and return its exit code."""
    invocation = Invocation()
    command: Any = get_group(app)
    try:
        check_words(args)
        with command.make_context("recon", list(args), obj=invocation) as context:
            command.invoke(context)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        return exit_code_of(error, debug=invocation.debug)
    return 0


def check_words(args: Sequence[str]) -> None:
    """Refuse empty words, which as paths would mean the current folder.

    Raises:
        UsageError: names the flag that got nothing, or the place of the word.
    """
    for place, word in enumerate(args):
        is_flag_alone = word.startswith("--") and word.find("=") == len(word) - 1
        if word and not is_flag_alone:
            continue
        flag = word[:-1] if word else args[place - 1] if place and args[place - 1].startswith("-") else ""
        seen = f"the value of {flag} is empty" if flag else f"word {place + 1} of the command is empty"
        raise UsageError(f"{seen}, expected text", hint="is a variable of the shell not set?")


def main() -> NoReturn:
    """Entry point of the console script."""
    limit_library_threads(os.environ)
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(run(sys.argv[1:]))


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM where nothing catches it to reach a checkpoint first: before a run begins, and in commands that are soon done."""
    raise StoppedError("stopped before it was done", hint="give the same command again")


def limit_library_threads(environment: MutableMapping[str, str]) -> None:
    """One thread for OpenMP and BLAS unless the user says otherwise, before torch, numpy and scipy start.

    The kernels bring their own threads. The libraries' would wait for each other actively on matrices as small as these: on a busy
    machine that made a fit take six times the processor time, and it lets the last bits depend on the number of cores.
    """
    for name in LIBRARY_THREADS:
        environment.setdefault(name, "1")
