"""Imports point one way: the table in docs/architecture.md is the law, and this is its court."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "recon_cli"
MODULES = sorted(PACKAGE.rglob("*.py"))
LATE = {"open3d", "matplotlib", "plotly", "imageio", "av", "OpenEXR", "skimage", "pytorch3d"}
"""Libraries that are slow to import, or may be absent: imported inside functions only, everywhere."""
NOT_AT_START = LATE | {"torch", "warp", "numpy", "scipy", "pydantic", "yaml"}
"""Libraries that `recon -h` must not wait for."""
FILE_METHODS = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "unlink", "mkdir", "rename", "touch"}


def law() -> dict[str, set[str] | None]:
    """Allowed rooms of each room as docs/architecture.md has them; None allows all."""
    table = re.findall(r"^\| ([\w/]+) \| (.+?) \|$", (ROOT / "docs" / "architecture.md").read_text(), re.M)
    rooms = {name: allowed for name, allowed in table if name != "room"}
    every = set(rooms)
    named = {}
    for room, allowed in rooms.items():
        if allowed == "all":
            named[room] = None
        elif allowed.startswith("all but "):
            named[room] = every - set(allowed.removeprefix("all but ").split(", "))
        else:
            named[room] = set(allowed.split(", "))
    return named


def room_of(parts: tuple[str, ...]) -> str:
    """``("systems", "sft", "run")`` lies in ``systems/sft``; any other module in its top folder."""
    return "/".join(parts[:2]) if parts[0] == "systems" and len(parts) > 1 else parts[0]


def imported(tree: ast.AST, package: tuple[str, ...]) -> list[tuple[int, tuple[str, ...]]]:
    """Line and dotted parts of everything imported anywhere in a module that lies in ``package``."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, tuple(alias.name.split("."))) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            source = (*base, *(node.module or "").split(".")) if node.module else base
            found += [(node.lineno, (*source, alias.name)) for alias in node.names]
    return found


def back_arrows(source: str, parts: tuple[str, ...], table: dict[str, set[str] | None]) -> list[str]:
    """Imports that a module at ``parts`` below the package (the last one its name) may not have."""
    room = room_of(parts)
    allowed = table["systems/X" if room.startswith("systems") else room]
    wrong = []
    for line, target in imported(ast.parse(source), ("recon_cli", *parts[:-1])):
        if target[0] != "recon_cli" or len(target) < 2 or not (PACKAGE / target[1]).is_dir():
            continue
        there = room_of(target[1:])
        foreign_system = there.startswith("systems") and room.startswith("systems") and there != room
        if foreign_system or (allowed is not None and ("systems/X" if there.startswith("systems") else there) not in allowed):
            wrong.append(f"{'/'.join(parts)}.py:{line} imports {'.'.join(target)}")
    return wrong


def parts_of(path: Path) -> tuple[str, ...]:
    return path.relative_to(PACKAGE).with_suffix("").parts


@pytest.mark.parametrize("path", MODULES, ids=lambda path: "/".join(parts_of(path)))
def test_imports_point_one_way(path):
    parts = parts_of(path)
    if len(parts) > 1:
        assert back_arrows(path.read_text(), parts, law()) == []


def test_every_room_has_a_row():
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert rooms == {name.removesuffix("/X") for name in law()}


@pytest.mark.parametrize(
    ("source", "parts", "count"),
    [
        ("from recon_cli.io.images import read_image", ("core", "mesh"), 1),
        ("def f():\n    import recon_cli.run.folder", ("systems", "sft", "run"), 1),
        ("from recon_cli.systems.mvs import depth", ("systems", "sft", "run"), 1),
        ("from recon_cli.systems.sft import config", ("systems", "sft", "run"), 0),
        ("from ..io import images", ("core", "mesh"), 1),
        ("from . import topology", ("core", "mesh"), 0),
        ("from recon_cli import __version__", ("core", "mesh"), 0),
        ("from recon_cli.cli import app", ("run", "folder"), 1),
        ("from recon_cli.systems.sft import run", ("run", "sft"), 0),
        ("from recon_cli.systems.sft import run", ("prepare", "frames"), 1),
        ("import recon_cli.systems.sft.run", ("cli", "sft"), 0),
        ("if TYPE_CHECKING:\n    from recon_cli.render import lights", ("metrics", "chamfer"), 1),
    ],
)
def test_the_court_sees_a_back_arrow(source, parts, count):
    assert len(back_arrows(source, parts, law())) == count


def top_level(tree: ast.Module) -> list[str]:
    """First words of imports that run when the module is imported: not those in functions, nor those for the type checker."""
    waiting: list[ast.AST] = [tree]
    found: list[str] = []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found += [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append(node.module.split(".")[0])
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: "/".join(parts_of(path)))
def test_slow_libraries_are_imported_late_and_click_never(path):
    tree = ast.parse(path.read_text())
    late = NOT_AT_START if parts_of(path)[0] == "cli" else LATE
    assert not late & set(top_level(tree))
    assert "click" not in {target[0] for _, target in imported(tree, ())}


@pytest.mark.parametrize("room", ["core", "kernels", "render", "metrics", "systems"])
def test_pure_rooms_open_no_file_and_print_nothing(room):
    wrong = []
    for path in (PACKAGE / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = node.func
            if isinstance(called, ast.Name) and called.id in {"open", "print"}:
                wrong.append(f"{path.name}:{node.lineno} {called.id}")
            # os.open is how standard error is pointed at os.devnull.
            if isinstance(called, ast.Attribute) and called.attr in FILE_METHODS and ast.unparse(called) != "os.open":
                wrong.append(f"{path.name}:{node.lineno} {called.attr}")
    assert wrong == []
