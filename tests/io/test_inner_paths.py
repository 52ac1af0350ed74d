from __future__ import annotations

from pathlib import Path

import pytest

from recon_cli.core.errors import InputError
from recon_cli.io.inner_paths import inner_path


@pytest.mark.parametrize("name", ["a.png", "left/a.png", "./a.png", "left/../a.png", "..a/b..png", "left\\a.png"])
def test_what_lies_in_the_folder_is_taken(name):
    assert inner_path(Path("set"), name, place="line 2", path="par.txt") == Path("set") / name.replace("\\", "/")


@pytest.mark.parametrize("name", ["..", "../a.png", "left/../../a.png", "..\\a.png", "/a.png", "//server/a.png"])
def test_what_lies_elsewhere_is_refused(name):
    with pytest.raises(InputError, match=r"line 2 names .*, which lies outside of set") as caught:
        inner_path(Path("set"), name, place="line 2", path="par.txt")
    assert caught.value.path == "par.txt"
    assert caught.value.hint
