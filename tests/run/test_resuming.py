from contextlib import suppress

import torch

from recon_cli.core.errors import StoppedError
from recon_cli.run.checkpoints import Checkpoints
from recon_cli.run.folder import RunFolder
from recon_cli.run.resuming import resumed_state, units_done


def stopped(path, state=None):
    with suppress(StoppedError), RunFolder.create(path, fingerprint="a") as folder:
        if state is not None:
            Checkpoints(folder.checkpoints).save({"x": torch.tensor([2.0])}, state)
        raise StoppedError("stopped")
    return path


def resumed(path):
    notes = []
    with RunFolder.create(path, fingerprint="a") as folder:
        return resumed_state(folder, notes.append, units_done("windows")), notes


def test_where_a_stopped_run_goes_on_is_told(tmp_path):
    state, notes = resumed(stopped(tmp_path / "run", {"done": 3, "total": 8}))
    assert state is not None
    assert state["x"].tolist() == [2.0]
    assert notes == ["goes on after 3 of 8 windows"]


def test_a_run_that_kept_nothing_says_that_it_begins_anew(tmp_path):
    state, notes = resumed(stopped(tmp_path / "run"))
    assert state is None
    assert len(notes) == 1
    assert "begins at its start" in notes[0]


def test_a_new_run_has_nothing_to_tell(tmp_path):
    assert resumed(tmp_path / "run") == (None, [])
