from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress

import pytest

from recon_cli.core.errors import InputError, NumericsError, StoppedError
from recon_cli.run.folder import RunFolder, plan_run


def finished(path, fingerprint="a"):
    with RunFolder.create(path, fingerprint=fingerprint) as folder:
        (folder.out / "mesh.ply").write_text("ply")
        folder.finish()
    return path


def stopped(path, fingerprint="a"):
    with suppress(StoppedError), RunFolder.create(path, fingerprint=fingerprint) as folder:
        (folder.checkpoints / "000001.safetensors").write_text("state")
        raise StoppedError("stopped after frame 3")
    return path


def record(path):
    return json.loads((path / "run.json").read_text())


def test_a_finished_run_explains_itself(tmp_path):
    path = tmp_path / "deep" / "run"
    with RunFolder.create(path, fingerprint="a") as folder:
        folder.write_header("method: tracking\n", ["recon", "sft", "fit", "--video", "my clip.mp4"], 7, "cpu")
        folder.log({"note": "half way"})
        folder.metric({"done": 1, "loss": 0.5})
        assert record(path)["status"] == "running"
        folder.finish()
    assert (path / "recipe.yaml").read_text() == "method: tracking\n"
    assert (path / "command.txt").read_text() == "recon sft fit --video 'my clip.mp4'\n"
    assert json.loads((path / "versions.json").read_text())["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {key: record(path)[key] for key in ("seed", "device", "status")} == {"seed": 7, "device": "cpu", "status": "done"}
    assert json.loads((path / "log.jsonl").read_text())["note"] == "half way"
    assert json.loads((path / "metrics.jsonl").read_text()) == {"done": 1, "loss": 0.5}
    assert (path / "DONE").exists()
    assert not (path / "FAILED").exists()


def test_a_finished_run_is_kept_unless_it_may_be_replaced(tmp_path):
    path = finished(tmp_path / "run")
    for switches in ({}, {"resume": True, "fingerprint": "a"}, {"fresh": True}):
        with pytest.raises(InputError, match="holds a finished run") as caught:
            RunFolder.create(path, **switches)
        assert "--overwrite" in (caught.value.hint or "")
    assert (path / "out" / "mesh.ply").read_text() == "ply"
    with RunFolder.create(path, overwrite=True) as folder:
        assert not folder.resumed
        assert list(folder.out.iterdir()) == []
        assert not (path / "DONE").exists()


@pytest.mark.parametrize(
    "words", [["recon", "npm", "train", "bodies"], ["recon", "--debug", "npm", "train", "-q"], "recon npm train 'my bodies'"]
)
def test_whose_run_a_folder_holds_is_said(tmp_path, words):
    with suppress(StoppedError), RunFolder.create(tmp_path / "run", fingerprint="a") as folder:
        folder.write_header("", words, 0, "cpu")
        (folder.checkpoints / "000001.safetensors").write_text("state")
        raise StoppedError("stopped after frame 3")
    with pytest.raises(InputError, match=r"holds an unfinished run of recon npm train with another recipe or other inputs$"):
        plan_run(tmp_path / "run", fingerprint="b")
    with RunFolder.create(tmp_path / "run", fingerprint="a") as folder:
        folder.finish()
    with pytest.raises(InputError, match=r"holds a finished run of recon npm train$"):
        plan_run(tmp_path / "run", fingerprint="b")


@pytest.mark.parametrize("text", ["", "make demo\n", "recon npm 'train\n", "recon -q\n", "recon tests/a.py b\n"])
def test_a_folder_that_does_not_say_whose_run_it_holds_is_refused_all_the_same(tmp_path, text):
    path = finished(tmp_path / "run")
    (path / "command.txt").write_text(text)
    with pytest.raises(InputError, match=r"holds a finished run$"):
        plan_run(path)


def test_replacing_a_run_leaves_files_that_are_not_its_own(tmp_path):
    path = finished(tmp_path / "run")
    (path / "notes.txt").write_text("mine")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("kept")
    (path / "out" / "mesh.ply").unlink()
    (path / "out").rmdir()
    (path / "out").symlink_to(elsewhere)
    RunFolder.create(path, overwrite=True).close()
    assert (path / "notes.txt").read_text() == "mine"
    assert (elsewhere / "kept").read_text() == "kept"
    assert not (path / "out").is_symlink()


@pytest.mark.parametrize("name", ["DONE", "holiday.jpg", "out", "run.json"])
def test_a_folder_that_is_no_run_is_never_emptied(tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match="holds files but no run"):
        RunFolder.create(tmp_path, fresh=True)
    assert os.listdir(tmp_path) == [name]


def test_overwrite_writes_beside_other_peoples_files(tmp_path):
    (tmp_path / "out").mkdir()
    for name in ("holiday.jpg", "DONE", "out/mesh.ply"):
        (tmp_path / name).write_text("theirs")
    RunFolder.create(tmp_path, overwrite=True).close()
    assert {name: (tmp_path / name).read_text() for name in ("holiday.jpg", "DONE", "out/mesh.ply")} == dict.fromkeys(
        ("holiday.jpg", "DONE", "out/mesh.ply"), "theirs"
    )


def test_an_empty_folder_is_used(tmp_path):
    with RunFolder.create(tmp_path) as folder:
        assert not folder.resumed


def test_a_stopped_run_is_resumed_when_recipe_and_inputs_agree(tmp_path):
    path = stopped(tmp_path / "run")
    assert record(path)["status"] == "stopped"
    assert not (path / "FAILED").exists()
    started = record(path)["started"]
    with RunFolder.create(path, fingerprint="a") as folder:
        assert folder.resumed
        assert (folder.checkpoints / "000001.safetensors").read_text() == "state"
    assert (record(path)["resumed"], record(path)["started"]) == (1, started)


def test_a_stopped_run_of_other_inputs_is_not_resumed(tmp_path):
    path = stopped(tmp_path / "run")
    with pytest.raises(InputError, match="another recipe or other inputs") as caught:
        RunFolder.create(path, fingerprint="b")
    assert "--fresh" in (caught.value.hint or "")
    assert (path / "checkpoints" / "000001.safetensors").exists()


@pytest.mark.parametrize(
    ("switches", "plan"),
    [
        ({"fingerprint": "a"}, "resume"),
        ({"fingerprint": "a", "overwrite": True}, "resume"),
        ({"fingerprint": "b", "overwrite": True}, "replace"),
        ({"fingerprint": "a", "fresh": True}, "replace"),
        ({"fingerprint": "b", "fresh": True}, "replace"),
    ],
)
def test_switches_decide_about_an_unfinished_run(tmp_path, switches, plan):
    path = stopped(tmp_path / "run")
    before = sorted(path.rglob("*"))
    assert plan_run(path, **switches) == plan
    assert sorted(path.rglob("*")) == before
    with RunFolder.create(path, **switches) as folder:
        assert folder.resumed == (plan == "resume")
        assert any(folder.checkpoints.iterdir()) == (plan == "resume")


def test_without_resume_or_fresh_an_unfinished_run_is_left_alone(tmp_path):
    with pytest.raises(InputError, match=r"holds an unfinished run$"):
        plan_run(stopped(tmp_path / "run"), resume=False, fingerprint="a")


def test_a_failed_run_says_why_and_a_later_one_takes_the_mark_away(tmp_path):
    with pytest.raises(NumericsError), RunFolder.create(tmp_path / "run", fingerprint="a") as folder:
        raise NumericsError("frame 3 diverged")
    assert (folder.path / "FAILED").read_text() == "frame 3 diverged\n"
    assert record(folder.path)["error"] == "frame 3 diverged"
    with RunFolder.create(folder.path, fingerprint="a") as again:
        assert again.resumed
        assert not (folder.path / "FAILED").exists()
        again.finish()
    assert (folder.path / "DONE").exists()


def test_what_mends_a_run_that_failed_at_once_may_use_its_folder(tmp_path):
    with pytest.raises(NumericsError), RunFolder.create(tmp_path / "run", fingerprint="a") as folder:
        raise NumericsError("nothing is left of the hull")
    assert plan_run(folder.path, fingerprint="b") == "replace"
    with pytest.raises(NumericsError), RunFolder.create(folder.path, fingerprint="b"):
        raise NumericsError("frame 3 diverged")
    (folder.checkpoints / "000001.safetensors").write_text("state")
    with pytest.raises(InputError, match="another recipe or other inputs"):
        plan_run(folder.path, fingerprint="c")


def test_an_unforeseen_error_is_recorded_with_its_kind(tmp_path):
    with pytest.raises(KeyError), RunFolder.create(tmp_path / "run") as folder:
        raise KeyError("x")
    assert (folder.path / "FAILED").read_text() == "KeyError: 'x'\n"


HOLDER = """
import sys, time
from recon_cli.run.folder import RunFolder
folder = RunFolder.create(sys.argv[1])
print("held", flush=True)
time.sleep(60)
"""


def test_two_processes_cannot_write_one_folder_and_a_killed_one_lets_go(tmp_path):
    path = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            for switches in ({}, {"fresh": True}, {"overwrite": True}):
                with pytest.raises(InputError, match="another process is writing this run"):
                    RunFolder.create(path, **switches)
        finally:
            holder.kill()
    RunFolder.create(path, fresh=True).close()


def test_a_closed_run_lets_the_next_one_in(tmp_path):
    RunFolder.create(tmp_path / "run").close()
    RunFolder.create(tmp_path / "run", fresh=True).close()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file; expected a folder"):
        RunFolder.create(tmp_path / "file")
    with pytest.raises(InputError, match="cannot be written"):
        RunFolder.create(tmp_path / "file" / "run")
    with pytest.raises(InputError, match="cannot be written"):
        RunFolder.create("/proc/recon-run")
