from __future__ import annotations

import shutil

import pytest

from recon_cli.core.errors import InputError
from recon_cli.io.digest import digest


@pytest.fixture
def inputs(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"clip")
    (tmp_path / "masks" / "deep").mkdir(parents=True)
    (tmp_path / "masks" / "0.png").write_bytes(b"zero")
    (tmp_path / "masks" / "deep" / "1.png").write_bytes(b"one")
    return tmp_path


def of(folder, text="recipe"):
    return digest(text, [folder / "clip.mp4", folder / "masks"])


def test_a_copy_elsewhere_is_the_same_input(inputs, tmp_path_factory):
    copy = tmp_path_factory.mktemp("copy") / "there"
    shutil.copytree(inputs, copy)
    assert of(copy) == of(inputs)


def test_any_change_shows(inputs):
    seen = {of(inputs), of(inputs, "other recipe")}
    (inputs / "masks" / "deep" / "1.png").write_bytes(b"ONE")
    seen.add(of(inputs))
    (inputs / "masks" / "0.png").rename(inputs / "masks" / "2.png")
    seen.add(of(inputs))
    (inputs / "masks" / "2.png").unlink()
    seen.add(of(inputs))
    assert len(seen) == 5


def test_a_missing_input_is_named(inputs):
    with pytest.raises(InputError, match=r"none\.mp4: cannot be read"):
        digest("", [inputs / "none.mp4"])
