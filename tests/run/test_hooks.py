from __future__ import annotations

import json
import os
import signal

import pytest
import torch

from recon_cli.core.hooks import Hooks
from recon_cli.run.checkpoints import Checkpoints
from recon_cli.run.folder import RunFolder
from recon_cli.run.hooks import CHECKPOINT_SECONDS, RunHooks
from recon_cli.run.signals import StopSignals


class Display:
    def __init__(self):
        self.shown, self.notes = [], []

    def note(self, text):
        self.notes.append(text)

    def progress(self, done, total, numbers, *, seconds_left=None):
        self.shown.append((done, total, dict(numbers), seconds_left))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def folder(tmp_path):
    with RunFolder.create(tmp_path / "run") as folder:
        yield folder


def saved_frame(folder):
    state = Checkpoints(folder.checkpoints).latest()
    return None if state is None else state[1]["frame"]


def test_progress_is_shown_with_the_time_left_and_logged(folder):
    clock, display = Clock(), Display()
    hooks: Hooks = RunHooks(folder, display, clock=clock)
    for done in (1, 2, 3):
        clock.now += 2.0
        hooks.progress(done, 5, loss=0.5 / done)
    assert display.shown[-1] == (3, 5, {"loss": 0.5 / 3}, 4.0)
    lines = [json.loads(line) for line in (folder.path / "metrics.jsonl").read_text().splitlines()]
    assert lines[1] == {"done": 2, "total": 5, "seconds": 4.0, "loss": 0.25}


def test_numbers_are_shown_in_words_and_logged_by_their_names(folder):
    display = Display()
    RunHooks(folder, display, shown_as={"spread": "distance of other solutions"}).progress(1, 5, spread=0.5, loss=2.0)
    assert display.shown[0][2] == {"distance of other solutions": 0.5, "loss": 2.0}
    assert json.loads((folder.path / "metrics.jsonl").read_text())["spread"] == 0.5


def test_a_checkpoint_knows_the_progress_of_its_time(folder):
    hooks = RunHooks(folder, Display())
    hooks.progress(3, 8)
    hooks.checkpoint({"x": torch.zeros(1)}, {"rounds": 2})
    state = Checkpoints(folder.checkpoints).latest()
    assert state is not None
    assert state[1] == {"done": 3, "total": 8, "rounds": 2}


def test_notes_are_shown_and_logged(folder):
    display = Display()
    RunHooks(folder, display).note("no masks given")
    assert display.notes == ["no masks given"]
    assert json.loads((folder.path / "log.jsonl").read_text())["note"] == "no masks given"


def test_checkpoints_come_at_once_and_then_not_too_often(folder):
    clock = Clock()
    hooks = RunHooks(folder, Display(), clock=clock)
    seen = []
    for frame in range(12):
        hooks.checkpoint({"x": torch.zeros(1)}, {"frame": frame})
        seen.append(saved_frame(folder))
        clock.now += CHECKPOINT_SECONDS / 4
    assert seen == [0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8]


def test_a_request_to_stop_is_granted_after_the_next_checkpoint(folder):
    with StopSignals() as stop:
        hooks = RunHooks(folder, Display(), stop=stop)
        hooks.checkpoint({"x": torch.zeros(1)}, {"frame": 1})
        assert not hooks.should_stop()
        os.kill(os.getpid(), signal.SIGTERM)
        assert not hooks.should_stop()
        hooks.checkpoint({"x": torch.zeros(1)}, {"frame": 2})
        assert hooks.should_stop()
    assert saved_frame(folder) == 2


def test_a_computation_without_checkpoints_stops_at_once(folder):
    with StopSignals() as stop:
        hooks = RunHooks(folder, Display(), stop=stop)
        os.kill(os.getpid(), signal.SIGTERM)
        assert hooks.should_stop()


def test_without_signals_nothing_stops_it(folder):
    assert not RunHooks(folder, Display()).should_stop()


def test_a_checkpoint_that_never_comes_does_not_hold_up_the_stop(folder, monkeypatch):
    with StopSignals() as stop:
        hooks = RunHooks(folder, Display(), stop=stop)
        hooks.checkpoint({"x": torch.zeros(1)}, {"frame": 1})
        os.kill(os.getpid(), signal.SIGTERM)
        assert not hooks.should_stop()
        monkeypatch.setattr("recon_cli.run.hooks.STOP_SECONDS", -1.0)
        assert hooks.should_stop()
