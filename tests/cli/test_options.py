from __future__ import annotations

import typing

import pytest
import typer

from recon_cli.cli import options
from recon_cli.cli.app import run
from recon_cli.cli.groups import GROUPS, load_group

SHARED = {name: value for name, value in vars(options).items() if typing.get_origin(value) is typing.Annotated}


def declared(annotation):
    """Flags of a shared option, ``--a/--b`` taken apart."""
    info = annotation.__metadata__[0]
    # Inside Annotated, typer.Option keeps its first flag under the name of its first parameter.
    return {flag for text in (info.default, *info.param_decls) for flag in text.split("/")}


def command_options():
    for group in GROUPS:
        for name, command in load_group(group).commands.items():
            for option in command.params:
                if option.param_type_name == "option":
                    yield f"{group} {name}", option


@pytest.mark.parametrize("word", ["gpu", "cuda:", "cuda:x", "cpu:0", ""])
def test_a_word_that_is_no_device_is_refused(word):
    with pytest.raises(typer.BadParameter, match="expected auto, cpu or cuda:N"):
        options._checked_device(word)


@pytest.mark.parametrize("word", ["auto", "cpu", "cuda", "cuda:12"])
def test_a_device_passes(word):
    assert options._checked_device(word) == word


def test_every_shared_option_is_used():
    used = {flag for _, option in command_options() for flag in (*option.opts, *option.secondary_opts)}
    assert {name for name, value in SHARED.items() if not declared(value) <= used} == set()


def test_a_shared_flag_has_the_same_forms_wherever_it_stands():
    wrong = []
    for where, option in command_options():
        flags = {*option.opts, *option.secondary_opts}
        wrong += [f"{where}: {flags}" for value in SHARED.values() if flags & declared(value) and flags != declared(value)]
    assert wrong == []


def test_every_option_explains_itself():
    assert [f"{where} {option.opts}" for where, option in command_options() if not option.help] == []


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("group", GROUPS)
def test_both_help_flags_answer_on_stdout(group, flag, capsys):
    assert run([group, flag]) == 0
    out, err = capsys.readouterr()
    assert f"recon {group}" in out
    assert err == ""
