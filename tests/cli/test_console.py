from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from recon_cli.cli import console as console_room
from recon_cli.cli.console import Console, emit


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_path_is_printed_alone(capsys):
    emit(Path("runs/a b"))
    assert capsys.readouterr().out == "runs/a b\n"


def test_a_path_as_json_is_a_record(capsys):
    emit(Path("runs/a"), json=True)
    assert json.loads(capsys.readouterr().out) == {"path": "runs/a"}


def test_a_record_as_json_is_one_strict_line(capsys):
    emit({"name": "é", "chamfer": {"sum": 0.5, "worst": float("nan")}, "list": [1, float("inf")], "at": Path("a")}, json=True)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out, parse_constant=pytest.fail) == {
        "name": "é",
        "chamfer": {"sum": 0.5, "worst": None},
        "list": [1, None],
        "at": "a",
    }


def test_a_record_in_words_is_a_line_for_each_value(capsys):
    emit({"formula": "a -> b", "squared": {"sum": 0.12345678, "count": 3}, "size": [4, 5]})
    assert capsys.readouterr().out == "formula: a -> b\nsquared.sum: 0.123457\nsquared.count: 3\nsize: [4, 5]\n"


def test_words_go_to_stderr(capsys):
    with Console(verbose=True) as console:
        console.note("note")
        console.detail("detail")
        console.warn("warn")
        console.progress(1, 2, {"loss": 0.5}, seconds_left=61.0)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "note\ndetail\nwarning: warn\n1/2  loss 0.5  1:01 left\n"


def test_details_need_v_and_only_warnings_pass_q(capsys):
    for settings, expected in (({}, "note\nwarning: warn\n"), ({"quiet": True, "verbose": True}, "warning: warn\n")):
        with Console(**settings) as console:
            console.note("note")
            console.detail("detail")
            console.warn("warn")
            if settings:
                console.progress(1, 1, {})
        assert capsys.readouterr().err == expected


def test_plain_progress_is_a_line_every_few_seconds_and_the_last(monkeypatch):
    now = 0.0
    monkeypatch.setattr(console_room.time, "monotonic", lambda: now)
    stream = io.StringIO()
    console = Console(stream=stream)
    for done in range(1, 101):
        now += 0.125
        console.progress(done, 100, {}, seconds_left=(100 - done) * 0.125)
    assert stream.getvalue().splitlines() == ["1/100  0:12 left", "41/100  0:07 left", "81/100  0:02 left", "100/100"]


def test_long_times_have_hours():
    stream = io.StringIO()
    Console(stream=stream).progress(1, 2, {}, seconds_left=3_725.0)
    assert stream.getvalue() == "1/2  1:02:05 left\n"


def test_on_a_terminal_progress_is_live_and_stdout_stays_for_data(capsys):
    stream = Terminal()
    with Console(stream=stream) as console:
        console.progress(1, 2, {"loss": 0.25}, seconds_left=1.0)
        print("data")
        console.note("a [bold] word")
        console.progress(2, 2, {"loss": 0.125})
    assert capsys.readouterr().out == "data\n"
    shown = stream.getvalue()
    assert "\x1b[" in shown
    assert "loss 0.25" in shown
    assert "a [bold] word\n" in shown
