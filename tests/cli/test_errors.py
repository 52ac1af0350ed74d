from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from recon_cli.cli.errors import exit_code_of
from recon_cli.core.errors import InputError, NumericsError, PartialError, ReconError, StoppedError, UsageError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (InputError("x"), 3),
        (NumericsError("x"), 4),
        (PartialError("x"), 5),
        (StoppedError("x"), 75),
        (KeyboardInterrupt(), 130),
        (typer.Abort(), 130),
        (typer.BadParameter("x"), 2),
        (typer.Exit(7), 7),
        (ZeroDivisionError("x"), 1),
        (FileNotFoundError(2, "No such file or directory", "clip.mp4"), 3),
        (OSError(28, "No space left on device"), 3),
    ],
)
def test_every_error_has_its_exit_code(error, code, capsys):
    assert exit_code_of(error) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err


def test_an_error_says_what_was_seen_and_what_to_try(capsys):
    exit_code_of(InputError("12 cameras but 11 images", path="scene/cameras.json", hint="delete the camera without an image"))
    assert capsys.readouterr().err == "error: scene/cameras.json: 12 cameras but 11 images\n  try: delete the camera without an image\n"


def test_an_interrupted_run_says_how_to_go_on(capsys):
    interrupt = KeyboardInterrupt()
    interrupt.__cause__ = StoppedError("stopped after frame 5 of 40", hint="run the same command again")
    assert exit_code_of(interrupt) == 130
    assert capsys.readouterr().err == "interrupted\n  try: run the same command again\n"


def test_an_error_without_a_hint_is_one_line(capsys):
    exit_code_of(OSError(28, "No space left on device", "run/out/mesh.ply"))
    assert capsys.readouterr().err == "error: run/out/mesh.ply: No space left on device\n"


def test_an_unforeseen_error_is_called_a_bug(capsys):
    exit_code_of(KeyError("faces"))
    err = capsys.readouterr().err
    assert "KeyError: 'faces'" in err
    assert "this is a bug in recon" in err
    assert "--debug" in err


@pytest.mark.parametrize("error", [ReconError("x"), KeyError("x"), typer.BadParameter("x")])
def test_debug_shows_the_traceback(error, capsys):
    def deep_inside():
        raise error

    with pytest.raises(type(error)) as caught:
        deep_inside()
    exit_code_of(caught.value, debug=True)
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "deep_inside" in err


def test_a_reader_that_hung_up_is_no_failure():
    script = "import sys\nfrom recon_cli.cli.errors import exit_code_of\nsys.exit(exit_code_of(BrokenPipeError(32, 'Broken pipe')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
