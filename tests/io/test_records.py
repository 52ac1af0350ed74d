from __future__ import annotations

import json
import math
import resource
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recon_cli.core.errors import InputError
from recon_cli.io.records import append_line, json_line, read_json, read_lines, write_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(value=VALUES)
def test_values_come_back_exactly(value, tmp_path_factory):
    path = tmp_path_factory.mktemp("json") / "value.json"
    write_json(path, value)
    assert read_json(path) == value


@dataclass(frozen=True)
class Fabric:
    name: str
    stretching: torch.Tensor


def test_what_json_does_not_have_becomes_what_it_has():
    record = {"a": np.float32(0.5), "b": torch.tensor([1, 2]), 3: Path("x/y"), "c": (math.nan, math.inf, np.array([True])), "d": None}
    assert json.loads(json_line(record)) == {"a": 0.5, "b": [1, 2], "3": "x/y", "c": [None, None, [True]], "d": None}
    assert json.loads(json_line(Fabric("denim", torch.tensor([1.5])))) == {"name": "denim", "stretching": [1.5]}
    with pytest.raises(TypeError, match="object cannot be written"):
        json_line(object())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"a": 1,}', "line 1, column"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": 1, "a": 2}', "'a' appears twice"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"1" * 5000, "not strict JSON"),
    ],
)
def test_files_that_are_not_json(tmp_path, text, words):
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(InputError, match=words) as caught:
        read_json(tmp_path / "a.json")
    assert caught.value.path == str(tmp_path / "a.json")
    assert caught.value.hint


def test_a_byte_order_mark_is_no_harm(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}


def test_lines_are_appended_and_a_cut_one_spoils_no_other(tmp_path):
    log = tmp_path / "log.jsonl"
    append_line(log, {"frame": 0})
    append_line(log, {"frame": 1, "text": "two\nlines"})
    with open(log, "ab") as file:
        file.write(b'{"frame": 2, "lo')
    assert read_lines(log) == [{"frame": 0}, {"frame": 1, "text": "two\nlines"}]
    append_line(log, {"frame": 3})
    assert read_lines(log) == [{"frame": 0}, {"frame": 1, "text": "two\nlines"}, {"frame": 3}]
    log.write_bytes(b"x" * 100_000)
    append_line(log, 1)
    assert log.read_bytes() == b"1\n"
    log.write_bytes(b"1\n{\n3\n")
    with pytest.raises(InputError, match="line 2"):
        read_lines(log)


def test_a_line_that_does_not_fit_leaves_no_half(tmp_path):
    log = tmp_path / "log.jsonl"
    append_line(log, {"frame": 0})
    before, limits = log.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(InputError, match="size limit"):
            append_line(log, {"text": "x" * 500})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert log.read_bytes() == before
    with pytest.raises(InputError, match="cannot be written"):
        append_line(tmp_path / "no" / "log.jsonl", {})
