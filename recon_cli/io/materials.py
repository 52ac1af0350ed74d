"""Material libraries of OBJ files (.mtl): of all that they say, the colour texture ``map_Kd`` is used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from recon_cli.core.errors import InputError
from recon_cli.io.atomic import PathText
from recon_cli.io.streams import read_bytes

# How many words follow each option of a texture statement; -o, -s and -t take one to three numbers.
_OPTIONS = {
    "-blendu": 1, "-blendv": 1, "-bm": 1, "-boost": 1, "-cc": 1, "-clamp": 1, "-colorspace": 1, "-imfchan": 1, "-mm": 2, "-texres": 1,
    "-type": 1,
}  # fmt: skip
_NEUTRAL = {"-o": 0.0, "-s": 1.0, "-t": 0.0}


@dataclass(frozen=True)
class Material:
    """A material's name and the texture file of its colour, if it has one."""

    name: str
    texture: Path | None


def read_materials(path: PathText) -> dict[str, Material]:
    """The materials of a library by name; texture paths are resolved against the library's folder and not checked.

    Raises:
        InputError: the file is missing, or a texture is shifted, scaled or named before any material.
    """
    lines = read_bytes(path, expected="an OBJ material library").splitlines()
    materials: dict[str, Material] = {}
    current = None
    for number, line in enumerate(lines, start=1):
        keyword, _, rest = os.fsdecode(line.strip()).replace("\t", " ").partition(" ")
        if keyword == "newmtl":
            current = rest.strip()
            materials[current] = Material(current, None)
        elif keyword.lower() == "map_kd":
            if current is None:
                raise InputError(f"line {number}: map_Kd before any newmtl", path=path, hint="name the material with newmtl first")
            name = _texture_name(rest.strip(), number, path)
            materials[current] = Material(current, resolve(name, Path(path).parent))
    return materials


def check_texture(path: PathText, material: Material) -> None:
    """Raise InputError when the material's texture is not there, naming the library at ``path`` and the texture."""
    if material.texture is not None and not material.texture.is_file():
        raise InputError(
            f"material {material.name!r} names the texture {str(material.texture)!r}, which does not exist",
            path=path,
            hint="put the picture there, or correct or remove the map_Kd line",
        )


def resolve(name: str, folder: Path) -> Path:
    """The file that ``name`` means in a file of ``folder``; backslashes are tried as separators."""
    plain = folder / name
    if not plain.exists() and "\\" in name:
        return folder / name.replace("\\", "/")
    return plain


def _texture_name(text: str, number: int, path: PathText) -> str:
    """The file name, spaces included, after the options of a texture statement."""
    while text.startswith("-"):
        option, _, rest = text.partition(" ")
        if option not in _OPTIONS and option not in _NEUTRAL:
            break  # a file name that begins with a dash
        taken = _number_words(rest) if option in _NEUTRAL else rest.split(None, _OPTIONS[option])[: _OPTIONS[option]]
        if option in _NEUTRAL and any(float(word) != _NEUTRAL[option] for word in taken):
            raise InputError(
                f"line {number}: the texture is shifted or scaled ({option} {' '.join(taken)}), which is not supported",
                path=path,
                hint="apply the shift and scale to the texture coordinates and remove the option",
            )
        text = rest.split(None, len(taken))[len(taken)] if len(rest.split()) > len(taken) else ""
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if not text:
        raise InputError(f"line {number}: map_Kd names no file", path=path, hint="name the texture or remove the line")
    return text


def _number_words(text: str) -> list[str]:
    """Up to three leading numbers; the last word is never one of them, for it is the file's name."""
    numbers = []
    for word in text.split()[:-1][:3]:
        try:
            float(word)
        except ValueError:
            break
        numbers.append(word)
    return numbers
