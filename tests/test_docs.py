"""Every command, option and example that the documents show is real."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recon_cli.cli.groups import GROUPS, load_group

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "recon_cli").rglob("*.md")])
SHELL_BLOCK = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.M | re.S)
SEPARATORS = {"|", "&&", "||", ";"}
ROOT_FLAGS = {"-h", "--help", "--version", "--show-versions", "--json", "--debug"}


def shell_lines(text):
    """Command lines of the shell blocks of a page, continuation lines joined and prompts taken away."""
    for block in SHELL_BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            yield line.removeprefix("$ ").strip()


def words_of(line):
    """The commands of a line, pipes and lists taken apart, each as its words; redirections are left out."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    commands = [[]]
    for word in lexer:
        if word in SEPARATORS:
            commands.append([])
        else:
            commands[-1].append(word)
    for words in commands:
        cut = next((i for i, word in enumerate(words) if set(word) <= set("<>&")), len(words))
        yield words[:cut]


def recon_commands():
    """Page and words of every `recon …` in shell blocks, in inline code, and in the Makefile."""
    for page in PAGES:
        text = page.read_text()
        lines = [*shell_lines(text), *(code for code in re.findall(r"`(recon [^`]+)`", text) if "…" not in code)]
        yield from ((page.name, words) for line in lines for words in words_of(line) if words[:1] == ["recon"])
    for line in (ROOT / "Makefile").read_text().splitlines():
        if "$(BIN)/recon " in line:
            yield "Makefile", ["recon", *shlex.split(line.split("$(BIN)/recon ")[1])]


def complaint_about(words):
    """What is wrong with a `recon` command line as written; None where nothing is. A prefix such as `recon sft` is fine."""
    group_name, command_name, *rest = [*words[1:], "", ""]
    if group_name.startswith("-"):
        return None if set(words[1:]) <= ROOT_FLAGS else f"unknown flag in {words}"
    if group_name not in GROUPS:
        return f"no group {group_name!r}"
    group = load_group(group_name)
    if not command_name or command_name in {"-h", "--help"}:
        return None
    if command_name not in group.commands:
        return f"no command {group_name} {command_name!r}"
    arguments = [word for word in rest if word]
    command = group.commands[command_name]
    try:
        command.make_context(f"recon {group_name} {command_name}", arguments, resilient_parsing=not arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


FOUND = list(recon_commands())


@pytest.mark.parametrize(("page", "words"), FOUND, ids=[f"{page}: {' '.join(words)}" for page, words in FOUND])
def test_a_command_in_the_documents_parses(page, words):
    assert complaint_about(words) is None


def test_the_documents_show_every_command():
    shown = {tuple(words[1:3]) for page, words in FOUND if page == "README.md"}
    assert {(group, name) for group in GROUPS for name in load_group(group).commands} <= shown


def test_every_option_in_inline_code_exists():
    known = set(ROOT_FLAGS)
    for group in GROUPS:
        for command in load_group(group).commands.values():
            known |= {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)}
    unknown = {
        (page.name, flag)
        for page in PAGES
        for code in re.findall(r"`(-[^`]+)`", page.read_text())
        for flag in re.findall(r"(?<!\S)--?[a-z][\w-]*", code)
        if flag not in known
    }
    assert unknown == set()


def test_every_make_target_in_the_documents_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {(page.name, target) for page in PAGES for target in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.M)}
    assert {target for _, target in named} <= targets
    assert {("README.md", "demo"), ("README.md", "test")} <= named


def test_every_link_leads_to_a_file():
    lost = [
        f"{page.name}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert lost == []


def test_the_exit_codes_of_the_readme_are_the_conventions():
    readme = re.findall(r"^\| (\d+) \|", (ROOT / "README.md").read_text(), re.M)
    row = re.search(r"^\| exit codes \| (.*) \|$", (ROOT / "CONVENTIONS.md").read_text(), re.M)
    assert row is not None
    assert readme == re.findall(r"(\d+) ", row[1])


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("recon", True),
        ("recon sft", False),
        ("recon sft fit", False),
        ("recon sft fit --video a.mp4 --template b.obj -o c", False),
        ("recon --show-versions", False),
        ("recon sft fti", True),
        ("recon stf fit", True),
        ("recon sft fit --vidoe a.mp4", True),
        ("recon sft fit --seed x", True),
        ("recon --show-version", True),
    ],
)
def test_the_check_itself_sees_a_wrong_line(line, wrong):
    assert (complaint_about(line.split()) is not None) == wrong


@pytest.mark.slow
def test_the_examples_of_the_readme_run(tmp_path):
    """All of them, in order, in one folder that holds the samples under the names that they use."""
    shutil.copytree(ROOT / "sample_data" / "rig", tmp_path / "rig")
    shutil.copytree(ROOT / "sample_data" / "bodies", tmp_path / "body")
    for sample in (ROOT / "sample_data" / "cloth").iterdir():
        copy = shutil.copytree if sample.is_dir() else shutil.copy
        copy(sample, tmp_path / sample.name)
    lines = [line for line in shell_lines((ROOT / "README.md").read_text()) if line.startswith("recon ")]
    assert len(lines) >= 8
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for line in lines:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert (tmp_path / "runs" / "cloth" / "report.html").exists()
