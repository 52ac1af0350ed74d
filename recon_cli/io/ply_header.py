"""The header of a PLY file: which elements follow and how each is laid out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from recon_cli.core.errors import InputError

TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
ByteOrder = Literal["=", "<", ">"]
ENCODINGS: dict[str, ByteOrder] = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
_LONGEST_HEADER = 1 << 20
_HINT = "the file is damaged or no PLY file; export it again"


@dataclass(frozen=True)
class Property:
    """One column of an element: a number a record, or a list of numbers when ``count_type`` is set."""

    name: str
    type: np.dtype
    count_type: np.dtype | None = None


@dataclass(frozen=True)
class Element:
    """A table of ``count`` records."""

    name: str
    count: int
    properties: tuple[Property, ...]


@dataclass(frozen=True)
class Header:
    """Elements in file order; ``body`` is the offset of the first byte after the header, ``order`` the byte order ("=" for text)."""

    elements: tuple[Element, ...]
    order: ByteOrder
    is_text: bool
    body: int

    def element(self, name: str) -> Element | None:
        """The element of that name, or None."""
        return next((element for element in self.elements if element.name == name), None)


def parse_header(data: bytes) -> Header:
    """Read the header at the start of ``data``.

    Raises:
        InputError: the bytes are no PLY file, or the header contradicts the format.
    """
    if not data.startswith(b"ply"):
        raise InputError(f"starts with {data[:8]!r}, expected a PLY file, which starts with 'ply'", hint=_HINT)
    lines, body = _lines(data)
    elements: list[Element] = []
    encoding = None
    for number, line in enumerate(lines[1:], start=2):
        words = line.split()
        if not words or words[0] in ("comment", "obj_info"):
            continue
        if words[0] == "format":
            encoding = _encoding(words, number)
        elif words[0] == "element":
            elements.append(_element(words, number, elements))
        elif words[0] == "property" and elements:
            elements[-1] = _with_property(elements[-1], words, number)
        else:
            raise _complaint(number, line, "format, comment, element, property or end_header")
    if encoding is None:
        raise InputError("the PLY header names no format, expected ascii, binary_little_endian or binary_big_endian", hint=_HINT)
    return Header(tuple(elements), ENCODINGS[encoding], encoding == "ascii", body)


def _lines(data: bytes) -> tuple[list[str], int]:
    ending = b"\r\n" if data[3:5] == b"\r\n" else data[3:4]
    if ending not in (b"\r\n", b"\n", b"\r"):
        raise InputError(f"the PLY header starts with {data[:8]!r}, expected 'ply' on a line of its own", hint=_HINT)
    # A comment may hold the word, so it must fill its line.
    mark = ending + b"end_header"
    position = data.find(mark, 0, _LONGEST_HEADER)
    while position >= 0:
        rest = data[position + len(mark) :][:64]
        stripped = rest.lstrip(b" \t")
        if stripped.startswith(ending) or not stripped:
            body = position + len(mark) + len(rest) - len(stripped) + len(ending)
            return data[:position].decode("latin-1").split(ending.decode()), min(body, len(data))
        position = data.find(mark, position + 1, _LONGEST_HEADER)
    raise InputError("the PLY header has no end_header line", hint=_HINT)


def _encoding(words: list[str], number: int) -> str:
    if len(words) != 3 or words[1] not in ENCODINGS or words[2] != "1.0":
        raise _complaint(number, " ".join(words), "format ascii, binary_little_endian or binary_big_endian, version 1.0")
    return words[1]


def _element(words: list[str], number: int, known: list[Element]) -> Element:
    if len(words) != 3 or not words[2].isascii() or not words[2].isdigit() or len(words[2]) > 18:
        raise _complaint(number, " ".join(words), "element NAME COUNT")
    if any(element.name == words[1] for element in known):
        raise _complaint(number, " ".join(words), "each element once")
    return Element(words[1], int(words[2]), ())


def _with_property(element: Element, words: list[str], number: int) -> Element:
    types = [word for word in words[1:-1] if word != "list"]
    is_list = len(words) == 5 and words[1] == "list"
    if not (is_list or len(words) == 3) or len(types) != 1 + is_list or any(name not in TYPES for name in types):
        raise _complaint(number, " ".join(words), f"property TYPE NAME or property list TYPE TYPE NAME, types {', '.join(TYPES)}")
    if any(known.name == words[-1] for known in element.properties):
        raise _complaint(number, " ".join(words), "each property of an element once")
    count_type = np.dtype(TYPES[types[0]]) if is_list else None
    if count_type is not None and count_type.kind == "f":
        raise _complaint(number, " ".join(words), "a whole-number type for the length of a list")
    added = Property(words[-1], np.dtype(TYPES[types[-1]]), count_type)
    return Element(element.name, element.count, (*element.properties, added))


def _complaint(number: int, line: str, expected: str) -> InputError:
    return InputError(f"line {number} of the PLY header is {line[:80]!r}, expected {expected}", hint=_HINT)
