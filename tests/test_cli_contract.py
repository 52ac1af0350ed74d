"""What scripts rely on: speed, exit codes, and stdout for nothing but data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib.metadata import entry_points

import pytest

from recon_cli.cli.groups import GROUPS, load_group

RECON = [sys.executable, "-c", "from recon_cli.cli.app import main; main()"]
HEAVY = ["torch", "warp", "numpy", "scipy", "open3d", "matplotlib", "plotly", "skimage", "yaml", "av", "imageio", "OpenEXR"]
IMPORT_CHECK = """
import contextlib, io, sys
from recon_cli.cli.app import run
for line in sys.stdin.read().splitlines():
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = run(line.split())
    assert code == 0, (line, code)
    assert "Usage" in out.getvalue(), line
print(" ".join(name for name in sys.argv[1:] if name in sys.modules))
"""


def recon(*args, **settings):
    return subprocess.run([*RECON, *args], capture_output=True, text=True, check=False, **settings)


def commands():
    return [f"{group} {name}" for group in GROUPS for name in load_group(group).commands]


def test_the_console_script_is_this_program():
    (script,) = entry_points(group="console_scripts", name="recon")
    assert script.value == "recon_cli.cli.app:main"


def test_help_answers_in_under_a_second():
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        assert recon("-h").returncode == 0
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 1.0


def test_no_help_page_waits_for_a_heavy_library():
    lines = "\n".join(f"{words} -h".strip() for words in ["", *GROUPS, *commands()])
    done = subprocess.run([sys.executable, "-c", IMPORT_CHECK, *HEAVY], input=lines, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_versions_and_recipes_are_data():
    done = recon("--show-versions", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert {"recon", "torch", "devices"} <= set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "args", [["no-such-group"], ["--no-such-flag"], [], ["sft"], ["sft", "fit", "--no-such-flag"], ["sft", "fit", "--device", "gpu"]]
)
def test_a_wrong_command_line_is_exit_2_with_words_on_stderr(args):
    done = recon(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr


def test_a_missing_input_is_exit_3_and_named(tmp_path):
    done = recon("sft", "fit", "--video", "no-clip.mp4", "--template", "no-mesh.obj", "--fov", "60", "-o", str(tmp_path / "run"))
    assert (done.returncode, done.stdout) == (3, "")
    assert "no-clip.mp4" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_wrong_recipe_key_is_exit_2_with_a_suggestion():
    done = recon("sft", "fit", "--set", "tracking.densty=1", "--print-recipe")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean 'tracking.density'?" in done.stderr


def test_the_printed_recipe_can_be_used(tmp_path):
    printed = recon("sft", "fit", "--set", "tracking.density=0.5", "--print-recipe")
    assert (printed.returncode, printed.stderr) == (0, "")
    (tmp_path / "mine.yaml").write_text(printed.stdout)
    again = recon("sft", "fit", "--recipe", str(tmp_path / "mine.yaml"), "--print-recipe")
    assert again.stdout == printed.stdout
    assert "density: 0.5" in again.stdout


@pytest.mark.parametrize("args", [["--show-versions"], ["-h"], ["sft", "fit", "--print-recipe"]])
def test_a_reader_that_hangs_up_is_no_error(args):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run([*RECON, *args], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
