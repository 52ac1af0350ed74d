"""JSON files and logs of one JSON record a line."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recon_cli.core.errors import InputError
from recon_cli.io.atomic import PathText, write_error
from recon_cli.io.streams import deliver_bytes, read_bytes


def read_json(path: PathText) -> Any:
    """The value of a JSON file, or of standard input for ``-``.

    Raises:
        InputError: the file is missing or is not JSON in UTF-8: NaN, Infinity and a key given twice are refused too.
    """
    return _parse(read_bytes(path, expected="a JSON file"), path)


def write_json(path: PathText, value: Any) -> None:
    """Write ``value`` as indented JSON, or to standard output for ``-``.

    Tensors and arrays become lists, dataclasses objects, paths text; a number that JSON does not have (NaN, infinity) becomes null.

    Raises:
        InputError: the disk is full, or the place is not writable.
    """
    text = json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    deliver_bytes(path, text.encode("utf-8", "surrogatepass") + b"\n")


def json_line(record: Any) -> str:
    """One line of JSON without its line end; values as in ``write_json``."""
    return json.dumps(_plain(record), ensure_ascii=False, allow_nan=False)


def append_line(path: PathText, record: Any) -> None:
    """Append one record to a ``.jsonl`` file; a line is there whole or not at all.

    A last line that an earlier crash cut short is removed first, so that it spoils no other.

    Raises:
        InputError: the disk is full, or the file is not writable.
    """
    line = json_line(record).encode("utf-8", "surrogatepass") + b"\n"
    try:
        with open(path, "ab+", buffering=0) as file:
            end = _remove_cut_line(file)
            try:
                written = 0
                while written < len(line):
                    written += file.write(line[written:])
            except OSError:
                file.truncate(end)
                raise
    except OSError as error:
        raise write_error(path, error) from error


def read_lines(path: PathText) -> list[Any]:
    """The records of a ``.jsonl`` file; blank lines, and a last line cut short by a crash, are left out.

    Raises:
        InputError: the file is missing, or a line before the last is not JSON.
    """
    lines = read_bytes(path, expected="a file of one JSON record a line").split(b"\n")
    records = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            records.append(_parse(line, path, first_line=number))
        except InputError:
            # Every complete line ends in a line feed, so text after the last one is what a crash left.
            if number < len(lines):
                raise
    return records


def _remove_cut_line(file: FileIO) -> int:
    end = file.seek(0, os.SEEK_END)
    position, tail = end, b""
    while position and b"\n" not in tail:
        step = min(position, 65536)
        position -= step
        file.seek(position)
        tail = file.read(step)
    kept = position + tail.rfind(b"\n") + 1
    if kept < end:
        file.truncate(kept)
    return kept


def _parse(data: bytes, path: PathText, *, first_line: int = 1) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=_refuse_constant, object_pairs_hook=_unique_keys)
    except json.JSONDecodeError as error:
        line = error.lineno + first_line - 1
        message = f"is not JSON: {error.msg} at line {line}, column {error.colno}"
    except UnicodeDecodeError as error:
        message = f"is not JSON: byte {error.start} is not UTF-8"
    except RecursionError:
        message = "is nested too deeply to be read"
    except ValueError as error:
        message = f"is not strict JSON: {error}"
    raise InputError(message, path=path, hint="correct the file; a JSON checker points at the place")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"the key {twice!r} appears twice in one object")
    return record


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, torch.Tensor):
        return _plain(value.detach().cpu().tolist())
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")
