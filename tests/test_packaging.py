"""What an installed recon consists of."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M))
WANTED = [Requirement(text) for text in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"])]


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT, check=True, capture_output=True
    )
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_holds_every_recipe(wheel):
    recipes = {f"recon_cli/recipes/{path.name}" for path in (ROOT / "recipes").glob("*.yaml")}
    assert recipes
    assert recipes <= set(wheel.namelist())
    for name in recipes:
        assert wheel.read(name) == (ROOT / "recipes" / Path(name).name).read_bytes()


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel):
    names = {name for name in wheel.namelist() if ".dist-info/" not in name and not name.startswith("recon_cli/recipes/")}
    package = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "recon_cli").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == package
    assert {"recon_cli/py.typed", "recon_cli/io/cameras.schema.json"} <= names


def test_the_wheel_brings_the_command_and_the_licence(wheel):
    (entry_points,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "recon = recon_cli.cli.app:main" in wheel.read(entry_points).decode()
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


@pytest.mark.parametrize("wanted", WANTED, ids=lambda wanted: wanted.name)
def test_every_dependency_is_pinned_within_its_range_and_installed_so(wanted):
    pins = {normal(name): pin for name, pin in PINS.items()}
    pin = pins[normal(wanted.name)]
    assert wanted.specifier.contains(pin)
    assert version(wanted.name).split("+")[0] == pin
