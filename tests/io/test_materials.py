from __future__ import annotations

from pathlib import Path

import pytest

from recon_cli.core.errors import InputError
from recon_cli.io.materials import read_materials, resolve


def read(folder: Path, text: str) -> dict[str, Path | None]:
    (folder / "a.mtl").write_text(text)
    return {name: material.texture for name, material in read_materials(folder / "a.mtl").items()}


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("map_Kd a.png", "a.png"),
        ("\tmap_Kd\ta b.png  ", "a b.png"),
        ("map_kd textures/my wood.jpg", "textures/my wood.jpg"),
        ('map_Kd "quoted name.png"', "quoted name.png"),
        ("map_Kd -clamp on a.png", "a.png"),
        ("map_Kd -s 1 1 1 -o 0 0 -bm 0.5 a b.png", "a b.png"),
        ("map_Kd -mm 0 1 -texres 512 a.png", "a.png"),
        ("map_Kd -o 0 0 0 1.png", "1.png"),
        ("map_Kd -o 0 7", "7"),
        ("map_Kd -dashed.png", "-dashed.png"),
    ],
)
def test_names_of_textures(tmp_path, statement, name):
    assert read(tmp_path, f"# a library\nnewmtl wood\nKd 1 1 1\n{statement}\nd 1\n") == {"wood": tmp_path / name}


def test_materials_by_name(tmp_path):
    assert read(tmp_path, "newmtl a b\r\nKd 1 0 0\r\n\r\nnewmtl c\r\nmap_Kd t.png\r\n") == {"a b": None, "c": tmp_path / "t.png"}


def test_backslashes_separate_where_the_plain_name_is_no_file(tmp_path):
    (tmp_path / "textures").mkdir()
    (tmp_path / "textures" / "a.png").touch()
    assert resolve("textures\\a.png", tmp_path) == tmp_path / "textures" / "a.png"
    (tmp_path / "odd\\name.png").touch()
    assert resolve("odd\\name.png", tmp_path) == tmp_path / "odd\\name.png"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("map_Kd a.png\n", "line 1: map_Kd before any newmtl"),
        ("newmtl a\nmap_Kd\n", "line 2: map_Kd names no file"),
        ("newmtl a\nmap_Kd -clamp on\n", "line 2: map_Kd names no file"),
        ("newmtl a\nmap_Kd -s 2 2 1 a.png\n", r"line 2: the texture is shifted or scaled \(-s 2 2 1\)"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path, text, words):
    with pytest.raises(InputError, match=words) as caught:
        read(tmp_path, text)
    assert caught.value.path == str(tmp_path / "a.mtl")
    assert caught.value.hint
