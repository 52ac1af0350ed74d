from __future__ import annotations

import json
import subprocess
import sys
import types
from typing import Annotated

import pytest
import typer

from recon_cli import __version__
from recon_cli.cli import groups
from recon_cli.cli.app import limit_library_threads, run
from recon_cli.core.errors import InputError


@pytest.fixture
def fake(monkeypatch):
    """A group ``fake`` with commands that end in different ways."""
    app = typer.Typer()

    @app.command()
    def say(word: str, loud: Annotated[bool, typer.Option("--loud")] = False) -> None:
        """Say a word."""
        print(word.upper() if loud else word)

    @app.command()
    def fail() -> None:
        raise InputError("is empty; expected frames", path="clip.mp4", hint="record it again")

    @app.command()
    def bug() -> None:
        raise KeyError("faces")

    @app.command()
    def interrupt() -> None:
        raise KeyboardInterrupt

    module = types.ModuleType("recon_cli.cli.fake")
    vars(module)["app"] = app
    monkeypatch.setitem(sys.modules, "recon_cli.cli.fake", module)
    monkeypatch.setattr(groups, "GROUPS", {**groups.GROUPS, "fake": "Commands that end in different ways."})


@pytest.mark.parametrize(
    ("args", "code", "out", "err"),
    [
        (["fake", "say", "hello"], 0, "hello\n", ""),
        (["fake", "say", "--loud", "hello"], 0, "HELLO\n", ""),
        (["fake", "fail"], 3, "", "error: clip.mp4: is empty; expected frames\n  try: record it again\n"),
        (["fake", "interrupt"], 130, "", "interrupted\n"),
        (["fake", "say"], 2, "", "error: missing argument 'word'\n  try: recon fake say -h\n"),
        (["fake", "say", "a", "b"], 2, "", "error: got unexpected extra argument(s) (b)\n  try: recon fake say -h\n"),
        (["fake", "sya"], 2, "", "error: no such command 'sya'; did you mean 'say'?\n  try: recon fake -h\n"),
        (["fake", "say", "a", "--lod"], 2, "", "error: no such option: --lod; did you mean --loud?\n  try: recon fake say -h\n"),
        (["fkae"], 2, "", "error: no such command 'fkae'; did you mean 'fake'?\n  try: recon -h\n"),
        (["--debgu"], 2, "", "error: no such option: --debgu; did you mean --debug?\n  try: recon -h\n"),
        (["--version"], 0, f"{__version__}\n", ""),
        (["--version", "--json"], 0, f'{{"recon": "{__version__}"}}\n', ""),
    ],
)
def test_a_command_line_ends_as_it_should(fake, args, code, out, err, capsys):
    assert run(args) == code
    assert capsys.readouterr() == (out, err)


def test_a_bug_is_owned_up_to(fake, capsys):
    assert run(["fake", "bug"]) == 1
    assert "this is a bug in recon" in capsys.readouterr().err


@pytest.mark.parametrize("args", [["--debug", "fake", "fail"], ["fake", "fail", "--debug"]])
def test_debug_may_stand_anywhere(fake, args, capsys):
    assert run(args) == 3
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("error: clip.mp4: is empty; expected frames\n  try: record it again\n")


@pytest.mark.parametrize("args", [[], ["fake"]])
def test_a_bare_group_shows_its_help_on_stderr(fake, args, capsys):
    assert run(args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Usage" in err


def test_a_group_is_listed_with_its_summary(fake, capsys):
    assert run(["-h"]) == 0
    assert "Commands that end in different ways." in capsys.readouterr().out


def test_versions_come_as_words_and_as_json(capsys):
    assert run(["--show-versions"]) == 0
    words = capsys.readouterr().out
    assert run(["--show-versions", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [line.partition(":")[0] for line in words.splitlines()] == list(record)
    assert record["recon"] == __version__


def test_library_threads_default_to_one_and_the_user_s_number_stays():
    environment = {"OMP_NUM_THREADS": "3"}
    limit_library_threads(environment)
    assert environment == {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fake", "say", ""], "word 3 of the command is empty"),
        (["mvs", "run", "scene", "-o", ""], "the value of -o is empty"),
        (["mvs", "run", "scene", "--out="], "the value of --out is empty"),
    ],
)
def test_an_empty_word_is_not_the_current_folder(fake, capsys, arguments, words):
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"error: {words}, expected text" in err
    assert "  try: " in err


def test_a_value_may_be_empty_after_its_key(fake, capsys):
    assert run(["fake", "say", "--", "a.b="]) == 0
    assert capsys.readouterr().out == "a.b=\n"


def test_a_command_that_is_ended_early_says_that_it_can_be_given_again():
    program = (
        "import os, signal; from recon_cli.cli import app; app.check_words = lambda _: os.kill(os.getpid(), signal.SIGTERM); app.main()"
    )
    done = subprocess.run([sys.executable, "-c", program, "eval"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 75
    assert "give the same command again" in done.stderr
    assert done.stdout == ""
