"""What scripts/setup.sh does on a machine that lacks something, with the machine played by shell functions."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "setup.sh"
NOT_ROOT = "id() { echo 1000; }; sudo() { return 1; };"


def bash(code):
    return subprocess.run(["bash", "-c", f"source {SCRIPT}; {code}"], capture_output=True, text=True, check=False)


def test_sourcing_does_nothing():
    done = bash("")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_rights_the_exact_line_is_printed():
    done = bash(f"{NOT_ROOT} debian_install libgl1 libegl1")
    assert done.returncode == 1
    assert "try: sudo apt-get update && sudo apt-get install -y libgl1 libegl1\n" in done.stderr


@pytest.mark.parametrize(("who", "calls"), [("id() { echo 0; };", "env"), ('id() { echo 1000; }; sudo() { "${@:2}"; };', "env")])
def test_with_rights_apt_is_asked(who, calls):
    done = bash(f'{who} apt-get() {{ :; }}; {calls}() {{ echo "ran $*" >&2; }}; debian_install libgl1')
    assert done.returncode == 0
    assert re.search(r"ran DEBIAN_FRONTEND=noninteractive sh -c .*apt-get install .* libgl1", done.stderr, re.S)


def test_an_install_that_fails_still_prints_the_line():
    done = bash("id() { echo 0; }; apt-get() { :; }; env() { return 100; }; debian_install libgl1")
    assert done.returncode == 1
    assert "try: sudo apt-get update" in done.stderr


def test_only_missing_libraries_are_named(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    done = bash(f"venv={tmp_path}; system_libraries='libc.so.6=libc6 libnothere.so.9=libnothere9'; missing_packages")
    assert done.stdout == "libnothere9 "


def test_an_interpreter_that_is_too_old_is_refused(tmp_path):
    done = bash(f"venv={tmp_path / 'venv'}; is_recent() {{ return 1; }}; PYTHON=python3 make_venv")
    assert done.returncode == 1
    assert "error: PYTHON=python3 is not Python 3.11 or newer" in done.stderr


def test_an_interpreter_that_is_asked_for_is_taken():
    done = bash(f"PYTHON={sys.executable} find_python")
    assert done.stdout == f"{sys.executable}\n"


def test_a_machine_without_python_is_told_what_to_type(tmp_path):
    done = bash(f"{NOT_ROOT} venv={tmp_path / 'venv'}; is_recent() {{ return 1; }}; make_venv")
    assert done.returncode == 1
    assert "try: sudo apt-get update && sudo apt-get install -y python3 python3-venv\n" in done.stderr


@pytest.mark.parametrize(
    ("available", "has_gpu", "expected"),
    [
        ("2.14.0, 2.13.0+cpu, 2.13.0", False, "torch==2.13.0"),
        ("2.14.0, 2.13.0", True, "torch==2.13.0"),
        ("2.14.0, 2.13.0", False, "--retries 1 --timeout 15 --no-deps --index-url https://download.pytorch.org/whl/cpu torch==2.13.0"),
    ],
)
def test_torch_comes_without_cuda_where_there_is_no_gpu(tmp_path, available, has_gpu, expected):
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f"#!/bin/sh\necho '{available}'\n")
    python.chmod(0o755)
    gpu = "nvidia-smi() { :; };" if has_gpu else 'command() { [ "$2" != nvidia-smi ]; };'
    done = bash(f'venv={tmp_path}; {gpu} uname() {{ echo Linux x86_64; }}; pip_install() {{ echo "$*"; }}; install_torch')
    assert done.stdout == f"{expected}\n"


def test_an_index_that_cannot_be_reached_breaks_nothing(tmp_path):
    code = f'venv={tmp_path}; pip_install() {{ echo "$*"; [ $# = 1 ]; }}; TORCH_INDEX=https://nowhere.invalid install_torch'
    done = bash(code)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "torch==2.13.0"
