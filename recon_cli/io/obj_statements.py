"""The statements of an OBJ file, as arrays; every complaint names the line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from recon_cli.core.errors import InputError

_LONGEST_WORD = 64  # characters; an array of text takes the longest one's room for each
_NUMERIC = frozenset({b"v", b"vt", b"vn", b"vp", b"f", b"fo", b"l", b"p"})
_ROW_LENGTHS = {b"v": (3, 4, 6, 7), b"vt": (1, 2, 3), b"vn": (3,)}
_ROW_MEANINGS = {b"v": "x y z, with w or with red green blue", b"vt": "u v", b"vn": "x y z"}
_HINT = "correct the line or export the file again"


@dataclass
class Rows:
    """The numbers of all lines of one keyword."""

    words: list[bytes] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


@dataclass
class Statements:
    """What an OBJ file says, in the order in which it says it.

    Attributes:
        rows: the lines v, vt and vn.
        corners: the corners of all faces as text, one face after the other.
        counts: corners of each face.
        face_lines: the line of each face.
        known: how many v, vt and vn lines came before each face, for negative indices.
        face_materials: the number in ``materials`` of each face, -1 for none.
        materials: names after usemtl.
        libraries: names after mtllib.
    """

    rows: dict[bytes, Rows] = field(default_factory=lambda: {b"v": Rows(), b"vt": Rows(), b"vn": Rows()})
    corners: list[bytes] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    face_lines: list[int] = field(default_factory=list)
    known: list[tuple[int, int, int]] = field(default_factory=list)
    face_materials: list[int] = field(default_factory=list)
    materials: list[str] = field(default_factory=list)
    libraries: list[str] = field(default_factory=list)


def read_statements(data: bytes) -> Statements:
    """Sort the lines of an OBJ file by what they say; groups, lines, points and curves are left out.

    Raises:
        InputError: a line is no OBJ statement.
    """
    found, material = Statements(), -1
    positions, uvs, normals = (found.rows[key].lines for key in (b"v", b"vt", b"vn"))
    for number, line in _logical_lines(data):
        words = (line.partition(b"#")[0] if b"#" in line and not line.startswith((b"mtllib", b"usemtl")) else line).split()
        if not words:
            continue
        key = words[0]
        if key in found.rows:
            rows = found.rows[key]
            rows.words += words[1:]
            rows.lengths.append(len(words) - 1)
            rows.lines.append(number)
        elif key in (b"f", b"fo"):
            found.corners += words[1:]
            found.counts.append(len(words) - 1)
            found.face_lines.append(number)
            found.known.append((len(positions), len(uvs), len(normals)))
            found.face_materials.append(material)
        elif key == b"usemtl":
            name = _name(line)
            if name not in found.materials:
                found.materials.append(name)
            material = found.materials.index(name)
        elif key == b"mtllib":
            found.libraries.append(_name(line))
        elif not re.fullmatch(rb"[A-Za-z][A-Za-z0-9_.-]*", key):
            raise _complaint(number, line, "is no OBJ statement")
    return found


def read_rows(rows: Rows, key: bytes) -> np.ndarray:  # [N, longest row]
    """The numbers of all lines of a keyword, float64; short rows are filled with zeros.

    Raises:
        InputError: a line has a wrong count of numbers, or one that is none or not finite.
    """
    lengths = np.array(rows.lengths, dtype=np.int64)
    for row in np.flatnonzero(~np.isin(lengths, _ROW_LENGTHS[key])):
        expected = " or ".join(map(str, _ROW_LENGTHS[key]))
        raise InputError(
            f"line {rows.lines[row]}: {key.decode()} has {lengths[row]} numbers, expected {expected} ({_ROW_MEANINGS[key]})", hint=_HINT
        )
    owners = np.repeat(np.arange(len(lengths)), lengths)
    try:
        numbers = _as_array(rows.words, np.float64)
    except (ValueError, OverflowError):
        bad = next(place for place, word in enumerate(rows.words) if not _is_number(word, float))
        raise _bad_word(rows.lines[owners[bad]], rows.words[bad], "a number") from None
    infinite = np.flatnonzero(~np.isfinite(numbers))
    if len(infinite):
        raise _bad_word(rows.lines[owners[infinite[0]]], rows.words[infinite[0]], "a finite number")
    table = np.zeros((len(lengths), int(lengths.max(initial=0))))
    within = np.arange(len(numbers)) - (np.cumsum(lengths) - lengths)[owners]
    table[owners, within] = numbers
    return table


def read_corners(found: Statements, part: int) -> np.ndarray | None:  # [corners]
    """Zero-based indices of all corners into the v (part 0), vt (1) or vn (2) lines, -1 where a corner has none; None where none has.

    Raises:
        InputError: an index is no whole number, is zero, or points at nothing.
    """
    words = [_part(corner, part) for corner in found.corners]
    given = np.array([bool(word) for word in words], dtype=bool)
    if part == 0 and not given.all():
        raise _corner_complaint(found, int(np.flatnonzero(~given)[0]), "lacks the index of a vertex")
    if not given.any():
        return None
    try:
        indices = _as_array([word or b"0" for word in words], np.int64)
    except (ValueError, OverflowError):
        bad = next(place for place, word in enumerate(words) if word and not _is_number(word, int))
        raise _corner_complaint(found, bad, "expected whole numbers as in 1/2/3") from None
    owners = np.repeat(np.arange(len(found.counts)), found.counts)
    known = np.array(found.known, dtype=np.int64)[owners, part]
    total = len(found.rows[(b"v", b"vt", b"vn")[part]].lines)
    resolved = np.where(indices < 0, known + indices, indices - 1)
    wrong = np.flatnonzero(given & ((indices == 0) | (resolved < 0) | (resolved >= total)))
    if len(wrong):
        what = ("vertices", "texture coordinates", "normals")[part]
        raise _corner_complaint(found, int(wrong[0]), f"points at number {indices[wrong[0]]} of {total} {what}, which are counted from 1")
    return np.where(given, resolved, -1)


def line_of_corner(found: Statements, corner: int) -> int:
    """The line of the face that a corner belongs to."""
    return found.face_lines[int(np.searchsorted(np.cumsum(found.counts), corner, side="right"))]


def _logical_lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Lines with the number of their first physical line; a backslash at the end of a line of numbers joins the next to it."""
    lines = data.splitlines()
    if b"\\" not in data:
        yield from enumerate(lines, start=1)
        return
    start, pending = 0, b""
    for number, line in enumerate(lines, start=1):
        if not pending:
            start = number
        text = pending + line
        # Names may end in a backslash (a Windows folder), and so may comments.
        if text.rstrip().endswith(b"\\") and text.split(None, 1)[0] in _NUMERIC and b"#" not in text:
            pending = text.rstrip()[:-1] + b" "
            continue
        pending = b""
        yield start, text
    if pending:
        yield start, pending


def _name(line: bytes) -> str:
    parts = line.strip().split(None, 1)
    return os.fsdecode(parts[1]) if len(parts) > 1 else ""


def _part(corner: bytes, part: int) -> bytes:
    parts = corner.split(b"/")
    return parts[part] if len(parts) > part else b""


def _as_array(words: list[bytes], kind: type) -> np.ndarray:
    if not words:
        return np.empty(0, kind)
    # An underscore, which Python allows between digits, makes no number here.
    if max(map(len, words)) > _LONGEST_WORD or any(b"_" in word for word in words):
        raise ValueError
    return np.array(words, dtype=np.bytes_).astype(kind)


def _is_number(word: bytes, kind: type) -> bool:
    try:
        _as_array([word], np.float64 if kind is float else np.int64)
    except (ValueError, OverflowError):
        return False
    return True


def _bad_word(number: int, word: bytes, expected: str) -> InputError:
    return InputError(f"line {number} holds {os.fsdecode(word[:40])!r}, expected {expected}", hint=_HINT)


def _corner_complaint(found: Statements, corner: int, what: str) -> InputError:
    return InputError(f"line {line_of_corner(found, corner)}: the corner {os.fsdecode(found.corners[corner][:40])!r} {what}", hint=_HINT)


def _complaint(number: int, line: bytes, what: str) -> InputError:
    return InputError(f"line {number}: {os.fsdecode(line[:60])!r} {what}", hint=_HINT)
